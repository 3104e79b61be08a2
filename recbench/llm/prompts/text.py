"""
Text as text: what users wrote never becomes a control token.

A tokenizer reads ``</s>`` or ``<|im_end|>`` as one control token wherever it stands, in a title as
in a template. Here such a name is cut behind its first character where it stands in what users
wrote, and the pieces are tokenised apart: no control token can reach across a cut.
"""

import re
from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from recbench.llm.silence import quiet

CUT = "\ud800"
"""Marks where a text is cut; no text that was ever read from a file can hold it."""


def plain_tokens(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Return the numbers of the tokens that ordinary text can have: those that nobody added."""
    added = set(tokenizer.added_tokens_decoder) - {tokenizer.unk_token_id}
    return {number for number in tokenizer.get_vocab().values() if number not in added}


class TextEncoder:
    """
    Tokenises texts in which only what stands outside users' words can be a control token.

    Parameters
    ----------
    tokenizer
        Its added tokens are control tokens, whether they are called special or not; those of white
        space, or of one character, are none.

    Attributes
    ----------
    start, end
        What the tokenizer puts before a text and behind it, such as a token of its beginning;
        mostly empty.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        added = {number: str(one) for number, one in tokenizer.added_tokens_decoder.items()}
        control = {number: text for number, text in added.items() if len(text.strip()) > 1}
        self._control = frozenset(control) - {tokenizer.unk_token_id}
        names = "|".join(re.escape(text) for text in control.values()) or "(?!)"
        self._start = re.compile(f"(?=(?:{names}))(.)", re.DOTALL | re.IGNORECASE)
        self._newline = self._plain(["\n"])[0]
        self.start, self.end = self._added_around("a")

    def as_text(self, texts: Sequence[str]) -> list[str]:
        """
        Return texts with a `CUT` in every name of a control token.

        Where the tokenizer comes to a control token all the same, as by a normaliser that makes a
        name of other characters, the cuts are between all characters.
        """
        safe = list(texts)
        for number in self._with_control(safe):
            safe[number] = self._start.sub(rf"\1{CUT}", safe[number])
        for number in self._with_control(safe):
            safe[number] = CUT.join(texts[number])
        return safe

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Return the token ids of texts, cut where they are marked; nothing is put before them."""
        whole = iter(self._plain([text for text in texts if CUT not in text]))
        return [self._pieces(text) if CUT in text else next(whole) for text in texts]

    def _added_around(self, text: str) -> tuple[list[int], list[int]]:
        """Return what the tokenizer puts before and behind a text, asked for its own tokens."""
        with quiet():
            whole = self.tokenizer(text).input_ids
        own = self._plain([text])[0]
        for at in range(len(whole) - len(own) + 1):
            if whole[at : at + len(own)] == own:
                return whole[:at], whole[at + len(own) :]
        return [], []

    def _with_control(self, texts: list[str]) -> list[int]:
        """Return the numbers of the texts in which a control token is read."""
        unknown = self.tokenizer.unk_token  # its number is also that of what is truly unknown
        return [
            number
            for number, ids in enumerate(self.encode(texts))
            if not self._control.isdisjoint(ids) or (unknown and unknown in texts[number])
        ]

    def _pieces(self, text: str) -> list[int]:
        first, *rest = text.split(CUT)
        ids = self._plain([first])[0]
        for piece in rest:
            ids = ids + self._continued(piece)
        return ids

    def _continued(self, piece: str) -> list[int]:
        """Tokenise what goes on in a line: at a text's beginning some tokenizers add a space."""
        (behind,) = self._plain([f"\n{piece}"])
        before = len(self._newline)
        return behind[before:] if behind[:before] == self._newline else self._plain([piece])[0]

    def _plain(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        with quiet():  # a text may be longer than the tokenizer thinks right: not the model
            return self.tokenizer(texts, add_special_tokens=False).input_ids
