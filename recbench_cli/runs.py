"""`recbench runs`: which runs there are, what unfinished ones have to do, and what may go."""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from recbench_cli.once import Commands
from recbench_cli.options import Cache, DataDir, Debug, Form, Results, put, put_json, say

app = Commands(
    help="List runs and what is left of them, show one, remove leftovers, take in others'.",
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(metavar="RUN", help="Its folder, or how its id begins.")]
OlderThan = Annotated[
    float,
    typer.Option("--older-than", min=0, metavar="DAYS", help="Leave alone what was changed since."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Remove without asking.")]
Folders = Annotated[
    list[Path],
    typer.Argument(metavar="PATH...", help="Folders of results, run folders, or bundles (*.zip)."),
]
NoTrainings = Annotated[
    bool, typer.Option("--no-trainings", help="Leave kept models where they are.")
]


@app.command("list", short_help="List the runs, unfinished ones first.")
def list_(
    form: Form = "text", results: Results = None, _cache: Cache = None, _debug: Debug = False
) -> None:
    """List the runs, those first that are not finished, and how far they have come."""
    from recbench.runs.listing import as_table, listed
    from recbench.runs.places import results_folder

    root = results_folder(results)
    found = listed(root)
    if form == "json":
        put_json([one.fields(root) for one in found])
    elif found:
        put(as_table(found, root))
    else:
        say(f"no run below {root}; make one with: recbench run")


@app.command(short_help="Show one run, or where it stands.")
def show(
    run: Name,
    form: Form = "text",
    results: Results = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Show one run: its settings and figures, or where it stands and what goes on with it."""
    from recbench.plain_text import printable
    from recbench.runs.leaderboard import rows_of
    from recbench.runs.listing import named, root_of, shown
    from recbench.runs.places import results_folder
    from recbench.runs.rendering import run_table
    from recbench.runs.store import Run

    root = results_folder(results)
    found = named(root, run)
    lies = root_of(found)
    given = {"--results": results if lies == Path(os.path.abspath(root)) else lies}
    given["--cache"] = cache
    places = [word for name, path in given.items() if path for word in (name, str(path))]
    told = shown(found, places)
    if form == "json":
        put_json(told)
        return
    for name, value in told.items():
        if name == "settings":
            for setting, one in value.items():
                put(printable(f"  {setting}={one}"))
        elif name != "metrics" and value not in (None, ""):
            put(printable(f"{name}: {value}"))
    if isinstance(found, Run):
        (row,) = rows_of([found])
        put(run_table(row))


@app.command(short_help="Remove what nothing needs any more.")
def clean(
    older_than: OlderThan = 7.0,
    yes: Yes = False,
    results: Results = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """
    Remove what nothing needs any more: what was begun and given up, and what killed processes left.

    Says first what that is. No finished run goes, no kept training, and nothing that a process
    works on.
    """
    from recbench.errors import UserError
    from recbench.runs.leftovers import leftovers
    from recbench.runs.listing import age_in_words, size_in_words
    from recbench.runs.places import cache_folder, results_folder

    found = leftovers(results_folder(results), cache_folder(cache), older_than)
    if not found:
        put(f"nothing that nobody has changed for {older_than:g} days is to be removed")
        return
    for one in found:
        age = age_in_words(one.days * 86_400)
        put(f"{size_in_words(one.size)}, {age} old, {one.what}")
    total = size_in_words(sum(one.size for one in found))
    if not yes and not (sys.stdin.isatty() and _confirmed(f"Remove {len(found)}, {total}?")):
        put(f"nothing was removed; --yes removes these {len(found)}, {total}")
        return
    held = 0
    for one in found:
        try:
            one.remove()
        except UserError as error:
            say(f"left alone: {error}")
            held += 1
    put(f"removed {len(found) - held}" + (f", {held} left alone" if held else f", {total}"))


def _confirmed(question: str) -> bool:
    """Ask; to end the question instead, by Ctrl-D or Ctrl-C, leaves all as it is."""
    try:
        return typer.confirm(question)
    except typer.Abort:
        say("\nnothing was removed")  # the line of the question has no end yet
        raise typer.Exit(128 + signal.SIGINT) from None


@app.command("import", short_help="Take in runs from elsewhere, each verified.")
def import_(
    paths: Folders,
    no_trainings: NoTrainings = False,
    data_dir: DataDir = None,
    results: Results = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Take in runs from elsewhere and their kept models, verified; none that stands is replaced."""
    from collections import Counter

    from recbench.outside.read_again import check_given
    from recbench.runs.listing import size_in_words
    from recbench.runs.places import cache_folder, results_folder
    from recbench.runs.remade_question import Questions
    from recbench.submission.importing import Imported, import_runs

    def tell(one: Imported) -> None:
        model = f", its model of {size_in_words(one.size)} imported" if one.size else ""
        say(f"{one.result}: {one.folder}{model}{f': {one.why}' if one.why else ''}")

    questions = Questions(cache_folder(cache), data_dir, say)
    root, trainings = results_folder(results), not no_trainings
    found = import_runs(paths, root, questions, tell, check_given, trainings)
    count = Counter(one.result for one in found)
    put(", ".join(f"{count[one]} {one}" for one in ("imported", "there already", "refused")))
    if sizes := [one.size for one in found if one.size]:
        put(f"kept models: {len(sizes)}, {size_in_words(sum(sizes))}")
    if count["refused"]:
        raise typer.Exit(1)
