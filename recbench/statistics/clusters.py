"""Vectors that are alike, by k-means."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recbench.errors import NotInstalledError


@dataclass(frozen=True)
class Clusters:
    """
    Clusters of vectors, the largest first.

    Attributes
    ----------
    labels
        int64 [n], in which each vector is, from 0.
    centres
        float64 [clusters, d].
    """

    labels: NDArray[np.int64]
    centres: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.centres)

    def nearest(self, vectors: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return the cluster whose centre is nearest to each of other vectors, int64 [m]."""
        from scipy.spatial.distance import cdist

        return np.asarray(cdist(vectors, self.centres).argmin(axis=1), dtype=np.int64)


def check_can_cluster() -> None:
    """Raise NotInstalledError where the package is missing, before anything is trained."""
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise NotInstalledError(
            "clusters of users take a package: pip install 'recbench[studies]'"
        ) from None


def k_means(vectors: NDArray[np.floating], most: int = 8) -> Clusters:
    """
    Part vectors by k-means (the best of ten beginnings, all drawn from one seed).

    Parameters
    ----------
    vectors
        [n, d], at least one.
    most
        Clusters, where so many vectors differ; eight of users, as in the paper of iLoRA.

    Raises
    ------
    NotInstalledError
        As `check_can_cluster`.
    """
    check_can_cluster()
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    count = min(most, len(np.unique(vectors, axis=0)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of vectors that hardly differ
        found = KMeans(count, n_init=10, random_state=0).fit(vectors.astype(np.float64))
    sizes = np.bincount(found.labels_, minlength=count)
    by_size = np.argsort(-sizes, kind="stable")
    centres = found.cluster_centers_[by_size][: np.count_nonzero(sizes)]
    return Clusters(np.argsort(by_size)[found.labels_], centres)
