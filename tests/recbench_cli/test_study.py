import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace

import pandas as pd
import pytest

from recbench.cells import cluster, fill, local
from recbench.cells.process import Ended
from recbench.errors import UserError
from recbench.registry import listed, load
from recbench.request import Experiment
from recbench.stages import build
from recbench.studies import cells
from recbench.studies.drawing import drawn, save, styled
from recbench_cli import main as cli
from recbench_cli.crew import Crew
from recbench_cli.study import _has

PAGE = Path(__file__).parents[2] / "docs/studies.md"
FIGURES = ("figure.svg", "figure.png")
FILES = {"table.md", *FIGURES, "data.parquet", "study.json"}


@pytest.fixture(autouse=True)
def _figures_are_empty(monkeypatch):
    """Figures are drawn, but not saved, which takes longer: few tests look at one."""

    def touch(_, place):
        for name in FIGURES:
            (place / name).touch()

    monkeypatch.setattr("recbench.studies.folder.save", touch)


@pytest.fixture
def saved(monkeypatch):
    """Figures are saved after all."""
    monkeypatch.setattr("recbench.studies.folder.save", save)


@pytest.fixture
def begun(monkeypatch):
    """Run cells in this process, unaudited; return the list of their commands."""
    seen: list[list[str]] = []

    def run(arguments, device, *_):
        seen.append([*arguments, "--device", device])
        with pytest.raises(SystemExit) as left:
            cli.main(["run", *seen[-1], "--no-audit"])
        return Ended(left.value.code or 0)

    monkeypatch.setattr(local, "run_cell", run)
    return seen


@pytest.fixture
def study(call_here, raw_folder):
    more = ["--data-dir", str(raw_folder), "--draws", "2", "--device", "cpu"]
    return lambda *arguments: call_here("study", *arguments, *more)


TWO = ("--models", "popularity,random", "--seeds", "2")


def contents(folder):
    return {one.name: one.read_bytes() for one in folder.iterdir()}


@pytest.mark.usefixtures("saved")
def test_a_study_runs_what_it_lacks_and_another_shares_it(study, begun, tmp_path):
    code, out, err = study("cost", *TWO)
    assert code == 0, err
    assert len(begun) == 3
    assert "training_seconds" in out
    folder = tmp_path / "results/studies/cost/movielens-tiny"
    assert err.splitlines()[-1] == f"wrote {folder}"
    first = contents(folder)
    assert set(first) == FILES
    assert study("cost", *TWO)[0] == 0
    assert study("cold-start", *TWO)[0] == 0
    assert all("temporal" in one for one in begun[3:])  # nothing was run again
    assert contents(folder) == first
    about = json.loads(first["study.json"])
    assert len(about["runs"]) == 3
    assert about["asked"]["models"] == ["popularity", "random"]
    assert all((tmp_path / "results" / one["run"]).is_dir() for one in about["runs"])
    assert b"# What does a point of HitRatio cost" in first["table.md"]
    # The figure is made from the data alone.
    data = pd.read_parquet(folder / "data.parquet")
    with styled():
        save(drawn(load("studies", "cost")(), data), tmp_path)
    for name in FIGURES:
        assert (tmp_path / name).read_bytes() == first[name]


def test_an_interrupted_study_resumes(study, begun, tmp_path, monkeypatch):
    real = fill.fill

    def interrupted(wanted, places, board):
        real(wanted[:1], places, board)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fill, "fill", interrupted)
        code, _, err = study("cost", *TWO)
    assert code == 130
    assert err.splitlines()[-1].startswith("interrupted; the same command goes on")
    assert not (tmp_path / "results/studies").exists()
    assert len(begun) == 1
    code, _, err = study("cost", *TWO)
    assert code == 0
    assert "cost: 3 cells, 1 of them is there" in err
    assert len(begun) == 3


def test_so_many_cells_run_at_a_time(call_here, raw_folder, monkeypatch):
    two = Barrier(2)

    def run(arguments, device, *_):
        two.wait(60)  # for the other one
        return Ended(1)

    monkeypatch.setattr(local, "run_cell", run)
    asked = ("cost", "--models", "random", "--seeds", "2", "--data-dir", str(raw_folder))
    code, _, err = call_here("study", *asked, "--draws", "2", "--device", "cpu", "--workers", "2")
    assert code == 1
    assert "error: 2 cells failed: random on movielens, seed" in err
    assert "BrokenBarrier" not in err


def test_a_cluster_is_handed_the_cells_that_are_missing(study, begun, tmp_path, monkeypatch):
    """Its workers run where another folder is the current one; here they are this process."""
    seen = []

    class Near(local.Local):
        def __init__(self, address, shared, device, board, report, take):
            seen.append((address, shared, device, take))
            super().__init__([device], board)

    monkeypatch.setattr(cluster, "Cluster", Near)
    monkeypatch.setattr(cluster, "check_installed", lambda: None)
    assert study("cost", "--models", "popularity")[0] == 0
    code, _, err = study("cost", *TWO, "--scheduler", "tcp://here:1")
    assert code == 0, err
    shared = {name: tmp_path / name for name in ("results", "cache")}
    assert seen == [("tcp://here:1", shared, "cpu", None)]
    assert len(begun) == 3
    for command in begun[1:]:
        for option in ("--results", "--cache", "--data-dir"):
            assert Path(command[command.index(option) + 1]).is_absolute()


def test_a_training_of_several_cells_is_not_fetched_from_workers_apart(
    study, begun, monkeypatch, tmp_path
):
    """Each would be trained by itself, and only one of the trainings could be taken."""
    monkeypatch.setattr(cluster, "check_installed", lambda: None)
    fetched = ("--scheduler", "tcp://here:1", "--fetch")
    code, _, err = study("candidates", "--models", "popularity", *fetched)
    assert code == 2
    assert "error: --fetch would train popularity on movielens, paper" in err
    assert err.endswith("they ask one training: have the workers share a folder, without --fetch\n")
    assert study("cost", "--models", "popularity")[0] == 0
    code, _, err = study("cost", "--models", "popularity", *fetched)
    assert code == 0, err  # nothing is missing
    (record,) = tmp_path.glob("results/*/*/popularity/*/record.json")
    record.unlink()
    code, _, err = study("cost", "--models", "popularity", *fetched)
    assert code == 2
    assert "is here already: run it on this machine, without --scheduler\n" in err
    assert len(begun) == 1


def test_data_of_one_dataset_are_no_others(call_here, raw_folder, begun, monkeypatch):
    monkeypatch.setattr(cluster, "check_installed", lambda: None)
    places = [cells.Place(Experiment(model="ilora", dataset=one), Path(one)) for one in ("a", "b")]
    crew = Crew("cpu", None, "tcp://here:1", True, Path("r"), Path("c"), raw_folder)
    with pytest.raises(UserError, match="with --fetch runs of a and b are compared with their"):
        crew.check_apart(places)
    replace(crew, data_dir=None).check_apart(places)
    replace(crew, fetch=False).check_apart(places)


def test_folders_of_raw_files_are_those_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    crew = Crew("cpu", None, "tcp://here:1", False, Path("r"), Path("c"), None)
    wanted = Experiment(model="ilora", data_dir="one", train_dataset="lastfm", train_data_dir="two")
    found = crew._far(wanted).arguments
    options = dict(zip(found[::2], found[1::2], strict=True))
    here = {"--data-dir": "one", "--train-data-dir": "two", "--results": "r", "--cache": "c"}
    assert {name: options[name] for name in here} == {k: str(tmp_path / v) for k, v in here.items()}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers", "2", "--scheduler", "a"], "--scheduler has workers of its own; leave out"),
        (["--fetch"], "--fetch is of the workers of a cluster; name it by --scheduler"),
        (["--workers", "1", "--device", "cpu,cuda:0"], "--workers 1 leaves some of 2 devices idle"),
        (["--device", "cpo", "--no-run"], "unknown device 'cpo'"),
        (["--workers", "2", "--no-run"], "--workers is of cells that are run; leave out --no-run"),
        (["--scheduler", "a", "--no-run"], "--scheduler is of cells that are run; leave out --no"),
    ],
    ids=str,
)
def test_workers_that_do_not_go_together_start_no_cell(call_here, begun, options, said):
    study = partial(call_here, "study")
    code, out, err = study("cost", *TWO, *options)
    assert (code, out, begun, err.count("\n")) == (2, "", [], 1)
    assert said in err


def test_what_is_there_is_shown_without_the_rest(study, begun, tmp_path):
    code, _, err = study("cost", "--models", "popularity", "--no-run")
    assert code == 2
    assert "is not run, and left out: popularity on movielens, seed 0\n" in err
    assert "error: none of the cells of cost is there; leave out --no-run" in err
    assert study("cost", "--models", "popularity")[0] == 0
    code, _, err = study("cost", *TWO, "--no-run")
    assert code == 0
    assert "2 cells are not run, and left out: random on movielens, seed 0; rand" in err
    assert len(begun) == 1
    table = (tmp_path / "results/studies/cost/movielens-tiny/table.md").read_text()
    assert "2 cells are not run, and left out: random on movielens, seed 0; random on" in table


@pytest.mark.honesty
def test_what_must_be_known_is_printed_below_the_table(study, begun, tmp_path):
    pages = {
        form: study("seeds", "--models", "popularity,random", "--quick", "--format", form)[1]
        for form in ("table", "markdown", "latex", "json", "csv")
    }
    written = (tmp_path / "results/studies/seeds/movielens-tiny-quick/table.md").read_text()
    assert written == f"# {load('studies', 'seeds').question}\n\n{pages['markdown']}"
    for form in ("table", "markdown", "latex"):
        for said in ("Quick: one seed.", "of these trainings, without tests", "random: a single"):
            assert said in pages[form]
    data = json.loads(pages["json"])
    assert {one["system"] for one in data} == {"popularity", "random"}
    assert len(pages["csv"].splitlines()) == len(data) + 1


@pytest.mark.honesty
def test_quick_has_one_seed_and_says_so(study, begun, tmp_path):
    code, out, _ = study("seeds", "--models", "popularity,random", "--quick")
    assert code == 0
    assert len(begun) == 2
    assert "1 (this training)" in out
    folder = tmp_path / "results/studies/seeds/movielens-tiny-quick"
    table = (folder / "table.md").read_text()
    assert "Quick: one seed." in table
    assert "of these trainings, without tests" in table
    data = pd.read_parquet(folder / "data.parquet")
    assert data["p"].isna().all()


def test_cells_that_fail_are_named_when_the_others_are_done(study, begun, monkeypatch):
    from recbench import experiment
    from recbench.errors import RecbenchError

    real = experiment.run

    def run(wanted, **more):
        if wanted.model == "random":
            raise RecbenchError("no")
        return real(wanted, **more)

    monkeypatch.setattr(experiment, "run", run)
    code, _, err = study("cost", *TWO)
    assert code == 1
    how = "(failed with exit code 1)"
    names = f"random on movielens, seed 0 {how}; random on movielens, seed 1 {how}"
    assert f"error: 2 cells failed: {names}; the same command tries them again, and " in err
    assert err.endswith("and with --no-run it shows what is there\n")
    assert study("cost", *TWO, "--no-run")[0] == 0


def test_a_model_that_cannot_be_had_is_named_when_the_others_are_done(study, begun, install):
    install("raise RuntimeError('broken')")
    asked = ("cost", "--models", "popularity,acme", "--seeds", "1")
    code, _, err = study(*asked)
    assert code == 1
    assert "cost: 2 cells, 0 of them are there" in err
    assert "package acme-plugin cannot be imported: RuntimeError: broken" in err
    assert "error: 1 cell failed: acme on movielens, seed 0 (failed with exit code 1)" in err
    code, out, err = study(*asked, "--no-run")
    assert (code, "popularity" in out) == (0, True)
    assert "1 cell is not run, and left out: acme on movielens, seed 0" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sedes",), "unknown study 'sedes'; did you mean 'seeds'?"),
        (("seeds", "--models", "popularty"), "unknown model 'popularty'; did you mean"),
        (("seeds", "--quick", "--seeds", "3"), "--quick has one seed; leave out"),
        (("experts", "--models", "sasrec"), "sasrec has no setting rank, by which this study goes"),
        (("experts", "--models", "ilora,llara"), "this study takes one model; leave out --models"),
        (
            ("seeds", "--llm", "tiny:prompt_style=chat"),
            "seeds takes one language model; set prompt_style with --set",
        ),
        (("backbone", "--llm", "tiny:llm=big"), "language models of a study are named with --llm"),
        (("backbone", "--llm", "tiny:rnk=3"), "llara: unknown setting 'rnk'; did you mean"),
        (("--dataset", "movilens"), "unknown dataset 'movilens'"),
        (("experts", "--set", "rnk=3"), "ilora: unknown setting 'rnk'; did you mean 'rank'?"),
        (("order", "--quick"), "--quick changes nothing in order, which reads what is there"),
        (("--quick",), "--quick is of one study; name it"),
        (("--workers", "2"), "--workers is of one study; name it"),
        (("cross-domain",), "cross-domain needs two datasets: name the others with --with A,B"),
        (("seeds", "--dataset", "movilens"), "unknown dataset 'movilens'"),
        (("seeds", "--llm", "tiny,smollm2"), "seeds takes one language model: name one with"),
        (("seeds", "--with", "lastfm"), "seeds takes one dataset; leave out --with"),
        (("cost", "--models", "random", "--set", "rank=3"), "--set is of language models, and"),
        (
            ("guidance", "--set", "guidance=prompt"),
            "guidance sets guidance itself; leave out --set guidance",
        ),
        (
            ("expert-ranks", "--set", "rank=16"),
            "expert-ranks sets rank itself; leave out --set rank",
        ),
        (("experts", "--set", "experts=2"), "experts sets experts itself; leave out --set experts"),
        (
            ("encoder", "--set", "encoder=caser"),
            "encoder sets encoder itself; leave out --set encoder",
        ),
        (
            ("ensemble", "--set", "routing=top1"),
            "ensemble sets routing itself; leave out --set routing",
        ),
        (
            ("interference", "--set", "cluster=1/4"),
            "interference sets cluster itself; leave out --set cluster",
        ),
        (("seeds", "--set", "llm=smollm2"), "language models of a study are named with --llm"),
        (("curves",), "no run on movielens has a learning curve"),
        (("order",), "no two questions about movielens have three systems in common"),
    ],
)
def test_mistakes_are_one_line(call_here, arguments, said):
    code, out, err = call_here("study", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {said}")
    assert len(err.splitlines()) == 1


def test_all_are_listed_and_a_broken_one_stops_nobody(call_here, install):
    install("raise RuntimeError('broken')", group="studies", target=":Nothing")
    code, out, err = call_here("study")
    assert code == 0
    assert "left out: the study 'acme' of package acme-plugin cannot be imported: Runt" in err
    assert "seeds: Is the gain real, or another draw of seeds and users?" in out
    assert "; of cross-domain those of movielens alone; '-' where a model has none" in out
    listed = json.loads(call_here("study", "--format", "json")[1])
    assert {"seeds", "experts", "order"} <= {one["study"] for one in listed}
    assert all(one["question"] and one["place"] for one in listed)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("Acme = 3", "it is no class made from recbench's Study or Reading"),
        (
            "from recbench.studies.study import Study\nclass Acme(Study): place = 'x'\n",
            "it lacks cells, data, figure, question",
        ),
    ],
)
def test_a_plug_in_that_is_no_study_says_in_what(call_here, install, source, said):
    install(source, group="studies")
    code, _, err = call_here("study", "acme")
    assert code == 1
    assert err == f"error: the study 'acme' of package acme-plugin: {said}\n"


WORKING = {
    "cells": "return list(asked.of_all_models())",
    "data": "return frame(p for run in only_table(runs).rows for p in value(run))",
    "figure": "return sheet()[0]",
}


@pytest.mark.usefixtures("saved")
@pytest.mark.parametrize(
    ("method", "body", "said"),
    [
        ("cells", "return ['popularity']", "its cells() must return a list of Experiments"),
        ("data", "return None", "its data() must return a DataFrame: recbench.studies.points.f"),
        ("figure", "return None", "its figure() must return a matplotlib Figure: recbench.stud"),
        ("figure", "raise ValueError('no')", "ValueError: no"),
    ],
)
def test_a_plug_in_that_returns_something_else_is_named_and_leaves_nothing(
    study, install, tmp_path, method, body, said
):
    bodies = WORKING | {method: body}
    arguments = {"cells": "self, asked", "data": "self, runs, asked", "figure": "self, data"}
    source = (
        "from recbench.studies.drawing import sheet\n"
        "from recbench.studies.points import frame, only_table, value\n"
        "from recbench.studies.study import Study\n"
        "class Acme(Study):\n    question = place = 'x'\n    models = ('popularity',)\n"
    ) + "".join(f"    def {name}({arguments[name]}): {bodies[name]}\n" for name in bodies)
    install(source, group="studies")
    code, _, err = study("acme")
    assert code == 1
    assert err.splitlines()[-1].startswith("error: the study 'acme' of package acme-plugin")
    assert said in err
    assert not (tmp_path / "results/studies/acme").exists()


def test_a_study_without_cells_is_not_told_to_leave_out_what_was_not_given(study, install):
    methods = "".join(f"    def {one}(*_): return []\n" for one in WORKING)
    source = f"from recbench.studies.study import Study\nclass Acme(Study):\n{methods}"
    install(f"{source}    question = place = 'x'\n", group="studies")
    code, _, err = study("acme")
    assert code == 2
    assert err.endswith(
        "error: none of the cells of acme is there; it has none with these options\n"
    )


def test_a_typo_in_a_language_model_is_told_where_nothing_is_run(study, begun):
    assert study("cost", "--models", "popularity")[0] == 0
    asked = ("cost", "--models", "popularity,llara", "--no-run")
    code, _, err = study(*asked, "--llm", "tinny")
    assert code == 2
    assert "error: unknown language model 'tinny'; did you mean 'tiny'" in err
    assert study(*asked, "--llm", "tiny")[0] == study(*asked, "--llm", "acme/tinny")[0] == 0


def test_a_study_whose_models_are_its_own_takes_no_others(call_here, install):
    lines = ("def cells(*_): pass", "def data(*_): pass", "def figure(*_): pass")
    body = "".join(f"\n    {line}" for line in ("question = place = 'x'", *lines))
    source = f"from recbench.studies.study import Study\nclass Acme(Study):{body}\n"
    install(source, group="studies")
    code, _, err = call_here("study", "acme", "--models", "popularity")
    assert (code, err) == (2, "error: the models of acme are its own; leave out --models\n")


def test_the_listing_counts_studies_of_several_datasets_by_the_one(call_here, made, monkeypatch):
    cell = Experiment(model="ilora", settings={"llm": "tiny", "examples": 1000}, seed=1)
    record = made(model="ilora", settings=build(cell).settings.identity(), seed=1).record
    monkeypatch.setattr("recbench_cli.study.earlier_records", lambda _: [record])
    listed = json.loads(call_here("study", "--format", "json")[1])
    seconds = {one["study"]: one["seconds"] for one in listed}
    assert seconds["cross-domain"] > 0  # seed 0, by the record of another seed
    assert seconds["backbone"] is None  # no record is of llara


@pytest.mark.usefixtures("saved")
def test_the_study_of_the_page_runs(study, begun, install, tmp_path):
    (source,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    install(source, group="studies", name="history", target=":History")
    code, out, err = study("history", "--models", "popularity", "--quick")
    assert code == 0, err
    assert "paper,history=2" in out
    folder = tmp_path / "results/studies/history/movielens-tiny-quick"
    assert set(contents(folder)) == FILES
    assert "Quick: one seed, without histories of ten items." in (folder / "table.md").read_text()


def test_the_page_names_every_study():
    named = re.findall(r"^\| `([\w-]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {*named, "order", "curves"} == set(listed("studies"))


def test_what_is_no_result_is_not_read():
    def run(no_result):
        return SimpleNamespace(
            record=SimpleNamespace(full_ranking=False, draws=5, no_result=no_result)
        )

    assert _has(run(""), None)
    assert _has(run(""), 5)
    assert not _has(run(""), 2)
    assert not _has(run("a control"), None)
