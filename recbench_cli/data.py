"""`recbench data`: what datasets there are, prepared and exported."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from recbench_cli import doctor, imports, own
from recbench_cli.once import Commands
from recbench_cli.options import (
    Cache,
    Candidates,
    DataDir,
    Dataset,
    Debug,
    History,
    Negatives,
    Protocol,
    Results,
    put,
    say,
)

app = Commands(help="List, prepare and export datasets.", rich_markup_mode=None)
app.command("show", short_help="Print a dataset's card and how large it is.")(doctor.show)
app.command("doctor")(doctor.doctor)
app.command("add")(own.add)
app.command("remove", short_help="Forget data of your own; your files stay.")(own.remove)
app.command(
    "import-splits", help=imports.PLAIN, short_help="Import a split of three files in JSON lines."
)(imports.importer(None))
app.command(
    "import-llara", help=imports.LLARA, short_help="Import a split as LLaRA and iLoRA release it."
)(imports.importer("llara"))


@app.command("list", short_help="List the datasets, and their known flaws.")
def list_(_results: Results = None, cache: Cache = None, _debug: Debug = False) -> None:
    """List the datasets with their protocols, licences and known flaws."""
    from recbench.data.card import cards
    from recbench.questions.protocols import protocols
    from recbench.questions.protocols.choice import allows
    from recbench.runs.places import cache_folder

    asked = protocols(report=say).values()
    for name, card in cards(say, cache_folder(cache)).items():
        put(f"{name}: {card.title}. {card.description}")
        fitting = [protocol.name for protocol in asked if allows(card, protocol)]
        put(f"  protocols: {', '.join(fitting)}")
        put(f"  licence: {card.licence}")
        for flaw in card.known_flaws:
            put(f"  known flaw: {flaw}")


@app.command()
def prepare(
    dataset: Dataset,
    data_dir: DataDir = None,
    _results: Results = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Read a dataset's raw files into the cache, once."""
    from recbench.data.prepare import prepare as prepared
    from recbench.runs.places import cache_folder

    made = prepared(dataset, cache_folder(cache), data_dir, say, show_progress=True)
    put(f"{dataset}: {len(made)} interactions, {len(made.catalogue)} items")
    put(f"digest {made.digest}")


@app.command(short_help="Write a protocol's rows as JSON lines, and the items.")
def export(
    dataset: Dataset,
    out: Annotated[Path, typer.Option("--out", help="Folder for the four files.")],
    protocol: Protocol = None,
    size: Candidates = None,
    negatives: Negatives = None,
    history: History = None,
    data_dir: DataDir = None,
    _results: Results = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """
    Write a protocol's rows as JSON lines and the items as a table.

    With --candidates or --negatives the lines of test.jsonl are the examples of recbench
    candidates: rows that have too few competitors are left out. Without, all rows are written.
    """
    from recbench.data.prepare import prepare as prepared
    from recbench.errors import UserError
    from recbench.questions import export as files
    from recbench.questions.competitors import left_out_lines
    from recbench.questions.make_split import asked_split, make_split
    from recbench.questions.protocols.choice import protocol_of
    from recbench.runs.places import cache_folder

    place = cache_folder(cache)
    changes = {"candidates": size, "negatives": negatives, "history": history}
    rule = protocol_of(dataset, protocol, place, **changes)
    made = prepared(dataset, place, data_dir, say, show_progress=True)
    if size is None and negatives is None:
        split = make_split(made, rule)
        told = f"all rows are written; with --candidates {rule.candidates}, as it is asked,"
        with suppress(UserError):  # none can be asked, so that there are no examples to number
            for line in left_out_lines(asked_split(made, rule), rule):
                say(f"{told} {line}")
    else:
        split = asked_split(made, rule)
        for line in left_out_lines(split, rule):
            say(line)
    files.export(split, out)
    rows = (
        f"{len(split.train)} train, {len(split.validation)} validation, {len(split.test)} test rows"
    )
    put(f"{out}: {rows}, {len(split.catalogue)} items")
