"""What a model is asked: histories and candidates, and who asks where a model must know."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Queries:
    """
    What a model is asked.

    Attributes
    ----------
    histories
        int32 [rows, H], catalogue codes, oldest first, padded on the left with
        `recbench.questions.split.PAD`.
    candidates
        int32 [rows, C], catalogue codes in the order shown, distinct within a row. Not to be
        written to.
    """

    histories: NDArray[np.int32]
    candidates: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.histories)

    @classmethod
    def of_all(cls, histories: NDArray[np.int32], items: int) -> "Queries":
        """Let every row choose from all items; the candidates take no memory of their own."""
        codes = np.arange(items, dtype=np.int32)
        return Queries(histories, np.broadcast_to(codes, (len(histories), items)))

    def by(self, users: NDArray[np.int32] | None) -> "Queries":
        """Return the same, saying who asks; None says nothing."""
        return self if users is None else NamedQueries(self.histories, self.candidates, users)

    @property
    def users(self) -> NDArray[np.int32] | None:
        """
        Who asks, int32 [rows], the user's number in the dataset; None where it is not said.

        It is said only to a model that must know (`recbench.recommender.System.knows_users`).
        """
        return self.askers if isinstance(self, NamedQueries) else None

    @property
    def shared(self) -> NDArray[np.int32] | None:
        """
        The candidates int32 [C] that all rows are known to share, as in `of_all`; else None.

        A model may score them for all rows at once instead of looking them up row by row.
        """
        is_repeated = len(self) > 0 and self.candidates.strides[0] == 0
        return self.candidates[0] if is_repeated else None

    def __getitem__(self, rows: slice | list[int] | NDArray[np.int64]) -> "Queries":
        users = None if self.users is None else self.users[rows]
        return Queries(self.histories[rows], self.candidates[rows]).by(users)


@dataclass(frozen=True)
class NamedQueries(Queries):
    """Queries that say who asks: ``askers`` are their ``users``."""

    askers: NDArray[np.int32]
