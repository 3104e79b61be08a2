"""`recbench protocols`: what can be asked, in words."""

from typing import Annotated

import typer

from recbench_cli.once import Commands
from recbench_cli.options import (
    Cache,
    Candidates,
    Debug,
    Form,
    History,
    Negatives,
    Results,
    put,
    put_json,
    say,
)

app = Commands(help="List protocols, say in words what each asks.", rich_markup_mode=None)


@app.command("list")
def list_(
    form: Form = "text",
    _results: Results = None,
    _cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """List the protocols, ours and those of plug-ins."""
    from recbench.questions.protocols import protocols

    found = protocols(report=say)
    if form == "json":
        put_json({name: one.summary for name, one in found.items()})
        return
    for one in found.values():
        put(f"{one.label}: {one.summary}")


@app.command(short_help="Say what a protocol asks, and what it cannot show.")
def show(
    name: Annotated[str, typer.Argument(metavar="PROTOCOL", help="See: recbench protocols list.")],
    candidates: Candidates = None,
    negatives: Negatives = None,
    history: History = None,
    form: Form = "text",
    _results: Results = None,
    _cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Print what a protocol asks, why, what it cannot show, and its digest."""
    from recbench.questions.protocols import protocol
    from recbench.questions.protocols.words import in_words

    asked = protocol(name, candidates=candidates, negatives=negatives, history=history)
    if form == "json":
        page = {"digest": asked.digest, "words": in_words(asked), **asked.model_dump(mode="json")}
        put_json(page)
        return
    put(f"{asked.label}: {asked.summary}")
    for topic, words in in_words(asked).items():
        put(f"  {topic}: {words}")
    if asked.published:
        put("  datasets: those whose card says how they were published")
    for reason in asked.why:
        put(f"  why: {reason}")
    for limit in asked.limits:
        put(f"  known limit: {limit}")
    put(f"  digest: {asked.digest}")
