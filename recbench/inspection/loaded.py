"""The model of a run, loaded to be asked its questions in another way."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbench.errors import UserError
from recbench.evaluation.answers import match
from recbench.evaluation.asking import ROWS_AT_ONCE
from recbench.hardware.devices import resolve
from recbench.locks import LOCK, locked
from recbench.progress import progress_bar
from recbench.questions.candidates import Pack
from recbench.questions.queries import Queries
from recbench.questions.split import Split
from recbench.recommender import Answerer, Runtime, System, writes
from recbench.registry import blamed_if_at_fault
from recbench.runs.asked_model import AskedModel, again, asked_model
from recbench.runs.places import LOOKS
from recbench.runs.question import Question
from recbench.runs.record import RunRecord
from recbench.runs.remade_question import NotCheckedError, Questions, check_digests
from recbench.runs.store import Run
from recbench.seeding import generator
from recbench.statistics.intervals import Figure, figure
from recbench.training_source import loaded_with

ROWS = 100
"""Test rows that are asked again, unless there are fewer."""


@dataclass(frozen=True)
class Asked:
    """
    Some rows of a run, and its model.

    Attributes
    ----------
    model
        As the run asked it, under its control if it has one.
    runtime
        Where it runs.
    record
        Of the run.
    split
        As the model saw it.
    rows
        int64 [n], which test rows, ascending.
    candidates, slots
        int32 [n, C] and int64 [n], of their first draw, with the target's place.
    """

    model: Answerer
    runtime: Runtime
    record: RunRecord
    split: Split
    rows: NDArray[np.int64]
    candidates: NDArray[np.int32]
    slots: NDArray[np.int64]

    @property
    def users(self) -> NDArray[np.int32]:
        """Whose the rows are, int32 [n]."""
        return self.split.test.users[self.rows]

    def answers(self, shown: NDArray[np.int32]) -> NDArray[np.int32]:
        """Ask with these candidates [n, C]; return the slots meant, int32 [n], as `match` does."""
        told = self.users if self.model.knows_users else None
        queries = Queries(self.split.test.histories[self.rows], shown).by(told)
        texts: list[str] = []
        for start in range(0, len(queries), ROWS_AT_ONCE):
            part = queries[start : start + ROWS_AT_ONCE]
            texts += self.model.answer(part, self.runtime)
        return match(texts, shown, self.split.catalogue.titles, self.record.matching)

    def judged(
        self, answers: NDArray[np.int32], targets: NDArray[np.int64] | int
    ) -> tuple[Figure, Figure]:
        """Return HitRatio@1 and ValidRatio of answers, the targets standing in these slots."""
        found = [
            figure(right.astype(np.float64), 1, self.users)
            for right in (answers == targets, answers >= 0)
        ]
        hit, valid = found
        assert hit is not None  # there is a row
        assert valid is not None
        return hit, valid

    def each(self, name: str, ways: int) -> Iterator[int]:
        """Count ways to ask from 0, telling how far it is."""
        self.model.announce(len(self.rows) * ways, self.candidates.shape[1], self.runtime)
        with progress_bar(self.runtime.show_progress) as bar:
            task = bar.add_task(name, total=ways)
            for way in range(ways):
                yield way
                bar.advance(task)


@contextmanager
def asked_again(
    run: Run,
    questions: Questions,
    rows: int,
    device: str,
    cache: Path,
    report: Callable[[str], None],
    look: str,
    passing: Mapping[str, Any] | None = None,
) -> Iterator[Asked]:
    """
    Load the model of a run, with a sample of its rows, always the same; nothing is trained.

    At the end it is said what the answers took, where a model accounts for that. What an
    interrupted look has paid for stays in the cache, and counts when it is gone on with.

    Parameters
    ----------
    run
        Of a model that writes, and has candidates listed.
    questions
        Makes the question again.
    rows
        How many test rows at most, at least 1.
    device, cache, report
        As for ``recbench run``.
    look
        Name of what is looked at.
    passing
        As for `recbench.runs.asked_model.as_set`.

    Raises
    ------
    UserError
        For a run that has no such model, or whose model or data are not here or not as they were.
    DataError
        If the run is not of its question.
    """
    _check_lists(run)
    with blamed_if_at_fault("models", run.record.model):
        found = asked_model(run, again(run.record), report, passing)
        made = _made(run, questions)
        split = made.seen(run.record.control).split
        own = cache / LOOKS / f"{run.record.record_sha256[:16]}-{look}"
        with _kept_until_done(own, report) as folder:
            runtime = Runtime(run.record.seed, resolve(device), folder, cache, report, True)
            model = _loaded(found, made, split, runtime)
            assert writes(model)
            assert isinstance(made.pack, Pack)
            count = min(rows, run.record.examples)
            random = generator(0, "asked again", made.pack.hash)
            chosen = np.sort(random.permutation(run.record.examples)[:count])
            yield Asked(
                model,
                runtime,
                run.record,
                split,
                chosen,
                made.pack.candidates[chosen, 0],
                made.pack.target_position[chosen, 0].astype(np.int64),
            )
            model.account(runtime)


@contextmanager
def _kept_until_done(folder: Path, report: Callable[[str], None]) -> Iterator[Path]:
    """Give a folder to one process at a time, which goes when the block is done to its end."""
    try:
        with locked(folder, report):
            yield folder
            for path in folder.iterdir():  # the lock goes when it is given back
                if path.name != LOCK:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
    finally:
        with suppress(OSError):  # there is something in it to go on with, or it is gone
            folder.rmdir()


def _check_lists(run: Run) -> None:
    record = run.record
    if record.trained is not None and not record.writes:
        raise UserError(
            f"{record.model} reads no list of candidates: it scores each wherever it stands; name "
            "a run of a language model that has its candidates listed, such as zero-shot"
        )


def _made(run: Run, questions: Questions) -> Question:
    try:
        made = questions.of(run.record)
        check_digests(run.folder, run.record, made)
    except NotCheckedError as error:
        raise UserError(f"a model cannot be asked what it was asked: {error}") from None
    return made


def _loaded(found: AskedModel, made: Question, split: Split, runtime: Runtime) -> System:
    """Load the model of a run, with the titles of `split`, and put it under the run's control."""
    data = loaded_with(found, made.dataset, made.split)
    model = found.load(replace(data, catalogue=split.catalogue), runtime)
    if (control := found.run.record.control) is not None:
        model.begin(control)
    return model
