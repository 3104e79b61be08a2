"""`recbench recommend`: ask the model of a run by hand."""

from pathlib import Path
from typing import Annotated

import typer

from recbench_cli.options import Cache, DataDir, Debug, Form, Passing, put, put_json, say
from recbench_cli.parsing import settings_of

Run = Annotated[Path, typer.Option("--run", metavar="RUN", help="Folder of a finished run.")]
History = Annotated[
    list[str],
    typer.Option(
        "--history",
        metavar="TITLE...",
        help="What the user took, oldest first: titles in quotes, or ids as id:1.",
    ),
]
Candidates = Annotated[
    list[str] | None,
    typer.Option(
        "--candidates",
        metavar="TITLE...",
        help="What is ranked, in the order of a prompt.",
        show_default="the whole catalogue, without the history",
    ),
]
Top = Annotated[int, typer.Option("--top", min=1, help="Items shown at most.")]
Repeats = Annotated[
    bool, typer.Option("--repeats", help="Rank items of the history with the catalogue, too.")
]
Explain = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="Show what comes next, what one item of the history less would change, and, of a "
        "language model, prompt and weights of its experts.",
    ),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]


def recommend(
    run: Run,
    history: History,
    candidates: Candidates = None,
    top: Top = 10,
    repeats: Repeats = False,
    explain: Explain = False,
    changes: Passing = None,
    form: Form = "text",
    device: Device = "auto",
    data_dir: DataDir = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Rank what somebody with this history may take next, by the model that a run has kept."""
    from recbench.by_hand.loading import load_run
    from recbench.errors import UserError

    if repeats and candidates:
        raise UserError("--repeats is of the whole catalogue; leave it out or --candidates")
    loaded = load_run(run, device, data_dir, cache, say, settings_of(changes or [], None))
    found = loaded.recommend(history, top, candidates or None, repeats, explain)
    if form == "json":
        put_json(found.model_dump(mode="json"))
    else:
        put(str(found))
