"""
Evaluate made-up questions of any number, to see how recbench bears it: `docs/size.md` has figures.

Popularity is asked about ROWS test rows of 20 candidates, or a tiny SASRec ranks all of ITEMS items
for each; then what is kept of a run is written, read back and checked. After each stage the largest
resident set of the process so far is printed.

    python tools/evaluation_size.py --rows 10000000
    python tools/evaluation_size.py --rows 300 --items 1000000 --full
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from recbench.data.catalogue import Catalogue
from recbench.data.ragged import ragged
from recbench.evaluation.evaluator import evaluate
from recbench.questions.candidates import Pack, make_pack
from recbench.questions.cold_start import ColdStart
from recbench.questions.excluded import Excluded
from recbench.questions.full_ranking import FullRanking
from recbench.questions.split import Examples
from recbench.recommender import Recommender, Runtime
from recbench.registry import load
from recbench.runs.examples import read_outcome, write_examples

HISTORY, CANDIDATES, USER_ROWS, BLOCK = 10, 20, 10, 1 << 20


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Print what a stage took."""
    began = time.monotonic()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{name:<32} {time.monotonic() - began:7.1f} s   peak {peak:6.2f} GiB", flush=True)


def questions(rows: int, items: int) -> Examples:
    """Return rows of ten a user, all histories full."""
    random, histories = np.random.default_rng(0), np.empty((rows, HISTORY), np.int32)
    for start in range(0, rows, BLOCK):
        block = histories[start : start + BLOCK]
        block[:] = random.integers(items, size=block.shape)
    targets = random.integers(items, size=rows).astype(np.int32)
    return Examples(histories, targets, (np.arange(rows) // USER_ROWS).astype(np.int32))


def pack_of(examples: Examples, catalogue: Catalogue) -> Pack:
    """Give each row its target and the codes that follow it, in an order of their own."""
    rows, items = len(examples), len(catalogue)
    shift = np.random.default_rng(1).integers(CANDIDATES, size=rows).astype(np.int32)
    candidates = np.arange(CANDIDATES, dtype=np.int32) + (examples.targets - shift)[:, None]
    candidates %= items
    return make_pack(candidates[:, None], shift[:, None].astype(np.int16), 0, catalogue)


def model_of(full: bool, items: int) -> Recommender:
    """Return popularity with made-up counts, or an untrained SASRec of 16 dimensions."""
    if not full:
        model: Any = load("models", "popularity")
        model = model(model.settings_class())
        model.counts = np.random.default_rng(2).permutation(items).astype(np.float32)
        return model
    model = load("models", "sasrec")
    model = model(model.settings_class.build({"embedding_dim": 16, "layers": 1}))
    model.module = model.build(items)
    return model


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=60_000)
    parser.add_argument("--full", action="store_true")
    asked = parser.parse_args()
    with stage("imports, model"):
        model = model_of(asked.full, asked.items)
    with stage("questions"):
        titles = tuple(f"Item {number}" for number in range(asked.items))
        catalogue = Catalogue(np.arange(asked.items), titles, "made up")
        examples = questions(asked.rows, asked.items)
        if asked.full:
            seen = ragged(examples.histories.ravel(), np.full(len(examples), HISTORY))
            question: Any = FullRanking(examples, Excluded.each(seen), asked.items, "made up")
        else:
            question = pack_of(examples, catalogue)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        runtime = Runtime(0, "cpu", checkpoints=folder, cache=folder)
        with stage("ask, and average the figures"):
            judgement = evaluate(model, examples, catalogue, question, runtime, finished=folder)
        counts = ColdStart(*(np.zeros(len(examples), np.int32) for _ in range(3)))
        with stage("write examples.parquet"):
            write_examples(folder, judgement.outcome, None, counts)
        shape = {"draws": 1, "candidates": question.size, "examples": len(examples)}
        kind = {"full_ranking": asked.full, "ranks": True, "writes": False}
        del judgement
        with stage("read it back and check it"):
            setup: Any = SimpleNamespace(**shape, **kind)
            read_outcome(folder, setup)


if __name__ == "__main__":
    main()
