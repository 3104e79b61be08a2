"""`recbench candidates`: the frozen questions, as a file."""

import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from recbench.defaults import DRAWS, PACK_SEED
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
    put,
    say,
)


def candidates(
    dataset: Dataset,
    out: Annotated[Path, typer.Option("--out", help="Parquet file to write.")],
    protocol: Protocol = None,
    size: Candidates = None,
    negatives: Negatives = None,
    history: History = None,
    part: Annotated[
        Literal["validation", "test"], typer.Option("--split", help="Whose examples.")
    ] = "test",
    draws: Draws = DRAWS,
    pack_seed: PackSeed = PACK_SEED,
    data_dir: DataDir = None,
    _results: Results = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Write a candidate pack: raw ids in the order shown, and where the target stands."""
    from recbench.data.prepare import prepare
    from recbench.questions.candidates import DRAWN_ONCE, frozen_pack, save
    from recbench.questions.competitors import left_out_lines
    from recbench.questions.make_split import asked_split
    from recbench.questions.protocols.choice import protocol_of
    from recbench.runs.places import cache_folder

    place = cache_folder(cache)
    changes = {"candidates": size, "negatives": negatives, "history": history}
    rule = protocol_of(dataset, protocol, place, **changes)
    split = asked_split(prepare(dataset, place, data_dir, say, show_progress=True), rule)
    if rule.given and draws not in (1, DRAWS):
        say(DRAWN_ONCE)
    for line in left_out_lines(split, rule):
        say(line)
    started = time.monotonic()
    pack = frozen_pack(split, rule, part, draws, pack_seed, place)
    say(f"candidates frozen in {time.monotonic() - started:.1f} s")
    save(pack, split.catalogue, out)
    put(f"{out}: {len(pack)} examples, {pack.draws} draws, hash {pack.hash}")
