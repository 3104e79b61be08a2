"""What cells would take that have no record yet, by the records of others like them."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any

from recbench.data.card import card
from recbench.errors import RecbenchError
from recbench.plain_text import as_json
from recbench.questions.protocols import Protocol
from recbench.questions.protocols.choice import means
from recbench.recommender import System
from recbench.request import Experiment
from recbench.runs.kept_trainings import kept_model
from recbench.runs.places import cache_folder, results_folder
from recbench.runs.record import RunRecord
from recbench.runs.sheet import Grid, Sheet
from recbench.runs.text import DASH, Format, as_csv, laid_out
from recbench.stages import asked_protocol, matching_of
from recbench.studies import cells

HEADERS = ("model", "dataset", "protocol", "seed", "state", "hours", "memory GiB", "GPU GiB", "by")

NOTE = (
    "Hours are the mean and memory the most of the runs that are named under 'by': of the same "
    "model, language model and dataset where there are such. Hours are scaled by draws, by the "
    "rows that are learnt from where the settings say how many, and from another dataset by test "
    "rows. A training that several cells ask counts once, with the first of them; one whose model "
    "an earlier run has kept takes none."
)


@dataclass(frozen=True)
class Forecast:
    """
    One cell.

    Attributes
    ----------
    model, dataset, protocol, seed
        Which it is.
    state
        ``there``, ``missing``, or ``refused`` where ``recbench run`` would refuse it.
    seconds, host, device
        What it would take, and the most memory of host and GPU, bytes; None where nothing tells,
        and of what is there.
    by
        Which runs tell; of what is refused, why.
    """

    model: str
    dataset: str
    protocol: str
    seed: int
    state: str
    seconds: float | None = None
    host: int | None = None
    device: int | None = None
    by: str = ""


@dataclass(frozen=True)
class _Wanted:
    """A cell, its model, its protocol, and what its record would say is set."""

    cell: Experiment
    model: System
    protocol: Protocol
    settings: Mapping[str, Any]


def forecast(wanted: Iterable[Experiment], records: Sequence[RunRecord]) -> list[Forecast]:
    """
    Say which cells are there, and what the others would take; no data are read.

    Parameters
    ----------
    wanted
        The cells; of a model whose training does not depend on the seed, all seeds are one.
    records
        Of earlier runs; a cell takes as long as those that are most like it. A training that
        several cells ask counts with the first of them alone.
    """
    usable = [one for one in records if one.trained is not None and one.limit is None]
    rows = {(one.dataset, one.protocol): one.examples for one in usable}
    found: dict[tuple[str, ...], Forecast] = {}
    trained: set[str] = set()
    for cell in wanted:
        name = cell.protocol or DASH
        try:
            protocol = asked_protocol(cell)
            name = protocol.name
            model = cells.built(cell)
            settings = model.settings.identity()
        except RecbenchError as error:
            refused = Forecast(cell.model, cell.dataset, name, cell.seed, "refused")
            found.setdefault(tuple(cell.arguments), replace(refused, by=str(error)))
            continue
        one = cell if model.random_training else cell.model_copy(update={"seed": 0})
        if (key := tuple(one.arguments)) in found:
            continue
        training = cells.name(one.model_copy(update={"protocol": protocol.card}))
        asked = _Wanted(one, model, protocol, settings)
        learns = training not in trained and not _is_kept(asked, usable)
        found[key] = _forecast(asked, usable, rows, learns)
        if found[key].state == "missing":
            trained.add(training)
    return list(found.values())


def seconds(wanted: Iterable[Experiment], records: Sequence[RunRecord]) -> float | None:
    """
    Estimate how long the cells without a record would take, one after another.

    None where no earlier record tells of one of them.
    """
    total = 0.0
    for one in forecast(wanted, records):
        if one.state == "missing":
            if one.seconds is None:
                return None
            total += one.seconds
    return total


def _forecast(
    wanted: _Wanted,
    records: Sequence[RunRecord],
    rows: Mapping[tuple[str, str], int],
    learns: bool,
) -> Forecast:
    cell = wanted.cell
    asked = Forecast(cell.model, cell.dataset, wanted.protocol.name, cell.seed, "missing")
    own = [one for one in records if one.model == cell.model and _llm(wanted, one)]
    if any(_is_of(wanted, one) for one in own):
        return replace(asked, state="there")
    near, by, scale = _nearest(wanted, own, rows)
    if not near:
        return asked
    taken = fmean(
        scale[one.dataset] * (_asking(wanted, one) + learns * _learning(wanted, one))
        for one in near
    )
    memory = [part for one in near for part in _peaks(one)]
    on_gpu = [one.device for one in memory if one.device is not None]
    host = max(one.host for one in memory)
    return replace(asked, seconds=taken, host=host, device=max(on_gpu, default=None), by=by)


def _llm(wanted: _Wanted, record: RunRecord) -> bool:
    return bool(wanted.settings.get("llm") == record.settings.get("llm"))


def _is_of(wanted: _Wanted, record: RunRecord) -> bool:
    """Tell whether a record is of this cell, as far as can be told without its data."""
    cell = wanted.cell
    return (
        _learnt_alike(wanted, record)
        and (record.dataset, record.matching) == (cell.dataset, matching_of(cell, wanted.model))
        and means(wanted.protocol.name, record.protocol)
        and (record.full_ranking or record.pack_seed == cell.pack_seed)
        and (not record.redrawn or record.draws == cell.draws)
        and record.control == cell.control
    )


def _is_kept(wanted: _Wanted, records: Sequence[RunRecord]) -> bool:
    """Tell whether an earlier run has kept what the cell would learn, as far as `_is_of` can."""
    results = results_folder(wanted.cell.results)
    return any(
        _learnt_alike(wanted, one)
        and one.dataset == wanted.cell.dataset
        and one.protocol.partition(",")[0] == wanted.protocol.card
        and kept_model(results, one).is_dir()
        for one in records
    )


def _learnt_alike(wanted: _Wanted, record: RunRecord) -> bool:
    """Tell whether a record's model has the same settings, seed and share of the same data."""
    cell = wanted.cell
    return (
        (record.model, record.settings) == (cell.model, wanted.settings)
        and record.seed == (cell.seed if wanted.model.random_training else 0)
        and record.training.fraction == cell.train_fraction
        and record.training.dataset == cell.elsewhere
    )


def _nearest(
    wanted: _Wanted, own: Sequence[RunRecord], rows: Mapping[tuple[str, str], int]
) -> tuple[list[RunRecord], str, dict[str, float]]:
    """Return the records that are most like a cell, how they are, and a factor a dataset."""
    cell, protocol = wanted.cell, wanted.protocol.name
    here = [one for one in own if one.dataset == cell.dataset]
    same = [one for one in here if means(protocol, one.protocol)]
    near, where, scale = same or here, "", {cell.dataset: 1.0}
    if here and not same:
        where = _under(here)
    if not here and (asked := _test_rows(wanted, rows)) is not None:
        like = [one for one in own if one.protocol.partition(",")[0] == wanted.protocol.card]
        same = [one for one in like if means(protocol, one.protocol)]
        near = same or like
        scale = {one.dataset: asked / one.examples for one in near}
        where = f" on {', '.join(sorted(scale))}{_under(() if same else near)}, by test rows"
    alike = [one for one in near if one.settings == wanted.settings]
    if near and not alike:
        where += ", other settings"
    near = alike or near
    count = "1 run" if len(near) == 1 else f"{len(near)} runs"
    devices = sorted({one.provenance.device.name.partition(":")[0] for one in near})
    return near, f"{count}{where}, {' and '.join(devices)}", scale


def _test_rows(wanted: _Wanted, rows: Mapping[tuple[str, str], int]) -> int | None:
    """Return how many rows would be asked, by another run or by the dataset's card."""
    cell, protocol = wanted.cell, wanted.protocol
    told = card(cell.dataset, cache_folder(cell.cache)).test_rows
    return rows.get((cell.dataset, protocol.name), told.get(protocol.card))


def _under(records: Sequence[RunRecord]) -> str:
    protocols = sorted({one.protocol for one in records})
    return f" under {', '.join(protocols)}" if protocols else ""


def _asking(wanted: _Wanted, record: RunRecord) -> float:
    cell, protocol = wanted.cell, wanted.protocol
    asked = 1 if protocol.given else cell.draws  # of what rows bring there is one draw
    draws = 1.0 if protocol.full or record.full_ranking else asked / record.draws
    part = 1.0 if cell.limit is None else min(1.0, cell.limit / record.examples)
    return record.times.prepare + record.times.audit + part * draws * record.times.score


def _learning(wanted: _Wanted, record: RunRecord) -> float:
    assert record.trained is not None  # others were left out
    share = wanted.cell.train_fraction / record.training.fraction
    own, usual = wanted.settings.get("examples"), record.settings.get("examples")
    if own is not None and usual is not None:
        share = float(own) / float(usual)
    return share * record.trained.seconds


def _peaks(record: RunRecord) -> list[Any]:
    assert record.trained is not None
    return [record.peak_memory, record.trained.peak_memory]


def makespan(seconds: Iterable[float], workers: int) -> float:
    """Return when the last cell ends, if each of so many workers takes the next one, seconds."""
    free = [0.0] * workers
    for one in seconds:
        heapq.heappush(free, heapq.heappop(free) + one)
    return max(free)


def render(forecasts: Sequence[Forecast], workers: int, form: Format) -> str:
    """Write what cells would take, a line a cell, without a last line end."""
    if form == "json":
        page = {"cells": [asdict(one) for one in forecasts], **_totals(forecasts, workers)}
        return as_json(page)
    lines = [_line(one) for one in forecasts]
    if form == "csv":
        return as_csv(HEADERS, lines)
    return laid_out(Sheet((Grid(HEADERS, lines), _summary(forecasts, workers), NOTE)), form)


def _line(one: Forecast) -> list[str]:
    told = [_hours(one.seconds), _gib(one.host), _gib(one.device), one.by or DASH]
    return [one.model, one.dataset, one.protocol, str(one.seed), one.state, *told]


def _totals(forecasts: Sequence[Forecast], workers: int) -> dict[str, Any]:
    missing = [one.seconds for one in forecasts if one.state == "missing"]
    known = [one for one in missing if one is not None]
    return {
        "there": sum(one.state == "there" for one in forecasts),
        "missing": len(missing),
        "refused": sum(one.state == "refused" for one in forecasts),
        "unknown": len(missing) - len(known),
        "seconds": sum(known),
        "workers": workers,
        "seconds_on_workers": makespan(known, workers),
    }


def _summary(forecasts: Sequence[Forecast], workers: int) -> str:
    totals = _totals(forecasts, workers)
    states = ", ".join(f"{totals[one]} {one}" for one in ("there", "missing", "refused"))
    said = f"{len(forecasts)} cells: {states}."
    if totals["missing"] == totals["unknown"]:
        return f"{said} No earlier run tells what a missing one would take."
    said += f" The missing ones take {_hours(totals['seconds'])} hours one after another"
    if workers > 1:
        said += f", {_hours(totals['seconds_on_workers'])} on {workers} workers"
    if totals["unknown"]:
        return f"{said}, without {totals['unknown']} of which no earlier run tells."
    return f"{said}."


def _hours(seconds: float | None) -> str:
    return DASH if seconds is None else f"{seconds / 3600:.2f}"


def _gib(size: int | None) -> str:
    return DASH if size is None else f"{size / 2**30:.1f}"
