"""`recbench export`: records in the words of others."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from recbench_cli.options import Cache, Debug, put, say


def export(
    paths: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run folders, or folders of results.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder to write into.")],
    organization: Annotated[str, typer.Option("--organization", help="Who gives these figures.")],
    relationship: Annotated[
        Literal["first_party", "third_party", "collaborative", "other"],
        typer.Option("--relationship", help="Of --organization to whoever made the systems."),
    ] = "other",
    _form: Annotated[
        Literal["every-eval-ever"], typer.Option("--format", help="Of the files.")
    ] = "every-eval-ever",
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Write records as files of Every Eval Ever's schema, a file a run."""
    from recbench.runs.places import cache_folder
    from recbench.runs.store import apart, finished
    from recbench.runs.verify import folders_of
    from recbench.submission.every_eval_ever import SCHEMA_VERSION, left_out, write_logs

    runs = apart([run for one in folders_of(paths) if (run := finished(one)) is not None])
    files = write_logs(runs, out, organization, relationship, cache_folder(cache))
    if figures := left_out(runs):
        say(
            f"left out: {', '.join(figures)}: figures of plug-ins, of which nobody says whether "
            "more is better"
        )
    put(f"{out}: files: {len(files)}, Every Eval Ever {SCHEMA_VERSION}")
