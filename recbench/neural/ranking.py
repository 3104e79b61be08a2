"""
The validation figures of ID models, over the ranking of the whole catalogue.

Training stops by NDCG@10. Settings are chosen by the hit ratio that a sampled metric would have on
average over all its samples: it is exact, no candidates are drawn for it, and it is far less noisy.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from recbench.questions.split import PAD, Examples
from recbench.recommender import TrainingData

SCORES_AT_ONCE = 1 << 24
"""Most scores in memory while validating, unless one row has more; no result depends on it."""

SHORTEST = 5
"""Least items before a step inside a validation row; what few items say is another question."""


def validation_steps(data: TrainingData) -> Examples:
    """
    Read validation rows step by step: many more predictions than targets, of the same users.

    The published split has 94 validation rows, on which NDCG@10 moves by a quarter from one epoch
    to the next. The items inside a row's history were no more trained on than its target if its
    user is not a training user; so they are predicted, too, from the SHORTEST or more before them.

    Parameters
    ----------
    data
        With the protocol's rows. A row of a user who also trains (leave-one-out) gives its target
        alone, whatever part of the training users is learnt from; so does every row where nobody
        says whose it is: its history may have been trained on, and to predict that again would
        reward memory.

    Returns
    -------
    recbench.questions.split.Examples
        The validation rows in their order, each followed by the steps inside it, the latest first.
    """
    validation, width = data.validation, data.validation.histories.shape[1]
    trainers = np.append(data.train.users, data.left_out_users)
    held_out = ~np.isin(validation.users, trainers) & data.users_known
    parts, rows = [validation], [np.arange(len(validation))]
    for back in range(1, width - SHORTEST + 1):
        histories = np.full_like(validation.histories, PAD)
        histories[:, back:] = validation.histories[:, :-back]
        deep = held_out & (validation.histories[:, width - back - SHORTEST] != PAD)
        targets = validation.histories[:, width - back]
        parts.append(Examples(histories[deep], targets[deep], validation.users[deep]))
        rows.append(np.flatnonzero(deep))
    order = np.argsort(np.concatenate(rows), kind="stable")
    return Examples(
        np.concatenate([part.histories for part in parts])[order],
        np.concatenate([part.targets for part in parts])[order],
        np.concatenate([part.users for part in parts])[order],
    )


def full_ranks(
    scores: NDArray[np.float32], examples: Examples
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """
    Rank every item that is not in the visible history.

    Ties count against the model. A target that is itself in the visible history stays in the
    ranking.

    Parameters
    ----------
    scores
        float [rows, items], finite; higher is better.
    examples
        Whose targets are looked for.

    Returns
    -------
    ranks, ranked
        int64 [rows]: the target's rank, 1 the best, and the number of items ranked.
    """
    rows = np.arange(len(examples))
    target = scores[rows, examples.targets]  # [rows]
    ranked = np.ones(scores.shape, dtype=bool)
    row, column = np.nonzero(examples.histories != PAD)
    ranked[row, examples.histories[row, column]] = False
    ranked[rows, examples.targets] = True
    ranks = ((scores >= target[:, None]) & ranked).sum(axis=1)  # the target itself counts 1
    return ranks, ranked.sum(axis=1)


def full_ranking_ndcg(
    scores: NDArray[np.float32], examples: Examples, k: int = 10
) -> NDArray[np.float64]:
    """
    Return the NDCG@k of `full_ranks`, float64 [rows], each in [0, 1].

    With one relevant item NDCG is 1 / log2(1 + rank) where rank <= k, else 0.
    """
    ranks, _ = full_ranks(scores, examples)
    return np.where(ranks <= k, 1 / np.log2(1 + ranks), 0.0)


def mean_ndcg(
    full_scores: Callable[[Examples], NDArray[np.float32]], rows: Examples, items: int
) -> float:
    """
    Return the mean NDCG@10 of `rows` over the ranking of all items, in [0, 1]; NaN without rows.

    Parameters
    ----------
    full_scores
        Returns the score of every item for every row that it is given: float32 [rows, items]. It
        is given as many at a time as memory allows.
    rows, items
        Whose targets are looked for, and how many items there are.
    """
    size = max(1, SCORES_AT_ONCE // items)
    chunks = [rows[start : start + size] for start in range(0, len(rows), size)]
    values = [full_ranking_ndcg(full_scores(chunk), chunk) for chunk in chunks]
    return float(np.concatenate(values).mean()) if values else math.nan


def expected_hit_ratio(
    scores: NDArray[np.float32], examples: Examples, candidates: int = 20
) -> float:
    """
    Return the mean over all candidate sets of HitRatio@1, in [0, 1]; NaN if there is no row.

    Of n ranked items, rank r, and C - 1 negatives drawn without replacement from the other n - 1,
    the target is above all of them with probability comb(n - r, C - 1) / comb(n - 1, C - 1).
    With n < C all the others are drawn.
    """
    ranks, ranked = full_ranks(scores, examples)
    others, drawn = (ranked - 1)[:, None], np.arange(candidates - 1)  # [rows, 1], [C - 1]
    beaten = np.clip((ranked - ranks)[:, None] - drawn, 0, None) / np.clip(others - drawn, 1, None)
    return float(np.where(drawn < others, beaten, 1.0).prod(axis=1).mean())
