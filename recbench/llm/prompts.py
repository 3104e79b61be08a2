"""
Prompts: from item codes to token ids.

The wording stands in ``recbench/llm/prompts/*.txt``; the noun and the verb come from the data, and
no prompt states a number. A hybrid prompt (LLaRA, Liao et al., SIGIR 2024) carries an item token
after every title, at whose place the language model reads the projected vector of the item.

A prompt is tokenised whole. The item token is added to the tokenizer, which therefore cuts the text
there and nothing merges across it. Answers are tokenised behind the prompt's last line; the tokens
of that line that merge with some title of the catalogue, if any, count as part of the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from transformers import AddedToken, PreTrainedTokenizerBase

from recbench.errors import RecbenchError
from recbench.questions.split import PAD
from recbench.recommender import TrainingData

ITEM_TOKEN = "<|item|>"
"""Stands for an item's vector; never part of a title."""


@dataclass(frozen=True)
class Prompt:
    """
    A tokenised prompt.

    Attributes
    ----------
    ids
        Token ids; `PromptWriter.item_token` where an item's vector belongs.
    items
        Catalogue codes of these vectors, in order; empty for a text-only prompt.
    """

    ids: list[int]
    items: list[int]


class PromptWriter:
    """
    Writes the prompts and the answers of one dataset for one tokenizer.

    Parameters
    ----------
    data
        Titles, noun and verb.
    tokenizer
        Gets one added token; its vocabulary is otherwise left alone.
    """

    def __init__(self, data: TrainingData, tokenizer: PreTrainedTokenizerBase) -> None:
        self.titles = data.catalogue.titles
        for title in self.titles:
            if ITEM_TOKEN in title:
                raise RecbenchError(
                    f"the title {title!r} contains {ITEM_TOKEN}, which marks an item"
                )
        self.tokenizer = tokenizer
        tokenizer.add_tokens([AddedToken(ITEM_TOKEN, special=True, normalized=False)])
        self.item_token: int = tokenizer.convert_tokens_to_ids(ITEM_TOKEN)
        words = {"verb": data.verb, "noun": data.noun[0], "nouns": data.noun[1]}
        words = {key: each.replace("{", "{{").replace("}", "}}") for key, each in words.items()}
        self._templates = {
            known: _read(name).format_map(
                {**words, "history": "{history}", "candidates": "{candidates}"}
            )
            for known, name in ((True, "next_item.txt"), (False, "next_item_cold.txt"))
        }
        first = tokenizer("a").input_ids[:1]
        self._start = first if first == [tokenizer.bos_token_id] else []

    def text(
        self, history: NDArray[np.int32], candidates: NDArray[np.int32], *, hybrid: bool
    ) -> str:
        """
        Write one prompt.

        Parameters
        ----------
        history
            int32 [H], oldest first, padded with PAD; all PAD is a user of whom nothing is known.
        candidates
            int32 [C], in the order to be shown.
        hybrid
            Whether an item token follows every title.
        """
        mark = ITEM_TOKEN if hybrid else ""
        seen = history[history != PAD]
        return self._templates[len(seen) > 0].format(
            history="\n".join(self.titles[item] + mark for item in seen),
            candidates="\n".join(self.titles[item] + mark for item in candidates),
        )

    def prompts(
        self,
        histories: NDArray[np.int32],
        candidates: NDArray[np.int32],
        hybrid: Sequence[bool] | NDArray[np.bool_],
    ) -> list[Prompt]:
        """Write and tokenise one prompt a row of `histories` [B, H] and `candidates` [B, C]."""
        rows = list(zip(histories, candidates, hybrid, strict=True))
        ids = self._encode([self.text(h, c, hybrid=bool(is_hybrid)) for h, c, is_hybrid in rows])
        cut = self._merging
        return [
            Prompt(
                self._start + (row[:-cut] if cut else row),
                [*h[h != PAD].tolist(), *c.tolist()] if is_hybrid else [],
            )
            for row, (h, c, is_hybrid) in zip(ids, rows, strict=True)
        ]

    @cached_property
    def answers(self) -> list[list[int]]:
        """Token ids of every title with its line end, as they follow a prompt."""
        shared = len(self._last_line) - self._merging
        return [ids[shared:] for ids in self._followed]

    @cached_property
    def lengths(self) -> NDArray[np.int32]:
        """Tokens of every answer, int32 [items]."""
        return np.array([len(ids) for ids in self.answers], dtype=np.int32)

    def sizes(
        self, histories: NDArray[np.int32], candidates: NDArray[np.int32]
    ) -> NDArray[np.int64]:
        """Return about how many tokens each prompt has beside its words, int64 [B]."""
        seen = np.where(histories == PAD, 0, self.lengths[histories]).sum(axis=1, dtype=np.int64)
        return seen + self.lengths[candidates].sum(axis=1, dtype=np.int64)

    @property
    def leading_tokens(self) -> int:
        """Tokens of the prompt's last line that an answer starts with; mostly 0."""
        return self._merging

    @cached_property
    def _last_line(self) -> list[int]:
        return self._encode([self._tail])[0]

    @cached_property
    def _followed(self) -> list[list[int]]:
        return self._encode([f"{self._tail}{title}\n" for title in self.titles])

    @cached_property
    def _merging(self) -> int:
        """Tokens at the prompt's end that are others when some title follows."""
        same = min(_common(self._last_line, ids) for ids in self._followed)
        return len(self._last_line) - same

    @property
    def _tail(self) -> str:
        return self._templates[True].splitlines(keepends=True)[-1].format()

    def _encode(self, texts: list[str]) -> list[list[int]]:
        return self.tokenizer(texts, add_special_tokens=False).input_ids


def _read(name: str) -> str:
    return (files("recbench.llm") / "prompts" / name).read_text(encoding="utf-8")


def _common(first: list[int], second: list[int]) -> int:
    """Length of the common prefix."""
    return next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b),
        min(len(first), len(second)),
    )
