"""What a user sees of the audit, and of an evaluation that was stopped."""

import json
from importlib.metadata import EntryPoint
from pathlib import Path

import cheats
import pytest
from cheats import Watched

from recbench import registry
from recbench.evaluation import asking, fresh_process

pytestmark = pytest.mark.honesty


@pytest.fixture
def run(call, monkeypatch, tmp_path, raw_folder):
    """Run a model class from the command line; return code, output, errors and the records."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "plugins"))
    monkeypatch.setattr(asking, "ROWS_AT_ONCE", 16)
    monkeypatch.setattr(Watched, "calls", 0)
    points = list(registry.entry_points("recbench.models"))
    real = registry.entry_points

    def started(model_class, *arguments):
        mine = EntryPoint("mine", f"cheats:{model_class.__name__}", "recbench.models")
        with monkeypatch.context() as patch:
            patch.setattr(
                registry,
                "entry_points",
                lambda group: [*points, mine] if group == "recbench.models" else real(group),
            )
            code, out, err = call(
                *("run", "--model", "mine", "--dataset", "movielens", "--protocol", "next-item"),
                *("--data-dir", str(raw_folder), "--cache", str(tmp_path / "cache")),
                *("--results", str(tmp_path / "results"), *arguments),
            )
        return code, out, err, sorted((tmp_path / "results").rglob("record.json"))

    return started


@pytest.mark.parametrize("cheat", [cheats.ListedRememberingCandidates, cheats.SavedByHalves])
def test_a_refused_run_leaves_no_record_and_a_mended_model_is_asked_anew(run, cheat):
    for _ in range(2):  # refused again: nothing of the first time passes for the second
        code, out, err, records = run(cheat)
        assert (code, out, records) == (1, "", []), err
        assert err.splitlines()[-1].startswith("error: scores depend on what else was asked: ")
        assert err.endswith("the run is refused\n")
    code, out, err, records = run(cheats.Guess)
    assert (code, len(records)) == (0, 1)
    audited = json.loads(records[0].read_text())["audit"]
    assert audited["rows"] == 32
    assert audited["largest_difference"] == audited["better_placed"] == 0


def test_what_is_not_saved_whole_is_refused_however_often_its_run_was_stopped(run, monkeypatch):
    monkeypatch.setattr(Watched, "stopped_at", 2)
    assert run(cheats.StoppedByHalves)[0] == 130
    monkeypatch.setattr(Watched, "stopped_at", None)
    for _ in range(2):  # the second would pass if it asked what the first has left
        code, out, err, records = run(cheats.StoppedByHalves)
        assert (code, out, records) == (1, "", []), err
        assert err.endswith("the run is refused\n")


def test_a_training_that_passed_outlasts_a_run_that_is_refused(run):
    assert run(cheats.Guess)[0] == 0
    more = "--draws", "3"
    assert run(cheats.ListedRememberingCandidates, *more)[0] == 1
    code, _, err, _ = run(cheats.Guess, *more)
    assert code == 0
    assert "asking the model trained before" in err


def test_without_an_audit_the_record_says_so(run):
    code, _, _, (record,) = run(cheats.ListedRememberingCandidates, "--no-audit")
    assert code == 0
    assert json.loads(record.read_text())["audit"] is None


def test_a_stopped_evaluation_goes_on(run, monkeypatch):
    monkeypatch.setattr(Watched, "stopped_at", 2)
    assert run(Watched)[0] == 130
    assert Watched.calls == 2
    monkeypatch.setattr(Watched, "stopped_at", None)
    code, _, _, (record,) = run(Watched)
    assert code == 0
    assert Watched.calls == 4  # of 60 users, 16 a call
    stopped = json.loads(record.read_text())["metrics"]
    _, _, _, (record,) = run(Watched, "--fresh")
    assert json.loads(record.read_text())["metrics"] == stopped


def test_a_stopped_audit_begins_again_and_asks_the_model_nothing(run, monkeypatch):
    def stopped(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fresh_process, "_run", stopped)
        assert run(Watched)[0] == 130
    assert Watched.calls == 4
    code, _, err, records = run(Watched)
    assert (code, len(records)) == (0, 1)
    assert Watched.calls == 4
    assert "asking the model trained before" in err


def test_a_copy_that_fails_is_one_line_and_costs_no_answers(run, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "nowhere")
    code, out, err, records = run(Watched)
    assert (code, out, records) == (1, "", [])
    assert err.splitlines()[-1] == (
        "error: the model 'mine' of package unknown package: "
        "Watched, loaded by a fresh process, could not be asked: "
        "ModuleNotFoundError: No module named 'cheats'"
    )
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "plugins"))
    assert run(Watched)[0] == 0
    assert Watched.calls == 4
