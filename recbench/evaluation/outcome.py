"""What happened, row by row, when a model was asked: all that a metric may read."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbench.evaluation.ranks import target_ranks

SUM_TOLERANCE = 1e-3
"""How far from 1 the weights of a row may add up: they may come from half precision."""


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
    writes
        Whether the model answered in text.
    rank
        int32 [rows], 1 the best to C, ties against the model; None of a model that only writes.
    scores
        float32 [rows, C], in the pack's order; None of a model that only writes, and where all
        items were ranked: then there are no slots either.
    target_slot
        int32 [rows], where the target stood among the candidates, 0..C-1; None where all items were
        ranked.
    answer_slot
        int32 [rows], the candidate that was meant: 0..C-1, else `answers.NO_CANDIDATE` or
        `answers.SHARED_TITLE`. Of a model that writes, what it wrote; of any other, its highest
        score. None where all items were ranked.
    title_tokens
        int32 [rows, C], tokens of each candidate's title, of a model that ranks by the likelihood
        of titles; else None.
    expert_weights
        float32 [examples, K], at least 0, adding up to 1: the weights of a model's experts, where a
        gate gives them to users (`recbench.recommender.WeighsExperts`); else None.
    """

    draws: int
    users: NDArray[np.int32]
    writes: bool
    rank: NDArray[np.int32] | None = None
    scores: NDArray[np.float32] | None = None
    target_slot: NDArray[np.int32] | None = None
    answer_slot: NDArray[np.int32] | None = None
    title_tokens: NDArray[np.int32] | None = None
    expert_weights: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.users) * self.draws

    @property
    def read_only(self) -> "Outcome":
        """The same, as others may see it: what they changed in place would be stored."""
        shown: dict[str, Any] = {
            name: value.copy()
            for name, value in vars(self).items()
            if isinstance(value, np.ndarray)
        }
        for view in shown.values():
            view.flags.writeable = False
        return replace(self, **shown)

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Whether the answer is a candidate, bool [rows]; always of a model that only scores."""
        if self.answer_slot is None:
            return np.ones(len(self), dtype=np.bool_)
        return self.answer_slot >= 0

    @property
    def hit(self) -> NDArray[np.bool_]:
        """Whether the answer is the target, bool [rows]."""
        if self.answer_slot is not None and self.target_slot is not None:
            return self.answer_slot == self.target_slot
        assert self.rank is not None  # all items were ranked
        return self.rank == 1

    @property
    def rank_per_token(self) -> NDArray[np.int32] | None:
        """The rank by the mean log-likelihood a token, int32 [rows]; None without likelihoods."""
        if self.scores is None or self.target_slot is None or self.title_tokens is None:
            return None
        return target_ranks(self.scores / self.title_tokens, self.target_slot)


def are_weights(found: NDArray[np.float32]) -> bool:
    """Tell whether each row of `found` [rows, K] is at least 0 and adds up to 1."""
    sums = found.sum(axis=1, dtype=np.float64)
    return bool((found >= 0).all() and (np.abs(sums - 1) < SUM_TOLERANCE).all())
