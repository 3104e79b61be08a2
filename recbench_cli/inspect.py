"""`recbench inspect`: a closer look at one run."""

from pathlib import Path
from typing import Annotated

import typer

from recbench_cli.options import Cache, DataDir, Debug, Form, say


def inspect(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    example: Annotated[
        int | None, typer.Option("--example", help="Show this one, counted from 0.")
    ] = None,
    draw: Annotated[int, typer.Option("--draw", help="Of the example, counted from 0.")] = 0,
    form: Form = "text",
    data_dir: DataDir = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Say why answers are invalid, whether places matter, what is recommended; or show one row."""
    from recbench.errors import UserError
    from recbench.inspection.look import look, look_at
    from recbench.inspection.rendering import render, render_example
    from recbench.runs.places import cache_folder
    from recbench.runs.remade_question import Questions
    from recbench.runs.store import finished

    there = finished(run)
    if there is None:
        raise UserError(
            f"{run} holds no finished run; name the folder that recbench run wrote record.json into"
        )
    questions = Questions(cache_folder(cache), data_dir, say)
    if example is None:
        found = look(there, questions)
        typer.echo(found.model_dump_json(indent=2) if form == "json" else render(found))
    else:
        one = look_at(there, example, draw, questions)
        typer.echo(one.model_dump_json(indent=2) if form == "json" else render_example(one))
