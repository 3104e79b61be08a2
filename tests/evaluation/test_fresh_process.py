import errno
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import cheats
import forked_copies
import numpy as np
import pytest

from recbench.data.catalogue import make_catalogue
from recbench.errors import RecbenchError
from recbench.evaluation import fresh_process
from recbench.evaluation.fresh_process import SavedModel, ask_fresh
from recbench.file_digests import folder_digest
from recbench.hardware.devices import deterministic
from recbench.questions.queries import Queries
from recbench.settings import Settings
from recbench.testing.toy import toy_split, toy_training_data

pytestmark = [pytest.mark.honesty, pytest.mark.usefixtures("plugins")]


@pytest.fixture
def keep(tmp_path, runtime):
    """Fit and save a model."""

    def kept(model_class, data=None):
        data, folder = data or toy_training_data(), tmp_path / "saved"
        folder.mkdir()
        model = model_class(Settings())
        model.fit(data, runtime)
        model.save(folder)
        return SavedModel(model_class, model.settings, folder, folder_digest(folder), data)

    return kept


@pytest.fixture
def forked(monkeypatch):
    """Let copies be forks, where what a process begins with is not looked at."""
    monkeypatch.setattr(fresh_process, "subprocess", forked_copies)


def queries(rows=3):
    histories = toy_split().test.histories[:rows]
    return Queries(histories, np.arange(rows * 4, dtype=np.int32).reshape(rows, 4))


def test_it_answers_what_the_model_answers_here_and_leaves_nothing(keep, runtime, capfd):
    scores, texts = ask_fresh(keep(cheats.Guess), queries(), runtime)
    here = cheats.Guess(Settings()).score(queries(), runtime)
    np.testing.assert_array_equal(scores, here)
    assert texts == []
    assert list(runtime.checkpoints.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("forked")
def test_a_writer_is_read_and_a_full_ranking_is_one_of_all_items(keep, runtime):
    saved = keep(cheats.Writing)
    scores, texts = ask_fresh(saved, queries(), runtime)
    best = queries().candidates[np.arange(3), scores.argmax(axis=1)]
    assert texts == [saved.data.catalogue.titles[item] for item in best]
    everything = Queries.of_all(queries().histories, 40)
    assert ask_fresh(saved, everything, runtime)[0].shape == (3, 40)


@pytest.mark.usefixtures("forked")
def test_of_what_only_writes_there_are_texts_alone(keep, runtime):
    scores, texts = ask_fresh(keep(cheats.Written), queries(), runtime)
    assert scores is None
    model = cheats.Writing(Settings())
    model.fit(toy_training_data(), runtime)
    assert texts == model.answer(queries(), runtime)


class Recording(cheats.Guess):
    """Not importable by a fresh process: stands in a test."""


@pytest.mark.parametrize("strings", [False, True])
@pytest.mark.parametrize("timed", [False, True])
def test_what_it_is_loaded_with_arrives_whole(strings, timed, tmp_path):
    data = replace(toy_training_data(timed=timed), left_out_users=np.array([3], dtype=np.int32))
    data = replace(data, users_known=strings)
    if strings:
        ids = np.array([f"0{i}" for i in range(40)], dtype=object)
        catalogue = make_catalogue(ids, data.catalogue.titles)
        data = fresh_process.TrainingData(**{**vars(data), "catalogue": catalogue})
    fresh_process._write_data(data, tmp_path)
    read = fresh_process._read_data(tmp_path)
    assert read.catalogue.raw_ids.dtype == data.catalogue.raw_ids.dtype
    assert read.catalogue.raw_ids.tolist() == data.catalogue.raw_ids.tolist()
    assert read.catalogue.titles == data.catalogue.titles
    assert read.catalogue.digest == data.catalogue.digest
    assert (read.noun, read.verb, read.digest) == (data.noun, data.verb, data.digest)
    np.testing.assert_array_equal(read.sequences.values, data.sequences.values)
    np.testing.assert_array_equal(read.sequences.offsets, data.sequences.offsets)
    np.testing.assert_array_equal(read.left_out_users, data.left_out_users)
    assert read.users_known == strings
    assert (read.times is not None) == timed
    if timed:
        np.testing.assert_array_equal(read.times, data.times)
    for part in ("train", "validation"):
        for name in ("histories", "targets", "users"):
            one, two = getattr(getattr(read, part), name), getattr(getattr(data, part), name)
            np.testing.assert_array_equal(one, two)
            assert one.dtype == two.dtype


def test_the_folder_holds_no_target_that_is_asked_for_and_no_cache(keep, runtime, monkeypatch):
    seen = {}

    def look(folder, name):
        seen["files"] = {path.name for path in folder.rglob("*")}
        seen["request"] = json.loads((folder / "request.json").read_text())
        raise RecbenchError("seen")

    monkeypatch.setattr(fresh_process, "_run", look)
    with pytest.raises(RecbenchError, match="seen"):
        ask_fresh(keep(cheats.Guess), queries(), runtime)
    arrays = {
        f"{part} {name}.npy"
        for part in ("train", "validation")
        for name in ("histories", "targets", "users")
    }
    arrays |= {f"sequence {name}.npy" for name in ("values", "offsets", "users")}
    arrays |= {"left out users.npy"}
    asked = {"request.json", "data.json", "asked histories.npy", "asked candidates.npy"}
    assert seen["files"] == arrays | asked
    assert set(seen["request"]) == {
        *("module", "name", "settings", "model", "seed", "device", "deterministic"),
        *("all items", "control", "sharded"),
    }
    assert list(runtime.checkpoints.iterdir()) == []


@pytest.mark.usefixtures("forked")
def test_rows_are_asked_singly_with_an_empty_cache(keep, runtime):
    (runtime.cache / "met.json").write_text(json.dumps([0]))
    for model_class in (cheats.CountingAll, cheats.ReadingCache):
        saved = keep(model_class)
        scores, _ = ask_fresh(saved, queries(1), runtime)
        guess = cheats.Guess(Settings()).score(queries(1), runtime)
        np.testing.assert_allclose(scores - scores.min(), guess - guess.min(), atol=1e-6)
        for path in (saved.folder / "nothing", saved.folder):
            path.unlink() if path.is_file() else path.rmdir()


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("asked", [False, True])
def test_it_keeps_to_exact_operations_where_this_process_does(keep, runtime, asked):
    saved = keep(cheats.SaysWhetherExact)
    with deterministic(asked):
        scores, _ = ask_fresh(saved, queries(), runtime)
    assert (scores == asked).all()


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("raise", "ValueError: two lines"),
        ("exit", "it ended with exit code 0 before it had answered"),
        ("code", "it ended with exit code 3 before it had answered"),
        ("crash", "it was ended by SIGSEGV"),
    ],
)
def test_why_it_failed_is_said_in_one_line(keep, runtime, monkeypatch, how, reason):
    monkeypatch.setattr(cheats.Failing, "how", how)
    with pytest.raises(RecbenchError) as raised:
        ask_fresh(keep(cheats.Failing), queries(), runtime)
    assert str(raised.value) == f"Failing, loaded by a fresh process, could not be asked: {reason}"
    assert list(runtime.checkpoints.iterdir()) == []


@pytest.mark.parametrize("file", ["failure.txt", "stderr"])
def test_a_full_disk_is_no_fault_of_the_model(keep, runtime, monkeypatch, file):
    full = os.strerror(errno.ENOSPC)

    def fails(command, **_):
        if file == "failure.txt":
            (Path(command[-2]) / file).write_text(f"RuntimeError: {full}", encoding="utf-8")
        return subprocess.CompletedProcess(command, 1, "", full if file == "stderr" else "")

    monkeypatch.setattr(subprocess, "run", fails)
    with pytest.raises(OSError, match=full) as raised:
        ask_fresh(keep(cheats.Guess), queries(), runtime)
    assert raised.value.errno == errno.ENOSPC
    assert list(runtime.checkpoints.iterdir()) == []


def test_a_class_that_cannot_be_imported_is_named(keep, runtime):
    with pytest.raises(RecbenchError, match=r"^Recording, loaded by a fresh process, .*Error: .*"):
        ask_fresh(keep(Recording), queries(), runtime)


@pytest.mark.usefixtures("forked")
def test_what_was_saved_may_not_change_afterwards(keep, runtime):
    saved = keep(cheats.SavedLater)
    model = cheats.SavedLater(Settings())
    model.load(saved.folder, saved.data, runtime)
    ask_fresh(saved, queries(), runtime)
    with pytest.raises(RecbenchError, match="SavedLater has changed what it had saved"):
        ask_fresh(saved, queries(), runtime)  # the copy wrote there
    assert os.listdir(runtime.checkpoints) == []
