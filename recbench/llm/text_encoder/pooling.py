"""How a text encoder makes one vector of a text, as sentence-transformers writes it down."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers.utils.hub import cached_file

from recbench.errors import UserError
from recbench.llm.cards import TEXT_ENCODER
from recbench.llm.weights.fingerprint import commit
from recbench.llm.weights.hub import check_reachable, knows
from recbench.llm.weights.places import InFolder, OnHub, place_of
from recbench.llm.weights.reading import reading

Way = Literal["mean", "cls", "max", "last"]
"""Of one vector from those of a text's tokens: their mean, the first, the largest, the last."""

_MODES = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "last",
}
_NEWER = {"mean": "mean", "cls": "cls", "max": "max", "lasttoken": "last"}


@dataclass(frozen=True)
class Pooling:
    """
    From the vectors of a text's tokens to one of the text.

    Attributes
    ----------
    way
        How they become one.
    normalised
        Whether its length is then made 1.
    """

    way: Way
    normalised: bool = False

    def __str__(self) -> str:
        return f"{self.way}, normalised" if self.normalised else self.way

    def __call__(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Return [B, w] for hidden states [B, T, w] and the mask [B, T] of tokens on the left."""
        pooled = _pooled(self.way, hidden, mask)
        return F.normalize(pooled, dim=-1) if self.normalised else pooled


def _pooled(way: Way, hidden: Tensor, mask: Tensor) -> Tensor:
    if way == "cls":
        return hidden[:, 0]
    if way == "last":
        return hidden[torch.arange(len(hidden), device=hidden.device), mask.sum(1) - 1]
    inside = mask[..., None].bool()  # [B, T, 1]
    if way == "max":
        return hidden.masked_fill(~inside, -torch.inf).amax(1)
    return hidden.masked_fill(~inside, 0).sum(1) / inside.sum(1)


def own_pooling(name: str) -> Pooling:
    """
    Return what an encoder's files say, the mean where they say nothing.

    Parameters
    ----------
    name
        Of a text encoder, as for `recbench.llm.weights.places.place_of`.

    Raises
    ------
    UserError
        If they ask for what is not computed here, such as a layer behind the pooling.
    RecbenchError
        If the hub cannot be reached or a file cannot be read.
    """
    place = place_of(name, TEXT_ENCODER)
    assert isinstance(place, InFolder | OnHub)  # no text encoder is in a GGUF file
    with reading(name, "modules.json", TEXT_ENCODER):
        return _described(name, lambda part: _json(place, part))


def _described(name: str, read: Callable[[str], Any]) -> Pooling:
    modules = read("modules.json")
    if modules is None:
        return Pooling("mean")
    kinds = [module["type"].rpartition(".")[2] for module in modules]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise _not_computed(name, " and ".join(kinds))
    found = read(f"{modules[1]['path']}/config.json")
    ways = [way for key, way in _MODES.items() if found.get(key)]
    ways += [_NEWER[key] for key in [found.get("pooling_mode")] if key in _NEWER]
    others = [key for key, on in found.items() if "pooling_mode_" in key and on]
    if len(ways) != 1 or len(others) > 1:
        raise _not_computed(name, ", ".join(others or [str(found.get("pooling_mode"))]))
    return Pooling(ways[0], normalised=len(kinds) == 3)  # type: ignore[arg-type]


def _not_computed(name: str, what: str) -> UserError:
    return UserError(
        f"'{name}' pools its tokens in a way that is not computed here ({what}); take "
        "--set pooling=mean, or another text encoder"
    )


def _json(place: InFolder | OnHub, part: str) -> Any:
    """Read a file beside a model; None where there is none."""
    if isinstance(place, OnHub):
        where, revision = place.id, commit(place, TEXT_ENCODER)
        if not knows(OnHub(where, revision), part):
            check_reachable()
    else:
        where, revision = str(place.path), None
    file = cached_file(where, part, revision=revision, _raise_exceptions_for_missing_entries=False)
    return json.loads(Path(file).read_text(encoding="utf-8")) if file else None
