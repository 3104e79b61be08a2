"""What a language model recites of a dataset, against what it writes where there is no file."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from recbench.data.dataset import Dataset
from recbench.data.titles import REPAIRS, normalised
from recbench.memory.probes import SEPARATOR, Probe, Probes
from recbench.statistics.differences import difference
from recbench.statistics.intervals import Figure, figure
from recbench.statistics.values import SystemValues

Write = Callable[[Sequence[str]], list[str]]
"""Goes on behind each text, greedily, up to the line's end."""


class Answer(BaseModel):
    """What the file goes on with, and what was written: behind the file, and in the control."""

    expected: str
    written: str
    control: str


class Recital(BaseModel):
    """
    Probes of one kind, answered.

    Attributes
    ----------
    what
        Was asked for.
    recited, control
        Shares of the probes that were answered as the file goes on.
    difference, low, high
        The one less the other, of the same probes, with its 95% interval: memory of the file.
    answers
        One a probe.
    """

    what: str
    recited: Figure
    control: Figure
    difference: float
    low: float
    high: float
    answers: list[Answer]


class Memory(BaseModel):
    """All that was asked of one language model about one dataset."""

    llm: str
    dataset: str
    recitals: list[Recital]


def recital(probes: Probes, dataset: Dataset, write: Write) -> Recital:
    """Have probes and their controls answered, and count what is right."""
    real, control = (write([one.text for one in part]) for part in (probes.real, probes.control))
    right = _right(probes.real, real, dataset), _right(probes.control, control, dataset)
    whose = np.arange(len(probes.real))
    a, b = (SystemValues(one[None], 1, whose) for one in right)
    apart = difference(a, b)
    shares = [figure(one, 1) for one in right]
    assert shares[0] is not None  # there is a probe
    assert shares[1] is not None
    asked = zip(probes.real, real, control, strict=True)
    return Recital(
        what=probes.what,
        recited=shares[0],
        control=shares[1],
        difference=apart.value,
        low=apart.low,
        high=apart.high,
        answers=[Answer(expected=p.expected, written=own, control=c) for p, own, c in asked],
    )


def _right(
    probes: Sequence[Probe], written: Sequence[str], dataset: Dataset
) -> NDArray[np.float64]:
    """Tell which were answered as the file goes on, the field's repair and case apart."""
    repaired = REPAIRS[dataset.card.titles]

    def key(line: str) -> str:
        return normalised(repaired(line.partition(SEPARATOR)[0]))

    pairs = zip(probes, written, strict=True)
    return np.array([float(key(line) == key(one.expected)) for one, line in pairs])
