"""`recbench compare` and `recbench plan`: what differences are worth, and what it takes."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recbench_cli.options import Cache, Debug, Results, TableForm, left_out_are_said, put, say

if TYPE_CHECKING:
    from recbench.runs.store import Run

Dataset = Annotated[str | None, typer.Option("--dataset", help="Runs on this one alone.")]
Protocol = Annotated[str | None, typer.Option("--protocol", help="Runs under this one alone.")]
Draws = Annotated[int | None, typer.Option("--draws", min=1, help="Runs of so many alone.")]
PackSeed = Annotated[int | None, typer.Option("--pack-seed", help="Runs of this pack alone.")]
Metric = Annotated[
    str | None,
    typer.Option(
        "--metric", help="What is compared.", show_default="as the leaderboard is ordered"
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option("--baseline", help="Compare the others with this one alone, named beforehand."),
]


def compare(
    named: Annotated[
        list[str], typer.Argument(metavar="RUN|MODEL...", help="Folders, models or labels.")
    ],
    metric: Metric = None,
    baseline: Baseline = None,
    dataset: Dataset = None,
    protocol: Protocol = None,
    draws: Draws = None,
    pack_seed: PackSeed = None,
    form: TableForm = "table",
    results: Results = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Compare rows two by two: differences, what makes them doubtful, what could be told apart."""
    from recbench.runs.compare import compare as compared
    from recbench.runs.compare_rendering import render_comparison
    from recbench.runs.store import apart

    asked = _asked(dataset, protocol, draws, pack_seed)
    with left_out_are_said() as broken:
        below = lru_cache(lambda: _all(results, cache, broken))
        meant = {name: _named(name, asked, below) for name in named}
        if baseline is None:
            meant = {name: _without_controls(name, found) for name, found in meant.items()}
        runs = _each_once([run for found in meant.values() for run in found])
        runs, base = _with_baseline(runs, baseline, lambda name: _named(name, asked, below))
        # Where folders were named, the results were not read: nobody said where they are.
        there = below() if below.cache_info().currsize else []
        put(render_comparison(compared(apart(runs), metric, base, there), form))


def plan(
    dataset: Dataset = "movielens",
    protocol: Protocol = None,
    difference: Annotated[
        float | None,
        typer.Option("--difference", help="True difference to be found with 80% power."),
    ] = None,
    draws: Draws = None,
    pack_seed: PackSeed = None,
    form: TableForm = "table",
    results: Results = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Say from stored runs how many users, draws and seeds a claim takes."""
    from recbench.errors import UserError
    from recbench.runs.asked_for import asked_for
    from recbench.runs.leaderboard import leaderboard
    from recbench.runs.plan import plan as planned
    from recbench.runs.plan import render_plans

    if difference is not None and not 0 < difference < 1:
        raise UserError(f"--difference must be above 0 and below 1, not {difference:g}")
    asked = _asked(dataset, protocol, draws, pack_seed)
    with left_out_are_said() as broken:
        tables = leaderboard(asked_for(_all(results, cache, broken), asked, exact=True))
        plans = [made for table in tables if (made := planned(table, difference)) is not None]
        if plans:
            put(render_plans(plans, form))
    if not plans:
        raise UserError(
            "a plan is made from the stored runs of two models or more that were asked the same, "
            f"and there are none of {dataset}{f' under {protocol}' if protocol else ''}; make them "
            f"with: recbench leaderboard --run --models A,B --datasets {dataset} --seeds 3"
        )


def _with_baseline(
    runs: "list[Run]", baseline: str | None, find: "Callable[[str], list[Run]]"
) -> "tuple[list[Run], str | None]":
    """Add the runs of a baseline that is none of those named, and say what it is called there."""
    from recbench.runs.leaderboard import labelled

    models = {run.record.model for run in runs}
    if baseline is None or baseline in models or baseline in labelled(runs):
        return runs, baseline
    meant = find(baseline)
    runs = _each_once([*runs, *meant])
    rows = {run.record.row for run in meant}
    for label, members in labelled(runs).items():
        if rows == {run.record.row for run in members}:
            return runs, label
    return runs, baseline


def _named(
    name: str, asked: Mapping[str, Sequence[object]], below: "Callable[[], list[Run]]"
) -> "list[Run]":
    """Find the runs that are meant: by folder, or all of a model or label below the results."""
    from recbench.errors import unknown
    from recbench.runs.asked_for import asked_for
    from recbench.runs.leaderboard import labelled, meant_by
    from recbench.runs.store import RECORD, finished, own_folder

    folder = Path(name)
    if (folder / RECORD).is_file():
        run = finished(own_folder(folder))
        return [] if run is None else [run]
    if "/" in name and folder.is_dir():  # any other name may be that of a model, too
        return _inside(folder, asked)
    there = asked_for(below(), asked, exact=True)
    of_model = [run for run in there if run.record.model == name]
    if found := of_model or labelled(there).get(name) or meant_by(there, name):
        return found
    if folder.is_dir():
        return _inside(folder, asked)
    model, is_label, _ = name.partition(" (")
    there_of = labelled([run for run in there if run.record.model == model]) if is_label else ()
    known = there_of or {run.record.model for run in there}
    raise unknown("model with a run of what was asked", name, known)


def _without_controls(name: str, runs: "list[Run]") -> "list[Run]":
    """Leave out the controls of a model that is named as a whole: pairs of theirs would count."""
    shown = [run for run in runs if run.record.control is None or run.record.model != name]
    if len(shown) < len(runs):
        say(f"controls of {name} are left out; name them by their labels, or give --baseline")
    return shown


def _inside(folder: Path, asked: Mapping[str, Sequence[object]]) -> "list[Run]":
    """Read the runs of what is asked that lie below a folder."""
    from recbench.errors import UserError
    from recbench.runs.asked_for import asked_for
    from recbench.runs.store import finished
    from recbench.runs.verify import folders_of

    there = [run for one in folders_of([folder]) if (run := finished(one)) is not None]
    if not (found := asked_for(there, asked, exact=True)):
        raise UserError(
            f"{folder} holds no finished run of what was asked; name a single run's folder, or "
            "choose by --dataset, --protocol, --draws or --pack-seed"
        )
    return found


def _each_once(runs: "Sequence[Run]") -> "list[Run]":
    return list({run.folder.resolve(): run for run in runs}.values())


def _all(results: Path | None, cache: Path | None, broken: list[str]) -> "list[Run]":
    from recbench.runs.places import cache_folder, results_folder
    from recbench.runs.store import runs

    return runs(results_folder(results), broken.append, cache_folder(cache))


def _asked(
    dataset: str | None, protocol: str | None, draws: int | None, pack_seed: int | None
) -> dict[str, list[object]]:
    from recbench.questions.protocols import protocol as named

    rule = None if protocol is None else named(protocol).name
    asked = {"dataset": dataset, "protocol": rule, "draws": draws, "pack_seed": pack_seed}
    given: dict[str, list[object]] = {
        field: [value] for field, value in asked.items() if value is not None
    }
    return {**given, "limit": [None]}  # a part of the rows is compared where its folder is named
