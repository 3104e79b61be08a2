"""`recbench study`: questions that several tables answer together."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recbench_cli.once import Commands
from recbench_cli.options import Cache, Debug, Results, TableForm, left_out_are_said

if TYPE_CHECKING:
    from recbench.runs.store import Run

app = Commands(help="Questions that several tables answer together.", rich_markup_mode=None)


@app.callback()
def study() -> None:
    """Questions that several tables answer together."""


@app.command()
def order(
    dataset: Annotated[str, typer.Option("--dataset", help="Whose runs.")] = "movielens",
    draws: Annotated[
        int | None,
        typer.Option("--draws", min=1, help="Sampled rows of so many draws alone."),
    ] = None,
    form: TableForm = "table",
    results: Results = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Say whether the order of systems survives the change of protocol (Kendall's tau)."""
    from recbench.errors import UserError
    from recbench.runs.leaderboard import leaderboard
    from recbench.studies.order import agreements, render_order

    with _runs_of(dataset, results, cache) as asked:
        if draws is not None:
            asked = [run for run in asked if run.record.full_ranking or run.record.draws == draws]
        found = agreements(leaderboard(asked))
        if found:
            typer.echo(render_order(found, form))
    if not found:
        raise UserError(
            f"no two questions about {dataset} have three systems in common; ask otherwise, for "
            f"example: recbench leaderboard --run --models A,B,C --datasets {dataset} --protocol P "
            "--candidates all"
        )


@app.command()
def curves(
    dataset: Annotated[str, typer.Option("--dataset", help="Whose runs.")] = "movielens",
    form: TableForm = "table",
    results: Results = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Print the learning curves of language models: validation figures by rows learnt from."""
    from recbench.errors import UserError
    from recbench.runs.leaderboard import leaderboard
    from recbench.studies.curves import looks, render_curves

    with _runs_of(dataset, results, cache) as asked:
        found = looks(leaderboard(asked))
        if found:
            typer.echo(render_curves(found, form))
    if not found:
        raise UserError(
            f"no run on {dataset} has a learning curve; language models have one, for example: "
            f"recbench run --model tallrec --dataset {dataset}"
        )


@contextmanager
def _runs_of(dataset: str, results: Path | None, cache: Path | None) -> Iterator[list["Run"]]:
    """Read the runs on a dataset; say at the end which were left out."""
    from recbench.runs.places import cache_folder, results_folder
    from recbench.runs.store import runs

    with left_out_are_said() as broken:
        there = runs(results_folder(results), broken.append, cache_folder(cache))
        yield [run for run in there if run.record.dataset == dataset]
