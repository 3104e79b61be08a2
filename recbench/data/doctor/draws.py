"""How likely a uniform draw of negatives is to hold something, without drawing."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln


def any_drawn(
    free: NDArray[np.int64], marked: NDArray[np.int64], drawn: int
) -> NDArray[np.float64]:
    """
    Return the probability that a draw without replacement holds a marked item.

    Parameters
    ----------
    free
        int64 [rows], items that may be drawn.
    marked
        int64 [rows], how many of them are marked.
    drawn
        How many are drawn; where fewer are free, all of them.

    Returns
    -------
    ndarray
        float64 [rows], 1 - comb(free - marked, drawn) / comb(free, drawn).
    """
    number = np.minimum(drawn, free)
    rest = free - marked - number  # unmarked ones that are not drawn, if no marked one is
    none = (
        gammaln(free - marked + 1)
        - gammaln(np.maximum(rest, 0) + 1)
        - gammaln(free + 1)
        + gammaln(free - number + 1)
    )
    return np.where(rest < 0, 1.0, -np.expm1(none))
