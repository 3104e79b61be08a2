import json

import pytest

pytestmark = pytest.mark.honesty


@pytest.fixture
def popular(call, raw_folder, tmp_path, monkeypatch):
    """Run popularity on the made-up data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECBENCH_CACHE", str(tmp_path / "cache"))
    asked = ("--model", "popularity", "--dataset", "movielens", "--data-dir", str(raw_folder))
    assert call("run", *asked, "--draws", "2", "--no-audit")[0] == 0


def test_an_honest_run_is_verified(call, popular, raw_folder, tmp_path):
    code, out, err = call("verify", str(tmp_path / "results"), "--data-dir", str(raw_folder))
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "1 runs, 0 failed"
    assert "  ok           question" in out
    assert "  ok           model" in out


def test_an_edited_run_fails(call, popular, tmp_path):
    (path,) = (tmp_path / "results").rglob("record.json")
    path.write_text(path.read_text().replace('"draws": 2', '"draws": 1'))
    code, out, _ = call("verify", str(path.parent), "--format", "json")
    assert code == 1
    (run,) = json.loads(out)
    assert run["failed"]
    assert run["folder"] == str(path.parent)
    found = {one["name"]: one["result"] for one in run["checks"]}
    assert (found["record"], found["question"]) == ("failed", "not checked")


def test_a_path_without_runs_is_one_line(call, tmp_path):
    code, out, err = call("verify", str(tmp_path))
    assert (code, out) == (2, "")
    assert (
        err == f"error: {tmp_path} holds no finished run; name a run's folder, or one of results\n"
    )
