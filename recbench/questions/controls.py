"""
Controls: the same question, of which the system is shown something else.

What of a figure goes away when the order of the history does, or the titles, did not come from
anything else. The rows, candidates and targets stay, so that a control and what it controls are
paired row by row. Nothing is learnt under a control: it is the trained system that is asked.

Of the histories and titles that everyone is shown, `seen` changes what a control says; what a
system alone can change is left to it (`recbench.recommender.System.begin`).
"""

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recbench.data.catalogue import Catalogue
from recbench.questions.split import PAD, Split
from recbench.seeding import generator
from recbench.settings import digest

Control = Literal["shuffled-history", "other-user", "permuted-items", "anonymised-titles"]

MEANING: dict[Control, str] = {
    "shuffled-history": "every history in a random order",
    "other-user": "the gate fed with another user's history",
    "permuted-items": "every item with the encoder's vector of another",
    "anonymised-titles": "every title replaced by a code",
}
"""What a system is shown."""

OF_USE: dict[Control, str] = {
    "shuffled-history": "go by the order of a history",
    "other-user": "have a gate on the user",
    "permuted-items": "read an encoder's item vectors",
    "anonymised-titles": "read titles in a prompt",
}
"""What systems must do, for a control to say anything of them."""


def seen(split: Split, control: Control | None) -> Split:
    """
    Return a split as a system sees it under a control; None changes nothing.

    Its digest stays: it is the same question.
    """
    if control == "shuffled-history":
        return replace(split, test=replace(split.test, histories=shuffled(split.test.histories)))
    if control == "anonymised-titles":
        return replace(split, catalogue=anonymised(split.catalogue))
    return split


def shuffled(histories: NDArray[np.int32]) -> NDArray[np.int32]:
    """Put the items of each history [rows, H] into a random order, always the same."""
    places = generator(0, "shuffled-history").random(histories.shape)
    places[histories == PAD] = -1  # stays on the left
    order = np.argsort(places, axis=1, kind="stable")
    return np.take_along_axis(histories, order, axis=1)


def anonymised(catalogue: Catalogue) -> Catalogue:
    """
    Call every item "item 0042".

    The numbers are dealt out at random, always the same: the order of the catalogue, which is that
    of the raw ids, may say when an item came.
    """
    items = len(catalogue)
    numbers = generator(0, "anonymised-titles").permutation(items) + 1
    titles = tuple(f"item {number:0{len(str(items))}}" for number in numbers.tolist())
    return Catalogue(catalogue.raw_ids, titles, digest([catalogue.raw_ids.tolist(), titles]))
