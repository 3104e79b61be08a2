"""Kept models that come with the runs that asked them."""

import shutil

import pytest

from recbench.file_digests import folder_digest
from recbench.outside.read_again import check_given
from recbench.runs.kept_trainings import kept_model, parts, whole_training, write_training
from recbench.runs.remade_question import Questions
from recbench.runs.store import CHECKPOINTS, finished
from recbench.runs.verify import verify
from recbench.submission import importing, trainings
from recbench.submission.importing import import_runs

pytestmark = pytest.mark.honesty


@pytest.fixture
def questions(tmp_path):
    return Questions(tmp_path / "cache", None, lambda _: None)


@pytest.fixture
def here(tmp_path):
    return tmp_path / "here"


@pytest.fixture
def take(here, tmp_path, questions):
    """Return a function that imports, and gives what came of each run."""

    def run(*paths, **more):
        found = import_runs(
            paths or [tmp_path / "results"], here, questions, lambda _: None, check_given, **more
        )
        return [(one.result, one.size) for one in found]

    return run


@pytest.fixture
def learnt(made, tmp_path):
    """Return a function that makes a run and the model that it asked, of 105 bytes."""

    def make(content=b"5 bit", results=tmp_path / "results", **more):
        model = tmp_path / "made"
        shutil.rmtree(model, ignore_errors=True)
        (model / "encoder").mkdir(parents=True)
        (model / "model.safetensors").write_bytes(content)
        (model / "encoder" / "model.safetensors").write_bytes(b"1" * 100)
        known = {"weights": folder_digest(model), "parts": parts(model)}
        run = made(results=results, **known, **more)
        kept = kept_model(results, run.record)
        shutil.copytree(model, kept, dirs_exist_ok=True)
        write_training(kept.parent, run.record.trained)
        return run

    return make


def everything(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def kept_here(here, run):
    return kept_model(here, run.record).parent


def test_a_model_comes_with_its_run_and_is_found_again(learnt, take, here, questions, tmp_path):
    run = learnt()
    (kept_model(tmp_path / "results", run.record).parent / CHECKPOINTS).mkdir()
    assert take() == [("imported", 105)]
    source, target = kept_here(tmp_path / "results", run), kept_here(here, run)
    own = here / run.folder.relative_to(tmp_path / "results")
    assert {path.relative_to(here) for path in everything(here).keys() - {own / "from.json"}} == {
        path.relative_to(tmp_path / "results") for path in everything(tmp_path / "results")
    }
    assert folder_digest(source, without=CHECKPOINTS) == folder_digest(target)
    (found,) = verify([next(here.rglob("record.json")).parent], questions)
    assert {one.result for one in found.checks if one.name == "model"} == {"ok"}
    before = everything(here)
    assert take() == [("there already", 0)]
    assert everything(here) == before


def test_what_was_kept_of_a_training_under_way_goes_when_it_is_there(learnt, take, here):
    begun = kept_here(here, learnt()) / CHECKPOINTS
    begun.mkdir(parents=True)
    (begun / "half.safetensors").touch()
    assert take() == [("imported", 105)]
    assert not begun.exists()


def test_it_stays_where_it_is_when_asked_and_comes_later(learnt, take, here):
    run = learnt()
    assert take(trainings=False) == [("imported", 0)]
    assert not kept_here(here, run).exists()
    assert take() == [("there already", 105)]
    assert whole_training(kept_here(here, run)) == run.record.trained


def test_two_runs_that_asked_one_model_bring_it_once(learnt, take):
    learnt()
    learnt(pack="other")
    assert sorted(take()) == [("imported", 0), ("imported", 105)]


@pytest.mark.parametrize(
    ("place", "step"),
    [
        (trainings.shutil, "copyfile"),
        (trainings, "folder_digest"),
        (trainings, "write_training"),
        (importing, "_copy"),
    ],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_an_import_that_was_killed_goes_on(learnt, take, here, monkeypatch, place, step):
    run = learnt()

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(place, step, killed)
        with pytest.raises(KeyboardInterrupt):
            take()
    assert not list(here.rglob("record.json"))
    assert not list(here.rglob("*.partial"))
    ((result, _),) = take()
    assert result == "imported"
    assert whole_training(kept_here(here, run)) == run.record.trained


def test_another_making_of_a_training_is_never_replaced(learnt, take, here, questions):
    other = learnt(results=here, pack="other", content=b"other")
    run = learnt()
    before = everything(here)
    found = import_runs([run.folder], here, questions, lambda _: None, check_given)
    training = kept_here(here, other)
    assert (found[0].result, found[0].size) == ("refused", 0)
    assert found[0].why.startswith(f"{training} is the same training, made another time (finished ")
    assert everything(here) == before
    assert take(trainings=False) == [("refused", 0)]  # it would fail its verification
    training.rename(here / "away")  # the remedy
    assert take() == [("imported", 105)]


def test_what_is_damaged_here_is_made_whole(learnt, take, here):
    run = learnt()
    assert take() == [("imported", 105)]
    (kept_here(here, run) / "model" / "model.safetensors").write_bytes(b"?")
    assert take() == [("there already", 105)]
    assert whole_training(kept_here(here, run)) == run.record.trained


def test_what_is_damaged_there_is_refused(learnt, take, here, tmp_path):
    run = learnt()
    (kept_model(tmp_path / "results", run.record) / "model.safetensors").write_bytes(b"?")
    assert take() == [("refused", 0)]
    assert everything(here) == {}


def test_what_changes_while_it_is_read_is_refused(learnt, take, here, monkeypatch):
    learnt()
    real = shutil.copyfile

    def copy(source, target):
        real(source, target)
        target.write_bytes(b"other")

    monkeypatch.setattr(trainings.shutil, "copyfile", copy)
    assert take() == [("refused", 0)]
    assert everything(here) == {}


def test_a_model_that_is_not_the_run_s_stays(learnt, take, tmp_path):
    run = learnt()
    anew = run.record.trained.model_copy(update={"finished": "2030-01-01T00:00:00+00:00"})
    write_training(kept_here(tmp_path / "results", run), anew)
    assert take() == [("imported", 0)]


def test_a_run_whose_model_was_removed_comes_without(learnt, take, here, tmp_path):
    run = learnt()
    shutil.rmtree(kept_model(tmp_path / "results", run.record))
    assert take() == [("imported", 0)]
    assert finished(next(here.rglob("record.json")).parent).record == run.record
