"""
Intervals of statistics that are no means of rows, by drawing users anew (Efron, 1979).

What is a mean has the intervals of `recbench.statistics.intervals`, whose coverage is measured.
This is for the rest, such as the share of pairs of groups that oppose each other. Noise bends such
statistics (a cosine of means is drawn to 0), and bends those of users drawn anew once more: the
basic interval (Davison and Hinkley, 1997, section 5.2) turns the second bend round to make up for
the first. It is rough where users are few, and has no width where no draw differs.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from recbench.statistics.intervals import CONFIDENCE

TIMES = 1_000


def basic_interval(
    statistic: Callable[[NDArray[np.int64]], float],
    groups: NDArray[np.int64],
    random: np.random.Generator,
    ends: tuple[float, float],
    times: int = TIMES,
) -> tuple[float, float]:
    """
    Return the 95% basic bootstrap interval of a statistic, users drawn anew inside their groups.

    Parameters
    ----------
    statistic
        Of users' numbers [users], each as often as it was drawn.
    groups
        int64 [users], in which group each is; groups keep their sizes.
    random
        Draws the users.
    ends
        Between which the statistic can be.
    times
        How often all users are drawn.

    Returns
    -------
    tuple of float
        Within `ends`, and widened to the statistic of the users themselves where that is outside.
    """
    members = [np.flatnonzero(groups == number) for number in np.unique(groups)]
    drawn = [
        statistic(np.concatenate([random.choice(one, len(one)) for one in members]))
        for _ in range(times)
    ]
    tail = (1 - CONFIDENCE) / 2
    own = statistic(np.arange(len(groups)))
    low, high = np.clip(2 * own - np.quantile(drawn, [1 - tail, tail]), *ends)
    return min(float(low), own), max(float(high), own)
