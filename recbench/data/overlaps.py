"""
Rows of a finished split that give others away: repeated, or known from training.

Its parts come as others made them, so that nothing keeps a test row out of training. Candidates
count for nothing here: a row is its history and its target.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from recbench.data.ragged import Ragged, lengths
from recbench.data.released import PARTS, Rows, pieced
from recbench.data.sorted_sets import among

LEAST, MOST = 3, 10
"""
Items before a target that are looked for in training: fewer follow one another by chance, and more
are not shown to a model.
"""

_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no letter of a rolling hash is lost


@dataclass(frozen=True)
class Overlaps:
    """
    How many rows of a split stand elsewhere in it.

    Attributes
    ----------
    rows
        Rows of each part, by its name.
    repeated
        Of these, how many are equal to an earlier one of their part.
    known_validation
        Validation rows that are training rows too, history and target.
    known_test
        Test rows that are training or validation rows too.
    foretold_test
        Test rows whose target follows the last items of their history in a training sequence, too:
        all items of the history, but `MOST` at most and `LEAST` at least.
    """

    rows: dict[str, int]
    repeated: dict[str, int]
    known_validation: int
    known_test: int
    foretold_test: int

    def sentences(self) -> tuple[str, ...]:
        """Say what there is, a sentence each; nothing of a split without."""
        tests = self.rows["test"]
        found = {
            f"{self.known_test} of {tests} test rows stand in training or validation, history and "
            "target alike.": self.known_test,
            f"{self.known_validation} of {self.rows['validation']} validation rows stand in "
            "training, history and target alike.": self.known_validation,
            f"{self.foretold_test} of {tests} test rows: a training sequence goes on from the last "
            f"{LEAST} to {MOST} items of their history with their target.": self.foretold_test,
            f"Rows that repeat an earlier one of their part: {self.repeated_in_words}.": sum(
                self.repeated.values()
            ),
        }
        return tuple(sentence for sentence, count in found.items() if count)

    @property
    def repeated_in_words(self) -> str:
        """The repeated rows of each part."""
        return ", ".join(f"{self.repeated[part]} of {self.rows[part]} in {part}" for part in PARTS)


def overlaps(rows: Rows) -> Overlaps:
    """Count; the work is one pass over the rows, and `MOST` over the training sequences."""
    parts = {part: _keys(getattr(rows, part)) for part in PARTS}
    distinct = {part: set(keys) for part, keys in parts.items()}
    train, validation = distinct["train"], distinct["validation"]
    return Overlaps(
        rows={part: len(keys) for part, keys in parts.items()},
        repeated={part: len(keys) - len(distinct[part]) for part, keys in parts.items()},
        known_validation=sum(key in train for key in parts["validation"]),
        known_test=sum(key in train or key in validation for key in parts["test"]),
        foretold_test=_foretold(rows.test, rows.train),
    )


def _keys(rows: Ragged) -> list[bytes]:
    """Return each row as something to be compared."""
    values, width = rows.values.tobytes(), rows.values.itemsize
    cuts = (rows.offsets * width).tolist()
    return [values[begin:end] for begin, end in pairwise(cuts)]


def _foretold(asked: Ragged, train: Ragged) -> int:
    """Count the rows whose end, target included, lies in a sequence pieced together of `train`."""
    sequences, _ = pieced(train)
    values, sizes = sequences.values, lengths(sequences)
    room = np.repeat(sequences.offsets[1:], sizes) - np.arange(len(values))
    longest = min(MOST, int(lengths(train).max()) - 1)  # no training row shows more
    ends = np.minimum(lengths(asked) - 1, longest) + 1
    hashes = np.zeros(len(values), dtype=np.uint64)
    count = 0
    for size in range(1, longest + 2):
        # Of the windows of this size, by their first place; those beyond a sequence count for none.
        hashes = hashes[: len(values) - size + 1] * _BASE + values[size - 1 :].astype(np.uint64)
        rows = np.flatnonzero(ends == size)
        if size > LEAST and rows.size:
            wanted = asked.values[asked.offsets[rows + 1][:, None] + np.arange(-size, 0)]
            likely = among(hashes, _hashed(wanted)) & (room[: len(hashes)] >= size)
            found = {values[at : at + size].tobytes() for at in np.flatnonzero(likely).tolist()}
            count += sum(one.tobytes() in found for one in wanted)
    return count


def _hashed(windows: NDArray[np.int32]) -> NDArray[np.uint64]:
    hashes = np.zeros(len(windows), dtype=np.uint64)
    for column in windows.T:
        hashes = hashes * _BASE + column.astype(np.uint64)
    return hashes
