"""The validation figure of ID models: NDCG over the ranking of the whole catalogue."""

import numpy as np
from numpy.typing import NDArray

from recbench.data.split import PAD, Examples


def full_ranking_ndcg(scores: NDArray[np.float32], examples: Examples, k: int = 10) -> float:
    """
    Rank every item that is not in the visible history; return the mean NDCG@k.

    With one relevant item NDCG is 1 / log2(1 + rank) where rank <= k, else 0. Ties count against
    the model. A target that is itself in the visible history stays in the ranking.

    Parameters
    ----------
    scores
        float [rows, items], finite; higher is better.
    examples
        Whose targets are looked for.

    Returns
    -------
    float
        In [0, 1]; NaN if there is no row.
    """
    rows = np.arange(len(examples))
    target = scores[rows, examples.targets]  # [rows]
    ranked = np.ones(scores.shape, dtype=bool)
    row, column = np.nonzero(examples.histories != PAD)
    ranked[row, examples.histories[row, column]] = False
    ranked[rows, examples.targets] = True
    ranks = ((scores >= target[:, None]) & ranked).sum(axis=1)  # the target itself counts 1
    return float(np.where(ranks <= k, 1 / np.log2(1 + ranks), 0.0).mean())
