"""What happened, row by row, when a model was asked: all that a metric may read."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Outcome:
    """
    One row a query, by example and then by draw: row = example * draws + draw.

    Attributes
    ----------
    draws
        Draws of each example, at least 1.
    users
        int32 [examples], the user's number in the dataset.
    scores
        float32 [rows, C], in the pack's order; None where all items were ranked, whose slots are
        their catalogue codes.
    rank
        int32 [rows], 1 the best to C, ties against the model.
    answer_slot
        int32 [rows], the candidate that was meant: 0..C-1, else `answers.NO_CANDIDATE` or
        `answers.SHARED_TITLE`. Of a model that writes, what it wrote; of any other, its highest
        score.
    valid
        bool [rows], whether `answer_slot` is a candidate; always true for a model that only scores.
    hit
        bool [rows], whether `answer_slot` is the target.
    writes
        Whether the model answered in text.
    rank_per_token
        int32 [rows] or None: the rank by the mean log-likelihood a token. Known only while
        evaluating a model that writes; it is not stored.
    """

    draws: int
    users: NDArray[np.int32]
    scores: NDArray[np.float32] | None
    rank: NDArray[np.int32]
    answer_slot: NDArray[np.int32]
    valid: NDArray[np.bool_]
    hit: NDArray[np.bool_]
    writes: bool
    rank_per_token: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.rank)
