"""
Check and measure recbench on a GPU, in at most three minutes and without a network.

    python tools/gpu/check.py --out results/performance/h100.json
    python tools/gpu/check.py --device cpu --small --out cpu.json

The tests that need a GPU; whether models that were trained on a CPU rank the same there; and how
fast language models in the shape of real ones are trained there, with random weights. What comes
out is one JSON file, from which `tools/performance.py` makes a page. A part that fails, or for
which no time is left, is named there, and the exit code is 1.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import adapter
import numpy as np
import steps
import torch
from timing import matrix_peak

from recbench.evaluation.ranks import target_ranks
from recbench.hardware.devices import resolve
from recbench.neural.precision import training_precision
from recbench.recommender import Recommender, Runtime
from recbench.registry import load
from recbench.runs import environment
from recbench.runs.provenance import commit
from recbench.testing.contract import toy_queries
from recbench.testing.toy import toy_split, toy_training_data

ROOT = Path(__file__).resolve().parents[2]
LATEST_START, TESTS = 115.0, 60.0
"""Seconds: when a part may begin at the latest, and how long the tests may take."""

SAME_RANKS, HIT_RATIO_APART = 0.98, 0.1
"""Least share of equal ranks of a loaded model, and most that a trained one may differ by."""

Part = Callable[[], dict[str, Any]]


def main(arguments: list[str] | None = None) -> int:
    """Run all parts; return the exit code."""
    options = _options(arguments)
    device = torch.device(resolve(options.device))
    if device.type == "cpu" and not options.small:
        raise SystemExit("a CPU is measured with --small only: 7 billion weights are not for it")
    began = time.monotonic()
    found: dict[str, Any] = {}
    for name, part in parts(device, options.small).items():
        found[name] = _guarded(part, time.monotonic() - began)
        print(f"{name}: {json.dumps(found[name])}", flush=True)
    written = about(device, options.small) | {"parts": found}
    options.out.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    failed = [name for name, one in found.items() if "failed" in one]
    print(f"wrote {options.out}" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Check and measure recbench on a GPU.")
    parser.add_argument("--device", default="cuda", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--small", action="store_true", help="toy sizes: does it run?")
    parser.add_argument("--out", type=Path, default=Path("gpu-check.json"))
    return parser.parse_args(arguments)


def _guarded(part: Part, used: float) -> dict[str, Any]:
    """Return what a part finds, or why it finds nothing: the other parts are still worth having."""
    if used > LATEST_START:
        return {"failed": f"no time left after {used:.0f} seconds"}
    start = time.monotonic()
    try:
        found = part()
    except Exception as error:
        found = {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}
    gc.collect()  # a model has cycles, and the next part needs its memory
    return found | {"part_seconds": round(time.monotonic() - start, 1)}


def parts(device: torch.device, small: bool) -> dict[str, Part]:
    """Return what is checked and measured, the quick first."""
    precision = training_precision("auto", device)
    size = 256 if small else 8192
    peaks: dict[str, float] = {}

    def peak() -> dict[str, Any]:
        dtype = precision.autocast or torch.float32
        peaks["matrix"] = matrix_peak(device, dtype, size)
        return {"dtype": precision.name, "size": size, "operations_a_second": peaks["matrix"]}

    rows = 16 if small else 256
    shape = adapter.SMALL if small else adapter.LARGE
    every: dict[str, Part] = {
        "peak": peak,
        "adapter": lambda: adapter.compare(shape, device, precision),
    }
    for name, one in steps.shapes(small).items():
        every[f"step {name}"] = lambda one=one: steps.measure(
            one, device, precision, peaks["matrix"]
        )
    every["ranks sasrec"] = lambda: ranks("sasrec", _sasrec(small), device, rows)
    every["ranks ilora"] = lambda: ranks("ilora", _ilora(small), device, rows)
    if device.type == "cuda":
        every["tests"] = gpu_tests
    return every


def about(device: torch.device, small: bool) -> dict[str, Any]:
    """Say of what machine and code the figures are."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "small": small,
        "device": environment.device(str(device)).model_dump(),
        "versions": environment.versions(),
        "commit": commit(ROOT / "recbench"),
    }


def gpu_tests() -> dict[str, Any]:
    """Run the tests that are marked gpu, in a process of their own."""
    if find_spec("pytest") is None or not (ROOT / "tests").is_dir():
        return {"left_out": "pytest or the tests are not there"}
    # -P: else the folder datasets/ of the project would stand for the package of that name.
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [
            *command,
            *(str(ROOT / "tests" / room) for room in ("hardware", "neural", "llm", "baselines")),
        ],
        cwd=ROOT,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=TESTS,
        check=False,
    )
    last = (done.stdout.strip().splitlines() or [""])[-1]
    return {"summary": last} | ({} if done.returncode == 0 else {"failed": last or done.stderr})


def _sasrec(small: bool) -> dict[str, Any]:
    return {"epochs": 1 if small else 10, "dropout": 0.0}


def _ilora(small: bool) -> dict[str, Any]:
    rows = 16 if small else 512
    sizes = {"examples": rows, "batch_size": 16, "micro_batch_size": 16, "candidates": 8}
    return sizes | {"learning_rate": 1e-3, "precision": "float32"}


def ranks(name: str, settings: dict[str, Any], device: torch.device, rows: int) -> dict[str, Any]:
    """
    Train a model on a CPU and on the device, from one seed and without dropout.

    What was trained on the CPU must rank the same when it is loaded on the device; what was trained
    on the device differs by rounding, which training makes larger, and must be about as good.
    """
    split, model_class = toy_split(), load("models", name)
    data, asked = toy_training_data(split), split.train[:rows]
    queries = toy_queries(replace(split, test=asked))
    targets = (queries.candidates == asked.targets[:, None]).argmax(axis=1).astype(np.int32)

    def model() -> Recommender:
        made: Recommender = model_class(model_class.settings_class.build(settings))
        return made

    with tempfile.TemporaryDirectory() as place:

        def runtime(where: str) -> Runtime:
            checkpoints = Path(place) / where
            return Runtime(0, where, checkpoints / "checkpoints", checkpoints / "cache")

        def ranked(fitted: Recommender, where: str) -> np.ndarray:
            return target_ranks(fitted.score(queries, runtime(where)), targets)

        on_cpu, on_device, loaded = model(), model(), model()
        on_cpu.fit(data, runtime("cpu").at(Path(place) / "first"))
        (Path(place) / "model").mkdir()
        on_cpu.save(Path(place) / "model")
        loaded.load(Path(place) / "model", data, runtime(str(device)))
        on_device.fit(data, runtime(str(device)).at(Path(place) / "second"))
        expected = ranked(on_cpu, "cpu")
        same = float((ranked(loaded, str(device)) == expected).mean())
        trained = ranked(on_device, str(device))
    hits = {"cpu": float((expected == 1).mean()), "device": float((trained == 1).mean())}
    found = {"same_ranks_when_loaded": same, "hit_ratio_trained": hits}
    if same < SAME_RANKS or abs(hits["cpu"] - hits["device"]) > HIT_RATIO_APART:
        found["failed"] = "the device ranks otherwise than the CPU"
    return found


if __name__ == "__main__":
    sys.exit(main())
