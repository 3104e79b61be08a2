"""
Ask and train on made-up rows of any number, to see how recbench bears it: `docs/size.md` says.

Popularity is asked about ROWS test rows of 20 candidates or, with --full, a tiny SASRec ranks all
of ITEMS items for each; then what is kept of a run is written, read back and checked. With --train
a SASRec makes ten steps instead. After each stage the largest resident set so far is printed.

    python tools/large.py --rows 10000000
    python tools/large.py --rows 300 --items 1000000 --full
    python tools/large.py --items 1000000 --train softmax_items=8192
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
from recbench.recommender import Recommender, Runtime, TrainingData
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


def catalogue_of(items: int) -> Catalogue:
    """Return items that are called by their numbers."""
    titles = tuple(f"Item {number}" for number in range(items))
    return Catalogue(np.arange(items), titles, "made up")


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


def train(items: int, settings: dict[str, str], place: Path) -> None:
    """Make ten steps with the batches and the width that SASRec has by default."""
    model: Any = load("models", "sasrec")
    model = model(model.settings_class.build({"epochs": 1, **settings}))
    rows, length = 10 * model.settings.batch_size, model.settings.max_length + 1
    walks = np.random.default_rng(0).integers(items, size=(rows, length)).astype(np.int32)
    whose, few = np.arange(rows, dtype=np.int32), questions(10, items)
    data = TrainingData(
        catalogue=catalogue_of(items),
        noun=("item", "items"),
        verb="seen",
        sequences=ragged(walks.ravel(), np.full(rows, length)),
        sequence_users=whose,
        train=few,
        validation=few,
        digest="made up",
    )
    runtime = Runtime(0, "cpu", checkpoints=place, cache=place, report=print)
    with stage("train ten steps, validate"):
        print(model.fit(data, runtime))


def ask(model: Recommender, rows: int, items: int, full: bool, folder: Path) -> None:
    """Ask a model, write what is kept of it, and read that back."""
    with stage("questions"):
        catalogue, examples = catalogue_of(items), questions(rows, items)
        if full:
            seen = ragged(examples.histories.ravel(), np.full(rows, HISTORY))
            question: Any = FullRanking(examples, Excluded.each(seen), items, "made up")
        else:
            question = pack_of(examples, catalogue)
    runtime = Runtime(0, "cpu", checkpoints=folder, cache=folder)
    with stage("ask, and average the figures"):
        judgement = evaluate(model, examples, catalogue, question, runtime, finished=folder)
    counts = ColdStart(*(np.zeros(rows, np.int32) for _ in range(3)))
    with stage("write examples.parquet"):
        write_examples(folder, judgement.outcome, None, counts)
    shape = {"draws": 1, "candidates": question.size, "examples": rows}
    setup: Any = SimpleNamespace(**shape, full_ranking=full, ranks=True, writes=False)
    del judgement
    with stage("read it back and check it"):
        read_outcome(folder, setup)


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=60_000)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--train", nargs="*", metavar="NAME=VALUE")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        if asked.train is not None:
            train(asked.items, dict(one.split("=") for one in asked.train), Path(place))
            return
        with stage("imports, model"):
            model = model_of(asked.full, asked.items)
        ask(model, asked.rows, asked.items, asked.full, Path(place))


if __name__ == "__main__":
    main()
