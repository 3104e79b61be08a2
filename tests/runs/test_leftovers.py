"""What nothing needs any more, of which the rest is in `test_unfinished`."""

import fcntl
import os

import pytest

from recbench.atomic_write import PARTIAL
from recbench.runs.leftovers import leftovers

NOBODY = 4_194_304
"""No process has so high an id: the one of this number is on another host."""


@pytest.mark.parametrize("place", ["results", "cache"])
def test_what_a_process_of_another_host_holds_is_not_left_over(tmp_path, place):
    """Such as the mark by which the workers of a cluster know a folder while they work."""
    mark = tmp_path / place / f".recbench-0.{NOBODY}{PARTIAL}"
    mark.parent.mkdir()
    mark.touch()
    os.utime(mark, (0, 0))
    with mark.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert leftovers(tmp_path / "results", tmp_path / "cache", days=1) == []
    (left,) = leftovers(tmp_path / "results", tmp_path / "cache", days=1)
    assert left.paths == (mark,)
