import json
import re
from functools import partial

import pytest

from recbench import experiment
from recbench.runs import leaderboard
from recbench.runs.leaderboard import Row
from recbench.runs.record import RunRecord, Trained
from recbench.runs.record_parts import Device, Digests, Memory, Provenance, Times
from recbench.runs.store import Run
from recbench.statistics.intervals import Figure
from recbench.testing.toy_lm import toy_llm
from recbench_cli import main as cli

MADE = Provenance(
    figure_version=1,
    plugin="p 1",
    commit=None,
    device=Device(name="cpu", hardware="x", system="y", threads=1),
    precision="float32",
    versions={},
)
TRAINED = Trained(
    training_id="4567-seed4",
    runtime_settings={},
    seed=4,
    data="d",
    parameters_trained=1,
    fit={},
    seconds=2,
    peak_memory=Memory(host=2**30, device=None),
    weights="w",
    parts={},
    provenance=MADE,
    finished="2026-01-01T00:00:00+00:00",
)
RECORD = RunRecord(
    run_id="0123-seed4",
    row="0123",
    model="ilora",
    preset=None,
    settings={},
    seed=4,
    random_training=True,
    dataset="movielens",
    protocol="paper",
    digests=Digests(dataset="d", catalogue="c", split="s", pack="p"),
    pack_seed=0,
    draws=5,
    candidates=20,
    examples=95,
    matching="exact",
    caption="mechanism test",
    writes=True,
    trained=TRAINED,
    metrics={"HitRatio@1": Figure(value=0.5, low=0.4, high=0.6, n=95)},
    examples_sha256="e",
    audit=None,
    provenance=MADE,
    times=Times(prepare=1, fit=2, score=3, audit=0),
    peak_memory=Memory(host=2**30, device=None),
    finished="2026-01-01T00:00:00+00:00",
)


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    """Run with a stand-in for the experiment; return code, stdout, stderr and what was asked."""
    asked = []

    def run(wanted, report, show_progress):
        asked.append(wanted)
        report("a line of progress")
        assert show_progress
        return Run(tmp_path, RECORD, reused=False)

    monkeypatch.setattr(experiment, "run", run)
    monkeypatch.chdir(tmp_path)  # without records that tell how long it takes
    # What it leaves on disk is not made here.
    monkeypatch.setattr(leaderboard, "rows_of", lambda runs: [Row("ilora", (*runs,), {}, None)])

    def start(*arguments):
        with pytest.raises(SystemExit) as left:
            cli.main(["run", "--model", "ilora", "--dataset", "movielens", *arguments])
        shown = capsys.readouterr()
        return left.value.code or 0, shown.out, shown.err, asked[-1] if asked else None

    return start


def test_json_is_alone_on_standard_output(call, tmp_path):
    code, out, err, _ = call("--json")
    assert code == 0
    assert json.loads(out) == {
        "record": str(tmp_path / "record.json"),
        "metrics": {"HitRatio@1": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 95}},
    }
    assert err == "a line of progress\n"


def test_a_closing_table(call, tmp_path):
    code, out, err, _ = call()
    assert code == 0
    assert re.search(r"HitRatio@1 +0.5000 +\[0.4000, 0.6000\] +95", out)
    assert "mechanism test" in out
    assert out.endswith(f"wrote {tmp_path / 'record.json'}\n")
    assert err == "a line of progress\n"


def test_defaults(call):
    wanted = call()[3]
    assert (wanted.protocol, wanted.draws, wanted.pack_seed, wanted.seed) == ("paper", 5, 0, 0)
    assert (wanted.device, wanted.matching, wanted.settings, wanted.preset) == (
        *("auto", "exact", {}, None),
    )
    assert not wanted.deterministic


def test_what_the_user_says_arrives(call, tmp_path):
    wanted = call(
        *("--set", "encoder=caser", "--set", "rank = 16", "--llm", "a/b", "--preset", "paper"),
        *("--seed", "4", "--draws", "20", "--pack-seed", "7", "--device", "cuda:1"),
        *("--matching", "substring", "--protocol", "next-item", "--train-fraction", "0.25"),
        "--deterministic",
        *("--train-dataset", "lastfm", "--train-data-dir", "there"),
        *("--cache", str(tmp_path), "--results", "out", "--data-dir", "raw"),
    )[3]
    assert wanted.settings == {"encoder": "caser", "rank": "16", "llm": "a/b"}
    assert (wanted.seed, wanted.draws, wanted.pack_seed) == (4, 20, 7)
    assert (wanted.device, wanted.matching, wanted.protocol) == ("cuda:1", "substring", "next-item")
    assert (wanted.preset, str(wanted.results), str(wanted.data_dir)) == ("paper", "out", "raw")
    assert wanted.deterministic
    assert (wanted.cache, wanted.train_fraction) == (tmp_path, 0.25)
    assert (wanted.train_dataset, str(wanted.train_data_dir)) == ("lastfm", "there")


@pytest.mark.parametrize(
    "given",
    [
        [
            "--protocol",
            "next-item",
            "--history",
            "5",
            "--candidates",
            "30",
            "--negatives",
            "uniform",
        ],
        ["--protocol", "next-item,history=5", "--candidates", "30"],
        ["--protocol", "next-item,candidates=30,history=5"],
    ],
    ids=" ".join,
)
def test_a_changed_protocol_arrives_under_its_one_name(call, given):
    assert call(*given)[3].protocol == "next-item,candidates=30,history=5"


def test_a_protocol_cannot_be_changed_to_anything(call):
    code, out, err, wanted = call("--candidates", "1")
    assert (code, out, wanted) == (2, "", None)
    assert err == "error: candidates must be a number from 2 to 32767, or all, not '1'\n"


@pytest.mark.parametrize("change", ["rank", "=8", " =8"])
def test_a_setting_without_name_or_value(call, change):
    code, out, err, wanted = call("--set", change)
    assert (code, out, wanted) == (2, "", None)
    assert err == f"error: --set takes NAME=VALUE, not '{change}'\n"


@pytest.fixture
def run_here(call_inside, raw_folder):
    """Return a function that asks a model about made-up data, as `call` does."""
    data = ("--dataset", "movielens", "--data-dir", str(raw_folder))
    return lambda model, *options: call_inside("run", "--model", model, *data, *options)


def test_a_control_is_audited_verified_and_compared(call_inside, run_here, raw_folder, tmp_path):
    few = ("examples=16", "epochs=1", "candidates=5", "targets=q_proj", "curve_rows=0")
    llm = toy_llm(tmp_path / "toy")
    asked = ["--llm", str(llm), "--draws", "1"]
    asked += [word for one in few for word in ("--set", one)]
    assert run_here("ilora", *asked, "--no-audit")[0] == 0
    code, out, err = run_here("ilora", *asked, "--control", "other-user")
    assert code == 0
    assert "asking the model trained before" in err
    assert "a control, not a result to rank: the gate fed with another user's history" in out
    code, out, _ = call_inside("verify", "results", "--data-dir", str(raw_folder))
    assert (code, out.splitlines()[-1]) == (0, "2 runs, 0 failed")
    named = f"llm={llm}, examples=16"
    code, out, err = call_inside("compare", "ilora", "--baseline", f"ilora ({named})")
    assert code == 0, err
    assert f"ilora ({named}, control=other-user)  ilora ({named})" in out


def test_what_a_limit_leaves_is_no_result_and_in_nobodys_way(call_inside, run_here):
    assert run_here("popularity", "--limit", "2", "--no-audit")[0] == 0
    for model in ("popularity", "random"):
        assert run_here(model, "--no-audit")[0] == 0
    code, out, err = call_inside("compare", "popularity", "random")
    assert (code, err) == (0, "")
    code, out, _ = run_here("popularity", "--limit", "2", "--no-audit", "--json")
    assert json.loads(out)["no_result"].startswith("not a result")
    code, out, _ = run_here("popularity", "--no-audit", "--json")
    assert set(json.loads(out)) == {"record", "metrics"}
    code, out, _ = call_inside("leaderboard")
    assert "Not comparable with the table above: another --limit." in out
    assert "popularity (first_rows=2): not a result" in out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--control", "shuffled-history"), "--control shuffled-history says nothing of popular"),
        (("--control", "nonsense"), "'shuffled-history', 'other-user', 'permuted-items', 'anon"),
        (("--limit", "0"), "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_asked_so_is_one_line(run_here, options, says):
    code, out, err = run_here("popularity", *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err


@pytest.mark.parametrize(
    ("model", "lists"), [("zero-shot", True), ("llara", True), ("bigrec", False)]
)
def test_the_first_prompt_is_shown(run_here, monkeypatch, model, lists):
    monkeypatch.setattr("recbench.experiment.train_or_find", None)  # it is shown before
    code, out, err = run_here(model, "--llm", "tiny", "--show-prompt")
    assert (code, out) == (1, "")
    shown = err.partition("This user watched these movies, oldest first:\n")[2]
    assert shown.startswith("Film ")
    assert ("Choose the next movie from this list:" in shown) == lists
    assert "The next movie is:" in shown
    assert ("<|item|>" in shown) == (model == "llara")


def test_a_prompt_of_a_chat_is_shown_with_its_instruction(run_here, monkeypatch):
    monkeypatch.setattr("recbench.experiment.train_or_find", None)
    where = ("--set", "endpoint=http://127.0.0.1:1/v1", "--set", "chat_model=x")
    _, _, err = run_here("chatrec", *where, "--show-prompt")
    assert "Answer with one title from the list" in err
    assert "This user watched these movies" in err


def test_long_work_is_told_of_beforehand_where_earlier_runs_tell(run_here, tmp_path):
    run = partial(run_here, "random", "--no-audit")
    assert "by earlier runs" not in run()[2]
    (file,) = tmp_path.glob("results/*/*/random/*/record.json")
    record = json.loads(file.read_text())
    record["trained"]["seconds"] = 7200.0
    file.write_text(json.dumps(record))
    assert "by earlier runs of random: about 120 min, less where a" in run("--seed", "1")[2]
    assert "by earlier runs" not in run("--seed", "1", "--show-prompt")[2]
    (file.parent / "record.json").write_text("broken")
    assert "by earlier runs" not in run("--seed", "2")[2]
