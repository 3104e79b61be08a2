import errno
import fcntl
import os
import platform
import shutil
import time

import numpy as np
import pytest
import torch

from recbench.errors import UserError
from recbench.evaluation.divided import Answers
from recbench.evaluation.finished_calls import FinishedCalls
from recbench.locks import locked
from recbench.neural.checkpoint import Checkpoint
from recbench.neural.progress import Position
from recbench.runs.evidence import RECORD
from recbench.runs.kept_trainings import TRAINING
from recbench.runs.leftovers import DAY, Leftover, leftovers
from recbench.runs.places import TRAININGS
from recbench.runs.record import Setup
from recbench.runs.store import CHECKPOINTS, run_folder
from recbench.runs.unfinished import Begun, unfinished

ARGUMENTS = ["--model", "sasrec"]


@pytest.fixture
def begun(judge, describe, tmp_path):
    """Return a function that begins a run, and gives its folder and that of its training."""

    def begin(training="0a-seed0", **changes):
        record = describe(judge([1, 0, 0, 1]), model="sasrec", **changes)
        setup = Setup(**{name: getattr(record, name) for name in Setup.model_fields})
        folder = run_folder(tmp_path / "results", setup)
        Begun(setup=setup, training=training, arguments=ARGUMENTS).write(folder)
        return folder, folder.parents[2] / TRAININGS / "sasrec" / training

    return begin


def step(training, number, total=9):
    position = Position(micro_batch_size=2, step=number, total=total)
    kept = Checkpoint(training / CHECKPOINTS / "encoder", "sasrec", "k" * 64, 0.0)
    kept.write(position, {"weights": {"w": torch.zeros(1)}})


def answer(folder, rows):
    calls = FinishedCalls(folder / CHECKPOINTS / "these weights", 4, scores=np.zeros((4, 2)))
    with calls:
        numbers = np.arange(rows)
        calls.add(Answers(numbers, {"scores": np.zeros((rows, 2))}))


def state(folder, results):
    (one,) = [one for one in unfinished(results) if one.folder == folder]
    return one.stage, one.done


def test_it_is_said_how_far_a_run_has_come(begun, tmp_path):
    results = tmp_path / "results"
    folder, training = begun()
    assert state(folder, results) == ("training", "")
    step(training, 4)
    assert state(folder, results) == ("training", "sasrec: step 4 of 9")
    (training / CHECKPOINTS).rename(tmp_path / "gone")
    (training / TRAINING).touch()
    assert state(folder, results) == ("answering", "0 of 4 questions")
    answer(folder, 3)
    assert state(folder, results) == ("answering", "3 of 4 questions")
    answer(folder, 4)
    assert state(folder, results) == ("auditing", "all 4 questions answered")
    (one,) = unfinished(results)
    assert (one.begun.arguments, one.process, one.anew) == (ARGUMENTS, None, False)
    with locked(folder):
        (one,) = unfinished(results)
        assert one.process == f"{os.getpid()} on {platform.node()}"


def test_what_cannot_be_read_says_nothing(begun, tmp_path):
    results = tmp_path / "results"
    folder, training = begun()
    (training / CHECKPOINTS).mkdir(parents=True)
    (training / CHECKPOINTS / "sasrec-k.safetensors").write_bytes(b"half")
    assert state(folder, results) == ("training", "")
    step(training, 4, total=0)  # of a recbench that did not write down how many there are
    assert state(folder, results) == ("training", "sasrec: step 4")
    (folder / CHECKPOINTS / "begun.json").write_text("{")
    known = {one.folder: (one.stage, one.begun) for one in unfinished(results)}
    assert known == {folder: ("unknown", None), training: ("training", None)}


def test_a_finished_run_is_never_left_over(made, begun, tmp_path):
    results, cache = tmp_path / "results", tmp_path / "cache"
    run = made(hits=(1, 0, 0, 1), model="sasrec")
    files = {path: path.read_bytes() for path in run.folder.glob("*")}
    folder, training = begun()  # anew
    assert folder == run.folder
    step(training, 4)
    (one,) = unfinished(results)
    assert one.anew
    (cache / "packs").mkdir(parents=True)
    (cache / "packs" / "a.parquet.4194304.partial").touch()  # no process has so high an id
    (cache / "packs" / f"b.parquet.{os.getpid()}.partial").touch()
    (folder / "lock").touch()
    assert leftovers(results, cache, days=1) == []
    found = leftovers(results, cache, days=0)
    assert [one.what.split(":")[0] for one in found] == [
        "unfinished training, sasrec",
        "half-written",
    ]
    assert all(one.size >= 0 for one in found)
    for one in found:
        one.remove()
    assert {path: path.read_bytes() for path in run.folder.glob("*")} == files
    assert not training.exists()
    assert [one.name for one in (cache / "packs").iterdir()] == [f"b.parquet.{os.getpid()}.partial"]
    assert leftovers(results, cache, days=0) == []


def test_what_a_process_holds_is_not_left_over(begun, tmp_path):
    folder, training = begun()
    step(training, 4)
    for held in (folder, training):
        with locked(held):
            assert leftovers(tmp_path / "results", tmp_path / "cache", days=0) == []
    (one,) = leftovers(tmp_path / "results", tmp_path / "cache", days=0)
    one.remove()
    assert not folder.exists()


def test_what_a_finished_run_was_about_to_remove_is_left_over(made, tmp_path):
    run = made()
    (run.folder / CHECKPOINTS / "half").mkdir(parents=True)
    (run.folder / "lock").touch()
    for _ in range(2):  # the lock after what it was for
        for one in leftovers(tmp_path / "results", tmp_path / "cache", days=0):
            one.remove()
    assert sorted(path.name for path in run.folder.iterdir()) == ["examples.parquet", RECORD]


def test_a_lock_is_removed_once_by_who_holds_it(made, tmp_path, monkeypatch):
    """Removed twice, the second would be that of a run that has begun in between."""
    run = made()
    (run.folder / "lock").touch()
    (one,) = leftovers(tmp_path / "results", tmp_path / "cache", days=0)
    monkeypatch.setattr("recbench.runs.leftovers._remove", pytest.fail)
    one.remove()
    assert not (run.folder / "lock").exists()


def test_what_was_worked_on_since_it_was_found_stays(begun, tmp_path):
    folder, training = begun()
    step(training, 4)
    old = time.time() - 3 * DAY
    kept = [path for top in (folder, training) for path in (top, *top.rglob("*"))]
    for path in kept:
        os.utime(path, (old, old))
    (one,) = leftovers(tmp_path / "results", tmp_path / "cache", days=1)
    step(training, 5)  # by a process that was stopped again while the user thought about it
    with pytest.raises(UserError, match="has been changed meanwhile"):
        one.remove()
    assert all(path.exists() for path in kept)
    for path in kept:
        os.utime(path, (old, old))
    one.remove()
    assert not folder.exists()
    assert not training.exists()


def test_what_is_half_written_is_a_process_own(tmp_path):
    results, cache = tmp_path / "results", tmp_path / "cache"
    training = results / "movielens" / TRAININGS / "sasrec" / "0a-seed0"
    elsewhere = training / "model.4194304.partial"  # of a process on another host
    for folder in (elsewhere, cache):
        folder.mkdir(parents=True)
    (results / "notes.partial").touch()
    (results / f"a.{2**70}.partial").touch()
    for name in ("data.zip.partial", "data.zip.partial.version"):
        (cache / name).touch()
    with locked(training):
        assert elsewhere not in [one.paths[0] for one in leftovers(results, cache, days=0)]
    found = leftovers(results, cache, days=0)
    assert [one.owners for one in found] == [(), (training,), ()]
    shutil.rmtree(elsewhere)  # by another process that cleans
    for one in found:
        one.remove()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["notes.partial"]


def test_where_nothing_can_be_locked_nobody_holds_anything(begun, tmp_path, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    folder, _ = begun()
    (folder / "lock").touch()
    monkeypatch.setattr(fcntl, "flock", none)
    (one,) = unfinished(tmp_path / "results")
    assert one.process is None


def test_of_a_link_the_link_goes_and_what_it_leads_to_stays(tmp_path):
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir()
    (folder / "mine").touch()
    link.symlink_to(folder)
    Leftover((link,), "a link").remove()
    assert not link.is_symlink()
    assert (folder / "mine").exists()
