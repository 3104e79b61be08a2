"""`recbench reproduce`: what a paper shows, beside what is on record."""

from typing import Annotated, Literal

import typer

from recbench_cli.options import (
    Cache,
    Debug,
    Results,
    left_out_are_said,
    put,
    put_json,
    say,
)

Paper = Annotated[str, typer.Argument(metavar="PAPER", help="ilora, with its review.")]
Llm = Annotated[
    str | None,
    typer.Option(
        "--llm",
        help="Language model, as for: recbench run.",
        show_default="of tables any that is on record; of what is missing tiny, or the part's own",
    ),
]
Quick = Annotated[bool, typer.Option("--quick", help="Studies with one seed, and a part of them.")]
PageForm = Annotated[
    Literal["text", "markdown", "json"], typer.Option("--format", help="Of the output.")
]


def reproduce(
    paper: Paper,
    llm: Llm = None,
    quick: Quick = False,
    form: PageForm = "text",
    results: Results = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Show every table and figure of a paper beside what is on record; nothing is run."""
    from recbench.errors import UserError
    from recbench.reproduction.filled import filled
    from recbench.reproduction.page import as_json, page
    from recbench.reproduction.paper import read_paper
    from recbench.runs.places import cache_folder, results_folder
    from recbench.runs.store import runs
    from recbench.studies.study import Asked

    known, root, place = read_paper(paper), results_folder(results), cache_folder(cache)
    if llm is not None and not llm.strip():
        raise UserError("--llm names nothing; leave it out, or name a language model")
    asked = Asked(
        dataset="movielens",
        llms=() if llm is None else (llm,),
        draws=known.draws,
        quick=quick,
        results=None if root == results_folder() else root,
        cache=cache,
    )
    with left_out_are_said() as broken:
        there = runs(root, broken.append, place)
        if not there:
            say(f"no finished run below {root}: nothing of the paper is on record there")
        if llm is not None and all(run.record.settings.get("llm") != llm for run in there):
            say(f"no record is of the language model '{llm}'; known: recbench models --llms")
        sections = filled(known, asked, there)
        if form == "json":
            put_json(as_json(known, sections, asked))
        else:
            put(page(known, sections, asked, "table" if form == "text" else form))
