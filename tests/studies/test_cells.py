from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from recbench import experiment, registry
from recbench.errors import PluginError, UserError
from recbench.registry import listed, load
from recbench.request import Experiment
from recbench.runs.kept_trainings import kept_model
from recbench.stages import build
from recbench.studies import cells, study
from recbench.studies.study import Asked, Study

NAMES = [name for name in listed("studies") if issubclass(load("studies", name), Study)]


@pytest.fixture(scope="module")
def asked(raw_folder, tmp_path_factory):
    """Return a function that asks for a study, of data that are at hand."""
    places = {"data_dir": raw_folder, "cache": tmp_path_factory.mktemp("cells")}

    def ask(name, **changes):
        study = load("studies", name)
        others = ("lastfm",) if name == "cross-domain" else ()
        own = {"dataset": "movielens", "models": study.models, "others": others}
        return Asked(**own | places | changes)

    return ask


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_every_cell_is_one_that_can_be_run(name, quick, asked):
    wanted = load("studies", name)().cells(asked(name, quick=quick))
    assert wanted
    for cell in wanted:
        settings = build(cell).settings
        assert set(cell.settings) <= set(settings.completed(settings.identity())), cell
        assert cells.name(cell).startswith(cell.model)


@pytest.mark.parametrize("name", NAMES)
def test_quick_takes_no_other_cells(name, asked):
    study = load("studies", name)()
    whole, quick = (study.cells(asked(name, quick=one)) for one in (False, True))
    assert {cells.name(one) for one in quick} <= {cells.name(one) for one in whole}
    assert bool(study.cut) == (len(quick) < len(whole))


def test_a_cell_is_written_as_the_command_line_reads_it(tmp_path, monkeypatch):
    from recbench_cli import main as cli

    cell = Experiment(
        model="ilora",
        protocol="paper,candidates=30",
        settings={"rank": 8, "expert_ranks": "4,2,1,1", "examples": 9},
        seed=3,
        draws=2,
        train_fraction=0.25,
        results=tmp_path / "results",
        cache=tmp_path / "cache",
    )
    seen = []

    def run(wanted, **_):
        seen.append(wanted)
        raise UserError("seen")

    monkeypatch.setattr(experiment, "run", run)
    with pytest.raises(SystemExit):
        cli.main(["run", *cell.arguments])
    (found,) = seen
    texts = {name: str(value) for name, value in cell.settings.items()}
    assert found == cell.model_copy(update={"settings": texts})


def test_a_cell_says_what_it_is():
    other = Experiment(model="ilora", train_dataset="lastfm", train_fraction=0.5, seed=1)
    name = cells.name(other)
    assert name == "ilora (train_fraction=0.5, train_dataset=lastfm) on movielens, seed 1"


@pytest.fixture
def here(raw_folder, tmp_path):
    places = {"data_dir": raw_folder, "results": tmp_path / "results", "cache": tmp_path / "cache"}
    return Asked("movielens", models=("popularity", "random"), seeds=2, draws=2, **places)


def test_a_cell_lies_where_its_run_will(here):
    found, broken = cells.located(here.of_all_models(), lambda _: None)
    assert not broken
    names = [cells.name(one.cell) for one in found.values()]
    assert len(names) == 3  # another seed of popularity is the same
    folder, place = next(iter(found.items()))
    run = experiment.run(place.cell, lambda _: None)
    assert run.folder == folder
    assert place.training == kept_model(here.results, run.record).parent


def test_a_question_that_cannot_be_asked_is_left_out(here):
    sizes = (10, 500, 501)
    wanted = [here.cell("random", 0, protocol=f"paper,candidates={n}") for n in sizes]
    wanted.append(wanted[1].model_copy(update={"draws": 3}))
    said: list[str] = []
    (found,) = cells.located(wanted, said.append)[0].values()
    assert found.cell.protocol == "paper,candidates=10"
    told = [line for line in said if line.startswith("left out: ")]
    assert len(told) == 3  # one a question, alike as they may be called
    assert f"paper,candidates=500 of {wanted[0].dataset}, of which recbench run says: " in told[0]
    with pytest.raises(UserError, match="500"):
        cells.located(wanted[1:], said.append)


def test_a_wrong_setting_names_the_model():
    with pytest.raises(UserError, match=r"^ilora: unknown setting 'exprts'; did you mean"):
        cells.located([Experiment(model="ilora", settings={"exprts": 2})], lambda _: None)


def test_a_file_is_no_results_folder(tmp_path):
    (tmp_path / "file").write_text("")
    wanted = [Experiment(model="random", results=Path(tmp_path / "file"))]
    with pytest.raises(UserError, match="a file stands where a folder belongs"):
        cells.located(wanted, lambda _: None)


@pytest.fixture
def acme(monkeypatch):
    """A model of a package that is not there."""
    real = registry.entry_points
    point = EntryPoint("acme", "no_such_package:Acme", "recbench.models")

    def points(group):
        return [*real(group=group), *([point] if group == point.group else [])]

    monkeypatch.setattr(registry, "entry_points", points)


def test_a_model_that_cannot_be_had_is_put_aside(here, acme):
    asked = replace(here, models=("acme", "popularity"), seeds=1)
    found, broken = cells.located(asked.of_all_models(), lambda _: None)
    assert [one.cell.model for one in found.values()] == ["popularity"]
    assert [one.model for one in broken] == ["acme"]
    assert cells.prompted(asked) == set()
    assert cells.part_of_rows(broken[0], 0.5) is broken[0]


def test_a_card_that_cannot_be_had_stops_the_cells_of_its_model_alone(monkeypatch):
    def claimed_twice(_):
        raise PluginError("two packages claim tiny")

    asked = Asked("movielens")
    assert asked.cell("llara", 0).settings == {"llm": "tiny", "examples": 1000}
    monkeypatch.setattr(study, "usual_tuning", claimed_twice)
    assert asked.cell("llara", 0).settings == {"llm": "tiny"}


def test_so_is_a_model_whose_encoder_cannot_be_had(here, acme):
    guided = here.cell("llara", 0, {"encoder": "acme"})
    assert cells.located([guided], lambda _: None) == ({}, [guided])


@pytest.mark.parametrize("name", ["interference", "expert-attention", "gradient-similarity"])
def test_what_a_model_has_is_asked_of_those_that_can_be_had(name, asked, acme):
    wanted = load("studies", name)().cells(asked(name, models=("ilora", "acme")))
    assert {one.model for one in wanted} == {"ilora", "acme"}
