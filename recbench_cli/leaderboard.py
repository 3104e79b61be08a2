"""`recbench leaderboard`: the table, and the runs it still lacks."""

from typing import Annotated, Literal

import typer

from recbench_cli.options import Cache, Debug, Draws, PackSeed, Protocol, Results, say
from recbench_cli.parsing import names_of


def leaderboard(
    form: Annotated[
        Literal["table", "markdown", "csv", "json"], typer.Option("--format", help="Of the output.")
    ] = "table",
    fill: Annotated[bool, typer.Option("--run", help="Run the missing cells first.")] = False,
    models: Annotated[
        str | None,
        typer.Option("--models", help="These alone, parted by commas; needed with --run."),
    ] = None,
    datasets: Annotated[
        str | None,
        typer.Option("--datasets", help="These alone, parted by commas; needed with --run."),
    ] = None,
    protocol: Protocol = "paper",
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="With --run: seeds 0 to N-1.")] = 1,
    draws: Draws = 5,
    pack_seed: PackSeed = 0,
    device: Annotated[
        str, typer.Option("--device", help="With --run: devices parted by commas.")
    ] = "auto",
    results: Results = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Print the tables that the records below --results make."""
    from recbench.errors import RecbenchError
    from recbench.runs import cells
    from recbench.runs.leaderboard import leaderboard as tables_of
    from recbench.runs.places import cache_folder, results_folder
    from recbench.runs.rendering import render
    from recbench.runs.store import runs

    root = results_folder(results)
    chosen_models, chosen_datasets = (
        _registered("models", models),
        _registered("datasets", datasets),
    )
    failed: list[cells.Cell] = []
    if fill:
        shared = [
            *("--protocol", protocol, "--draws", str(draws), "--pack-seed", str(pack_seed)),
            *("--results", str(root), "--cache", str(cache_folder(cache))),
        ]
        wanted = cells.wanted(
            _needed(chosen_models, "--models"),
            _needed(chosen_datasets, "--datasets"),
            range(seeds),
            shared,
        )
        failed = cells.fill(wanted, names_of(device), say)
    found = [
        run
        for run in runs(root)
        if run.record.model in (chosen_models or [run.record.model])
        and run.record.dataset in (chosen_datasets or [run.record.dataset])
    ]
    if not found:
        say(f"no finished run below {root}; make one with: recbench run")
    typer.echo(render(tables_of(found), form))
    if failed:
        raise RecbenchError(f"{len(failed)} cells failed: {'; '.join(c.name for c in failed)}")


def _registered(group: Literal["models", "datasets"], names: str | None) -> list[str]:
    from recbench.registry import find

    return [find(group, name).name for name in names_of(names or "")]


def _needed(names: list[str], option: str) -> list[str]:
    from recbench.errors import UserError

    if not names:
        raise UserError(f"--run needs {option}")
    return names
