"""The models that runs have kept, for studies that look into them; nothing is trained."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from recbench.hardware.devices import resolve
from recbench.models import recommender_class
from recbench.recommender import Runtime, System, TrainingData
from recbench.registry import blamed_if_at_fault
from recbench.request import Experiment
from recbench.runs.asked_model import ELSEWHERE, again, asked_model
from recbench.runs.places import cache_folder
from recbench.runs.question import Question
from recbench.runs.record import RunRecord
from recbench.runs.store import Run
from recbench.settings import as_text
from recbench.stages import ask
from recbench.studies.study import Asked, silent
from recbench.training_source import loaded_with


@dataclass(frozen=True)
class Kept:
    """
    A model as a run has asked it.

    Attributes
    ----------
    model
        Loaded.
    data
        What it may have learnt from.
    question
        What it was asked.
    runtime
        Where it runs.
    """

    model: System
    data: TrainingData
    question: Question
    runtime: Runtime


@contextmanager
def kept(run: Run, asked: Asked) -> Iterator[Kept]:
    """
    Load the model of a run, for as long as the block lasts.

    What answers otherwise than it did for the run, and is no fault of it, is told (`Asked.report`).
    What a plug-in raises inside the block is called the model's, not the study's.

    Raises
    ------
    UserError
        If it is not there any more, or it or what it is asked about is not as it was, with the
        command that makes it anew.
    """
    record, cell = run.record, _cell(run.record, asked)
    made = again(record, asked.data_dir, f"give the study --results {ELSEWHERE}")
    remedy = f"this study looks into models; {made}"
    with blamed_if_at_fault("models", record.model):
        found = asked_model(run, remedy, asked.report)
    question = ask(cell, silent)
    data = loaded_with(found, question.dataset, question.split)
    with TemporaryDirectory() as scratch, blamed_if_at_fault("models", record.model):
        where = Path(scratch), cache_folder(asked.cache)
        runtime = Runtime(record.seed, resolve(asked.device), *where, asked.report)
        yield Kept(found.load(data, runtime), data, question, runtime)


def _cell(record: RunRecord, asked: Asked) -> Experiment:
    """Return the experiment that a record is of; as its `arguments`, a command says it again."""
    assert record.trained is not None
    set_so = record.settings | record.trained.runtime_settings
    kind = recommender_class(record.model).settings_class
    named = {name: value for name, value in set_so.items() if name == "llm"}
    usual = kind.defaults(**named) if named else kind.defaults()  # some hang on it
    own = {name: value for name, value in set_so.items() if value != usual.get(name)}
    own |= {name: value for name, value in named.items() if value is not None}
    return Experiment(
        model=record.model,
        dataset=record.dataset,
        protocol=record.protocol,
        settings={name: as_text(value) for name, value in own.items()},
        seed=record.seed,
        draws=record.draws,
        pack_seed=record.pack_seed,
        matching=record.matching,
        train_fraction=record.training.fraction,
        data_dir=asked.data_dir,
        results=asked.results,
        cache=asked.cache,
    )
