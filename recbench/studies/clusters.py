"""Users who are alike: k-means on what an encoder sees in their histories."""

import numpy as np
from numpy.typing import NDArray

from recbench.errors import NotInstalledError

CLUSTERS = 8
"""As many as in the paper."""


def check_can_cluster() -> None:
    """Raise NotInstalledError where the package is missing, before anything is trained."""
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise NotInstalledError(
            "clusters of users take a package: pip install 'recbench[studies]'"
        ) from None


def user_clusters(vectors: NDArray[np.float32], most: int = CLUSTERS) -> NDArray[np.int64]:
    """
    Part users by k-means (the best of ten beginnings, all drawn from one seed).

    Parameters
    ----------
    vectors
        [users, d], at least one.
    most
        Clusters, where so many vectors differ.

    Returns
    -------
    ndarray
        int64 [users], from 0, the largest cluster first.
    """
    check_can_cluster()
    from sklearn.cluster import KMeans

    count = min(most, len(np.unique(vectors, axis=0)))
    found = KMeans(count, n_init=10, random_state=0).fit_predict(vectors.astype(np.float64))
    by_size = np.argsort(-np.bincount(found, minlength=count), kind="stable")
    numbers = np.empty(count, dtype=np.int64)
    numbers[by_size] = np.arange(count)
    return numbers[found]
