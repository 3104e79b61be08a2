"""`recbench submit`: runs in one file, for somebody else to check."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from recbench_cli.options import Cache, DataDir, Debug, put, say

MOST_NAMES = 8
"""Of fields, in one line."""


def submit(
    paths: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run folders, or folders of results.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Bundle to write, *.zip.")],
    division: Annotated[
        Literal["open", "closed"],
        typer.Option("--division", help="closed asks for rules that all keep to; open takes all."),
    ] = "open",
    search: Annotated[
        Path | None,
        typer.Option("--search", help="The settings that were tried (CSV, of tools/search.py)."),
    ] = None,
    answers: Annotated[
        list[Path] | None,
        typer.Option("--answers", help="File that recbench score judged; repeatable."),
    ] = None,
    data_dir: DataDir = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Verify runs and write them into one file, which recbench verify checks anywhere."""
    from recbench.outside.read_again import check_given
    from recbench.outside.unread import unread
    from recbench.runs.places import cache_folder
    from recbench.runs.remade_question import Questions
    from recbench.submission.verification import verified_runs
    from recbench.submission.writing import (
        check_target,
        held_besides,
        held_texts,
        write_bundle,
    )

    check_target(out)
    questions, files = Questions(cache_folder(cache), data_dir, say), answers or ()
    runs = verified_runs(paths, questions, check_given, files, division)
    write_bundle(runs, out, division, search, files)
    if division == "closed":
        say(
            f"{out} is closed as far as records show it; that nothing else was tried, and no run "
            "left out, is only declared"
        )
    for model in held_texts(runs):
        say(
            f"{out} holds what {model} wrote, without which its answers cannot be checked: it may "
            "hold titles, which a dataset's licence may forbid to pass on"
        )
    for file, names in held_besides(runs, files, unread).items():
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        say(
            f"{out} holds {file.name} as it is, with {', '.join(names[:MOST_NAMES])}{more}, which "
            "nobody reads: a dataset's licence may forbid to pass titles and histories on; score a "
            "file without them"
        )
    size = out.stat().st_size / 2**20
    put(f"{out}: runs: {len(runs)}, division: {division}, {size:.1f} MiB")
