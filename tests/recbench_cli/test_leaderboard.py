import itertools
import json
import re
import shutil

import pytest

from recbench import experiment
from recbench.cells import cluster, local
from recbench.cells.process import Ended
from recbench.request import Experiment


@pytest.fixture
def call(call_here):
    return call_here


@pytest.fixture(scope="module")
def ran(raw_folder, tmp_path_factory):
    """Two rows of the popularity model on made-up data, which learnt from more or fewer users."""
    folder = tmp_path_factory.mktemp("ran")
    for fraction in (0.5, 0.9):
        wanted = Experiment(
            model="popularity",
            dataset="movielens",
            draws=2,
            train_fraction=fraction,
            device="cpu",
            audit=False,
            data_dir=raw_folder,
            results=folder / "results",
            cache=folder / "cache",
        )
        experiment.run(wanted, lambda line: None)
    return folder


@pytest.fixture
def popular(ran, tmp_path):
    """The two rows, in the folders of this test."""
    shutil.copytree(ran, tmp_path, dirs_exist_ok=True)


def test_the_table_of_real_runs(call, popular):
    code, out, err = call("leaderboard")
    assert (code, err) == (0, "")
    assert "popularity (train_fraction=0.5)" in out
    (table,) = json.loads(call("leaderboard", "--format", "json")[1])
    assert [row["seeds"] for row in table["rows"]] == [[0], [0]]
    assert call("leaderboard", "--format", "csv")[1].startswith("dataset,protocol,")
    assert "| popularity " in call("leaderboard", "--format", "markdown")[1]


def test_a_baseline_is_a_row_of_the_table(call, popular):
    code, out, err = call("leaderboard", "--baseline", "popularity (train_fraction=0.5)")
    assert (code, err) == (0, "")
    assert "HitRatio@1 to popularity (train_fraction=0.5)" in out
    code, out, err = call("leaderboard", "--baseline", "sasrec")
    assert (code, out) == (2, "")
    assert err == "error: no row is of sasrec: give a model or a label of the table\n"
    code, _, err = call("leaderboard", "--baseline", "popularity")
    assert code == 2
    assert err.startswith("error: several rows are of popularity: ")


def test_rows_are_compared_two_by_two_by_model_and_by_folder(call, popular, tmp_path):
    code, out, err = call("compare", "popularity")
    assert (code, err) == (0, "")
    assert "adjusted for 1 pair (Bonferroni)" in out
    folders = [str(one.parent) for one in sorted((tmp_path / "results").rglob("record.json"))]
    (pair,) = json.loads(call("compare", *folders, "--format", "json")[1])["pairs"]
    assert {pair["first"], pair["second"]} == {
        f"popularity (train_fraction={fraction})" for fraction in (0.5, 0.9)
    }
    code, out, err = call("compare", folders[0])
    assert (code, out) == (2, "")
    assert "is one row; name another to compare it with" in err
    code, _, err = call("compare", "popularty")
    assert code == 2
    assert "did you mean 'popularity'" in err
    code, _, err = call("compare", "popularity", "--draws", "9")
    assert (code, "known:" in err) == (2, True)


@pytest.mark.honesty
def test_a_model_that_is_named_brings_its_controls_only_to_a_baseline(call, made):
    made([1, 0, 1, 1], model="a", settings={"llm": "x"})
    made([1, 1, 1, 0], model="b", settings={"llm": "x"})
    made([0, 0, 1, 0], model="a", settings={"llm": "x"}, control="shuffled-history")
    code, out, err = call("compare", "a", "b")
    assert (code, "adjusted for 1 pair (" in out) == (0, True)
    assert err == "controls of a are left out; name them by their labels, or give --baseline\n"
    code, out, err = call("compare", "a", "--baseline", "a (llm=x)")
    assert (code, err, "control=shuffled-history" in out) == (0, "", True)
    control = "a (llm=x, control=shuffled-history)"
    code, out, err = call("compare", "b", control)
    assert (code, err, "control=shuffled-history" in out) == (0, "", True)
    code, out, err = call("compare", "a", control)
    assert (code, "adjusted for 1 pair (" in out, "control=shuffled-history" in out) == (0, 1, 1)


def test_rows_are_compared_by_labels_of_tables_and_by_folders_of_several(call, popular, tmp_path):
    half, most = (f"popularity (train_fraction={fraction})" for fraction in (0.5, 0.9))
    model = tmp_path / "results/movielens/paper/popularity"
    for words in ([half, most], [most, "--baseline", half], [str(model)], [str(tmp_path)]):
        code, out, err = call("compare", *words)
        assert (code, err) == (0, ""), words
        assert "adjusted for 1 pair (Bonferroni)" in out
    for given in (half, str(next(model.iterdir()))):
        assert "is one row; name another" in call("compare", given, "--baseline", given)[2]
    code, _, err = call("compare", str(tmp_path / "cache"))
    assert code == 2
    assert "cache holds no finished run; name a run's folder, or one of results" in err
    code, _, err = call("compare", str(model), "--draws", "9")
    assert code == 2
    assert "popularity holds no finished run of what was asked; name a single" in err


def test_own_k_in_every_form(call, popular):
    code, out, err = call("leaderboard", "--k", "7, 3,7")
    assert (code, err) == (0, "")
    header = next(line for line in out.splitlines() if line.startswith("model"))
    names = ("HitRatio@7", "NDCG@7", "HitRatio@3", "NDCG@3")
    assert [word for word in header.split() if word in names] == list(names)
    for form in ("csv", "json", "markdown"):
        assert "HitRatio@7" in call("leaderboard", "--k", "7", "--format", form)[1]
    assert (
        "HitRatio@7: first less second"
        in call("compare", "popularity", "--metric", "HitRatio@7")[1]
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("0", "--k takes whole numbers from 1 on, parted by commas, not '0'"),
        ("20", "K must be from 1 to 19, not 20: among the first 20 of 20 candidates stands every"),
        ("3,99999999999999999999", "K must be from 1 to 19, not 99999999999999999999: "),
        ("-1", "--k takes whole numbers from 1 on, parted by commas, not '-1'"),
        ("1.5", "--k takes whole numbers from 1 on, parted by commas, not '1.5'"),
        ("five", "--k takes whole numbers from 1 on, parted by commas, not 'five'"),
        ("\N{ARABIC-INDIC DIGIT THREE}", "--k takes whole numbers from 1 on"),
        (",", "--k names nothing; give names parted by commas"),
    ],
)
def test_a_k_that_says_nothing_is_a_line(call, popular, given, said):
    code, out, err = call("leaderboard", f"--k={given}")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: {said}")
    assert call("leaderboard", "--k", "19")[0] == 0


@pytest.mark.parametrize("candidates", ["2", "3", "5", "10", "11"])
def test_the_first_k_of_k_candidates_are_not_reported(call, raw_folder, candidates):
    run = ("run", "--model", "popularity", "--dataset", "movielens", "--data-dir", str(raw_folder))
    run += ("--candidates", candidates, "--draws", "1", "--device", "cpu", "--no-audit")
    code, out, err = call(*run)
    assert code == 0, err
    shown = {int(k) for k in re.findall(r"(?:HitRatio|NDCG)@(\d+)", out)}
    assert shown == {k for k in (1, 3, 5, 10) if k < int(candidates)}
    metrics = json.loads(call(*run, "--json")[1])["metrics"]
    assert {int(k) for k in re.findall(r"@(\d+)", " ".join(metrics))} == shown
    for form in ("table", "csv", "json"):
        page = call("leaderboard", "--format", form)[1]
        assert not re.search(rf"@{candidates}\b", page)


def test_own_k_are_no_matter_of_groups(call, popular):
    code, _, err = call("leaderboard", "--k", "3", "--group-by", "user")
    assert (code, err.count("\n")) == (2, 1)
    assert "--k" in err


def test_a_plan_needs_runs_and_a_difference_that_can_be(call, popular):
    code, out, err = call("plan", "--dataset", "movielens", "--difference", "0.05")
    assert (code, err) == (0, "")
    assert "users for 0.05" in out
    code, out, err = call("plan", "--dataset", "lastfm")
    assert (code, out) == (2, "")
    assert "there are none of lastfm" in err
    code, _, err = call("plan", "--difference", "2")
    assert (code, err) == (2, "error: --difference must be above 0 and below 1, not 2\n")


def test_one_protocol_has_no_order_to_keep(call, popular):
    code, out, err = call("study", "order")
    assert (code, out) == (2, "")
    assert "no two questions about movielens have three systems in common" in err


def test_what_learns_no_rows_has_no_curve(call, popular):
    code, out, err = call("study", "curves")
    assert (code, out) == (2, "")
    assert "no run on movielens has a learning curve" in err


def test_groups_of_real_runs(call, popular):
    code, out, err = call("leaderboard", "--group-by", "target-count")
    assert (code, err) == (0, "")
    assert "HitRatio@1 by target-count" in out
    assert "popularity" in out


def test_rows_are_chosen_by_name(call, popular):
    assert "popularity" in call("leaderboard", "--models", "popularity,sasrec")[1]
    code, out, err = call("leaderboard", "--models", "sasrec", "--format", "json")
    assert (code, json.loads(out)) == (0, [])
    assert err.startswith("no finished run below")


def test_rows_of_a_plug_in_that_is_not_installed_are_chosen_by_name(call, made, tmp_path):
    """They may have been imported from whoever has it."""
    for model in ("theirs", "gru4rec"):
        made(model=model)
    code, out, _ = call("leaderboard", "--models", "theirs", "--format", "json")
    assert code == 0
    (table,) = json.loads(out)
    assert ([row["model"] for row in table["rows"]], table["rows_left_out"]) == (["theirs"], 1)
    groups = call("leaderboard", "--models", "theirs", "--group-by", "user", "--format", "json")
    assert json.loads(groups[1])[0]["rows_left_out"] == 1
    assert "1 more row was asked the same" in call("leaderboard", "--models", "theirs")[1]
    code, _, err = call("leaderboard", "--models", "thiers")
    assert (code, err.startswith("error: unknown model 'thiers'")) == (2, True)
    code, _, err = call("leaderboard", "--run", "--models", "theirs", "--datasets", "movielens")
    assert (code, err.startswith("error: unknown model 'theirs'")) == (2, True)


@pytest.mark.parametrize(
    ("choice", "shown"),
    [
        (["--protocol", "paper"], 1),
        (["--protocol", "next-item"], 0),
        (["--protocol", "paper", "--candidates", "20"], 1),
        (["--protocol", "paper", "--candidates", "30"], 0),
        (["--draws", "2"], 1),
        (["--draws", "5"], 0),
        (["--pack-seed", "0"], 1),
        (["--pack-seed", "3"], 0),
        (["--datasets", "movielens", "--protocol", "paper", "--draws", "2"], 1),
    ],
    ids=str,
)
def test_what_is_given_explicitly_chooses_rows(call, popular, choice, shown):
    code, out, err = call("leaderboard", *choice, "--format", "json")
    assert (code, len(json.loads(out))) == (0, shown)
    assert ("is what was asked for; make one with: recbench run" in err) == (not shown)


def test_full_rankings_have_a_table_of_their_own(call, popular, raw_folder, tmp_path):
    code, out, err = call(
        *("run", "--model", "popularity", "--dataset", "movielens", "--data-dir", str(raw_folder)),
        *("--candidates", "all", "--device", "cpu", "--no-audit"),
    )
    assert code == 0
    assert "protocol paper,candidates=all: 6 examples, all 80 items ranked, pack " in out
    assert "NDCG@10" in out
    tables = json.loads(call("leaderboard", "--format", "json")[1])
    assert [table["protocol"] for table in tables] == ["paper", "paper,candidates=all"]
    code, out, err = call("leaderboard", "--protocol", "paper", "--candidates", "all")
    assert (code, err) == (0, "")
    assert "HitRatio@10" in out
    assert "draws" not in out


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("file", "content"), [("record.json", b"{"), ("examples.parquet", b"PAR1")], ids=str
)
@pytest.mark.parametrize("by", [[], ["--group-by", "target-count"]], ids=str)
def test_a_broken_run_is_left_out_and_said(call, popular, tmp_path, file, content, by):
    call("leaderboard")  # what was checked once is not trusted when it has changed
    broken, _ = sorted(path.parent for path in (tmp_path / "results").rglob("record.json"))
    (broken / file).write_bytes(content)
    code, out, err = call("leaderboard", *by, "--format", "csv")
    assert code == 1
    assert len({line.split(",")[5] for line in out.splitlines()[1:]}) == 1
    assert err.startswith(f"a run is missing: {broken}/")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("record", "choice", "shown"),
    [
        ({"full": True, "ranks": [1, 9]}, ["--draws", "20"], 1),
        ({"full": True, "ranks": [1, 9]}, ["--pack-seed", "3"], 1),
        ({"protocol": "released,candidates=4,negatives=given", "draws": 1}, ["--draws", "20"], 1),
        ({"protocol": "released,candidates=4,negatives=given"}, ["--pack-seed", "3"], 0),
        ({}, ["--draws", "20"], 0),
    ],
)
def test_draws_choose_among_what_was_drawn(call, made, record, choice, shown):
    made(**record)
    code, out, _ = call("leaderboard", *choice, "--format", "json")
    assert (code, len(json.loads(out))) == (0, shown)


@pytest.fixture
def started(monkeypatch):
    """Start no cell, note its arguments; it ends with the next of `codes`, at last with 0."""
    commands, codes = [], []

    def run(arguments, device, *_):
        commands.append([*arguments, "--device", device])
        code = codes.pop(0) if codes else 0
        return Ended(code, "error: no" if code else "")

    monkeypatch.setattr(local, "run_cell", run)
    return commands, codes


def test_missing_cells_are_run_first(call, started, tmp_path):
    commands, codes = started
    codes += [1] * 4
    code, _, err = call(
        *("leaderboard", "--run", "--models", "random,sasrec", "--datasets", "movielens"),
        *("--seeds", "2", "--draws", "20", "--device", "cuda:0,cuda:1"),
    )
    assert len(commands) == 4
    for command in commands:
        assert command[command.index("--draws") + 1] == "20"
        assert command[command.index("--results") + 1] == str(tmp_path / "results")
    assert code == 1
    assert "error: 4 cells failed: " in err
    assert "failed with exit code 1: error: no" in err


def instead(command, changes):
    """Change a command, whose options have a value each but for --run."""
    options = dict(zip(command[2::2], command[3::2], strict=True))
    options |= dict(zip(changes[::2], changes[1::2], strict=True))
    return [*command[:2], *(word for pair in options.items() for word in pair)]


def pairs(words):
    """Return an option with its value, each."""
    return [(one, value) for one, value in itertools.pairwise(words) if one.startswith("--")]


FILL = ["leaderboard", "--run", "--models", "popularity,sasrec", "--datasets", "movielens"]


def test_what_is_not_given_is_left_to_the_defaults_of_a_run(call, started):
    commands, _ = started
    assert call(*FILL)[0] == 0
    assert len(commands) == 2
    for command in commands:
        assert not {"--protocol", "--draws", "--pack-seed", "--seed"} & set(command)
        assert command[-1] == "auto"


def test_what_is_given_reaches_every_cell(call, started):
    commands, _ = started
    given = ["--protocol", "next-item", "--draws", "3", "--pack-seed", "1"]
    assert call(*FILL, *given)[0] == 0
    for command in commands:
        assert set(pairs(given)) <= set(pairs(command))


def test_what_is_learnt_from_reaches_every_cell(call, started):
    commands, _ = started
    learnt = ["--train-fraction", "0.1", "--train-dataset", "lastfm"]
    assert call(*FILL, *learnt)[0] == 0
    for command in commands:
        first = command.index("--train-fraction")
        assert command[first : first + 4] == learnt
    code, _, err = call("leaderboard", *learnt)
    assert code == 2
    assert "--train-fraction and --train-dataset cannot be given without --run" in err


WRITERS = ["leaderboard", "--run", "--models", "tallrec,ilora", "--datasets", "movielens"]
SETTINGS = ["--preset", "paper", "--llm", "folder/model", "--set", "rank=4", "--set", "epochs=1"]


def test_settings_and_a_data_folder_reach_every_cell(call, started):
    commands, _ = started
    assert call(*WRITERS, "--data-dir", "raw", *SETTINGS)[0] == 0
    assert len(commands) == 2
    for command in commands:
        wanted = ["--data-dir", "raw", "--preset", "paper", "--set", "llm=folder/model"]
        wanted += ["--set", "rank=4", "--set", "epochs=1"]
        assert set(pairs(wanted)) <= set(pairs(command))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--llm", "folder"], "popularity: unknown setting 'llm'"),
        (["--set", "los=bce"], "ilora: unknown setting 'los'"),
        (["--preset", "paper"], "popularity: unknown preset 'paper'"),
        (["--set", "loss"], "--set takes NAME=VALUE, not 'loss'"),
        (["--datasets", "movielens,steam", "--data-dir", "raw"], "--data-dir is of one dataset"),
    ],
    ids=str,
)
def test_a_setting_that_a_model_lacks_starts_no_cell(call, started, change, said):
    code, out, err = call(*instead(WRITERS, ["--models", "ilora,popularity", *change]))
    assert (code, out, started[0]) == (2, "", [])
    assert said in err
    assert err.count("\n") == 1


def test_settings_without_cells_to_run_are_refused(call):
    code, _, err = call("leaderboard", *SETTINGS, "--data-dir", "raw")
    assert code == 2
    assert "--data-dir and --preset and --llm and --set cannot be given without --run" in err


def test_a_changed_protocol_reaches_every_cell_under_its_name(call, started):
    commands, _ = started
    assert call(*FILL, "--protocol", "next-item", "--history", "5", "--candidates", "30")[0] == 0
    for command in commands:
        assert command[command.index("--protocol") + 1] == "next-item,candidates=30,history=5"
        assert not {"--history", "--candidates"} & set(command)


@pytest.mark.parametrize(("ends", "left"), [([2, 2], 2), ([2, 0], 2), ([2, 1], 1), ([0, 1], 1)])
def test_cells_that_all_refuse_are_the_users_mistake(call, started, ends, left):
    started[1].extend(ends)
    assert call(*FILL)[0] == left


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--models", "sasrec,popularty"], "unknown model 'popularty'"),
        (["--models", ","], "--models names nothing"),
        (["--datasets", "movielen"], "did you mean 'movielens'?"),
        (["--datasets", " ,"], "--datasets names nothing"),
        (["--protocol", "next-itm"], "did you mean 'next-item'?"),
        (["--history", "5"], "--history changes a protocol; name it with --protocol"),
        (["--device", ","], "--device names nothing"),
        (["--device", "cuda:0,cude"], "unknown device 'cude'; did you mean 'cuda'?"),
        (["--device", "cuda:x"], "unknown device 'cuda:x'"),
        (["--device", "cuda:"], "unknown device 'cuda:'"),
    ],
    ids=str,
)
def test_a_typo_starts_no_cell(call, started, change, said):
    code, out, err = call(*instead(FILL, change))
    assert (code, out, started[0]) == (2, "", [])
    assert said in err
    assert err.count("\n") == 1


BROKEN = "raise RuntimeError('broken')"
WITH_ACME = instead(FILL, ["--models", "popularity,acme"])
CANNOT = "the model 'acme' of package acme-plugin cannot be imported: RuntimeError: broken"
TWICE = "the model 'acme' is registered more than once, by acme-plugin and other-plugin"


@pytest.fixture(params=[CANNOT, TWICE], ids=["broken", "claimed twice"])
def refused_acme(install, request):
    """A model that cannot be had, as a plug-in; return why."""
    install(BROKEN)
    if request.param == TWICE:
        install(BROKEN, owner="other-plugin")
    return request.param


@pytest.mark.parametrize("more", [[], ["--set", "epochs=3"]], ids=str)
def test_a_model_that_cannot_be_had_stops_no_other(call, started, refused_acme, more):
    assert call(*instead(FILL, ["--models", "sasrec,acme"]), *more)[0] == 0
    models = [command[command.index("--model") + 1] for command in started[0]]
    assert models == ["sasrec", "acme"]


def test_a_model_that_cannot_be_had_fails_in_its_cell_by_name(call, popular, refused_acme):
    code, _, err = call("run", "--model", "acme", "--dataset", "movielens")
    assert code != 0
    assert refused_acme in err


def test_a_dry_run_tells_of_the_others_and_why_one_is_refused(call, popular, refused_acme):
    given = ["--draws", "2", "--train-fraction", "0.5"]
    code, out, err = call(*instead(WITH_ACME, given), "--dry-run")
    assert (code, err) == (0, "")
    assert "2 cells: 1 there, 0 missing, 1 refused." in out
    assert refused_acme in out


@pytest.fixture
def near(monkeypatch):
    """Workers of a cluster are this process."""

    class Near(local.Local):
        def __init__(self, address, results, device, board, report, take):
            super().__init__([device], board)

    monkeypatch.setattr(cluster, "Cluster", Near)
    monkeypatch.setattr(cluster, "check_installed", lambda: None)


@pytest.mark.parametrize("more", [[], ["--fetch"]], ids=str)
def test_a_cluster_is_handed_a_model_that_cannot_be_had(
    call, started, near, raw_folder, refused_acme, more
):
    given = ["--scheduler", "tcp://here:1", "--data-dir", str(raw_folder)]
    assert call(*instead(WITH_ACME, given), *more)[0] == 0
    models = [command[command.index("--model") + 1] for command in started[0]]
    assert models == ["popularity", "acme"]


@pytest.mark.parametrize("more", [[], ["--dry-run"]], ids=str)
def test_a_card_that_cannot_be_had_stops_no_other(call, started, install, more):
    install(BROKEN, group="datasets", target=".cards:acme.toml")
    named = ["--models", "popularity", "--datasets", "acme,movielens"]
    code, out, err = call(*instead(FILL, named), *more)
    assert code == 0, err
    if more:
        assert "2 cells: 0 there, 1 missing, 1 refused." in out
    else:
        assert len(started[0]) == 2


def test_workers_share_the_device(call, started):
    commands, _ = started
    code, _, err = call(*FILL, "--workers", "2", "--device", "cpu")
    assert code == 0, err
    assert [command[-1] for command in commands] == ["cpu", "cpu"]
    code, _, err = call(*FILL, "--workers", "1", "--device", "cuda:0,cuda:1")
    assert (code, err) == (2, "error: --workers 1 leaves some of 2 devices idle; name fewer\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers", "2", "--scheduler", "a"], "--scheduler has workers of its own; leave out"),
        (["--scheduler", "a", "--device", "cuda:1"], "with --scheduler give --device auto, cpu or"),
        (["--scheduler", "a", "--device", "cpu,cuda"], "with --scheduler give --device auto, cpu"),
        (["--dry-run", "--site", "a"], "--dry-run says what is to be run, and runs nothing; leave"),
        (["--dry-run", "--scheduler", "a"], "runs nothing; leave out --scheduler"),
        (["--fetch"], "--fetch is of the workers of a cluster; name it by --scheduler"),
    ],
    ids=str,
)
def test_what_does_not_go_together_starts_no_cell(call, started, options, said):
    pytest.importorskip("distributed", reason="Dask comes with the extra dask")
    code, out, err = call(*FILL, *options)
    assert (code, out, started[0], err.count("\n")) == (2, "", [], 1)
    assert said in err


def test_where_cells_run_is_a_matter_of_running(call):
    code, _, err = call("leaderboard", "--workers", "2", "--scheduler", "a", "--fetch", "--dry-run")
    assert code == 2
    assert (
        "--workers and --scheduler and --fetch and --dry-run cannot be given without --run" in err
    )


def test_a_cell_that_failed_is_named_at_the_end_with_its_line(call, started):
    started[1].append(1)
    code, _, err = call(*FILL)
    assert code == 1
    how = "(failed with exit code 1: error: no); the same command tries them again"
    assert err.splitlines()[-1] == f"error: 1 cell failed: popularity on movielens, seed 0 {how}"


def test_a_dry_run_runs_nothing(call, popular, started):
    models = ["--models", "popularity,sasrec"]
    given = ["--seeds", "2", "--draws", "2", "--train-fraction", "0.5"]
    code, out, err = call(*instead(FILL, [*models, *given]), "--dry-run")
    assert (code, err, started[0]) == (0, "", [])
    assert "3 cells: 1 there, 2 missing, 0 refused." in out
    code, out, _ = call(*FILL, "--dry-run", "--workers", "3", "--format", "json")
    assert json.loads(out)["workers"] == 3
