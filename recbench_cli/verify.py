"""`recbench verify`: whether runs are what they say."""

from pathlib import Path
from typing import Annotated

import typer

from recbench_cli.options import Cache, DataDir, Debug, Form, Results, put, put_json, say

Paths = Annotated[
    list[Path],
    typer.Argument(metavar="PATH...", help="Run folders, folders of results, or bundles (*.zip)."),
]


def verify(
    paths: Paths,
    form: Form = "text",
    data_dir: DataDir = None,
    _results: Results = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Check runs against their own files and, where the data are at hand, draw and rank again."""
    from recbench.outside.read_again import check_given
    from recbench.runs.places import cache_folder
    from recbench.runs.remade_question import Questions
    from recbench.runs.verify import as_text
    from recbench.submission.verification import verify as verified

    found = verified(paths, Questions(cache_folder(cache), data_dir, say), check_given)
    if form == "json":
        page = [{**one.model_dump(mode="json"), "failed": one.failed} for one in found]
        put_json(page)
    else:
        put(as_text(found))
    if any(one.failed for one in found):
        raise typer.Exit(1)
