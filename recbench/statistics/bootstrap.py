"""
Intervals of statistics that are no means of rows, by drawing users anew (Efron, 1979).

What is a mean has the intervals of `recbench.statistics.intervals`, whose coverage is measured.
This is for the rest, such as the share of pairs of groups that oppose each other. A percentile
interval is rough where users are few, and where a statistic is bent by noise (a cosine of means is:
noise draws it to 0) it is bent as the statistic is.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from recbench.statistics.intervals import CONFIDENCE

TIMES = 1_000


def percentile_interval(
    statistic: Callable[[NDArray[np.int64]], float],
    groups: NDArray[np.int64],
    random: np.random.Generator,
    times: int = TIMES,
) -> tuple[float, float]:
    """
    Return the 95% percentile interval of a statistic, users drawn anew inside their groups.

    Parameters
    ----------
    statistic
        Of users' numbers [users], each as often as it was drawn.
    groups
        int64 [users], in which group each is; groups keep their sizes.
    random
        Draws the users.
    times
        How often all of them are drawn.

    Returns
    -------
    tuple of float
        Ends, between which the statistic of the users themselves lies.
    """
    members = [np.flatnonzero(groups == number) for number in np.unique(groups)]
    drawn = [
        statistic(np.concatenate([random.choice(one, len(one)) for one in members]))
        for _ in range(times)
    ]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    own = statistic(np.arange(len(groups)))
    return min(float(low), own), max(float(high), own)
