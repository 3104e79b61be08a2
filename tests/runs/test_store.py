import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from recbench.errors import DataError
from recbench.runs import store
from recbench.runs.evidence import RECORD
from recbench.runs.examples import EXAMPLES, read_outcome, sha256
from recbench.runs.store import LaterError, finished, publish, read_record, runs


def test_a_run_stands_where_its_names_say(made, tmp_path):
    run = made(model="sasrec", seed=3)
    place = tmp_path / "results/movielens/paper/sasrec"
    assert run.folder == place / f"{run.record.row[:12]}-seed3"
    found = finished(run.folder)
    assert (found.record, found.folder, found.reused) == (run.record, run.folder, True)
    assert made(model="sasrec", seed=3).folder == run.folder


def test_the_record_holds_the_digest_of_its_examples(made):
    run = made()
    assert run.record.examples_sha256 == sha256(run.folder)


def test_what_is_placed_is_on_the_disk_before_anything_else_goes(made, tmp_path, monkeypatch):
    synced, sync = [], os.fsync

    def fsync(handle):
        synced.append(os.fstat(handle).st_ino)
        sync(handle)

    run = made()
    aside, folder = tmp_path / "aside", tmp_path / "placed"
    aside.mkdir()
    folder.mkdir()
    shutil.copyfile(run.folder / EXAMPLES, aside / EXAMPLES)
    monkeypatch.setattr(os, "fsync", fsync)
    store.place(folder, run.record, aside)
    assert synced == [path.stat().st_ino for path in (folder / EXAMPLES, folder / RECORD, folder)]


@pytest.mark.parametrize("step", ["write_examples", "place"])
def test_a_run_killed_while_writing_is_not_complete(
    made, judge, count, describe, monkeypatch, step
):
    judged = judge([1, 0])
    described = describe(judged, model="caser")
    folder = made().folder.parents[1] / "caser" / described.run_id
    checkpoints = folder / store.CHECKPOINTS
    checkpoints.mkdir(parents=True)
    real = getattr(store, step)

    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(store, step, killed)
    with pytest.raises(KeyboardInterrupt):
        store.finish(folder, described, judged, count(judged))
    assert finished(folder) is None
    assert checkpoints.is_dir()
    assert not list(folder.rglob("*.partial"))
    monkeypatch.setattr(store, step, real)
    done = store.finish(folder, described, judged, count(judged))
    assert finished(folder).record == done.record
    assert not checkpoints.exists()


def test_a_fresh_run_that_is_killed_leaves_the_finished_one(
    made, judge, count, describe, monkeypatch
):
    run = made()
    judged, real = judge([1, 1]), store.write_examples

    def full(folder, *what):
        real(folder, *what)
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "write_examples", full)
        with pytest.raises(OSError, match="full"):
            store.finish(run.folder, describe(judged), judged, count(judged))
    assert finished(run.folder).record == run.record
    anew = store.finish(run.folder, describe(judged), judged, count(judged))
    assert finished(run.folder).record == anew.record != run.record
    assert not list(run.folder.rglob("*.partial"))


def test_a_record_never_stands_beside_the_examples_of_another(made, judge, describe, monkeypatch):
    run, judged, real = made(), judge([1, 1]), Path.replace

    def replace_and_die(path, target):
        assert not (run.folder / store.RECORD).exists()
        real(path, target)
        raise KeyboardInterrupt

    described = describe(judged)
    aside = run.folder / "aside"
    aside.mkdir()
    (aside / EXAMPLES).touch()
    monkeypatch.setattr(Path, "replace", replace_and_die)
    with pytest.raises(KeyboardInterrupt):
        store.place(run.folder, described, aside)
    assert finished(run.folder) is None


def test_only_finished_runs_are_read(made, tmp_path):
    first, second = made(model="b"), made(model="a")
    (tmp_path / "results/movielens/paper/b/unfinished").mkdir()
    assert [run.folder for run in runs(tmp_path / "results")] == [second.folder, first.folder]
    assert runs(tmp_path / "nowhere") == []


@pytest.mark.honesty
def test_a_bad_run_is_named_and_the_rest_stands(made, tmp_path):
    kept, bad = made(model="a"), made(model="b")
    (bad.folder / EXAMPLES).unlink()
    said = []
    assert [run.folder for run in runs(tmp_path / "results", said.append)] == [kept.folder]
    assert len(said) == 1
    with pytest.raises(DataError, match="is missing"):
        runs(tmp_path / "results")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda value: {**value, "schema_version": 99}, "schema version 99 is of a later recbench"),
        (lambda value: {**value, "seed": "x"}, "field 'seed'"),
        (lambda value: {**value, "surprise": 1}, "field 'surprise'"),
        (lambda value: [value], "expected a JSON record"),
    ],
)
def test_a_broken_record_is_named(made, change, said):
    run = made()
    path = run.folder / "record.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(DataError, match=said) as caught:
        finished(run.folder)
    assert str(path) in str(caught.value)
    path.write_text("{")
    with pytest.raises(DataError, match="expected a JSON record"):
        finished(run.folder)


@pytest.mark.parametrize("only", [False, True])
def test_a_published_copy_has_no_titles(made, tmp_path, only):
    run = made(writes=True, only=only)
    copy = publish(run, tmp_path / "public")
    assert copy == tmp_path / "public" / run.folder.relative_to(tmp_path / "results")
    assert sorted(path.name for path in copy.iterdir()) == ["examples.parquet", "record.json"]
    assert b"Title" not in (copy / EXAMPLES).read_bytes()
    assert parquet.read_table(copy / EXAMPLES)["answer"].null_count == 4
    (published,) = runs(tmp_path / "public")
    changed = {"examples_sha256", "record_sha256"}
    assert published.record.model_dump(exclude=changed) == run.record.model_dump(exclude=changed)
    one, other = (read_outcome(each.folder, each.record) for each in (published, run))
    np.testing.assert_array_equal(one.hit, other.hit)
    assert publish(published, tmp_path / "again").is_dir()


def test_a_copy_is_published_over_an_older_one(made, tmp_path):
    publish(made(hits=[1, 1]), tmp_path / "public")
    publish(made(hits=[0, 1]), tmp_path / "public")
    (published,) = runs(tmp_path / "public")
    assert published.record.metrics["HitRatio@1"].value == 0.5


def test_a_damaged_table_is_not_published(made, tmp_path):
    run = made()
    path = run.folder / EXAMPLES
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="cannot be read"):
        publish(run, tmp_path / "public")
    assert runs(tmp_path / "public") == []


@pytest.mark.honesty
def test_a_run_is_read_wherever_its_results_were_moved(made, tmp_path):
    run = made()
    shutil.move(tmp_path / "results", tmp_path / "elsewhere")
    assert [one.record for one in runs(tmp_path / "elsewhere")] == [run.record]


def test_a_pipe_in_the_place_of_a_record_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / store.RECORD)
    with pytest.raises(DataError, match=r"record\.json is no file; move"):
        store.read_record(tmp_path)


@pytest.mark.honesty
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize(
    "place", ['"seconds": 2.0', '"epochs": 3', '"value": 0.5', '"largest_difference": 0.0']
)
def test_a_number_in_a_record_is_one(made, place, number):
    """No record that recbench wrote holds another, and every table would show it."""
    folder = made().folder
    file, (name, _, _) = folder / RECORD, place.partition(": ")
    text = file.read_text()
    assert place in text
    file.write_text(text.replace(place, f"{name}: {number}"))
    with pytest.raises(DataError, match=r"number.*; move .* away$"):
        read_record(folder)


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"note": 1}, "field 'note'"),
        ({"schema_version": 3}, "schema version 3"),
        ({"schema_version": 3, "seed": "x"}, "schema version 3"),
    ],
)
def test_a_record_of_a_later_recbench_asks_for_an_update(made, change, what):
    file = made().folder / RECORD
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(LaterError) as refused:
        read_record(file.parent)
    wrote = "is of a later recbench; update recbench, or move"
    assert str(refused.value) == f"{file}: {what} {wrote} {file.parent} away"
