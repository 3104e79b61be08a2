from dataclasses import replace

import numpy as np
import pytest

from recbench.questions.full_ranking import FullRanking
from recbench.testing.toy import toy_split


@pytest.fixture(scope="module")
def split():
    return toy_split(users=120)


def test_all_items_are_ranked_on_every_row(split):
    ranking = FullRanking.of(split, "test")
    assert (len(ranking), ranking.size, ranking.draws) == (12, 40, 1)
    assert ranking.examples is split.test
    assert ranking.excluded is split.excluded_test
    assert FullRanking.of(split, "validation").examples is split.validation


def test_the_hash_is_of_targets_excluded_items_and_catalogue(split):
    one = FullRanking.of(split, "test")
    assert FullRanking.of(split, "test").hash == one.hash
    test, excluded = split.test, split.excluded_test
    others = [
        replace(split, test=replace(test, targets=test.targets[::-1].copy())),
        replace(split, excluded_test=replace(excluded, values=excluded.values[::-1].copy())),
        replace(split, excluded_test=replace(excluded, starts=excluded.ends - 1)),
        replace(split, excluded_test=replace(excluded, ends=excluded.ends - 1)),
        replace(split, catalogue=replace(split.catalogue, digest="another")),
    ]
    hashes = {FullRanking.of(other, "test").hash for other in others}
    assert len(hashes | {one.hash, FullRanking.of(split, "validation").hash}) == 7


def test_the_hash_is_pinned(split):
    # As it was before rows could share what is excluded: published rankings keep theirs.
    test = replace(split.test, targets=np.arange(12, dtype=np.int32))
    ranking = FullRanking.of(replace(split, test=test), "test")
    assert ranking.hash == "ed33fe2c0cd95f10b6d1ddd472e3fe32a9c5c55784173a0ce4cd59a95cde6272"
