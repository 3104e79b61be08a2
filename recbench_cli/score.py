"""`recbench score`: the answers of another program, judged like any."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from recbench.defaults import PACK_SEED
from recbench_cli.options import (
    AsJson,
    Cache,
    Candidates,
    DataDir,
    Debug,
    History,
    Kind,
    Matching,
    Negatives,
    Protocol,
    Results,
    SheetDraws,
    say,
)
from recbench_cli.run import print_run


def score(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The answers.")],
    name: Annotated[str, typer.Option("--name", help="Of the system; tables show external:NAME.")],
    questions: Annotated[
        Path | None,
        typer.Option("--questions", help="Folder that recbench questions wrote; or --dataset."),
    ] = None,
    about: Annotated[
        Path | None, typer.Option("--about", help="TOML file with what is to be said of it.")
    ] = None,
    form: Annotated[
        Literal["plain", "llara", "lm-eval", "recbole", "trec"],
        typer.Option("--format", help="Of the answers; plain is recbench's own."),
    ] = "plain",
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Instead of --questions, with what follows.")
    ] = None,
    protocol: Protocol = None,
    candidates: Candidates = None,
    negatives: Negatives = None,
    history: History = None,
    kind: Kind = None,
    draws: SheetDraws = None,
    pack_seed: Annotated[
        int | None,
        typer.Option(
            "--pack-seed", help="Seed of the candidate pack.", show_default=str(PACK_SEED)
        ),
    ] = None,
    matching: Matching = "exact",
    data_dir: DataDir = None,
    results: Results = None,
    cache: Cache = None,
    as_json: AsJson = False,
    _debug: Debug = False,
) -> None:
    """Judge a file of answers to frozen questions; it becomes a row beside the others."""
    from recbench.errors import UserError
    from recbench.outside.about import Maker, read_maker
    from recbench.outside.making import Wanted, sheet_in, sheet_of
    from recbench.outside.scoring import check_name
    from recbench.outside.scoring import score as scored
    from recbench.questions.protocols.choice import protocol_of
    from recbench.runs.places import cache_folder, results_folder

    check_name(name)
    maker = Maker() if about is None else read_maker(about)
    root, place = results_folder(results), cache_folder(cache)
    changes = {"candidates": candidates, "negatives": negatives, "history": history}
    asked = {"dataset": dataset, "protocol": protocol, **changes, "kind": kind, "draws": draws}
    asked["pack-seed"] = pack_seed
    if questions is not None:
        if given := next((option for option, value in asked.items() if value is not None), None):
            raise UserError(f"--questions says what was asked; leave out --{given}")
        sheet, seed = sheet_in(questions, place, data_dir, say)
    elif dataset is not None:
        rule = protocol_of(dataset, protocol, place, **changes)
        seed = PACK_SEED if pack_seed is None else pack_seed
        wanted = Wanted(dataset, rule, kind or "scores", draws, seed)
        sheet = sheet_of(wanted, place, data_dir, say)
    else:
        raise UserError(
            "say what was asked: --questions and the folder that recbench questions wrote, or "
            "--dataset with the same options as there"
        )
    run = scored(file, name, sheet, seed, root, say, maker, form, matching)
    print_run(run, as_json)
