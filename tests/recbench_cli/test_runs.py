"""`recbench runs`, on runs that were interrupted, finished, and made anew."""

import json
import os
import shlex
import subprocess
import sys

import pytest
import typer


@pytest.fixture
def run(call_inside, raw_folder):
    """Return a function that runs popularity on the made-up data, from the folder of this test."""
    asked = ("--model", "popularity", "--dataset", "movielens", "--data-dir", str(raw_folder))
    usual = ("--draws", "2", "--no-audit")
    return lambda *more: call_inside("run", *asked, *usual, *more)


@pytest.fixture
def interrupted(run, monkeypatch):
    """Interrupt a run when it is asked."""
    from recbench_baselines.popularity import Popularity

    def score(*_):
        raise KeyboardInterrupt

    def interrupt(*more):
        with monkeypatch.context() as patch:
            patch.setattr(Popularity, "score", score)
            code, _, err = run(*more)
        assert code == 130
        return err

    return interrupt


def states(call_inside):
    _, out, _ = call_inside("runs", "list", "--format", "json")
    return {one["run"].split("/")[-1]: (one["state"], one["left"]) for one in json.loads(out)}


def test_what_is_left_to_do_is_listed_and_gone_on_with(run, interrupted, call_inside):
    assert interrupted().endswith("interrupted; the same command goes on where this one stopped\n")
    ((name, state),) = states(call_inside).items()
    assert state[0] == "answering"
    assert state[1].startswith("0 of ")
    code, out, err = call_inside("runs", "list")
    assert (code, err) == (0, "")
    assert "answering" in out
    code, out, _ = call_inside("runs", "show", name[:6])
    assert code == 0
    assert "state: answering" in out
    (line,) = [one for one in out.splitlines() if one.startswith("command: recbench ")]
    assert call_inside(*shlex.split(line)[2:])[0] == 0  # the remedy works
    assert states(call_inside) == {name: ("finished", "")}
    code, out, _ = call_inside("runs", "show", name)
    assert (code, "HitRatio@1" in out, "state: finished" in out) == (0, True, True)
    told = json.loads(call_inside("runs", "show", name, "--format", "json")[1])
    assert set(told) == {"run", "state", "settings", "seed", "metrics", "command"}
    assert call_inside(*shlex.split(told["command"])[1:])[0] == 0


def test_a_fresh_run_that_is_interrupted_begins_anew_and_loses_nothing(
    run, interrupted, call_inside, tmp_path
):
    assert run()[0] == 0
    (record,) = tmp_path.rglob("record.json")
    before = record.read_bytes()
    assert interrupted("--fresh").endswith("interrupted; the same command begins anew\n")
    assert record.read_bytes() == before
    _, out, _ = call_inside("runs", "list", "--format", "json")
    assert [one["state"] for one in json.loads(out)] == [
        "answering, anew: a finished one stands",
        "finished",
    ]
    _, out, _ = call_inside("runs", "show", str(record.parent))
    assert "--fresh" in out
    assert "found" in run()[1]
    assert run("--fresh")[0] == 0
    assert record.read_bytes() != before


def test_cleaning_says_what_and_asks(interrupted, run, call_inside, tmp_path):
    assert run("--seed", "1", "--protocol", "temporal")[0] == 0
    interrupted()
    kept = {path: path.read_bytes() for path in tmp_path.rglob("temporal/**/*") if path.is_file()}
    code, out, _ = call_inside("runs", "clean")
    assert (code, "nothing" in out) == (0, True)
    code, out, _ = call_inside("runs", "clean", "--older-than", "0")
    assert code == 0
    assert "unfinished answering, 0 of " in out
    assert "nothing was removed; --yes removes these 1, " in out
    assert len(states(call_inside)) == 2
    code, out, _ = call_inside("runs", "clean", "--older-than", "0", "--yes")
    assert (code, out.splitlines()[-1][:10]) == (0, "removed 1,")
    assert [state for state, _ in states(call_inside).values()] == ["finished"]
    assert {path: path.read_bytes() for path in kept} == kept
    assert run()[0] == 0


def test_an_unfinished_look_is_cleaned_away(call_inside, tmp_path):
    look = tmp_path / "cache/looks/0123456789abcdef-rotate-100"
    look.mkdir(parents=True)
    (look / "ledger.jsonl").touch()
    assert "nothing" in call_inside("runs", "clean", "--yes")[1]
    for path in (look / "ledger.jsonl", look):
        os.utime(path, (0, 0))
    code, out, _ = call_inside("runs", "clean", "--yes")
    assert (code, f"unfinished look: {look}" in out) == (0, True)
    assert not look.exists()


def test_a_question_that_is_ended_removes_nothing(interrupted, call_inside, monkeypatch):
    def confirm(_):
        raise typer.Abort  # as by Ctrl-D

    interrupted()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(typer, "confirm", confirm)
    code, _, err = call_inside("runs", "clean", "--older-than", "0")
    assert code == 130
    assert err == "\nnothing was removed\ninterrupted; the same command begins anew\n"
    assert len(states(call_inside)) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "nothing"), "no run below results begins with 'nothing'"),
        (("clean", "--older-than", "-1"), "'--older-than'"),
        (("import", "nowhere"), "nowhere holds no finished run"),
        (("import",), "Missing argument 'PATH...'"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line(call_inside, words, said):
    code, out, err = call_inside("runs", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_where_there_is_no_run_it_is_said(call_inside):
    assert call_inside("runs", "list")[::2] == (
        0,
        "no run below results; make one with: recbench run\n",
    )


def test_runs_are_imported_and_conflicts_are_exit_1(run, call_inside, raw_folder, tmp_path):
    assert run()[0] == 0
    code, out, err = call_inside(
        "runs", "import", "results", "--results", "merged", "--no-trainings"
    )
    assert (code, out) == (0, "1 imported, 0 there already, 0 refused\n")
    assert err.splitlines()[-1].startswith("imported: results/movielens/")
    code, out, err = call_inside("runs", "import", "results", "--results", "merged")
    size = sum(file.stat().st_size for file in tmp_path.glob("results/**/model/*"))
    models = f"kept models: 1, {size} B\n"
    assert (code, out) == (0, f"0 imported, 1 there already, 0 refused\n{models}")
    assert err.splitlines()[-1].endswith(f", its model of {size} B imported")
    (merged,) = (tmp_path / "merged").rglob("record.json")
    words = ("--history", "Film 1", "--data-dir", str(raw_folder))
    assert call_inside("recommend", "--run", str(merged.parent), *words)[0] == 0
    code, out, _ = call_inside("runs", "import", "results", "--results", "merged")
    assert (code, out) == (0, "0 imported, 1 there already, 0 refused\n")
    (record,) = (tmp_path / "results").rglob("record.json")
    record.write_text(record.read_text().replace('"draws": 2', '"draws": 1'))
    code, out, err = call_inside("runs", "import", "results", "--results", "merged")
    assert (code, out) == (1, "0 imported, 0 there already, 1 refused\n")
    assert "refused: results/movielens/" in err


def test_a_sign_that_standard_output_lacks_is_named_and_the_remedy_helps(tmp_path):
    (tmp_path / "r/数/b/c/d/checkpoints").mkdir(parents=True)

    def listed(encoding):
        command = [sys.executable, "-P", "-m", "recbench_cli", "runs", "list", "--results", "r"]
        environment = os.environ | {"PYTHONIOENCODING": encoding}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, check=False
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    code, out, err = listed("latin-1")
    said = "standard output is latin-1, which has no '\\u6570'; set "
    assert (code, out, err) == (2, "", f"error: {said}PYTHONIOENCODING=utf-8\n")
    code, out, err = listed("utf-8")
    assert (code, "数" in out, err) == (0, True, "")


def test_a_folder_is_shown_wherever_it_is(run, interrupted, call_inside, tmp_path, monkeypatch):
    assert run()[0] == 0
    (folder,) = (path.parent for path in tmp_path.rglob("record.json"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for place in (str(folder), os.path.relpath(folder)):
        code, out, err = call_inside("runs", "show", place)
        assert (code, err, "state: finished" in out) == (0, "", True)
        (line,) = [one for one in out.splitlines() if one.startswith("command: recbench ")]
        assert f"--results {tmp_path / 'results'}" in line  # so that it finds this run
    assert call_inside("runs", "show", folder.name)[0] == 2  # below ./results there is none
    monkeypatch.chdir(tmp_path)
    interrupted("--pack-seed", "3")
    ((name, _),) = (one for one in states(call_inside).items() if one[1][0] != "finished")
    monkeypatch.chdir(tmp_path / "elsewhere")
    code, out, err = call_inside("runs", "show", str(folder.with_name(name)))
    assert (code, err, "state: answering" in out) == (0, "", True)


def test_a_folder_that_was_moved_is_not_trusted(run, call_inside, tmp_path):
    assert run()[0] == 0
    (folder,) = (path.parent for path in tmp_path.rglob("record.json"))
    folder.rename(tmp_path / "moved")
    code, out, err = call_inside("runs", "show", "moved")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "is not to be trusted: it belongs into movielens/" in err
