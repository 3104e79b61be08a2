"""
The frozen questions as somebody outside gets them: rows under opaque keys, and no targets.

What is side by side in one file may give a target away that no single question does. So a row is
an example over all items that any of its draws shows, in an order that says nothing of how often;
rows have no user, and stand by keys that nobody can make who has the questions alone; and where
one row would still tell the target of another, or its own, there is no sheet.
"""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recbench.data.dataset import array_digest
from recbench.errors import UserError
from recbench.questions.candidates import Pack
from recbench.questions.split import PAD, Examples
from recbench.runs.question import Question

Kind = Literal["scores", "text"]
"""
How a sheet is to be answered. ``scores``: a row shows the items of all draws, by ascending id.
``text``: a row shows the candidates of the only draw in the pack's order, as a prompt lists them.
"""

LEAST = 3
"""Items that two histories must have in common before one is taken to go on where one ends."""


@dataclass(frozen=True)
class Sheet:
    """
    A question for somebody outside.

    Attributes
    ----------
    question
        What is asked.
    kind
        How it is to be answered.
    keys
        [examples], 32 hexadecimal characters each.
    """

    question: Question
    kind: Kind
    keys: tuple[str, ...]

    @classmethod
    def of(cls, question: Question, kind: Kind) -> "Sheet":
        """
        Write a sheet.

        Raises
        ------
        UserError
            Where the rows would give a target away; where texts are asked of several draws, or of
            the whole catalogue.
        """
        if kind == "text" and question.protocol.full:
            raise UserError(
                "no prompt can list the whole catalogue, which --candidates all ranks; leave out "
                "--kind text and --with-prompts, or give --candidates N"
            )
        if kind == "text" and question.pack.draws > 1:
            raise UserError(
                "a text answers one draw of candidates: several of one row side by side have the "
                "target in common, which gives it away; give --draws 1, or take --kind scores"
            )
        _check_users(question)
        _check_met(question)
        _check_gone_on(question)
        return cls(question, kind, _keys(question, kind))

    @property
    def takes_text(self) -> bool:
        """Whether a row has one list of candidates, from which a text may name one."""
        return self.question.pack.draws == 1 and not self.question.protocol.full

    @property
    def order(self) -> list[int]:
        """The examples as their rows stand: by key."""
        return sorted(range(len(self.keys)), key=self.keys.__getitem__)

    @cached_property
    def examples(self) -> dict[str, int]:
        """The number of each example by its key."""
        return {key: number for number, key in enumerate(self.keys)}

    @cached_property
    def ids(self) -> list[str]:
        """The raw id of each catalogue code, as text."""
        return [str(one) for one in self.question.split.catalogue.raw_ids.tolist()]

    @cached_property
    def codes(self) -> dict[str, int]:
        """The catalogue code of each raw id, as text."""
        return {one: code for code, one in enumerate(self.ids)}

    def shown(self, example: int) -> NDArray[np.int64]:
        """Return the catalogue codes that a row asks about, in its order; all in a full ranking."""
        pack = self.question.pack
        if not isinstance(pack, Pack):
            return np.arange(pack.size)
        own = pack.candidates[example]
        return (own[0] if self.kind == "text" else np.unique(own)).astype(np.int64)


def _keys(question: Question, kind: Kind) -> tuple[str, ...]:
    """Name the rows: a keyed hash of their numbers, whose key only the prepared data give."""
    split, number = question.split, range(len(question.split.test))
    learnt, asked = split.sequences, split.test
    known = learnt.values, learnt.offsets, asked.histories, asked.targets
    secret = array_digest("questions", kind, question.pack.hash, *known).encode()
    return tuple(hmac.new(secret, b"%d" % i, hashlib.sha256).hexdigest()[:32] for i in number)


def _check_users(question: Question) -> None:
    """Refuse several rows of one user."""
    test = question.split.test
    users = len(np.unique(test.users))
    if users < len(test):
        raise UserError(
            f"{question.protocol.name} asks {users} users {len(test)} times, and a later history "
            "of a user holds the target of an earlier row: in one file they give it away; take a "
            "protocol with one row a user, for example --protocol next-item"
        )


def _check_met(question: Question) -> None:
    """Refuse rows whose target alone was met before, or alone was not, among the candidates."""
    pack, test = question.pack, question.split.test
    if not isinstance(pack, Pack):
        return  # every item is a candidate: those that were met, too
    given_away = 0
    for history, target, shown in zip(test.histories, test.targets, pack.candidates, strict=True):
        items = np.unique(shown)
        met = np.isin(items, history)
        alone = items[met] if met.sum() == 1 else items[~met] if (~met).sum() == 1 else items[:0]
        given_away += bool((alone == target).any())
    if given_away:
        raise UserError(
            f"in {given_away} of {len(test)} rows the target stands in the visible history and no "
            "other candidate does, or the reverse, which gives it away; leave repeated items out "
            "(recbench data add ... --pairs first), or give --candidates all"
        )


def _check_gone_on(question: Question) -> None:
    """Refuse rows of a finished split, of unknown users, whose target another history tells."""
    card, test = question.dataset.card, question.split.test
    told = sum(_told(test)) if card.finished else 0
    if told:
        raise UserError(
            f"{told} of {len(test)} test rows of {card.name} end where the history of another row "
            "goes on with their target: in one file they give it away; ask about a dataset of "
            "which every user has one test row"
        )


def _told(test: Examples) -> Iterator[bool]:
    """
    Tell of each row whether another history begins with its last items, and then its target.

    At least `LEAST` of them; so do the windows of one user's sequence, one row after another.
    """
    histories = [tuple(row[row != PAD].tolist()) for row in test.histories]
    begins = {one[:size] for one in histories for size in range(LEAST + 1, len(one) + 1)}
    for history, target in zip(histories, test.targets.tolist(), strict=True):
        ends = ((*history[-size:], target) for size in range(LEAST, len(history) + 1))
        yield any(end in begins for end in ends)
