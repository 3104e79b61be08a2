"""The search that chose the defaults."""

import csv
import importlib.util
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from recbench import registry
from recbench.testing.toy import toy_training_data

TOOLS = Path(__file__).parents[2] / "tools"
SPACES = tomllib.loads((TOOLS / "search_spaces.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def search() -> ModuleType:
    spec = importlib.util.spec_from_file_location("search", TOOLS / "search.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("model", SPACES)
def test_every_choice_is_a_setting_of_its_model(search: ModuleType, model: str) -> None:
    settings = registry.load("models", model).settings_class
    for name, choices in SPACES[model].items():
        for choice in choices:
            assert settings.build({name: choice}).record()[name] == choice


@pytest.mark.parametrize("model", SPACES)
def test_a_trial_is_drawn_from_its_number_alone(search: ModuleType, model: str) -> None:
    trials = [search.drawn(model, trial) for trial in range(12)]
    assert trials == [search.drawn(model, trial) for trial in range(12)]
    assert len({str(trial) for trial in trials}) > 6
    assert all(trial[name] in SPACES[model][name] for trial in trials for name in trial)


def test_a_search_goes_on_where_it_stopped(
    search: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    judged: list[str] = []

    class Asked:
        training_data = toy_training_data()

    def judge(model: object, *_: object) -> float:
        judged.append(type(model).__name__)
        return len(judged) / 100

    monkeypatch.setattr(search, "ask", lambda *_: Asked)
    monkeypatch.setattr(search, "judged", judge)
    out = tmp_path / "search" / "toy.csv"
    arguments = {"device": "cpu", "out": out, "finalists": 1}
    search.main("gru4rec,caser", trials=2, seeds=1, **arguments)
    assert judged == ["GRU4Rec", "Caser"] * 2
    search.main("gru4rec,caser", trials=3, seeds=2, **arguments)
    assert judged == ["GRU4Rec", "Caser"] * 4  # a third trial, a second seed of the best
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["seed"] for row in rows] == ["0"] * 6 + ["1"] * 2
    assert [row["settings"] for row in rows[4:6]] == [row["settings"] for row in rows[6:]]
    assert "caser: mean 0.0700, SD 0.0100 of 2" in capsys.readouterr().out


def test_the_figure_is_full_ranking_ndcg(search: ModuleType) -> None:
    model = registry.load("models", "popularity")
    value = search.judged(model(model.settings_class()), toy_training_data(), 0, "cpu")
    assert 0 <= value < 0.5
