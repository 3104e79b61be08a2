"""A training that an audit refuses is made again, unless one has passed with it before."""

import pytest

from recbench.errors import PluginError, RecbenchError
from recbench.evaluation.audit import AuditError
from recbench.runs.completion import forgotten_if_refused
from recbench.runs.kept_trainings import (
    TRAINING,
    check_stands,
    read_training,
    write_training,
)

pytestmark = pytest.mark.honesty


@pytest.fixture
def trained(describe, judge):
    """A training whose fit says what a record writes otherwise: no number, and a tuple."""
    known = describe(judge([1, 0])).trained
    return known.model_copy(update={"fit": {"loss": float("nan"), "sizes": (1, 2)}})


@pytest.fixture
def folder(tmp_path, trained):
    """The folder of the training."""
    place = tmp_path / "toy/trainings/model/training"
    write_training(place, trained)
    return place


@pytest.fixture
def end(tmp_path, folder, trained):
    """Return a function that ends an audit with an error, in a run that has asked the training."""

    def ended(error):
        (tmp_path / "answered").mkdir()
        with forgotten_if_refused(tmp_path / "answered", folder, trained):
            raise error

    return ended


def anew(folder, trained):
    """Make the training again, by another run."""
    write_training(folder, trained.model_copy(update={"weights": "others", "finished": "later"}))


def test_what_is_refused_is_forgotten_with_its_training(folder, end, tmp_path):
    with pytest.raises(AuditError, match="refused"):
        end(AuditError("refused"))
    assert not (folder / TRAINING).exists()
    assert not (tmp_path / "answered").exists()


@pytest.mark.parametrize(("audited", "stays"), [(True, True), (False, False)])
def test_a_training_of_which_a_finished_run_passed_an_audit_stays(
    folder, end, trained, tmp_path, describe, judge, audited, stays
):
    audit = {} if audited else {"audit": None}
    record = describe(judge([1, 0]), **audit).model_copy(update={"trained": trained})
    run = tmp_path / "toy/paper" / folder.parent.name / "run-seed0"
    run.mkdir(parents=True)
    (run / "record.json").write_text(record.model_dump_json())
    with pytest.raises(AuditError, match="refused"):
        end(AuditError("refused"))
    assert (folder / TRAINING).exists() is stays
    assert not (tmp_path / "answered").exists()


def test_a_run_of_another_training_keeps_nothing(folder, end, trained, tmp_path, describe, judge):
    other = trained.model_copy(update={"finished": "before"})
    run = tmp_path / "toy/paper" / folder.parent.name / "run-seed0"
    run.mkdir(parents=True)
    record = describe(judge([1, 0])).model_copy(update={"trained": other})
    (run / "record.json").write_text(record.model_dump_json())
    with pytest.raises(AuditError):
        end(AuditError("refused"))
    assert not (folder / TRAINING).exists()


def test_what_fails_otherwise_is_kept(folder, end, trained, tmp_path):
    with pytest.raises(PluginError, match="could not be asked"):
        end(PluginError("it could not be asked"))
    check_stands(folder, trained)
    assert (tmp_path / "answered").exists()


@pytest.mark.parametrize(
    "error", [AuditError("refused"), PluginError("it has changed"), FileNotFoundError("moved")]
)
def test_a_training_that_was_made_anew_meanwhile_is_nobodys_fault(folder, end, trained, error):
    anew(folder, trained)
    standing = (folder / TRAINING).read_bytes()
    with pytest.raises(RecbenchError, match=r"has made this training anew, .* goes on$") as said:
        end(error)
    assert type(said.value) is RecbenchError
    assert (folder / TRAINING).read_bytes() == standing


def test_what_cannot_be_read_now_is_not_taken_for_damaged(folder):
    (folder / TRAINING).unlink()
    assert read_training(folder) is None
    (folder / TRAINING).mkdir()  # stands for whatever the operating system refuses
    with pytest.raises(IsADirectoryError):
        read_training(folder)
