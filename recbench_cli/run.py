"""`recbench run`: prepare, draw, train, judge, record."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from recbench.defaults import DRAWS, PACK_SEED
from recbench_cli.options import (
    AsJson,
    Cache,
    Candidates,
    DataDir,
    Dataset,
    Debug,
    Draws,
    History,
    Matching,
    Negatives,
    PackSeed,
    Protocol,
    Results,
    in_words,
    put,
    say,
)
from recbench_cli.records import earlier_records

if TYPE_CHECKING:
    from recbench.request import Experiment
    from recbench.runs.store import Run

LONG = 60.0
"""Seconds from which on a run is told beforehand how long it may take."""

Model = Annotated[str, typer.Option("--model", help="See: recbench models.")]
Preset = Annotated[
    str | None, typer.Option("--preset", help="Named settings, for example those of the paper.")
]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Set one; repeatable.")
]
Llm = Annotated[
    str | None,
    typer.Option(
        "--llm",
        help="Language model: a name of recbench models --llms, a hub id, a folder or a GGUF file.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of training only.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
TrainFraction = Annotated[
    float, typer.Option("--train-fraction", help="Part of the training users to learn from.")
]
TrainDataset = Annotated[
    str | None,
    typer.Option("--train-dataset", help="Learn from this one; for language models."),
]
TrainDataDir = Annotated[
    Path | None, typer.Option("--train-data-dir", help="As --data-dir, of --train-dataset.")
]
Deterministic = Annotated[
    bool,
    typer.Option("--deterministic", help="The same bits every time, also on a GPU; slower there."),
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Train and ask anew, whatever stands already.")
]
Shown = Annotated[
    Literal["shuffled-history", "other-user", "permuted-items", "anonymised-titles"] | None,
    typer.Option(
        "--control",
        help="Show the trained model something else, and see what of its figure goes away.",
    ),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="Ask about the first N test rows alone: no result."),
]
ShowPrompt = Annotated[
    bool, typer.Option("--show-prompt", help="Print the first prompt as it will be read; go on.")
]
NoAudit = Annotated[
    bool,
    typer.Option("--no-audit", help="Do not ask some rows again of a copy; tables will say so."),
]


def run(
    model: Model,
    dataset: Dataset,
    protocol: Protocol = None,
    candidates: Candidates = None,
    negatives: Negatives = None,
    history: History = None,
    preset: Preset = None,
    changes: Changes = None,
    llm: Llm = None,
    seed: Seed = 0,
    draws: Draws = DRAWS,
    pack_seed: PackSeed = PACK_SEED,
    device: Device = "auto",
    deterministic: Deterministic = False,
    fresh: Fresh = False,
    no_audit: NoAudit = False,
    train_fraction: TrainFraction = 1.0,
    train_dataset: TrainDataset = None,
    train_data_dir: TrainDataDir = None,
    matching: Matching = "exact",
    control: Shown = None,
    limit: Limit = None,
    show_prompt: ShowPrompt = False,
    data_dir: DataDir = None,
    results: Results = None,
    cache: Cache = None,
    as_json: AsJson = False,
    _debug: Debug = False,
) -> None:
    """Train a model and judge it on a frozen pack; a run that stands already is found again."""
    from recbench import experiment
    from recbench.hardware.launched import launched
    from recbench.questions.protocols.choice import protocol_of
    from recbench.registry import blamed_if_at_fault
    from recbench.request import Experiment
    from recbench.runs.places import cache_folder, results_folder
    from recbench.stages import build
    from recbench_cli.parsing import settings_of

    processes, place = launched(), cache_folder(cache)
    asked = {"candidates": candidates, "negatives": negatives, "history": history}
    with processes.main_first():  # a mistake is told of once, and before anything else
        protocol = protocol_of(dataset, protocol, place, **asked).name
        settings = settings_of(changes or [], llm)
    wanted = Experiment(
        model=model,
        dataset=dataset,
        protocol=protocol,
        preset=preset,
        settings=settings,
        seed=seed,
        draws=draws,
        pack_seed=pack_seed,
        device=device,
        deterministic=deterministic,
        fresh=fresh,
        audit=not no_audit,
        matching=matching,
        control=control,
        limit=limit,
        show_prompt=show_prompt,
        train_fraction=train_fraction,
        train_dataset=train_dataset,
        train_data_dir=train_data_dir,
        data_dir=data_dir,
        results=results_folder(results),
        cache=place,
    )
    with blamed_if_at_fault("models", model):
        with processes.main_first():
            build(wanted)
        if processes.is_main:
            _estimate(wanted)
        finished = experiment.run(wanted, report=say, show_progress=True)
    if processes.is_main:
        print_run(finished, as_json)


def _estimate(wanted: "Experiment") -> None:
    """Say how long this may take, where it is long and earlier runs of the model tell."""
    from recbench.runs.places import results_folder
    from recbench.studies.forecast import seconds

    records = earlier_records(results_folder(wanted.results))
    found = seconds([wanted], [one for one in records if one.model == wanted.model])
    if found is not None and found >= LONG:
        say(f"by earlier runs of {wanted.model}: {in_words(found)}, less where a training is kept")


def print_run(finished: "Run", as_json: bool) -> None:
    """Print the figures of a run that has ended, or was found."""
    from recbench.runs.leaderboard import rows_of
    from recbench.runs.rendering import run_table
    from recbench.runs.store import RECORD

    path = finished.folder / RECORD
    if as_json:
        metrics = {name: one.model_dump() for name, one in finished.record.telling.items()}
        why = finished.record.no_result
        told = {"no_result": why} if why else {}
        put(json.dumps({"record": str(path), "metrics": metrics, **told}))
    else:
        (row,) = rows_of([finished])
        put(run_table(row))
        put(f"{'found' if finished.reused else 'wrote'} {path}")
