"""`recbench data show` and `recbench data doctor`: what a dataset is, and what is wrong with it."""

from typing import Annotated, Literal

import typer

from recbench_cli.options import (
    Cache,
    Candidates,
    DataDir,
    Debug,
    History,
    Negatives,
    Protocol,
    Results,
    put,
    put_json,
    say,
)

Name = Annotated[str, typer.Argument(help="See: recbench data list.")]
Form = Annotated[Literal["table", "json"], typer.Option("--format", help="Of the output.")]


def show(
    dataset: Name,
    form: Form = "table",
    data_dir: DataDir = None,
    _results: Results = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Print a dataset's card and, where its data can be had, its statistics."""
    from recbench.data.card import card
    from recbench.data.overview import overview
    from recbench.data.prepare import prepare
    from recbench.data.statistics import statistics
    from recbench.errors import RecbenchError
    from recbench.runs.places import cache_folder

    known, counted, why = card(dataset, cache_folder(cache)), None, ""
    try:
        counted = statistics(prepare(dataset, cache_folder(cache), data_dir, say))
    except RecbenchError as error:
        why = str(error)
    if form == "json":
        numbers = None if counted is None else counted.model_dump()
        page = {"card": known.model_dump(mode="json"), "statistics": numbers, "why_none": why}
        put_json(page)
    else:
        put(overview(known, counted, why))


def doctor(
    dataset: Name,
    protocol: Protocol = None,
    candidates: Candidates = None,
    negatives: Negatives = None,
    history: History = None,
    form: Form = "table",
    data_dir: DataDir = None,
    _results: Results = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Say what is wrong with a dataset under a protocol."""
    from recbench.data.prepare import prepare
    from recbench.questions.doctor.case import Case
    from recbench.questions.doctor.diagnosis import diagnose
    from recbench.questions.doctor.finding import as_table
    from recbench.questions.protocols.choice import protocol_of
    from recbench.runs.places import cache_folder

    place = cache_folder(cache)
    changes = {"candidates": candidates, "negatives": negatives, "history": history}
    rule = protocol_of(dataset, protocol, place, **changes)
    findings = diagnose(Case.of(prepare(dataset, place, data_dir, say), rule))
    if form == "json":
        put_json([finding.model_dump() for finding in findings])
    else:
        put(f"{dataset}, protocol {rule.label}")
        put(as_table(findings))
