"""
Clusters of users by what they had to do with: known before anything is trained.

A user is the set of the last items of a sequence, as many as a history holds, scaled to length 1
and projected on the leading singular vectors of all training users' sets (latent semantic analysis:
Deerwester et al., JASIS 1990), so that sets that share no item may be alike. They are the same for
every model and seed; clusters by what an encoder sees are another encoder's with every seed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbench.data.ragged import Ragged
from recbench.questions.split import PAD, Examples
from recbench.statistics.clusters import Clusters, k_means

DIMENSIONS = 16


@dataclass(frozen=True)
class UserClusters:
    """
    Clusters of training users, the largest first.

    Attributes
    ----------
    clusters
        Their labels are those of the training sequences.
    axes
        float64 [items, d], singular vectors.
    """

    clusters: Clusters
    axes: NDArray[np.float64]

    def of(self, histories: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return the cluster that is nearest to each history [rows, H], int64 from 0."""
        return self.clusters.nearest(_sets(histories, len(self.axes)) @ self.axes)


def user_clusters(sequences: Ragged, items: int, history: int, count: int) -> UserClusters:
    """
    Cluster training users.

    Parameters
    ----------
    sequences
        One a training user, of two users at least.
    items
        Catalogue size, two at least.
    history
        Items of a history: so many of each sequence's last ones count.
    count
        Clusters; fewer where fewer users differ.
    """
    from scipy.sparse.linalg import svds

    ends = np.full((len(sequences), history), PAD, dtype=np.int32)
    for line, number in zip(ends, range(len(sequences)), strict=True):
        last = sequences[number][-history:]
        line[history - len(last) :] = last
    sets = _sets(ends, items)
    size = min(DIMENSIONS, min(sets.shape) - 1)
    axes = svds(sets, k=size, v0=np.ones(min(sets.shape)))[2].T
    return UserClusters(k_means(sets @ axes, count), axes)


def rows_of_cluster(
    train: Examples, users: NDArray[np.int32], labels: NDArray[np.int64], number: int
) -> Examples:
    """Return the training rows of the users [n] whose labels [n] are `number`."""
    rows = np.flatnonzero(np.isin(train.users, users[labels == number]))
    return Examples(train.histories[rows], train.targets[rows], train.users[rows])


def _sets(histories: NDArray[np.int32], items: int) -> Any:
    """Return the items of each history as a sparse row of length 1, [rows, items]."""
    from scipy.sparse import csr_matrix

    rows, places = np.nonzero(histories != PAD)
    of = histories[rows, places]
    whole = csr_matrix((np.ones(len(of)), (rows, of)), shape=(len(histories), items))
    whole.data[:] = 1.0  # an item that comes twice counts once
    lengths = np.sqrt(whole.getnnz(axis=1))
    whole.data /= np.repeat(lengths, whole.getnnz(axis=1))
    return whole
