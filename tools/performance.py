"""
Make the page of measured speeds: what `tools/speed.py` and `tools/gpu/check.py` found.

    python tools/performance.py

One section a file of `results/performance/`, and the memory that the published runs took with a
pretrained language model. What was measured in toy sizes is no figure and is refused.
"""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[1] / "results"

HEAD = """# Performance

Made by `tools/performance.py` from the files in `performance/`. Times are medians of works that
take turns, after their numbers were found to be the same. The share of the peak counts four
operations a frozen weight and token of a training step, the head's on the places that are read, and
is of a large matrix product that was timed on the same machine. What was asked of a figure
beforehand and is missed is called so, with what was asked. Training steps on CPUs that are dated
before 2026-11-28 are a forward and a backward pass of all rows at once, without the optimizer.
"""

ON_GPU = """Language models have the shape of the named ones and random weights. A step is forward,
backward and AdamW of one micro-batch, LoRA of rank 8 on all linear layers.
"""


SPEED, SHARE, LESS = "times as fast", "share of peak", "times less memory"
PER_EXPERT = "one LoRA an expert"
MUSTS = {
    PER_EXPERT: {SPEED: 8.0, LESS: 4.0},
    "a plain loop on peft": {SPEED: 2.0, SHARE: 0.45},
    "one LoRA for all": {SPEED: 1 / 1.05},
    "20 full sequences": {SPEED: 6.0},
    "one after the other": {SPEED: 1.4},
}
"""The least that was asked of a case, by what it is against."""
GPU_SHARES = {"llama2-7b": 0.4}
"""The least share of a GPU's peak that was asked of a step, by its shape."""
MOST_OVER_LORA = 1.03
"""The most time that was asked of iLoRA's step on a GPU, in parts of stock LoRA's."""

PRETRAINED, MOST_MEMORY = "smollm2", 4.0
"""A language model, and the GiB that a run with it was to take at most."""


def main(arguments: list[str] | None = None) -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(description="Make the page of measured speeds.")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where performance/ is")
    results = parser.parse_args(arguments).results
    file = results / "performance.md"
    file.write_text(page(results), encoding="utf-8")
    print(f"wrote {file}")
    return 0


def page(results: Path) -> str:
    """Return the page of what is in a folder of results."""
    found = [_read(file) for file in sorted((results / "performance").glob("*.json"))]
    return "\n".join([HEAD, *map(section, found), *_memory(results)])


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if found.get("small"):
        raise SystemExit(f"{file} is of toy sizes (--small): such figures are not published")
    return found


def section(found: dict[str, Any]) -> str:
    """Return what was found on one machine as Markdown."""
    versions = ", ".join(
        f"{name} {found['versions'][name]}"
        for name in ("recbench", "torch", "transformers", "peft")
    )
    lines = [f"## {found['device']['hardware']}", "", f"{found['date'][:10]}; {versions}.", ""]
    lines += _cases(found) if "cases" in found else _parts(found["parts"])
    return "\n".join(lines)


def _cases(found: dict[str, Any]) -> list[str]:
    """Return what `tools/speed.py` found: works against the plain way of doing the same."""
    threads = found["device"]["threads"]
    clock = ", by the clock on the wall" if threads > 1 else ""
    lines = [f"`{found['llm']}`, {threads} thread(s){clock}.", ""]
    lines += [
        f"| what | seconds | against | {SPEED} | {SHARE} | {LESS} |",
        "|---|---|---|---|---|---|",
    ]
    for one in found["cases"]:
        cells = one["what"], f"{one['seconds']:.3f}", one["against"], *_judged(one)
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _judged(case: dict[str, Any]) -> list[str]:
    """Return the cells of a case's figures, each with what was asked where that is missed."""
    figures = {
        SPEED: (case["other_seconds"] / case["seconds"], ".2f"),
        SHARE: (case.get("share_of_float32_peak"), ".0%"),
        LESS: (case.get("times_less_memory"), ".1f"),
    }
    musts = MUSTS.get(case["against"], {})
    return [
        "-" if value is None else _cell(value, form, least=musts.get(name, 0.0))
        for name, (value, form) in figures.items()
    ]


def _cell(value: float, form: str, least: float = 0.0, most: float = math.inf) -> str:
    """Return a figure, with what was asked of it where that is missed."""
    asked = min(max(value, least), most)
    if asked == value:
        return f"{value:{form}}"
    # Where both are the same to the usual digits, it is missed nevertheless.
    exact = form if f"{value:{form}}" != f"{asked:{form}}" else f".4{form[-1]}"
    return f"{value:{exact}} (missed: {asked:{exact}})"


def _memory(results: Path) -> list[str]:
    """Return what published runs with the pretrained language model took, by their records."""
    lines = []
    for file in sorted(results.glob("*/*/*/*/record.json")):
        record = json.loads(file.read_text(encoding="utf-8"))
        if record["settings"].get("llm") == PRETRAINED:
            cell = _cell(_most(record), ".1f", most=MOST_MEMORY)
            lines.append(f"| {record['model']} | {record['run_id']} | {cell} |")
    head = f"## Peak memory of runs with `{PRETRAINED}`"
    return [head, "", "| model | run | GiB |", "|---|---|---|", *lines, ""] if lines else []


def _most(record: dict[str, Any]) -> float:
    """Return the peak memory of a run, GiB: of its training, or of what asked it."""
    peaks = record["peak_memory"], record["trained"]["peak_memory"]
    return max(float(one["host"]) for one in peaks) / 2**30


def _parts(parts: dict[str, dict[str, Any]]) -> list[str]:
    """Return what `tools/gpu/check.py` found."""
    lines = [ON_GPU]
    if "failed" not in parts["peak"]:
        speed = parts["peak"]["operations_a_second"] / 1e12
        lines += [f"Matrix peak in {parts['peak']['dtype']}: {speed:.0f} TFLOP/s.", ""]
    lines += _steps({name: one for name, one in parts.items() if name.startswith("step ")})
    if "failed" not in parts["adapter"]:
        lines += [_adapter(parts["adapter"]), ""]
    for name, one in parts.items():
        if "failed" in one:
            lines += [f"Failed: {name}: {one['failed']}", ""]
        elif name.startswith("ranks "):
            lines += [_ranks(name.removeprefix("ranks "), one), ""]
    return lines


def _steps(steps: dict[str, dict[str, Any]]) -> list[str]:
    head = ("shape", "layers", "rows", "tokens", "adapter")
    head += ("tokens/s", "share of peak", "peak memory, GiB", "over LoRA")
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for name, one in steps.items():
        shape = name.removeprefix("step ")
        for form in ("lora", "ilora") if "failed" not in one else ():
            memory, over = one["peak_memory"][form], one["seconds"][form] / one["seconds"]["lora"]
            cells = (
                *(shape, f"{one['layers']}/{one['layers_of_the_real_model']}"),
                *(str(one["rows"]), str(one["tokens"]), form),
                f"{one['tokens_a_second'][form]:,.0f}",
                _cell(one["share_of_peak"][form], ".1%", least=GPU_SHARES.get(shape, 0.0)),
                "-" if memory is None else f"{memory / 2**30:.1f}",
                _cell(over, ".3f", most=MOST_OVER_LORA),
            )
            lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _adapter(found: dict[str, Any]) -> str:
    shape, musts = found["shape"], MUSTS[PER_EXPERT]
    size = f"{shape['incoming']} to {shape['outgoing']}, {shape['rows']} x {shape['tokens']} tokens"
    return (
        f"The adapter alone ({size}, rank {shape['rank']}, {shape['experts']} experts) takes "
        f"{_cell(found['times_faster'], '.1f', least=musts[SPEED])} times less time and "
        f"{_cell(found['times_less_memory'], '.1f', least=musts[LESS])} times less memory for its "
        f"output and the backward pass than {PER_EXPERT}."
    )


def _ranks(name: str, found: dict[str, Any]) -> str:
    hits = found["hit_ratio_trained"]
    return (
        f"`{name}` (toy data): trained on a CPU and loaded on the GPU, "
        f"{found['same_ranks_when_loaded']:.1%} of its ranks are the same; trained on each it has "
        f"a HitRatio@1 of {hits['cpu']:.3f} and {hits['device']:.3f}."
    )


if __name__ == "__main__":
    sys.exit(main())
