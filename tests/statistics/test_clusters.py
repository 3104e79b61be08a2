import builtins

import numpy as np
import pytest

from recbench.errors import NotInstalledError
from recbench.statistics.clusters import k_means

CORNERS = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])


def test_clusters_are_found_again_the_largest_first():
    which = np.array([1, 0, 2, 2, 1, 2])
    vectors = CORNERS[which] + np.random.default_rng(0).normal(scale=0.1, size=(6, 2))
    found = k_means(vectors, 3)
    assert found.labels.tolist() == [1, 2, 0, 0, 1, 0]
    np.testing.assert_allclose(found.centres, CORNERS[[2, 1, 0]], atol=0.3)
    np.testing.assert_array_equal(found.nearest(vectors), found.labels)
    np.testing.assert_array_equal(k_means(vectors, 3).labels, found.labels)


def test_labels_are_those_of_the_order_by_size_however_they_were_found():
    sizes = np.random.default_rng(0).permutation(8) + 1
    vectors = np.repeat(10.0 * np.arange(8)[:, None], sizes, axis=0)
    found = k_means(vectors)
    assert found.labels.tolist() == np.repeat(8 - sizes, sizes).tolist()
    np.testing.assert_allclose(found.centres[found.labels], vectors)


def test_there_are_no_more_clusters_than_vectors_that_differ():
    assert len(k_means(np.zeros((5, 2)))) == 1
    hardly = np.array([[0.0], [1e-300], [1.0], [1.0]])
    assert sorted(set(k_means(hardly).labels)) == list(range(len(k_means(hardly))))


def test_a_package_that_is_missing_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *more):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(NotInstalledError, match=r"pip install 'recbench\[studies\]'"):
        k_means(CORNERS)
