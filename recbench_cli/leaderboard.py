"""`recbench leaderboard`: the table, and the runs it still lacks."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from recbench_cli.crew import Crew, Fetch, raise_for
from recbench_cli.filling import Filling
from recbench_cli.options import (
    Cache,
    Candidates,
    Debug,
    History,
    Negatives,
    Results,
    TableForm,
    left_out_are_said,
    put,
    say,
)
from recbench_cli.parsing import cutoffs_of
from recbench_cli.records import (
    chosen_records,
    dataset_names,
    found_runs,
    model_names,
    protocol_name,
)

if TYPE_CHECKING:
    from recbench.cells.cell import Cell
    from recbench.cells.process import Ended
    from recbench.runs.groups import Grouping
    from recbench.runs.leaderboard import Table
    from recbench.runs.store import Run
    from recbench.runs.text import Format

GroupBy = Annotated[
    Literal["target-count", "user-count", "history-length", "user"] | None,
    typer.Option(
        "--group-by",
        help="Part the test rows by training interactions of the target or the user, "
        "by items in the history, or into new and known users.",
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option("--baseline", help="Compare all rows with this one too, named beforehand."),
]
Cutoffs = Annotated[
    str | None,
    typer.Option(
        "--k",
        metavar="K,...",
        help="Show HitRatio@K and NDCG@K of these K too, parted by commas.",
    ),
]
Fill = Annotated[bool, typer.Option("--run", help="Run the missing cells first.")]
Site = Annotated[
    Path | None,
    typer.Option("--site", help="Write pages to look at into this folder, instead of printing."),
]
Models = Annotated[
    str | None,
    typer.Option("--models", help="These alone, parted by commas; needed with --run."),
]
Datasets = Annotated[
    str | None,
    typer.Option("--datasets", help="These alone, parted by commas; needed with --run."),
]
Protocol = Annotated[
    str | None,
    typer.Option("--protocol", help="This one alone; with --run as for: recbench run."),
]
Draws = Annotated[
    int | None,
    typer.Option("--draws", min=1, help="So many alone; with --run as for: recbench run."),
]
PackSeed = Annotated[
    int | None,
    typer.Option("--pack-seed", help="This one alone; with --run as for: recbench run."),
]
Seeds = Annotated[
    int | None,
    typer.Option("--seeds", min=1, help="With --run: seeds 0 to N-1.", show_default="1"),
]
TrainFraction = Annotated[
    float | None, typer.Option("--train-fraction", help="With --run as for: recbench run.")
]
TrainDataset = Annotated[
    str | None, typer.Option("--train-dataset", help="With --run as for: recbench run.")
]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="With --run as for: recbench run; of one dataset.")
]
Preset = Annotated[
    str | None, typer.Option("--preset", help="With --run as for: recbench run; of all models.")
]
Llm = Annotated[
    str | None, typer.Option("--llm", help="With --run as for: recbench run; of all models.")
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="With --run as for: recbench run; of all models."
    ),
]
Device = Annotated[
    str | None,
    typer.Option("--device", help="With --run: devices parted by commas.", show_default="auto"),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        metavar="N",
        help="With --run: cells at a time on this machine, whose cores they share.",
        show_default="one a device",
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="With --run: hand the cells to the workers of this Dask scheduler.",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="With --run: print what the cells would take by earlier runs; run none."
    ),
]


def leaderboard(
    form: TableForm = "table",
    by: GroupBy = None,
    baseline: Baseline = None,
    k: Cutoffs = None,
    site: Site = None,
    fill: Fill = False,
    models: Models = None,
    datasets: Datasets = None,
    protocol: Protocol = None,
    candidates: Candidates = None,
    negatives: Negatives = None,
    history: History = None,
    draws: Draws = None,
    pack_seed: PackSeed = None,
    seeds: Seeds = None,
    train_fraction: TrainFraction = None,
    train_dataset: TrainDataset = None,
    data_dir: DataDir = None,
    preset: Preset = None,
    llm: Llm = None,
    changes: Changes = None,
    device: Device = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    fetch: Fetch = False,
    dry_run: DryRun = False,
    results: Results = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Print the tables that the records below --results make."""
    from recbench.runs.places import cache_folder, results_folder

    learnt: dict[str, Any] = {
        "train_fraction": train_fraction,
        "train_dataset": train_dataset,
        "data_dir": data_dir,
        "preset": preset,
        "llm": llm,
        "changes": changes or None,
    }
    where: dict[str, Any] = {"device": device, "workers": workers, "scheduler": scheduler}
    cutoffs = _cutoffs(k, by)
    if site is not None:
        _check_site(site, {"--format": form != "table", "--group-by": by, "--k": k})
    if not fill:
        flags = {"fetch": fetch or None, "dry_run": dry_run or None}
        _refuse_without_run({"seeds": seeds, **where, **flags, **learnt})
    root, place = results_folder(results), cache_folder(cache)
    protocol = protocol_name(protocol, candidates=candidates, negatives=negatives, history=history)
    roots = () if fill else (root,)
    named = model_names(models, roots), dataset_names(datasets, place, roots)
    asked: dict[str, Any] = {"protocol": protocol, "draws": draws, "pack_seed": pack_seed}
    chosen = chosen_records(*named, **asked)
    failed: dict[Cell, Ended] = {}
    if fill:
        where |= {"device": device or "auto", "fetch": fetch}
        crew = Crew(**where, results=root, cache=place, data_dir=learnt.pop("data_dir"))
        filling = Filling(chosen, seeds or 1, **asked, **learnt, crew=crew)
        filling.check()
        if dry_run:
            table = {"--site": site, "--group-by": by, "--k": k, "--baseline": baseline}
            _refuse_dry({**table, "--scheduler": scheduler, "--fetch": fetch or None})
            filling.forecast(form)
            return
        failed = filling.run()
    with left_out_are_said() as broken:
        none = say if site is None or failed else partial(_refuse_site, site)
        found, there = found_runs((root,), chosen, place, broken.append, none)
        tables = _tables(found, baseline, cutoffs, there)
        if site is None:
            _print(tables, by, baseline, cutoffs, form)
        elif found:
            _write(site, tables)
        raise_for(failed)


def _cutoffs(text: str | None, by: "Grouping | None") -> list[int]:
    """Read the K that are asked for; a table of groups has one figure."""
    from recbench.errors import UserError

    if text is None:
        return []
    if by is not None:
        raise UserError("--group-by shows the figure that tables are ordered by; leave out --k")
    return cutoffs_of(text)


def _check_site(site: Path, options: Mapping[str, Any]) -> None:
    """Refuse what pages have no place for, and a folder that is somebody's, before all work."""
    from recbench.errors import UserError
    from recbench.report.page import check_installed
    from recbench.report.site import check_free

    if given := [option for option, value in options.items() if value]:
        raise UserError(f"--site writes pages; leave out {' and '.join(given)}")
    check_installed()
    check_free(site)


def _refuse_site(site: Path, why: str) -> None:
    """Refuse to leave pages as they are, which would look like those that were asked for."""
    from recbench.errors import UserError

    raise UserError(f"{site} is not written: {why}")


def _refuse_without_run(options: Mapping[str, Any]) -> None:
    """Refuse options, by the name of their parameter, that say how to run."""
    from recbench.errors import UserError

    names = {"changes": "set"}
    given = [names.get(name, name) for name, value in options.items() if value is not None]
    if given:
        said = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UserError(f"{said} cannot be given without --run; add --run")


def _refuse_dry(options: Mapping[str, Any]) -> None:
    from recbench.errors import UserError

    if given := [option for option, value in options.items() if value is not None]:
        raise UserError(
            f"--dry-run says what is to be run, and runs nothing; leave out {' and '.join(given)}"
        )


def _print(
    tables: "list[Table]",
    by: "Grouping | None",
    baseline: str | None,
    cutoffs: Sequence[int],
    form: "Format",
) -> None:
    """Write the tables, group by group if asked."""
    from recbench.runs.group_rendering import render_groups
    from recbench.runs.groups import grouped
    from recbench.runs.rendering import render

    if by is None:
        put(render(tables, form, cutoffs))
    else:
        put(render_groups(grouped(tables, by, baseline), by, form))


def _write(site: Path, tables: "list[Table]") -> None:
    """Write the tables as pages."""
    from recbench.report.site import write_site

    written = write_site(site, tables, say)
    size = sum((site / name).stat().st_size for name in written) / 2**20
    runs = sum(len(row.runs) for table in tables for row in table.rows)
    put(f"{site}: runs: {runs}, tables: {len(tables)}, {size:.1f} MiB")


def _tables(
    runs: "Sequence[Run]", baseline: str | None, cutoffs: Sequence[int], there: "Sequence[Run]"
) -> "list[Table]":
    from recbench.errors import UserError
    from recbench.runs.leaderboard import leaderboard as tables_of

    tables = tables_of(runs, baseline, cutoffs, there)
    if baseline is not None and tables and not any(table.baseline for table in tables):
        raise UserError(f"no row is of {baseline}: give a model or a label of the table")
    return tables
