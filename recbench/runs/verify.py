"""
Verification: everything that can be checked of a run, named one by one.

What a table checks of every run before it is read (`recbench.runs.evidence`); where the kept model
is at hand, its digest; and where the data are, the question, made again (`remade_question`).
"""

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from recbench.errors import DataError, RecbenchError, UserError
from recbench.evaluation.evaluator import summary
from recbench.file_digests import folder_digest
from recbench.recommender import ranks, writes
from recbench.registry import blamed, find, listed
from recbench.runs.asked_model import as_set
from recbench.runs.evidence import (
    CHECKS,
    RECORD,
    check_apart,
    check_same_figures,
    of_values_alone,
    refused,
)
from recbench.runs.examples import read_outcome
from recbench.runs.kept_trainings import TRAINING, kept_model, parts, read_training
from recbench.runs.record import RunRecord, caption_of
from recbench.runs.remade_question import NotCheckedError, Questions, checks_of
from recbench.runs.store import read_record, run_folders

MEANING = {
    "words": "names and caption are one line each, and no letter of a name is unseen",
    "row": "row and run id are those of settings, question and seed",
    "place": "the folder is named as the run is",
    "training": "the training is one of this model, settings, data and seed",
    "outside": "what came from outside says so, and answers as it says",
    "examples": "the table is the recorded one, and agrees with itself",
    "figures": "every figure and interval, worked out again",
    "record": "no field was changed since it was written",
    "plug-ins": "figures of metrics that other packages bring, worked out again",
    "model": "the kept model, and what was written down of its training, are the recorded ones",
    "claims": "caption, writing, ranking, randomness and control are such as the model declares",
    "single": "no other of these runs is the same one",
    "question": "data, split and candidates, made and drawn again",
    "rows": "users, targets' places and counts of every row",
    "ranks": "every rank, from the stored scores",
    "answers": "every text, matched again",
    "learnt": "the data that were learnt from",
}
"""Name of each check, in order, to what holds where it passes."""

OF_BUNDLES = {
    "given": "the file of answers, read and judged again, gives this table",
    "division": "what the data at hand can tell of a run of the closed division is checked",
}
"""As `MEANING`: what `recbench.submission` checks besides."""

OF_RUNS, OF_EXTERNAL = ("training", "model", "claims"), ("outside",)
"""What there is to check of one kind of record alone (`recbench.runs.record.Setup.kind`)."""


OF_FIGURES = ("figures", "plug-ins")
"""Checks that compare intervals, too, where the record's are of today's figure version."""


class Check(BaseModel):
    """
    One check of one run: its name in `MEANING`, what came out, and why.

    Of one that passed `why` says what it leaves out, and mostly nothing.
    """

    name: str
    result: Literal["ok", "failed", "not checked"]
    why: str = ""


class Verified(BaseModel):
    """What was checked of one run, in order."""

    folder: str
    checks: tuple[Check, ...]

    @property
    def failed(self) -> bool:
        """Whether a check failed; what could not be checked does not count."""
        return any(one.result == "failed" for one in self.checks)


def folders_of(paths: Sequence[Path]) -> list[Path]:
    """
    Return the run folders that are named, or lie below one that is.

    Raises
    ------
    UserError
        For a path without a run.
    """
    found: dict[Path, None] = {}
    for path in paths:
        below = {one.parent for one in path.rglob(RECORD)}
        here = sorted(below.union(run_folders(path)))  # run folders that are links, too
        if not here:
            raise UserError(f"{path} holds no finished run; name a run's folder, or one of results")
        found |= dict.fromkeys(here)
    return list(found)


def verify(folders: Iterable[Path], questions: Questions) -> list[Verified]:
    """
    Check runs.

    Parameters
    ----------
    folders
        Of finished runs.
    questions
        Makes their questions again, where the data are at hand.
    """
    of_row: dict[str, list[RunRecord]] = {}
    return [_verified(folder, of_row, questions) for folder in folders]


def _verified(folder: Path, of_row: dict[str, list[RunRecord]], questions: Questions) -> Verified:
    try:
        record = read_record(folder)
    except DataError as error:
        broken = Check(name="record", result="failed", why=str(error))
        return Verified(folder=str(folder), checks=(broken,))
    same = of_row.setdefault(record.row, [])
    own = {**CHECKS, "plug-ins": _check_plugins, "model": _check_model}
    own["claims"] = _check_claims
    for name in OF_RUNS if record.kind == "external" else OF_EXTERNAL:
        del own[name]
    done = (carried_out(name, partial(check, folder, record)) for name, check in own.items())
    checks = [_as_far_as_compared(one, record) for one in done]
    checks.append(carried_out("single", partial(check_apart, folder, record, same)))
    same.append(record)
    if any(one.result == "failed" for one in checks):
        checks += _none_of_data(record, "a check before failed")
    else:
        checks += _of_data(folder, record, questions)
    return Verified(folder=str(folder), checks=tuple(checks))


def _as_far_as_compared(check: Check, record: RunRecord) -> Check:
    """Say of figures whose intervals nobody could compare that their values are right alone."""
    if check.result != "ok" or check.name not in OF_FIGURES:
        return check
    return check.model_copy(update={"why": of_values_alone(record)})


def _of_data(folder: Path, record: RunRecord, questions: Questions) -> list[Check]:
    """Check what takes the data; where the question is another, nothing else can be held to it."""
    try:
        made = questions.of(record)
    except NotCheckedError as error:
        return _none_of_data(record, str(error))
    wanted = checks_of(record)
    first = carried_out("question", partial(wanted.pop("question"), folder, record, made))
    if first.result != "ok":
        why = first.why if first.result == "not checked" else "the question is another"
        return [first, *_none_of_data(record, why)[1:]]
    tried = [carried_out(name, partial(one, folder, record, made)) for name, one in wanted.items()]
    return [first, *tried]


def _none_of_data(record: RunRecord, why: str) -> list[Check]:
    return [Check(name=name, result="not checked", why=why) for name in checks_of(record)]


def _check_plugins(folder: Path, record: RunRecord) -> None:
    given = summary(read_outcome(folder, record), lambda _: None, listed("metrics").keys())
    check_same_figures(folder, record, given)
    if unknown := sorted(record.metrics.keys() - given.keys()):
        raise NotCheckedError(f"no metric that is installed gives {', '.join(unknown)}")


def _check_claims(folder: Path, record: RunRecord) -> None:
    assert record.trained is not None  # this is no check of what came from outside
    try:
        with blamed(find("models", record.model)):
            model = as_set(record)
    except RecbenchError as error:
        raise NotCheckedError(str(error)) from None
    own = {
        "caption": caption_of(model.caption, record.training, record.dataset),
        "writes": writes(model),
        "ranks": ranks(model),
        "random_training": model.random_training,
    }
    for name, declared in own.items():
        if (recorded := getattr(record, name)) != declared:
            raise refused(folder, f"its {name} is {recorded!r}, its model declares {declared!r}")
    if record.control is not None and record.control not in model.controls:
        raise refused(folder, f"its control is {record.control}, which is of no use to its model")


def _check_model(folder: Path, record: RunRecord) -> None:
    model = kept_model(Path(os.path.abspath(folder)).parents[3], record)
    if not model.is_dir():
        raise NotCheckedError("it is not kept beside its results")
    kept = read_training(model.parent)
    if not (model.parent / TRAINING).exists():
        raise NotCheckedError("its training was forgotten since, as an audit does that refuses it")
    if kept is not None and kept.finished > record.finished:
        raise NotCheckedError("the training was made anew after the run")
    if kept is None or kept != record.trained:
        raise refused(folder, f"what it says of its training is not what {model.parent} says")
    if (kept.weights, kept.parts) != (folder_digest(model), parts(model)):
        raise refused(folder, f"the model in {model} is not the one that was asked")


def carried_out(name: str, check: Callable[[], None]) -> Check:
    """Return what came of a check that raises DataError or NotCheckedError, or nothing."""
    try:
        check()
    except NotCheckedError as error:
        return Check(name=name, result="not checked", why=str(error))
    except DataError as error:
        return Check(name=name, result="failed", why=str(error))
    return Check(name=name, result="ok")


def as_text(found: Sequence[Verified]) -> str:
    """Write one block a run, and at last how many passed."""
    meaning = MEANING | OF_BUNDLES
    lines: list[str] = []
    for run in found:
        lines.append(f"{run.folder}: {'FAILED' if run.failed else 'verified'}")
        for one in run.checks:
            why = f": {one.why}" if one.why else ""
            lines.append(f"  {one.result:<11}  {one.name:<8}  {meaning[one.name]}{why}")
    failed = sum(run.failed for run in found)
    return "\n".join([*lines, f"{len(found)} runs, {failed} failed"])
