"""
Golden runs: small trainings whose every figure is known, so that no change moves one unseen.

Each model learns from the toy dataset and is asked about it. What came out is kept in
`tests/golden/`: digests of scores and of weights, which are the same on a processor of the same
kind with the same libraries and one thread; and the saved model, with the ranks and figures it
gives anywhere. `tests/golden/test_golden.py` compares. Where one moves on purpose, raise the
version that is an ingredient of such models (`recbench.llm.prompted.CODE`), or for all models
`FIGURE_VERSION` in `recbench/runs/record.py`, then record them anew:

    python tools/golden.py
"""

import hashlib
import json
import math
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import typer
from safetensors.numpy import load_file

from recbench.evaluation.evaluator import Judgement, evaluate
from recbench.evaluation.full_ranking import FullRanking
from recbench.llm import encoders, guided
from recbench.neural.randomness import one_thread
from recbench.questions.candidates import draw
from recbench.questions.protocols import protocol
from recbench.recommender import Recommender, Runtime
from recbench.registry import load
from recbench.runs.record import FIGURE_VERSION
from recbench.testing.toy import toy_split, toy_training_data

FOLDER = Path(__file__).resolve().parents[1] / "tests/golden"
GOLDEN = FOLDER / "golden.json"

CASES: dict[str, dict[str, Any]] = {
    "popularity": {},
    "gru4rec": {"epochs": 1, "embedding_dim": 16, "hidden_dim": 24},
    "caser": {"epochs": 1, "embedding_dim": 8},
    "sasrec": {"epochs": 1, "embedding_dim": 16},
    "ilora": {
        **{"examples": 64, "batch_size": 16, "micro_batch_size": 16, "candidates": 10},
        **{
            "targets": "q_proj,v_proj",
            "rank": 2,
            "experts": 2,
            "dropout": 0.1,
            "learning_rate": 1e-3,
        },
        **{"precision": "float32", "encoder": "sasrec"},
    },
}
"""Registered name of each model to its settings; small, since what was learnt is committed."""

SPLIT = toy_split(users=320)
ASKED = protocol("next-item,candidates=10")

Found = dict[str, Any]


def environment() -> dict[str, Any]:
    """Return all that decides the bits of a training on a CPU with one thread."""
    packages = ("numpy", "torch", "transformers", "peft", "accelerate")
    return {
        "capability": torch.backends.cpu.get_cpu_capability(),
        "processor": _features(),
        "machine": platform.machine(),
        "versions": {name: version(name) for name in packages},
    }


def _features() -> list[str]:
    """Return maker, family and vector instructions, by which kernels are chosen."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return [platform.processor()]
    read = {key.strip(): value.strip() for key, _, value in (one.partition(":") for one in lines)}
    vector = [one for one in read.get("flags", "").split() if one.startswith(("avx", "fma", "amx"))]
    return [read.get("vendor_id", ""), read.get("cpu family", ""), *sorted(vector)]


@contextmanager
def small_encoder() -> Iterator[None]:
    """Let the encoder of a language model be the case of its name: its own defaults are large."""
    with (
        patch.object(guided, "build_encoder", build),
        patch.object(encoders, "build_encoder", build),
    ):
        yield


def build(name: str) -> Recommender:
    """Return the untrained model of a case."""
    model: type[Recommender] = load("models", name)
    return model(model.settings_class.build(CASES[name]))


def train(name: str, folder: Path) -> Recommender:
    """Train a case from seed 0 and save it into a new folder."""
    model = build(name)
    with tempfile.TemporaryDirectory() as place, one_thread(), small_encoder():
        model.fit(toy_training_data(SPLIT), runtime(Path(place)))
    folder.mkdir(parents=True)
    model.save(folder)
    return model


def read(name: str, folder: Path) -> Recommender:
    """Load a saved case."""
    model = build(name)
    with small_encoder():
        model.load(folder, toy_training_data(SPLIT), runtime(folder))
    return model


def runtime(place: Path) -> Runtime:
    """Return where a case runs: on a CPU, with nothing in the cache."""
    checkpoints = place / "checkpoints"
    return Runtime(seed=0, device="cpu", checkpoints=checkpoints, cache=place / "cache")


def ask(model: Recommender) -> Found:
    """Return what a model answers: ranks and figures, and the digest of its scores."""
    pack = draw(SPLIT, ASKED, "test", 2, 0)
    with one_thread():
        judged = _judged(model, pack)
        scores = judged.outcome.scores
        assert scores is not None  # a pack was asked
        found = {
            "pack": pack.hash,
            "scores": hashlib.sha256(scores.tobytes()).hexdigest(),
            "ranks": judged.outcome.rank.tolist(),
            "answers": judged.answers,
            "figures": {name: one.model_dump() for name, one in judged.metrics.items()},
        }
        if not model.lists_candidates:
            ranked = _judged(model, FullRanking.of(SPLIT, "test"))
            found["full ranks"] = ranked.outcome.rank.tolist()
    return found


def _judged(model: Recommender, pack: Any) -> Judgement:
    with tempfile.TemporaryDirectory() as place:
        asked = SPLIT.test, SPLIT.catalogue, pack, runtime(Path(place))
        return evaluate(model, *asked, "exact")


def weights(folder: Path) -> str:
    """Return the SHA-256 of all tensors in a saved model, whatever stands beside them."""
    total = hashlib.sha256()
    for file in sorted(folder.rglob("*.safetensors")):
        for name, tensor in sorted(load_file(file).items()):
            total.update(f"{file.relative_to(folder)} {name} {tensor.shape} ".encode())
            total.update(tensor.tobytes())
    return total.hexdigest()


def record() -> None:
    """Write all cases anew; refused where one moved and `FIGURE_VERSION` did not."""
    with tempfile.TemporaryDirectory() as place:
        cases = {}
        for name in CASES:
            model = train(name, Path(place) / name)
            with small_encoder():
                made = {"ingredients": model.ingredients()}
            cases[name] = {**made, "weights": weights(Path(place) / name), **ask(model)}
            print(f"{name}: scores {cases[name]['scores'][:12]}", file=sys.stderr)
        page = {"figure_version": FIGURE_VERSION, "environment": environment(), "cases": cases}
        if GOLDEN.is_file():
            before = json.loads(GOLDEN.read_text(encoding="utf-8"))
            refuse_unsaid(before, page, saved_that_moved(before))
        for name in CASES:
            shutil.rmtree(FOLDER / name, ignore_errors=True)
            # How it was read is that machine's affair, and found out again.
            unwanted = shutil.ignore_patterns("abilities")
            shutil.copytree(Path(place) / name, FOLDER / name, ignore=unwanted)
    GOLDEN.write_text(json.dumps(page, indent=1) + "\n", encoding="utf-8")


def saved_that_moved(recorded: Found) -> list[str]:
    """Return the cases whose saved model gives other ranks or figures than were recorded."""
    moved = []
    for name, case in recorded["cases"].items():
        found, expected = ask(read(name, FOLDER / name)), dict(case)
        # Bits are those of one processor; ingredients say what is tested, not what came out.
        for part in ("weights", "scores", "ingredients"):
            expected.pop(part, None)
        if not same({part: found.get(part) for part in expected}, expected):
            moved.append(name)
    return moved


def same(a: Any, b: Any) -> bool:
    """Compare what was read from JSON, numbers up to rounding."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, abs_tol=1e-9)
    return bool(a == b)


def _says_so(before: Found, now: Found, name: str) -> bool:
    """Whether the ingredients of a case are others than before."""
    old = before["cases"].get(name, {}).get("ingredients")
    return bool(old != now["cases"][name].get("ingredients"))


def refuse_unsaid(before: Found, now: Found, moved: list[str]) -> None:
    """Leave with an error where a case moved and the figure version does not say so."""
    if before["figure_version"] != now["figure_version"]:
        return
    if before["environment"] == now["environment"]:
        moved = [name for name, one in now["cases"].items() if before["cases"].get(name) != one]
    moved = [name for name in moved if not _says_so(before, now, name)]
    if moved:
        sys.exit(
            f"error: {', '.join(moved)} moved: raise FIGURE_VERSION in recbench/runs/record.py, or "
            "the version among the model's ingredients, "
            "say why in the commit, and make anew what is published"
        )


if __name__ == "__main__":
    typer.run(record)
