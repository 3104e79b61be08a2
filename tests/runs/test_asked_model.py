"""The model of a run is asked again as it was, or it is said what is another by now."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from recbench.errors import UserError
from recbench.file_digests import folder_digest
from recbench.recommender import Runtime
from recbench.runs.asked_model import asked_model
from recbench.runs.kept_trainings import kept_model
from recbench.runs.provenance import plugin
from recbench.runs.record_parts import Training

REMEDY = "make it again"


@pytest.fixture
def run_of(made, tmp_path):
    """Return a function that writes a run of this code, with its model, an empty file."""

    def make(trained_by=None, **changes):
        model = tmp_path / "model"
        model.mkdir()
        (model / "weights.safetensors").touch()
        code = {"plugin": plugin("gru4rec")} | (trained_by or {})
        run = made(weights=folder_digest(model), trained_by=code, **changes)
        place = kept_model(tmp_path / "results", run.record)
        place.parent.mkdir(parents=True)
        model.rename(place)
        return run

    return make


@pytest.fixture
def asked(run_of):
    """Return a function that finds the model of such a run, and what was said."""

    def ask(**changes):
        said = []
        return asked_model(run_of(**changes), REMEDY, said.append), said

    return ask


def test_of_the_same_code_nothing_is_said(asked):
    found, said = asked()
    assert said == []
    assert found.model.settings.record()["epochs"] == 3
    assert found.folder.name == "model"


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"trained_by": {"plugin": "mine 1.0"}}, f"of mine 1.0, installed is {plugin('gru4rec')}"),
        (
            {"trained_by": {"figure_version": 0}},
            "of figure version 0, this recbench makes 1: its figures may differ",
        ),
        (
            {"ingredients": {"encoder_package": "mine 1.0"}},
            "with an encoder of mine 1.0, installed is recbench",
        ),
    ],
)
def test_other_code_is_said(asked, changes, says):
    found, said = asked(**changes)
    assert said == [f"{found.run.folder} is a run {says}; {REMEDY}"]


@pytest.mark.honesty
def test_other_ingredients_are_refused(asked):
    says = f"made with 'llm' {'a' * 12}, here it is None; {REMEDY}"
    with pytest.raises(UserError, match=says):
        asked(ingredients={"llm": "a" * 64})


def test_the_data_of_the_run_pass(asked):
    found, _ = asked()
    found.check_data("data", "split", Training())


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("dataset", "split", "words", "says"),
    [
        ("other", "split", None, "'dataset' data, here it is other; name the folder of its raw"),
        ("data", "other", None, f"'split' split, here it is other; {REMEDY}"),
        ("data", "split", "game", f"'words' None, here it is game; {REMEDY}"),
    ],
)
def test_other_data_are_refused(asked, dataset, split, words, says):
    found, _ = asked()
    with pytest.raises(UserError, match=says):
        found.check_data(dataset, split, Training(words=words))


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("recorded", "own", "same"),
    [
        ("toy/toys, bought; game/games, played", "game/games, played", True),
        ("game/games, played", "game/games, played", True),  # what was learnt from is recbench's
        ("toy/toys, bought", None, True),  # what is asked about is
        ("toy/toys, bought; game/games, played", "games, played", False),
        ("toy/toys, bought; game/games, played", "film/films, seen", False),
        (None, "film/films, seen", False),
    ],
)
def test_of_two_datasets_the_words_of_the_one_asked_about_count(asked, recorded, own, same):
    found, _ = asked(training=Training(dataset="shop", words=recorded))
    if same:
        found.check_data("data", "split", Training(words=own))
    else:
        with pytest.raises(UserError, match="was made with 'words'"):
            found.check_data("data", "split", Training(words=own))


@pytest.mark.honesty
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_another_precision_is_said(asked, tmp_path, precision):
    found, _ = asked(trained_by={"precision": "bfloat16", "device": "cuda:0"})
    said: list[str] = []
    model = SimpleNamespace(load=lambda *_: None, scores_in=precision)
    runtime = Runtime(0, "cpu", tmp_path, tmp_path, said.append)
    assert replace(found, model=model).load(None, runtime) is model
    expected = (
        f"{found.run.folder} was asked in bfloat16 on cuda:0, here its model answers in float32 on "
        "cpu: answers may differ by rounding"
    )
    assert said == ([] if precision == "bfloat16" else [expected])


def test_what_no_record_holds_can_be_set(run_of):
    run = run_of()
    with pytest.raises(UserError, match="gru4rec is asked again as its run has set it, and --set"):
        asked_model(run, REMEDY, lambda _: None, {"epochs": 4})
