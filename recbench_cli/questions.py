"""`recbench questions`: the frozen questions for a program that is not recbench's."""

from pathlib import Path
from typing import Annotated

import typer

from recbench.defaults import PACK_SEED
from recbench_cli.options import (
    Cache,
    Candidates,
    DataDir,
    Dataset,
    Debug,
    History,
    Kind,
    Negatives,
    PackSeed,
    Protocol,
    Results,
    SheetDraws,
    put,
    say,
)


def questions(
    dataset: Dataset,
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")],
    protocol: Protocol = None,
    candidates: Candidates = None,
    negatives: Negatives = None,
    history: History = None,
    kind: Kind = None,
    draws: SheetDraws = None,
    pack_seed: PackSeed = PACK_SEED,
    with_prompts: Annotated[
        bool,
        typer.Option("--with-prompts", help="Write prompts, as recbench's own; implies text."),
    ] = False,
    data_dir: DataDir = None,
    _results: Results = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Write the frozen questions into files, without targets; recbench score takes the answers."""
    from recbench.outside.folder import write_questions
    from recbench.outside.making import Wanted, sheet_of
    from recbench.questions.protocols.choice import protocol_of
    from recbench.runs.places import cache_folder

    place = cache_folder(cache)
    changes = {"candidates": candidates, "negatives": negatives, "history": history}
    wanted = Wanted(
        dataset=dataset,
        protocol=protocol_of(dataset, protocol, place, **changes),
        kind=kind or ("text" if with_prompts else "scores"),
        draws=draws,
        pack_seed=pack_seed,
    )
    sheet = sheet_of(wanted, place, data_dir, say)
    made = write_questions(sheet, pack_seed, out, with_prompts, say)
    put(f"{out}: {made.rows} questions, to be answered in {made.kind}, pack {made.digests.pack}")
