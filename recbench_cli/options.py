"""Options that several commands share, named and explained once."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Annotated, Literal, TextIO

import typer

from recbench.defaults import DRAWS
from recbench.plain_text import as_json, printable_lines
from recbench.secret import without_secrets

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Form = Annotated[Literal["text", "json"], typer.Option("--format", help="Of the output.")]
TableForm = Annotated[
    Literal["table", "markdown", "latex", "csv", "json"],
    typer.Option("--format", help="Of the output."),
]
Results = Annotated[
    Path | None, typer.Option("--results", help="Folder of run records.", show_default="./results")
]
Cache = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        help="Folder of prepared data and fitted encoders; also RECBENCH_CACHE.",
        show_default="the system's for you, such as ~/.cache/recbench",
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder with the raw data files, tried before other sources."),
]
Dataset = Annotated[str, typer.Option("--dataset", help="See: recbench data list.")]
Protocol = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        help="Who trains, who is asked what; see: recbench protocols list.",
        show_default="the dataset's",
    ),
]
Candidates = Annotated[
    str | None,
    typer.Option(
        "--candidates",
        metavar="N|all",
        help="Items to choose from, the target included; all ranks the whole catalogue.",
        show_default="the protocol's",
    ),
]
Negatives = Annotated[
    str | None,
    typer.Option(
        "--negatives",
        metavar="uniform|popular|given",
        help="How the wrong answers are drawn; given are those that the rows of a split bring.",
        show_default="the protocol's",
    ),
]
History = Annotated[
    str | None,
    typer.Option(
        "--history",
        metavar="N",
        help="Items of a history at most.",
        show_default="the protocol's",
    ),
]
Draws = Annotated[int, typer.Option("--draws", min=1, help="Draws of each example's negatives.")]
SheetDraws = Annotated[
    int | None,
    typer.Option(
        "--draws",
        min=1,
        help="Draws of each example's negatives.",
        show_default=f"{DRAWS}; 1 where texts are asked for",
    ),
]
Kind = Annotated[
    Literal["scores", "text"] | None,
    typer.Option(
        "--kind",
        help="How the questions are answered: by scores or a ranking, over all draws of a row at "
        "once, or in text, of one draw.",
        show_default="scores",
    ),
]
PackSeed = Annotated[int, typer.Option("--pack-seed", help="Seed of the candidate pack.")]
Matching = Annotated[
    Literal["exact", "substring"],
    typer.Option("--matching", help="How a written answer names a candidate."),
]
Passing = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Set what no record holds, such as most_tokens of chatrec; repeatable.",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print record path and metrics as JSON, nothing else.")
]
Noun = Annotated[str, typer.Option(help="One item and several, in a prompt.")]
Verb = Annotated[str, typer.Option(help="What a user did with an item, in a prompt.")]


@contextmanager
def left_out_are_said() -> Iterator[list[str]]:
    """Give a list for the runs that cannot be read; they are told at the end, which is exit 1."""
    broken: list[str] = []
    try:
        yield broken
    finally:
        for reason in broken:
            say(f"a run is missing: {reason}")
    if broken:
        raise typer.Exit(1)


def in_words(seconds: float) -> str:
    """Write about how long something takes."""
    return f"about {max(1, round(seconds / 60)):,} min"


def say(line: str) -> None:
    """Tell the user one line on standard error (or a prompt, of several), with no key in it."""
    typer.echo(printable_lines(without_secrets(line)), err=True)


class _Page:
    """Where `put` writes while a command works; None: on standard output as it is."""

    stream: TextIO | None = None


@contextmanager
def only_put_prints() -> Iterator[None]:
    """
    Keep standard output for `put` alone, so that JSON or CSV on it can be read.

    What a plug-in prints, as it is imported or learns, goes to standard error. (Not what another
    program writes that a plug-in starts: it has the process's own standard output.)
    """
    before = _Page.stream
    _Page.stream = before or typer.get_text_stream("stdout")
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _Page.stream = before


def put(page: str) -> None:
    """
    Print what was asked for: everything that a command writes on standard output.

    Raises
    ------
    UserError
        If standard output has an encoding that lacks a sign; nothing is then printed.
    """
    from recbench.errors import UserError

    try:
        typer.echo(printable_lines(page), file=_Page.stream)
    except UnicodeEncodeError as error:
        sign = ascii(error.object[error.start])
        raise UserError(
            f"standard output is {error.encoding}, which has no {sign}; set PYTHONIOENCODING=utf-8"
        ) from None


def put_json(value: object) -> None:
    """Print a value as JSON."""
    put(as_json(value))
