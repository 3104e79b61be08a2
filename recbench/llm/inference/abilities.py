"""How a language model can be read and asked to write: what its architecture is able to do."""

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from recbench.atomic_write import atomic_file
from recbench.sealed import sealed, unsealed


class Abilities(BaseModel):
    """
    The fastest ways that give the right numbers, as `recbench.llm.inference.probe` finds them.

    Attributes
    ----------
    tokens
        Longest prompt with all its answers for which they do.
    batches
        Whether rows of unequal length are trained on together.
    lists
        Whether a prompt and many answers are trained on as one sequence.
    reads
        ``"packed"``: all answers as one sequence behind the cached prompt; ``"stepped"``: each
        behind a copy of the cache, a token at a time; ``"plain"``: each with a prompt of its own.
    writes
        ``"cached"``, or ``"plain"``: everything is read anew for every token.
    together
        Whether rows of unequal length are read, and written behind, together.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: int
    batches: bool = True
    lists: bool = True
    reads: Literal["packed", "stepped", "plain"] = "packed"
    writes: Literal["cached", "plain"] = "cached"
    together: bool = True

    def both(self, other: "Abilities") -> "Abilities":
        """Return what another one is able to do as well."""
        two, cached = (self, other), self.writes == other.writes == "cached"
        packed = all(one.reads == "packed" for one in two)
        return Abilities.of(
            tokens=max(one.tokens for one in two),
            batches=all(one.batches for one in two),
            lists=all(one.lists for one in two),
            packs=packed,
            steps=cached,  # what writes behind a cache goes on from it a token at a time
            together=all(one.together for one in two),
        )

    @classmethod
    def of(
        cls, *, tokens: int, batches: bool, lists: bool, packs: bool, steps: bool, together: bool
    ) -> "Abilities":
        """
        Return the fastest ways of a model.

        Parameters
        ----------
        packs, steps
            Whether answers can be read as one sequence behind a cached prompt, and whether it can
            go on from there a token at a time; `together` is said of these.
        """
        plain = not steps  # then it writes so, or reads so as well: without a cache, as in training
        return cls(
            tokens=tokens,
            batches=batches,
            lists=lists,
            reads="packed" if packs else "stepped" if steps else "plain",
            writes="cached" if steps else "plain",
            together=together and (batches or not plain),
        )

    @property
    def slow(self) -> str:
        """Say which slower ways are taken; empty for none."""
        ways = {
            "answers behind a cached prompt are read a token at a time": self.reads == "stepped",
            "every answer is read with a prompt of its own": self.reads == "plain",
            "everything is read anew for every token written": self.writes == "plain",
            "rows are read one at a time": not self.together,
            "rows are trained on one at a time": not self.batches,
            "each candidate that is learnt from has a prompt of its own": not self.lists,
        }
        return ", ".join(way for way, taken in ways.items() if taken)


def remembered(place: Path) -> Abilities | None:
    """Return what `remember` wrote, None where there is nothing that can be read."""
    try:
        return Abilities.model_validate(unsealed(json.loads(place.read_bytes())))
    except (OSError, ValueError):
        return None


def remember(abilities: Abilities, place: Path) -> None:
    """Write down what was found, in place of what was."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(place) as partial:
        text = json.dumps(sealed(abilities.model_dump()))
        partial.write_text(text + "\n", encoding="utf-8")
