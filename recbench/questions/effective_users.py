"""How many users unequal users are worth."""

import numpy as np
from numpy.typing import NDArray

from recbench.statistics.crossed import effective_users as of_shares


def effective_users(users: NDArray[np.integer]) -> float:
    """
    Return how many users with equally many rows are worth as much as these.

    Kish's effective sample size, (sum of w)^2 / (sum of w^2), of users whose weight w is the number
    of their rows, as it is in a mean over rows. A mean over rows is as sure as one over so many
    users if all rows of a user are alike; the less they are, the surer it is.

    Parameters
    ----------
    users
        [rows], whose each row is, by any numbers.

    Returns
    -------
    float
        From 1 to the number of users, which it is where all have equally many rows; 0 of no rows.

    References
    ----------
    Kish, Survey Sampling, Wiley, 1965; Kish, Journal of Official Statistics 8(2), 1992.
    """
    if not len(users):
        return 0.0
    _, rows = np.unique(users, return_counts=True)
    return float(of_shares(rows / len(users)))
