"""What a cell has reached, at a scheduler that keeps values."""

import time
from pathlib import Path

import pytest

from recbench.cells import reached
from recbench.cells.reached import Reached
from recbench.sent_files import write_files

ARGUMENTS = ["--model", "sasrec", "--seed", "0"]


class Scheduler:
    """Keeps values, and counts how often one was sent."""

    def __init__(self) -> None:
        self.values, self.sent = {}, 0

    def get_metadata(self, keys, default):
        return self.values.get(tuple(keys), default)

    def set_metadata(self, key, value):
        self.values[tuple(key)] = value
        self.sent += 1


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler()


def at(scheduler: Scheduler, arguments: list[str] = ARGUMENTS) -> Reached:
    return Reached(scheduler, arguments)


def test_another_folder_goes_on_where_a_cell_is(scheduler, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    at(scheduler).bring(here)
    assert not here.exists()  # nothing was reached yet
    write_files({"a/checkpoint": b"500"}, here)
    at(scheduler).send(here)
    write_files({"a/checkpoint": b"20", "old": b"x"}, there)
    at(scheduler).bring(there)
    assert [one.name for one in there.rglob("*") if one.is_file()] == ["checkpoint"]
    assert (there / "a" / "checkpoint").read_bytes() == b"500"
    at(scheduler, ["--seed", "1"]).bring(tmp_path / "another")
    assert not (tmp_path / "another").exists()


def test_the_folder_that_sent_last_keeps_what_it_has_reached_since(scheduler, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    write_files({"checkpoint": b"500"}, here)
    at(scheduler).send(here)
    write_files({"checkpoint": b"600"}, here)
    at(scheduler).bring(here)
    assert (here / "checkpoint").read_bytes() == b"600"
    write_files({"checkpoint": b"700"}, there)
    at(scheduler).send(there)
    at(scheduler).bring(here)
    assert (here / "checkpoint").read_bytes() == b"700"


def test_what_was_forgotten_is_brought_to_nobody(scheduler, tmp_path):
    write_files({"checkpoint": b"500"}, tmp_path / "here")
    at(scheduler).send(tmp_path / "here")
    assert at(scheduler).files == {"checkpoint": b"500"}
    at(scheduler).forget()
    assert at(scheduler).files == {}
    at(scheduler).bring(tmp_path / "there")
    assert not (tmp_path / "there").exists()


def until(true) -> None:
    for _ in range(2000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it has not happened")


def test_what_changes_is_sent_now_and_then_and_at_the_end(scheduler, tmp_path, monkeypatch):
    monkeypatch.setattr(reached, "EVERY", 0.01)
    one = at(scheduler)
    with one.kept_up(tmp_path):
        write_files({"checkpoint": b"500"}, tmp_path)
        until(lambda: one.files == {"checkpoint": b"500"})
        sent = scheduler.sent
        time.sleep(0.1)
        assert scheduler.sent == sent  # nothing was changed
        monkeypatch.setattr(reached, "EVERY", 600)
    with one.kept_up(tmp_path):
        write_files({"record.json": b"{}"}, tmp_path)
    assert one.files == {"checkpoint": b"500", "record.json": b"{}"}


def test_a_cell_outlives_a_scheduler_that_cannot_be_reached_for_now(
    scheduler, tmp_path, monkeypatch
):
    monkeypatch.setattr(reached, "EVERY", 0.01)
    keep, tried = scheduler.set_metadata, []

    def lost(key, value):
        tried.append(value)
        if len(tried) < 3:
            raise (OSError, RuntimeError)[len(tried) - 1]("Stream is closed")
        keep(key, value)

    monkeypatch.setattr(scheduler, "set_metadata", lost)
    Path(tmp_path / "checkpoint").write_bytes(b"500")
    with at(scheduler).kept_up(tmp_path):
        until(lambda: scheduler.sent)
    assert at(scheduler).files == {"checkpoint": b"500"}
