"""
Prompts: from item codes to token ids.

The words are those of `recbench.llm.prompts.wording`. A hybrid prompt (LLaRA, Liao et al., SIGIR
2024) carries an item token after every title, at whose place the language model reads the projected
vector of the item. In a text-only prompt nothing stands there, where the released code writes a
placeholder, "[PH]".

The question stands plainly or as a user's turn of a chat (`recbench.llm.prompts.chat`), and what
users wrote in it is text, whatever it looks like (`recbench.llm.prompts.text`).

A prompt is tokenised whole. The item token is added to the tokenizer, which therefore cuts the text
there and nothing merges across it. Answers are tokenised behind the prompt's last line; the tokens
of that line that merge with some title of the catalogue, if any, count as part of the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from transformers import AddedToken, PreTrainedTokenizerBase

from recbench.data.titles import normalised
from recbench.llm.prompts.chat import Style, frame_of
from recbench.llm.prompts.text import CUT, TextEncoder
from recbench.llm.prompts.titles import TitleLosses, shortened
from recbench.llm.prompts.wording import LISTED, Question, Wording
from recbench.questions.split import PAD
from recbench.recommender import TrainingData

ITEM_TOKEN = "<|item|>"
"""Stands for an item's vector; in a title it is text."""


MARGIN = 4
"""Tokens that an answer may be longer than the longest title among its candidates."""


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
    Writes the prompts and the answers of one dataset for one tokenizer, and reads answers.

    Parameters
    ----------
    data
        Titles, noun and verb.
    tokenizer
        Gets one added token; its vocabulary is otherwise left alone.
    style
        Of the prompts.
    title_tokens
        Most tokens of a title as it is shown; None for all of them.
    question
        What is asked.

    Attributes
    ----------
    titles
        Of the catalogue.
    shown
        The same as the model sees and writes them.
    ends
        Control tokens that end an answer, besides a line end.

    Raises
    ------
    UserError
        As `recbench.llm.prompts.chat.frame_of`.
    """

    def __init__(
        self,
        data: TrainingData,
        tokenizer: PreTrainedTokenizerBase,
        style: Style = "plain",
        title_tokens: int | None = None,
        question: Question = LISTED,
    ) -> None:
        self.data, self.tokenizer = data, tokenizer
        self.style, self.question, self._title_tokens = style, question, title_tokens
        self._frame = frame_of(tokenizer, style)
        tokenizer.add_tokens([AddedToken(ITEM_TOKEN, special=True, normalized=False)])
        self.item_token: int = tokenizer.convert_tokens_to_ids(ITEM_TOKEN)
        self._encoder = TextEncoder(tokenizer)
        self.titles = data.catalogue.titles
        self.shown = shortened(self.titles, title_tokens, self._as_text)
        self._safe = self._encoder.as_text(self.shown)
        verb, noun, nouns = self._encoder.as_text([data.verb, *data.noun])
        self._wording = Wording(verb, noun, nouns, question)

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
        return self._text(history, candidates, hybrid=hybrid).replace(CUT, "")

    def prompts(
        self,
        histories: NDArray[np.int32],
        candidates: NDArray[np.int32],
        hybrid: Sequence[bool] | NDArray[np.bool_],
    ) -> list[Prompt]:
        """Write and tokenise one prompt a row of `histories` [B, H] and `candidates` [B, C]."""
        rows = list(zip(histories, candidates, hybrid, strict=True))
        texts = [self._text(h, c, hybrid=bool(is_hybrid)) for h, c, is_hybrid in rows]
        cut = self._merging
        return [
            Prompt(
                self._started(row[:-cut] if cut else row),
                [*h[h != PAD].tolist(), *c.tolist()] if is_hybrid else [],
            )
            for row, (h, c, is_hybrid) in zip(self._encoder.encode(texts), rows, strict=True)
        ]

    def longest(self, history: int, candidates: int, *, hybrid: bool) -> int:
        """
        Return the tokens of the longest prompt that there can be, with an answer and its `MARGIN`.

        Parameters
        ----------
        history, candidates
            Most items of each; the longest titles of the catalogue stand for them.
        hybrid
            Whether an item token follows every title.
        """
        order = np.argsort(-self.lengths, kind="stable").astype(np.int32)
        (prompt,) = self.prompts(order[None, :history], order[None, :candidates], [hybrid])
        return len(prompt.ids) + int(self.lengths.max()) + MARGIN

    def with_titles_of(self, title_tokens: int) -> "PromptWriter":
        """Return one that shortens titles to so many tokens."""
        return PromptWriter(self.data, self.tokenizer, self.style, title_tokens, self.question)

    def in_words(self, question: Question) -> "PromptWriter":
        """Return one that asks in other words."""
        shown = self.style, self._title_tokens, question
        return PromptWriter(self.data, self.tokenizer, *shown)

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
    def ends(self) -> frozenset[int]:
        """Control tokens with which an answer ends, of a chat; a line end always ends one."""
        return frozenset() if self._frame.end == "\n" else frozenset({self._followed[0][-1]})

    @property
    def framing(self) -> frozenset[int]:
        """Tokens around every question and answer."""
        around = self._encoder.encode([self._frame.before, self._frame.between, self._frame.end])
        return frozenset(self._encoder.start).union(*around)

    def read(self, tokens: Sequence[int], candidates: NDArray[np.int32]) -> str:
        """
        Return the first line of an answer, without spaces around it.

        A shortened title stands for the whole one. Where those of several candidates are alike, it
        names none of them, and the answer is empty.

        Parameters
        ----------
        tokens
            As written, the end included or not.
        candidates
            int32 [C], those that were shown.
        """
        line = self.line(tokens)
        meant = [i for i in candidates.tolist() if self._keys[i] == normalised(line)]
        if all(self.shown[item] == self.titles[item] for item in meant):
            return line
        whole = {self.titles[item] for item in meant}
        return whole.pop() if len(whole) == 1 else ""

    def alone(self, texts: list[str]) -> list[list[int]]:
        """Return the token ids of texts that stand behind no prompt."""
        return [self._started(ids) for ids in self._as_text(texts)]

    @cached_property
    def losses(self) -> TitleLosses:
        """What titles lose on their way to the model and back."""
        read = [self.line(ids) for ids in self.answers]
        return TitleLosses.of(self.titles, self.shown, read)

    @cached_property
    def _keys(self) -> list[str]:
        return [normalised(title) for title in self.shown]

    def line(self, tokens: Sequence[int]) -> str:
        """Return the first line of what was written, without spaces around it; as it is shown."""
        text = self.tokenizer.decode(
            [token for token in tokens if token not in self.ends],
            skip_special_tokens=True,
            clean_up_tokenization_spaces=False,
        )
        return text.removeprefix(self._led).lstrip("\n").split("\n", 1)[0].strip()

    def _text(
        self, history: NDArray[np.int32], candidates: NDArray[np.int32], *, hybrid: bool
    ) -> str:
        mark = ITEM_TOKEN if hybrid else ""
        seen = history[history != PAD]
        question = self._wording.question(
            [self._safe[item] + mark for item in seen],
            [self._safe[item] + mark for item in candidates],
        )
        return f"{self._frame.before}{question}{self._frame.between}"

    def _as_text(self, texts: list[str]) -> list[list[int]]:
        return self._encoder.encode(self._encoder.as_text(texts))

    def _started(self, ids: list[int]) -> list[int]:
        """Mark the beginning of a prompt as the tokenizer does, unless a chat's template did."""
        start = self._encoder.start
        return ids if ids[: len(start)] == start else start + ids

    @cached_property
    def _last_line(self) -> list[int]:
        return self._encoder.encode([self._tail])[0]

    @cached_property
    def _followed(self) -> list[list[int]]:
        texts = [f"{self._tail}{title}{self._frame.end}" for title in self._safe]
        return self._encoder.encode(texts)

    @cached_property
    def _merging(self) -> int:
        """Tokens at the prompt's end that are others when some title follows."""
        same = min(_common(self._last_line, ids) for ids in self._followed)
        return len(self._last_line) - same

    @cached_property
    def _led(self) -> str:
        """The end of the prompt's last line that an answer starts with; mostly empty."""
        return self.tokenizer.decode(self._last_line[len(self._last_line) - self._merging :])

    @property
    def _tail(self) -> str:
        """The prompt's last line, which is tokenised alike whatever stands before it."""
        return self._wording.last_line + self._frame.between


def _common(first: list[int], second: list[int]) -> int:
    """Length of the common prefix."""
    return next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b),
        min(len(first), len(second)),
    )
