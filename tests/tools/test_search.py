"""The search that chose the defaults."""

import csv
import json
import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recbench import registry
from recbench.data.ragged import ragged
from recbench.errors import UserError
from recbench.questions.excluded import Excluded
from recbench.questions.protocols import protocol
from recbench.questions.queries import Queries
from recbench.recommender import Answerer, Recommender, Runtime, System, TrainingData
from recbench.request import Experiment
from recbench.runs.question import Question
from recbench.settings import Settings
from recbench.testing.toy import toy_next_item_split, toy_split

TOOLS = Path(__file__).parents[2] / "tools"
SPACES = [
    pytest.param(model, spaces, id=f"{file.stem}-{model}")
    for file in sorted(TOOLS.glob("search_spaces*.toml"))
    for model, spaces in tomllib.loads(file.read_text(encoding="utf-8")).items()
]
Spaces = list[dict[str, Any]]


def dataset_named(name: str) -> Any:
    card = SimpleNamespace(name=name, noun=("film", "films"), verb="watched")
    return SimpleNamespace(card=card)


QUESTION = Question(dataset_named("movielens"), protocol("paper"), toy_split(), pack=None)  # type: ignore[arg-type]

FILES = [
    ("search_spaces.toml", "movielens-paper.csv"),
    ("search_spaces_smollm2.toml", "movielens-paper-smollm2.csv"),
]
"""Of spaces, and of what came out."""


@pytest.fixture(scope="module")
def search(load) -> ModuleType:
    return load("search")


@pytest.mark.parametrize(("model", "spaces"), SPACES)
def test_every_choice_is_a_setting_of_its_model(model: str, spaces: Spaces) -> None:
    settings = registry.load("models", model).settings_class
    for space in spaces:
        for name, choices in space.items():
            for choice in choices if name != "trials" else ():
                assert settings.build({name: choice}).record()[name] == choice


@pytest.mark.parametrize(("model", "spaces"), SPACES)
def test_a_trial_is_drawn_from_its_number_alone(
    search: ModuleType, model: str, spaces: Spaces
) -> None:
    of_trial = [space for space in spaces for _ in range(space["trials"])]
    number = len(of_trial)
    trials = [search.drawn(model, spaces, trial) for trial in range(number)]
    assert trials == [search.drawn(model, spaces, trial) for trial in range(number)]
    assert len({str(trial) for trial in trials}) == number
    for trial, space in zip(trials, of_trial, strict=True):
        assert all(trial[name] in space[name] for name in space if name != "trials")
    with pytest.raises(SystemExit, match=f"for {number} trials of {model}: add one"):
        search.drawn(model, spaces, number)


def test_no_settings_are_drawn_twice(search: ModuleType) -> None:
    spaces = [{"trials": trials, "layers": [1, 2, 3]} for trials in (2, 1)]
    assert sorted(search.drawn("sasrec", spaces, trial)["layers"] for trial in range(3)) == [
        1,
        2,
        3,
    ]
    spaces = [{"trials": 4, "layers": [1, 2, 3]}]
    with pytest.raises(SystemExit, match="trial 3 of sasrec: its space has nothing new; widen it"):
        search.drawn("sasrec", spaces, 3)


def test_a_search_goes_on_where_it_stopped(
    search: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    judged: list[str] = []

    def judge(model: object, *_: object) -> tuple[float, float]:
        judged.append(type(model).__name__)
        return len(judged) / 100, 1.0

    monkeypatch.setattr(search, "ask", lambda *_: QUESTION)
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


@pytest.mark.parametrize(("dataset", "counts"), [("movielens", True), ("mine", False)])
def test_a_fit_from_before_a_setting_and_the_digest_were_there_is_not_made_again(
    search: ModuleType, tmp_path: Path, dataset: str, counts: bool
) -> None:
    kind = registry.load("models", "sasrec")
    settings = kind.settings_class()
    earlier = {name: one for name, one in settings.record().items() if name != "calibration"}
    path = tmp_path / "toy.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        row = ("sasrec", 0, "0.5", "1", "60", json.dumps(earlier))
        csv.writer(file).writerows([search.COLUMNS[:-1], row])
    question = replace(QUESTION, dataset=dataset_named(dataset))
    found = search.Search(question, "cpu", 5, path)
    # Data of one's own may have been added anew since.
    model = kind(settings)
    assert (found.known("sasrec", model, 0, "now") == 0.5) is counts
    assert found.known("sasrec", model, 1, "now") is None
    other = kind(settings.build({"loss": "gbce", "calibration": 0.5}))
    assert found.known("sasrec", other, 0, "now") is None
    found.append(("sasrec", "1", "0.6", "1", "60", json.dumps(settings.record()), "now"))
    again = search.Search(question, "cpu", 5, path)
    assert (again.known("sasrec", model, 0, "now") == 0.5) is counts
    assert again.known("sasrec", model, 1, "now") == 0.6
    assert again.known("sasrec", model, 1, "later") is None


@pytest.mark.honesty
def test_a_fit_is_known_by_all_that_decides_its_figure(
    search: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def digest(model: System, question: Question = QUESTION, draws: int = 5) -> str:
        found: str = search.Search(question, "cpu", draws, tmp_path / "x").digest_of("one", model)
        return found

    ranks, writes = registry.load("models", "sasrec"), Writer(Settings())
    ranker = ranks(ranks.settings_class())
    first = digest(ranker)
    assert digest(ranker, draws=2) == first  # it ranks all: nothing is drawn
    assert digest(writes, draws=2) != digest(writes)
    others = [
        replace(QUESTION, split=toy_split(seed=1)),
        replace(QUESTION, protocol=protocol("paper,candidates=30")),
    ]
    found = {first, *(digest(ranker, other) for other in others)}
    found.add(digest(ranks(ranks.settings_class(dropout=0.1))))
    monkeypatch.setattr(search, "foreign_package", lambda *_: "mine 1.1")
    found.add(digest(ranker))
    assert len(found) == 5


@pytest.mark.honesty
def test_a_figure_of_drawn_sets_is_known_by_them(search: ModuleType, tmp_path: Path) -> None:
    model = registry.load("models", "sasrec")
    ranker = model(model.settings_class())
    asked = replace(QUESTION, protocol=protocol("next-item"), split=toy_next_item_split())
    digests = [
        search.Search(asked, "cpu", n, tmp_path / "x").digest_of("one", ranker) for n in (2, 5)
    ]
    assert digests[0] != digests[1]


def test_a_model_is_made_for_the_question_that_it_is_asked(
    search: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that knows users is asked under ``next-item`` alone."""
    made: list[Experiment] = []

    def build(experiment: Experiment) -> System:
        made.append(experiment)
        return registry.load("models", "popularity")(Settings())

    monkeypatch.setattr(search, "build", build)
    monkeypatch.setattr(search, "judged", lambda *_: (0.5, 1.0))
    asked = replace(QUESTION, protocol=protocol("next-item,candidates=30"))
    search.Search(asked, "cpu", 5, tmp_path / "toy.csv").figure("recbole:FPMC", {"a": 1}, 0)
    (one,) = made
    assert (one.model, one.settings) == ("recbole:FPMC", {"a": 1})
    assert (one.dataset, one.protocol) == ("movielens", "next-item,candidates=30")


def test_no_model_is_fitted_where_another_cannot_be_asked(
    search: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "ask", lambda *_: QUESTION)
    monkeypatch.setattr(search, "judged", lambda *_: pytest.fail("one was fitted"))
    with pytest.raises(UserError, match="unknown model"):
        search.main("sasrec,sosrec", device="cpu")


def test_a_search_without_drawn_candidates_is_refused_before_it_begins(
    search: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = replace(QUESTION, protocol=protocol("temporal,candidates=all"))
    monkeypatch.setattr(search, "ask", lambda *_: full)
    with pytest.raises(SystemExit, match="temporal,candidates=all draws no candidates"):
        search.main("sasrec", protocol="temporal,candidates=all", device="cpu")


class Writer(Answerer):
    """Learns nothing; writes the title of the last candidate."""

    def fit(self, data: TrainingData, runtime: Runtime) -> dict[str, Any]:
        self.titles = data.catalogue.titles
        return {"parameters_trained": 0}

    def score(self, queries: Queries, runtime: Runtime) -> NDArray[np.float32]:
        return np.zeros(queries.candidates.shape, dtype=np.float32)

    def answer(self, queries: Queries, runtime: Runtime) -> list[str]:
        return [self.titles[row[-1]] for row in queries.candidates]

    def title_lengths(self) -> NDArray[np.int32]:
        return np.ones(len(self.titles), dtype=np.int32)

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path, data: TrainingData, runtime: Runtime) -> None: ...


class Upwards(Recommender):
    """Prefers the larger code; it must be told who asks."""

    knows_users = True

    def fit(self, data: TrainingData, runtime: Runtime) -> dict[str, Any]:
        self.users = {*data.validation.users.tolist()}
        return {"parameters_trained": 0}

    def score(self, queries: Queries, runtime: Runtime) -> NDArray[np.float32]:
        assert queries.users is not None
        assert {*queries.users.tolist()} <= self.users
        return queries.candidates.astype(np.float32)

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path, data: TrainingData, runtime: Runtime) -> None: ...


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("rule", "always_hits"),
    [({}, True), ({"exclude": "history", "distinct_titles": False}, False)],
    ids=["next-item", "as paper excludes"],
)
def test_what_a_protocol_excludes_is_no_wrong_answer(
    search: ModuleType, tmp_path: Path, rule: dict[str, Any], always_hits: bool
) -> None:
    """Of every row all items are excluded that the model prefers to the target."""
    split = toy_next_item_split()
    rows = split.validation[np.flatnonzero(split.validation.targets >= 20)]
    preferred = [np.arange(target + 1, 40, dtype=np.int32) for target in rows.targets]
    lists = ragged(np.concatenate(preferred), np.array([len(one) for one in preferred]))
    asked = replace(split, validation=rows, excluded_validation=Excluded.each(lists))
    under = protocol("next-item").model_copy(update=rule)
    question = replace(QUESTION, protocol=under, split=asked)
    hit, valid = search.judged(Upwards(Settings()), question, 0, "cpu", 2, tmp_path)
    assert (hit == 1) is always_hits
    assert valid == 1


@pytest.mark.parametrize("model", [registry.load("models", "popularity"), Writer])
def test_a_model_is_judged_on_validation_rows(
    search: ModuleType, model: Any, tmp_path: Path
) -> None:
    split = replace(toy_split(), test=None)  # not there to be looked at
    question = replace(QUESTION, split=split)
    hit, valid = search.judged(model(Settings()), question, 0, "cpu", 5, tmp_path)
    assert 0 < hit < 0.4
    assert valid == 1


def test_a_fit_that_was_killed_goes_on_and_the_file_is_whole(
    search: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found: list[bool] = []

    def judge(*asked: Any) -> tuple[float, float]:
        folder: Path = asked[-1]
        found.append((folder / "checkpoint").exists())
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "checkpoint").touch()
        if len(found) == 1:
            raise KeyboardInterrupt
        return 0.5, 1.0

    monkeypatch.setattr(search, "judged", judge)
    path = tmp_path / "search" / "toy.csv"
    with pytest.raises(KeyboardInterrupt):
        search.Search(QUESTION, "cpu", 5, path).figure("popularity", {}, 0)
    assert search.Search(QUESTION, "cpu", 5, path).figure("popularity", {}, 0) == 0.5
    assert found == [False, True]
    assert not list(path.with_suffix(".under-way").iterdir())
    before = path.read_bytes()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        search.Search(QUESTION, "cpu", 5, path).append(("",) * len(search.COLUMNS))
    assert path.read_bytes() == before


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("spaces", "results", "draws"),
    [(*FILES[0], 5), (*FILES[1], 2)],
)
def test_every_trial_is_found_in_its_file(
    search: ModuleType, spaces: str, results: str, draws: int
) -> None:
    """And of a model that has its candidates listed at the draws alone that were made then."""
    path = TOOLS.parent / "results" / "search" / results
    all_spaces = tomllib.loads((TOOLS / spaces).read_text(encoding="utf-8"))
    as_then, otherwise = (search.Search(QUESTION, "cpu", n, path) for n in (draws, draws + 1))
    digests = {(row["model"], row["settings"]): row.get("digest") for row in as_then.lines()}
    for name in all_spaces:
        for trial in range(sum(space["trials"] for space in all_spaces[name])):
            values = search.drawn(name, all_spaces[name], trial)
            model = search.built(name, "movielens", "paper", values)
            settings = json.dumps(model.settings.record(), sort_keys=True)
            made_of = digests.get((name, settings)) or "now"
            assert as_then.known(name, model, 0, made_of) is not None, (name, trial)
            ranks = search.over_all_sets(model, QUESTION.protocol)
            assert (otherwise.known(name, model, 0, made_of) is not None) is ranks, (name, trial)


@pytest.mark.parametrize(("spaces", "results"), FILES)
def test_every_model_had_the_same_number_of_trials(spaces: str, results: str) -> None:
    known = tomllib.loads((TOOLS / spaces).read_text(encoding="utf-8"))
    path = TOOLS.parent / "results" / "search" / results
    with path.open(encoding="utf-8", newline="") as file:
        trials = {(row["model"], row["settings"]) for row in csv.DictReader(file)}
    counts = Counter(model for model, _ in trials)
    assert counts.keys() == known.keys()
    assert len(set(counts.values())) == 1, counts
