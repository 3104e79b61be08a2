"""`recbench run`: prepare, draw, train, judge, record."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from recbench_cli.options import (
    Cache,
    Candidates,
    DataDir,
    Dataset,
    Debug,
    Draws,
    History,
    Negatives,
    PackSeed,
    Protocol,
    Results,
    say,
)


def run(
    model: Annotated[str, typer.Option("--model", help="See: recbench models.")],
    dataset: Dataset,
    protocol: Protocol = None,
    candidates: Candidates = None,
    negatives: Negatives = None,
    history: History = None,
    preset: Annotated[
        str | None, typer.Option("--preset", help="Named settings, for example those of the paper.")
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Set one; repeatable.")
    ] = None,
    llm: Annotated[
        str | None,
        typer.Option("--llm", help="Language model: tiny, a hub id, a folder or a GGUF file."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of training only.")] = 0,
    draws: Draws = 5,
    pack_seed: PackSeed = 0,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = "auto",
    train_fraction: Annotated[
        float,
        typer.Option("--train-fraction", help="Part of the training users to learn from."),
    ] = 1.0,
    train_dataset: Annotated[
        str | None,
        typer.Option("--train-dataset", help="Learn from this one; for language models."),
    ] = None,
    train_data_dir: Annotated[
        Path | None, typer.Option("--train-data-dir", help="As --data-dir, of --train-dataset.")
    ] = None,
    matching: Annotated[
        Literal["exact", "substring"],
        typer.Option("--matching", help="How a written answer names a candidate."),
    ] = "exact",
    data_dir: DataDir = None,
    results: Results = None,
    cache: Cache = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print record path and metrics as JSON, nothing else.")
    ] = False,
    _debug: Debug = False,
) -> None:
    """Train a model and judge it on a frozen pack; a run that stands already is found again."""
    from recbench import experiment
    from recbench.data.card import default_protocol
    from recbench.data.protocols import protocol as named
    from recbench.runs.places import cache_folder, results_folder
    from recbench.runs.rendering import run_table
    from recbench.runs.store import RECORD
    from recbench_cli.parsing import settings_of

    place = cache_folder(cache)
    asked = named(
        protocol or default_protocol(dataset, place),
        candidates=candidates,
        negatives=negatives,
        history=history,
    )
    finished = experiment.run(
        experiment.Experiment(
            model=model,
            dataset=dataset,
            protocol=asked.name,
            preset=preset,
            settings=settings_of(changes or [], llm),
            seed=seed,
            draws=draws,
            pack_seed=pack_seed,
            device=device,
            matching=matching,
            train_fraction=train_fraction,
            train_dataset=train_dataset,
            train_data_dir=train_data_dir,
            data_dir=data_dir,
            results=results_folder(results),
            cache=place,
        ),
        report=say,
        show_progress=True,
    )
    path = finished.folder / RECORD
    if as_json:
        metrics = {name: one.model_dump() for name, one in finished.record.metrics.items()}
        typer.echo(json.dumps({"record": str(path), "metrics": metrics}))
    else:
        typer.echo(run_table(finished.record))
        typer.echo(f"{'found' if finished.reused else 'wrote'} {path}")
