"""The model that a run has asked: where it was kept and as it was, it can be asked again."""

import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbench.errors import UserError
from recbench.file_digests import folder_digest
from recbench.models import ingredients_of, recommender_class
from recbench.plain_text import printable
from recbench.recommender import Runtime, System, TrainingData
from recbench.runs.command import command
from recbench.runs.kept_trainings import kept_model
from recbench.runs.provenance import other_code
from recbench.runs.record import RunRecord
from recbench.runs.record_parts import Training
from recbench.runs.store import Run, run_folder

ELSEWHERE = Path("build/results")
"""Where a run whose model is not here is told to be made again."""

ENCODER_PACKAGE = "encoder_package"
"""The ingredient that may be another by now: the kept model holds its encoder as it was fitted."""


@dataclass(frozen=True)
class AskedModel:
    """
    The model of a run, to be asked again: whatever asks one goes through here.

    Attributes
    ----------
    run
        That has asked it.
    folder
        Where it is kept, as it was.
    model
        As the run set it, of the same ingredients; loaded by `load` alone.
    remedy
        What helps where something else is another by now.
    """

    run: Run
    folder: Path
    model: System
    remedy: str

    def check_data(self, dataset: str, split: str, training: Training) -> None:
        """
        Refuse other data than the run's.

        Parameters
        ----------
        dataset, split
            Digests of the data at hand, and of their split with the rows that were asked about.
        training
            What is learnt from of these data.

        Raises
        ------
        UserError
            With what is another, and what to do.
        """
        run, record = self.run, self.run.record
        raw = "name the folder of its raw files by --data-dir"
        _check_same(run, {"dataset": record.digests.dataset}, {"dataset": dataset}, raw)
        _check_same(run, {"split": record.digests.split}, {"split": split}, self.remedy)
        words, said = record.training.words, training.words
        if record.training.dataset is not None and (not said or f"; {words}".endswith(f"; {said}")):
            said = words  # of two datasets: those of the one that is asked about come last
        added = "add the data again with those of the run (--noun, --verb)"
        _check_same(run, {"words": words}, {"words": said}, added if words else self.remedy)

    def load(self, data: TrainingData, runtime: Runtime) -> System:
        """Load it, and say where it answers in another precision than it did for the run."""
        self.model.load(self.folder, data, runtime)
        made, own = self.run.record.provenance, self.model.scores_in
        if own != made.precision:
            runtime.report(
                f"{self.run.folder} was asked in {made.precision} on {made.device.name}, here its "
                f"model answers in {own} on {runtime.device}: answers may differ by rounding"
            )
        return self.model


def as_set(record: RunRecord, passing: Mapping[str, Any] | None = None) -> System:
    """
    Make the model of a run with all its settings, neither trained nor loaded.

    Parameters
    ----------
    record
        Of the run.
    passing
        Settings that no record holds (`recbench.settings.Settings`), as a user gives them.

    Raises
    ------
    UserError, RecbenchError
        If it is not installed, or does not know a setting any more; for one to be set that its
        record holds.
    """
    assert record.trained is not None  # others were refused before
    model_class = recommender_class(record.model)
    kind, given = model_class.settings_class, dict(passing or {})
    for name in given:
        if name not in kind.passing:
            free = ", ".join(sorted(kind.passing)) or "nothing of it"
            raise UserError(
                f"{record.model} is asked again as its run has set it, and --set takes {free}; "
                f"leave out --set {name}"
            )
    own = kind.as_recorded(record.settings)
    return model_class(kind.build(own | record.trained.runtime_settings | given))


def asked_model(
    run: Run,
    remedy: str,
    report: Callable[[str], None],
    passing: Mapping[str, Any] | None = None,
) -> AskedModel:
    """
    Return the model that a run has asked, as it was; nothing is loaded.

    Parameters
    ----------
    run
        Of a model.
    remedy
        What helps where its model is not there, or not as it was.
    report
        Told one line where other code than the run's is to answer.
    passing
        As for `as_set`.

    Raises
    ------
    UserError
        For answers that came in a file; as `as_set`; if the model is not there or another, or is
        made of other things by now, with the remedy.
    """
    folder = _kept(run, remedy)
    model = as_set(run.record, passing)
    known, own = dict(run.record.ingredients), ingredients_of(model)
    packages = known.pop(ENCODER_PACKAGE, None), own.pop(ENCODER_PACKAGE, None)
    _check_same(run, known, own, remedy)
    for how in (*other_code(run.record), *_other_encoder(*packages)):
        report(f"{run.folder} is a run {how}; {remedy}")
    return AskedModel(run, folder, model, remedy)


def _other_encoder(made: str | None, own: str | None) -> Iterator[str]:
    if made != own:
        made, own = (package or "recbench" for package in (made, own))
        yield f"with an encoder of {made}, installed is {own}"


def _check_same(run: Run, recorded: Mapping[str, Any], own: Mapping[str, Any], remedy: str) -> None:
    """Refuse to ask a model of other things than the run did: it would not be the run's answer."""
    other = [name for name in {**recorded, **own} if recorded.get(name) != own.get(name)]
    if other:
        was, now = (_short(one.get(other[0])) for one in (recorded, own))
        raise UserError(
            f"{run.folder} was made with '{other[0]}' {was}, here it is {now}; {remedy}"
        )


def _short(value: Any) -> str:
    """Write a value; of a digest, its beginning."""
    text = str(value)
    return text[:12] if len(text) == 64 else printable(text)


def _kept(run: Run, remedy: str) -> Path:
    """Return the folder of the model that a run has asked, which is as it was."""
    record = run.record
    if record.trained is None:
        raise UserError(
            f"{run.folder} holds answers that came in a file: there is no model to ask; name a run "
            "that recbench run has made"
        )
    folder = kept_model(Path(os.path.abspath(run.folder)).parents[3], record)
    if folder.is_dir() and folder_digest(folder) == record.trained.weights:
        return folder
    why = "is not the one that the run has asked" if folder.is_dir() else "is not there"
    raise UserError(f"the model of {run.folder} ({folder}) {why}; {remedy}")


def again(record: RunRecord, data_dir: Path | None = None, then: str = "") -> str:
    """
    Say how a run of ours, and its model, are made again; empty for answers from a file.

    It is made elsewhere, so that what was found stays; `then` says how that is named, as a rule by
    the run's folder.
    """
    if record.trained is None:
        return ""
    raw = [] if data_dir is None else ["--data-dir", str(data_dir)]
    more = shlex.join([*raw, "--results", str(ELSEWHERE), "--fresh"])
    folder = run_folder(ELSEWHERE, record)
    return f"make it again by: {command(record)} {more}; then {then or f'name {folder}'}"
