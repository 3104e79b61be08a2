import errno
from pathlib import Path

import numpy as np
import pytest

from recbench.errors import RecbenchError
from recbench.evaluation import finished_calls
from recbench.evaluation.divided import Answers
from recbench.evaluation.finished_calls import FinishedCalls
from recbench.processes import Processes

pytestmark = pytest.mark.honesty


def calls(folder, rows=6):
    return FinishedCalls(folder, rows, scores=np.full((rows, 2), np.nan, dtype=np.float32))


def answer(kept, *rows, texts=None):
    scores = np.array([[row, row / 2] for row in rows], dtype=np.float32)
    kept.add(Answers(np.array(rows), {"scores": scores}, texts))


@pytest.fixture
def each(monkeypatch):
    """Write a file after every call."""
    monkeypatch.setattr(finished_calls, "SECONDS", 0)


def test_what_was_answered_is_there_again(tmp_path):
    with calls(tmp_path / "kept") as kept:
        answer(kept, 4, 1, texts=["vier", "eins\nünd"])
        answer(kept, 3)
        assert not (tmp_path / "kept").exists()  # not a file a call
    again = calls(tmp_path / "kept")
    assert again.done.tolist() == [False, True, False, True, True, False]
    assert again.texts == ["", "eins\nünd", "", "", "vier", ""]
    np.testing.assert_array_equal(again.columns["scores"][[1, 3, 4]], [[1, 0.5], [3, 1.5], [4, 2]])
    assert np.isnan(again.columns["scores"][[0, 2, 5]]).all()
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_texts_alone_are_kept_call_by_call(tmp_path):
    kept = FinishedCalls(tmp_path / "kept", 3)
    kept.add(Answers(np.array([2]), {}, ["paid for"]))
    del kept  # as a process that is killed
    again = FinishedCalls(tmp_path / "kept", 3)
    assert again.done.tolist() == [False, False, True]
    assert again.texts == ["", "", "paid for"]


def test_it_is_kept_however_the_block_ends(tmp_path):
    def stopped():
        with calls(tmp_path) as kept:
            answer(kept, 2)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert calls(tmp_path).done.tolist() == [False, False, True, False, False, False]


def test_a_long_call_is_kept_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(finished_calls, "LONG", 0.0)
    kept = calls(tmp_path)
    answer(kept, 4)
    assert calls(tmp_path).done.tolist() == [False, False, False, False, True, False]


def test_a_killed_process_loses_what_was_not_yet_written(tmp_path, each):
    kept = calls(tmp_path)
    answer(kept, 0)
    answer(kept, 5)
    assert calls(tmp_path).done.sum() == 2


@pytest.mark.parametrize("damage", [b"", b"PK", b"nonsense" * 99, "cut", "another shape", "rows"])
def test_a_damaged_file_is_asked_again_and_overwrites_none(tmp_path, each, damage):
    kept = calls(tmp_path)
    for row in range(3):
        answer(kept, row)
    second = tmp_path / "000002.npz"
    if damage == "cut":
        second.write_bytes(second.read_bytes()[:-30])
    elif damage == "another shape":
        np.savez(second, scores=np.ones((1, 7)), rows=[1], texts=np.frombuffer(b"[]", np.uint8))
    elif damage == "rows":
        np.savez(second, scores=np.ones((1, 2)), rows=[99], texts=np.frombuffer(b"[]", np.uint8))
    else:
        second.write_bytes(damage)
    said = []
    again = FinishedCalls(tmp_path, 6, report=said.append, scores=np.zeros((6, 2), np.float32))
    with again:
        assert again.done.tolist() == [True, False, True, False, False, False]
        answer(again, 1)
    assert said == [f"{second} is damaged and was removed: its questions are asked again"]
    third = calls(tmp_path)  # one number is missing now
    assert third.done.tolist() == [True, True, True, False, False, False]
    answer(third, 4)
    assert calls(tmp_path).done.tolist() == [True, True, True, False, True, False]


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "x"), OSError(errno.ESTALE, "x"), PermissionError(), MemoryError()]
)
def test_what_cannot_be_read_now_is_kept(tmp_path, each, monkeypatch, error):
    """It may have been paid for, and be whole."""

    def fails(*_):
        raise error

    kept = calls(tmp_path)
    answer(kept, 3)
    places = [(Path, "read_bytes"), (finished_calls.os, "listdir")]
    if isinstance(error, MemoryError):  # of what is in memory no other comes from outside
        places.append((Answers, "read"))
    for place, name in places:
        with monkeypatch.context() as patch:
            patch.setattr(place, name, fails)
            with pytest.raises(type(error)):
                calls(tmp_path)
    assert calls(tmp_path).done.sum() == 1


def test_a_shape_that_changed_asks_for_no_memory(tmp_path, each):
    kept = calls(tmp_path)
    answer(kept, 3)
    (file,) = tmp_path.iterdir()
    shape, changed = b"'shape': (1, 2), }        ", b"'shape': (9999999999999,)}"
    assert (shape in file.read_bytes(), len(shape)) == (True, len(changed))
    file.write_bytes(file.read_bytes().replace(shape, changed))
    assert not calls(tmp_path).done.any()
    assert not list(tmp_path.iterdir())


class Told(Processes):
    """The main process, which remembers what it tells, or another one, which is told so."""

    count = 2

    def __init__(self, rank, messages):
        self.rank, self.messages = rank, messages

    def of_main(self, value):
        return self.of_all(value)[0]

    def of_all(self, given):
        if self.is_main:
            self.messages.append(given)
            return [given, given]
        return [self.messages.pop(0), given]


def test_what_is_done_is_what_the_main_process_has_read(tmp_path, each):
    with calls(tmp_path / "seen") as kept:
        for row in range(3):
            answer(kept, row, texts=[f"{row}"])
    (tmp_path / "seen" / "000002.npz").write_bytes(b"damaged")
    messages = []
    main, other = (
        FinishedCalls(tmp_path / place, 6, Told(rank, messages), scores=np.zeros((6, 2)))
        for rank, place in enumerate(["seen", "not seen yet"])  # as by a stale listing on NFS
    )
    assert messages == []
    assert main.done.tolist() == other.done.tolist() == [True, False, True, False, False, False]
    assert main.texts == other.texts
    np.testing.assert_array_equal(main.columns["scores"], other.columns["scores"])
    answer(other, 1)  # written by the main process alone
    assert not (tmp_path / "not seen yet").exists()


def test_nothing_is_judged_where_an_answer_is_missing(tmp_path):
    kept = calls(tmp_path)
    answer(kept, 0, 1, 2, 4, 5)
    with pytest.raises(RecbenchError, match="1 of 6 questions were not answered; the same command"):
        kept.check_whole()
    answer(kept, 3)
    kept.check_whole()


def test_without_a_folder_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with calls(None) as kept:
        answer(kept, 1)
    assert kept.done.sum() == 1
    assert not list(tmp_path.iterdir())
