import numpy as np

from recbench.data.ragged import Ragged
from recbench.questions.split import PAD
from recbench.questions.user_clusters import rows_of_cluster, user_clusters
from recbench.testing.toy import toy_split


def test_users_of_the_same_items_are_alike():
    """Of 6 users, four watched items below 5, two the others; no two the same ones."""
    low, high = [[0, 1, 2], [1, 2, 3], [2, 3, 4], [4, 0, 2]], [[5, 6, 7], [6, 7, 8]]
    values = np.array(low + high, dtype=np.int32)
    sequences = Ragged(values.ravel(), np.arange(7) * 3)
    found = user_clusters(sequences, 10, 5, 2)
    assert found.clusters.labels.tolist() == [0, 0, 0, 0, 1, 1]
    asked = np.array([[PAD, 3, 1], [8, 8, 6]], dtype=np.int32)
    assert found.of(asked).tolist() == [0, 1]
    assert found.of(np.full((1, 3), PAD, dtype=np.int32)).shape == (1,)


def test_only_the_end_of_a_sequence_counts_and_an_item_once():
    values = np.array([9, 9, 0, 1, 0, 1, 5, 6, 6], dtype=np.int32)
    sequences = Ragged(values, np.array([0, 4, 6, 9]))
    found = user_clusters(sequences, 10, 2, 2)
    assert found.clusters.labels.tolist() == [0, 0, 1]


def test_an_item_that_comes_twice_counts_once_where_it_is_asked():
    low, high = [[0, 1, 2], [1, 2, 3], [2, 3, 4]], [[5, 6, 7], [6, 7, 8]]
    values = np.array(low + high, dtype=np.int32)
    found = user_clusters(Ragged(values.ravel(), np.arange(6) * 3), 10, 8, 2)
    # Of three items two are low, however often the third one comes.
    asked = np.array([[PAD] * 5 + [2, 3, 6], [2, 3, *[6] * 6]], dtype=np.int32)
    assert found.of(asked).tolist() == [0, 0]


def test_the_rows_of_all_clusters_are_all_rows():
    split = toy_split()
    labels = user_clusters(split.sequences, 40, 10, 4).clusters.labels
    parts = [rows_of_cluster(split.train, split.sequence_users, labels, one) for one in range(4)]
    assert sum(map(len, parts)) == len(split.train)
    users = [set(one.users.tolist()) for one in parts]
    assert sum(map(len, users)) == len(set().union(*users))
    assert [len(one) for one in users] == sorted(map(len, users), reverse=True)
