"""What a part of a paper takes: its cells, with what was published of each."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from recbench.errors import RecbenchError, UserError
from recbench.models import class_at_hand, recommender_class
from recbench.questions.protocols.choice import means
from recbench.registry import load, sound
from recbench.reproduction.paper import PaperCell, Part
from recbench.request import Experiment
from recbench.runs.published import Published, entries, of_other_data, source_of
from recbench.runs.record import RunRecord
from recbench.settings import digest
from recbench.stages import asked_protocol
from recbench.studies.cells import row_name
from recbench.studies.study import MECHANISM, Asked, Study

Figures = dict[str, dict[str, list[Published]]]
"""Dataset to figure to what was published."""

HOW_TRAINED = frozenset(
    ("examples", "epochs", "batch_size", "learning_rate", "weight_decay", "dropout", "rank")
)
"""Settings in which a record may differ from a cell and yet be shown, with what it has instead."""


@dataclass(frozen=True)
class Wanted:
    """
    One system on one question.

    Attributes
    ----------
    name
        What it is, without seeds.
    cells
        One a training seed; at least one.
    free
        Settings in which a record of it may differ.
    published
        Figure to what was published in it.
    compared
        Whether it is compared with cells that must have learnt alike, as in a study: then a record
        that differs is shown, but does not take its place.
    impossible
        Why it cannot be run; empty where it can.
    """

    name: str
    cells: tuple[Experiment, ...]
    free: frozenset[str]
    published: Mapping[str, Sequence[Published]]
    compared: bool = False
    impossible: str = ""

    def is_of(self, record: RunRecord) -> bool:
        """Tell whether a record says something of it, whatever its seed and its draws."""
        cell, training = self.cells[0], record.training
        where = cell.model, cell.dataset, cell.train_fraction, cell.elsewhere
        its = record.model, record.dataset, training.fraction, training.dataset
        if self.impossible or where != its or set(self.differences(record)) - self.free:
            return False
        if of_other_data(record):
            return False
        return means(asked_protocol(cell).name, record.protocol)

    def stands_for(self, record: RunRecord) -> bool:
        """Tell whether such a record takes the place of the cell of its seed."""
        otherwise = self.asked_otherwise(record)
        if self.compared:
            return not otherwise and not self.differences(record)
        return otherwise.keys() <= {"draws"}  # more or fewer of one pack: another precision

    def asked_otherwise(self, record: RunRecord) -> dict[str, Any]:
        """Return in what a record was not asked as the cell would be, with what it has."""
        cell = self.cells[0]
        sampled = ("draws",) if record.redrawn else ()
        drawn = () if record.full_ranking else ("pack_seed", *sampled)
        return {
            name: getattr(record, name)
            for name in ("matching", *drawn)
            if getattr(record, name) != getattr(cell, name)
        }

    def differences(self, record: RunRecord) -> dict[str, Any]:
        """Return the settings in which a record of its model differs, with what it has."""
        cell, its = self.cells[0], record.settings
        usual = own = _identity(cell.model, json.dumps(cell.settings))
        llm = its.get("llm")
        if "llm" in self.free & usual.keys() and isinstance(llm, str):  # other defaults hang on it
            own = _identity(cell.model, json.dumps({**cell.settings, "llm": llm}))
            own = own | {"llm": usual["llm"]}
        return {name: its.get(name) for name in {**own, **its} if own.get(name) != its.get(name)}


@cache
def _identity(model: str, settings: str) -> dict[str, Any]:
    """Return what names the row of a model with these settings, as JSON."""
    kind = recommender_class(model).settings_class
    return kind.build(json.loads(settings)).identity()


def study_of(part: Part) -> Study | None:
    """Make the study of a part; None where it has none, or it cannot be had here."""
    if part.study is None or part.study not in sound("studies", lambda _: None):
        return None
    made: Study = load("studies", part.study)()
    return made


def wanted(part: Part, asked: Asked) -> list[Wanted]:
    """
    Return what a part takes.

    Parameters
    ----------
    part
        A table or a figure.
    asked
        Of every study. Without language models they are of the built-in one, and of tables the
        records of any are shown.

    Raises
    ------
    UserError
        If a name is not registered.
    """
    if study := study_of(part):
        return list(_of_study(study, part, asked))
    return [one for cell, of in _table(part) for one in _of_table(cell, of, part, asked)]


def _of_study(study: Study, part: Part, asked: Asked) -> Iterator[Wanted]:
    rows: dict[str, dict[int, Experiment]] = {}
    whole = _cells(study, asked_of(part, study, asked))
    for cell in whole:
        rows.setdefault(row_name(cell), {})[cell.seed] = cell
    for name, cells in rows.items():
        several = tuple(cells.values())
        free = HOW_TRAINED - (several[0].settings.keys() - {"examples"})
        free -= _told_apart([one for one in whole if one.model == several[0].model])
        why = _impossible(several[0])
        yield Wanted(name, several, free, {}, compared=True, impossible=why)


def _told_apart(cells: Sequence[Experiment]) -> set[str]:
    """Return the settings of `HOW_TRAINED` by which cells of one model are told from each other."""
    return {one for one in HOW_TRAINED if len({cell.settings.get(one) for cell in cells}) > 1}


def asked_of(part: Part, study: Study, asked: Asked) -> Asked:
    """Return what is asked of the study of a part: its own models, seeds, datasets and so on."""
    llms = asked.llms or part.llms or (MECHANISM,)
    seeds = 1 if asked.quick else study.seeds
    return replace(asked, llms=llms, models=study.models, seeds=seeds, others=part.others)


def _cells(study: Study, asked: Asked) -> list[Experiment]:
    """Return the cells of a study; what takes data or packages that are not here, by a guess."""
    try:
        return study.cells(asked)
    except UserError:
        return study.cells(replace(asked, listing=True))


def _table(part: Part) -> list[tuple[PaperCell, Figures]]:
    """Return the systems of a part, each with all that was published of it."""
    found: dict[tuple[str, str], tuple[PaperCell, Figures]] = {}
    for cell, dataset, figure, one in _published(part):
        key = cell.model, digest(cell.settings)
        _, of = found.setdefault(key, (cell, {}))
        several = of.setdefault(dataset, {}).setdefault(figure, [])
        several += [] if one is None else [one]
    return list(found.values())


def _published(part: Part) -> Iterator[tuple[PaperCell, str, str, Published | None]]:
    """Give system, dataset and figure with what was published; None where that is not at hand."""
    for figure in part.figures if part.shared else ():
        for entry in entries(part.protocol, figure):
            settings = {} if entry.encoder is None else {"encoder": entry.encoder}
            cell = PaperCell(model=entry.model, settings=settings, on={})
            for dataset, known in entry.on.items():
                yield cell, dataset, figure, known
    for cell in part.cells:
        for dataset, values in cell.on.items():
            for place, figure in enumerate(cell.figures or part.figures):
                one = Published(values[place], source_of(cell.source)) if values else None
                yield cell, dataset, figure, one


def _of_table(cell: PaperCell, of: Figures, part: Part, asked: Asked) -> Iterator[Wanted]:
    llm = asked.llms[0] if asked.llms else None
    kind = class_at_hand(cell.model)
    takes_one = kind is not None and "llm" in kind.settings_class.model_fields
    own = {"llm": llm or MECHANISM} if takes_one else {}
    free = HOW_TRAINED | cell.asked.keys() | (set() if llm else {"llm"})
    for dataset, published in of.items():
        experiment = Experiment(
            model=cell.model,
            dataset=dataset,
            protocol=part.protocol,
            settings=own | cell.settings | cell.asked,
            draws=asked.draws,
            train_fraction=1.0,
            results=asked.results,
            cache=asked.cache,
        )
        named = experiment.model_copy(update={"settings": cell.settings, "protocol": None})
        yield Wanted(
            name=row_name(named),
            cells=(experiment,),
            free=free,
            published=published,
            impossible=_impossible(experiment),
        )


def _impossible(cell: Experiment) -> str:
    try:
        asked_protocol(cell)
    except UserError as error:
        return f"{cell.dataset} cannot be asked so: {error}"
    try:
        recommender_class(cell.model)
    except RecbenchError as error:
        return f"{cell.model} cannot be had: {error}"
    return ""
