"""The rank of the target among the candidates, from scores; ties count against the model."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbench.errors import PluginError

CELLS_AT_ONCE = 1 << 22
"""Most scores compared at once, unless one row has more; no result depends on it."""


def checked_scores(
    given: Any, shape: tuple[int, ...], rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """
    Return scores that can be ranked, else refuse them.

    Parameters
    ----------
    given
        What a model gave.
    shape
        The shape it was to have, [rows, C].
    rows
        int64 [rows], the number of each test row, for the message.

    Raises
    ------
    PluginError
        If they are no array, the shape is another one, or they are no float32, in which they are
        ranked and stored (what only float64 tells apart would become ties); or a score is NaN or
        infinite; the row is named.
    """
    try:
        scores = np.asarray(given)
    except Exception as error:
        raise PluginError(f"the model gave scores that are no array: {error}") from error
    if scores.shape != shape:
        raise PluginError(f"the model gave scores of shape {scores.shape}, expected {shape}")
    if scores.dtype != np.float32:
        raise PluginError(f"the model gave scores of type {scores.dtype}, expected float32")
    broken = np.argwhere(~np.isfinite(scores))
    if len(broken):
        row, slot = broken[0]
        raise PluginError(
            f"the model's score in test row {rows[row]}, candidate {slot}, is "
            f"{scores[row, slot]}; scores must be finite"
        )
    return scores


def target_ranks(
    scores: NDArray[np.floating], target_position: NDArray[np.integer]
) -> NDArray[np.int32]:
    """
    Rank the target.

    Parameters
    ----------
    scores
        [rows, C], finite, the higher the better.
    target_position
        [rows], the target's slot, 0..C-1.

    Returns
    -------
    NDArray
        int32 [rows], 1 (the best) to C: one more than the number of other candidates that score at
        least as high, so a constant scorer ranks every target last.
    """
    return _by_blocks(_target_ranks, scores, target_position)


def _target_ranks(
    scores: NDArray[np.floating], target_position: NDArray[np.integer]
) -> NDArray[np.int64]:
    target = np.take_along_axis(
        scores, target_position.astype(np.intp)[:, None], axis=1
    )  # [rows, 1]
    ranks: NDArray[np.int64] = (scores >= target).sum(axis=1)
    return ranks


def top_slots(
    scores: NDArray[np.floating], target_position: NDArray[np.integer]
) -> NDArray[np.int32]:
    """
    Name the candidate that a model without text answers with: the one of the highest score.

    Where the target ties with others at the top, the first of the others is named, so that a row is
    a hit exactly where the target ranks first alone.

    Parameters
    ----------
    scores, target_position
        As for `target_ranks`.

    Returns
    -------
    NDArray
        int32 [rows], 0..C-1.
    """
    return _by_blocks(_top_slots, scores, target_position)


def _top_slots(
    scores: NDArray[np.floating], target_position: NDArray[np.integer]
) -> NDArray[np.int64]:
    best = scores == scores.max(axis=1, keepdims=True)  # [rows, C]
    rivals = best & (np.arange(scores.shape[1]) != target_position[:, None])
    tied = rivals.any(axis=1)
    return np.where(tied, rivals.argmax(axis=1), best.argmax(axis=1))


def _by_blocks(
    work: Callable[[NDArray[np.floating], NDArray[np.integer]], NDArray[np.int64]],
    scores: NDArray[np.floating],
    target_position: NDArray[np.integer],
) -> NDArray[np.int32]:
    """Look at some rows at a time: what is compared would else be as large as all scores."""
    found = np.empty(len(scores), dtype=np.int32)
    size = max(1, CELLS_AT_ONCE // scores.shape[1])
    for start in range(0, len(scores), size):
        rows = slice(start, start + size)
        found[rows] = work(scores[rows], target_position[rows])
    return found


def candidate_ranks(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Rank every one of scores float32 [C] as if it were the target's, 1 the best: int64 [C]."""
    return np.asarray(len(scores) - np.searchsorted(np.sort(scores), scores))
