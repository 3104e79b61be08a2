import json
import os
import time

import pytest

from recbench.runs.stopwatch import FILE, Stopwatch


@pytest.fixture
def clock(monkeypatch):
    """Return a function that lets seconds pass; the time of day stands as it is."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return lambda seconds: now.__setitem__(0, now[0] + seconds)


def test_stages_are_counted_and_added_up(tmp_path, clock):
    watch = Stopwatch(tmp_path / "folder", pytest.fail)
    for seconds in (2, 3):
        with watch.stage("fit"):
            clock(seconds)
    watch.add("prepare", 1.5)
    assert watch.seconds == {"fit": 5.0, "prepare": 1.5}


def test_another_process_goes_on_counting(tmp_path, clock):
    Stopwatch(tmp_path, pytest.fail).add("fit", 4)
    watch = Stopwatch(tmp_path, pytest.fail)
    watch.add("fit", 1)
    assert Stopwatch(tmp_path, pytest.fail).seconds == {"fit": 5.0}


def test_only_the_process_that_writes_reads_what_is_kept(tmp_path):
    (tmp_path / FILE).write_text("half of it")  # while the one that writes renames another
    assert Stopwatch(tmp_path, pytest.fail, writes=False).seconds == {}


def test_a_stage_that_fails_is_counted(tmp_path, clock):
    def fail():
        with Stopwatch(tmp_path, pytest.fail).stage("fit"):
            clock(7)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert Stopwatch(tmp_path, pytest.fail).seconds == {"fit": 7.0}


def killed(folder, stage, begun):
    """Leave the file that a process leaves which was killed in a stage."""
    folder.mkdir(exist_ok=True)
    text = json.dumps({"seconds": {stage: 10.0}, "running": [stage, begun]})
    (folder / FILE).write_text(text)


def test_a_killed_stage_counts_up_to_its_last_sign_of_life(tmp_path):
    begun = time.time() - 1000
    killed(tmp_path, "fit", begun)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/checkpoint").touch()
    for path in (tmp_path / FILE, tmp_path / "deep", tmp_path / "deep/checkpoint"):
        os.utime(path, (begun + 3, begun + 3))
    os.utime(tmp_path / "deep/checkpoint", (begun + 60, begun + 60))
    assert Stopwatch(tmp_path, pytest.fail).seconds["fit"] == pytest.approx(70.0, abs=0.01)
    assert Stopwatch(tmp_path, pytest.fail).seconds["fit"] == pytest.approx(70.0, abs=0.01)


def test_a_clock_that_was_set_back_takes_nothing_away(tmp_path):
    killed(tmp_path, "fit", time.time() + 1000)
    assert Stopwatch(tmp_path, pytest.fail).seconds == {"fit": 10.0}


def test_damaged_seconds_are_told_of_and_counted_anew(tmp_path, clock):
    Stopwatch(tmp_path, pytest.fail).add("fit", 1234.5)
    file, said = tmp_path / FILE, []
    for damage in (b"9234.5", b"\xff234.5", b"{"):
        kept = file.read_bytes()
        file.write_bytes(kept.replace(b"1234.5", damage))
        assert Stopwatch(tmp_path, said.append).seconds == {}
        assert said.pop() == (
            f"{file} was changed after it was written: seconds count from here on"
        )
        file.write_bytes(kept)
    assert Stopwatch(tmp_path, pytest.fail).seconds == {"fit": 1234.5}
