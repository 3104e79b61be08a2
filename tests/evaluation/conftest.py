"""Users with many test rows each, and models that a fresh process can import."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from recbench.data.ragged import ragged
from recbench.questions.candidates import Pack, make_pack
from recbench.questions.split import PAD, Examples, Excluded, Split
from recbench.recommender import Runtime
from recbench.testing.toy import toy_split

ITEMS, USERS, LENGTH, DRAWS, C = 48, 12, 20, 5, 10


@dataclass(frozen=True)
class Asked:
    """A split and its pack."""

    split: Split
    pack: Pack


@pytest.fixture(scope="session")
def many() -> Asked:
    """
    12 users with 17 test rows each, as in the temporal protocol; chance is 1 in 10.

    A user's 20 items are distinct and random, so nothing but cheating finds a target. Rows stand
    by user, oldest first; negatives are what the user has never met.
    """
    random = np.random.default_rng(0)
    walks = np.stack([random.permutation(ITEMS)[:LENGTH] for _ in range(USERS)]).astype(np.int32)
    padded = np.concatenate([np.full((USERS, 10), PAD, dtype=np.int32), walks], axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 11, axis=1)[:, 3:].reshape(-1, 11)
    users = np.repeat(np.arange(USERS, dtype=np.int32), LENGTH - 3)
    test = Examples(windows[:, :10].copy(), windows[:, 10].copy(), users)
    excluded = Excluded.each(ragged(walks[users].ravel(), np.full(len(users), LENGTH)))
    split = replace(toy_split(items=ITEMS), test=test, excluded_test=excluded)
    candidates = np.empty((len(users), DRAWS, C), dtype=np.int32)
    for row, user in enumerate(users):
        for draw in range(DRAWS):
            others = random.choice(np.setdiff1d(np.arange(ITEMS), walks[user]), C - 1, False)
            candidates[row, draw] = random.permutation([test.targets[row], *others])
    position = (candidates == test.targets[:, None, None]).argmax(axis=2).astype(np.int16)
    return Asked(split, make_pack(candidates, position, 0, split.catalogue))


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    folders = tmp_path / "checkpoints", tmp_path / "cache"
    for folder in folders:
        folder.mkdir()
    return Runtime(0, "cpu", *folders)
