"""`recbench inspect`: a closer look at one run."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recbench.plain_text import printable_json
from recbench_cli.options import Cache, DataDir, Debug, Form, Passing, put, say
from recbench_cli.parsing import settings_of

if TYPE_CHECKING:
    from pydantic import BaseModel

    from recbench.runs.remade_question import Questions
    from recbench.runs.store import Run

Rotate = Annotated[
    bool,
    typer.Option("--rotate", help="Ask some rows again, the target in each place in turn."),
]
Templates = Annotated[bool, typer.Option("--templates", help="Ask some rows again in other words.")]
Rows = Annotated[
    int | None,
    typer.Option("--rows", min=1, help="Rows that are asked again.", show_default="100"),
]
Device = Annotated[
    str | None,
    typer.Option("--device", help="Where, as for: recbench run.", show_default="auto"),
]


def inspect(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    example: Annotated[
        int | None, typer.Option("--example", help="Show this one, counted from 0.")
    ] = None,
    draw: Annotated[
        int | None,
        typer.Option("--draw", help="Of the example, counted from 0.", show_default="0"),
    ] = None,
    rotate: Rotate = False,
    templates: Templates = False,
    rows: Rows = None,
    device: Device = None,
    changes: Passing = None,
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
    from recbench.runs.store import finished, own_folder

    again = {"--rows": rows, "--device": device, "--set": changes or None}
    _check_goes_together(example, draw, rotate, templates, again)
    there = finished(own_folder(run))
    if there is None:
        raise UserError(
            f"{run} holds no finished run; name the folder that recbench run wrote record.json into"
        )
    place = cache_folder(cache)
    questions = Questions(place, data_dir, say)
    found: BaseModel
    if rotate or templates:
        passing = settings_of(changes or [], None)
        where = rows, device or "auto", place
        found, text = _asked_again(there, questions, *where, rotate, passing)
    elif example is not None:
        found = one = look_at(there, example, draw or 0, questions)
        text = render_example(one)
    else:
        found = whole = look(there, questions)
        text = render(whole)
    put(printable_json(found.model_dump_json(indent=2)) if form == "json" else text)


def _check_goes_together(
    example: int | None,
    draw: int | None,
    rotate: bool,
    templates: bool,
    again: Mapping[str, Any],
) -> None:
    """Refuse what would be passed over in silence; `again` is of a model that is asked again."""
    from recbench.errors import UserError

    given = {"--example": example is not None, "--rotate": rotate, "--templates": templates}
    looks = [option for option, is_given in given.items() if is_given]
    if len(looks) > 1:
        raise UserError(f"{' and '.join(looks)} are looks of their own; give one at a time")
    if draw is not None and example is None:
        raise UserError("--draw is of an example: give --example as well")
    for option, value in again.items():
        if value is not None and not (rotate or templates):
            raise UserError(f"{option} is of --rotate and --templates: give one of them as well")


def _asked_again(
    run: "Run",
    questions: "Questions",
    rows: int | None,
    device: str,
    cache: Path,
    rotates: bool,
    passing: dict[str, str],
) -> "tuple[BaseModel, str]":
    """Ask the model of a run again; return what was found, and the same as text."""
    from recbench.inspection.loaded import ROWS, asked_again
    from recbench.inspection.rendering import render_rotation, render_wordings
    from recbench.inspection.rotation import rotate
    from recbench.inspection.templates import reworded

    count, look = rows or ROWS, "rotate" if rotates else "templates"
    where = device, cache, say
    with asked_again(run, questions, count, *where, f"{look}-{count}", passing) as asked:
        if rotates:
            turned = rotate(asked)
            return turned, render_rotation(turned)
        told = reworded(asked)
        return told, render_wordings(told)
