"""
Make the page of measured speeds from what `tools/gpu/check.py` found on GPUs.

    python tools/performance.py gpu.json ...

One section a file, in the order given. What was measured in toy sizes is no figure and is refused.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "results/performance.md"

HEAD = """# Performance

Measured by `tools/gpu/check.py`; this page is made from its files by `tools/performance.py`.
Language models have the shape of the named ones and random weights. A step is forward, backward and
AdamW of one micro-batch, LoRA of rank 8 on all linear layers; times are medians of works that take
turns. The share of the peak counts four operations a frozen weight and token, and is of a large
matrix product that was timed on the same card in the same type.
"""


def main(arguments: list[str] | None = None) -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(description="Make the page of measured speeds.")
    parser.add_argument("files", nargs="+", type=Path, help="JSON files of tools/gpu/check.py")
    parser.add_argument("--out", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    found = [_read(file) for file in options.files]
    options.out.write_text("\n".join([HEAD, *map(section, found)]), encoding="utf-8")
    print(f"wrote {options.out}")
    return 0


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if found["small"]:
        raise SystemExit(f"{file} is of toy sizes (--small): such figures are not published")
    return found


def section(found: dict[str, Any]) -> str:
    """Return what was found on one machine as Markdown."""
    versions = ", ".join(
        f"{name} {found['versions'][name]}"
        for name in ("recbench", "torch", "transformers", "peft")
    )
    parts = found["parts"]
    lines = [f"## {found['device']['hardware']}", ""]
    lines += [f"{found['date'][:10]}, commit {found['commit'] or 'unknown'}; {versions}.", ""]
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
    return "\n".join(lines)


def _steps(steps: dict[str, dict[str, Any]]) -> list[str]:
    head = ("shape", "layers", "rows", "tokens", "adapter")
    head += ("tokens/s", "share of peak", "peak memory, GiB", "over LoRA")
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for name, one in steps.items():
        for form in ("lora", "ilora") if "failed" not in one else ():
            memory = one["peak_memory"][form]
            cells = (
                *(name.removeprefix("step "), f"{one['layers']}/{one['layers_of_the_real_model']}"),
                *(str(one["rows"]), str(one["tokens"]), form),
                f"{one['tokens_a_second'][form]:,.0f}",
                f"{one['share_of_peak'][form]:.1%}",
                "-" if memory is None else f"{memory / 2**30:.1f}",
                f"{one['seconds'][form] / one['seconds']['lora']:.3f}",
            )
            lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _adapter(found: dict[str, Any]) -> str:
    shape = found["shape"]
    size = f"{shape['incoming']} to {shape['outgoing']}, {shape['rows']} x {shape['tokens']} tokens"
    return (
        f"The adapter alone ({size}, rank {shape['rank']}, {shape['experts']} experts) takes "
        f"{found['times_faster']:.1f} times less time and {found['times_less_memory']:.1f} times "
        "less memory for the backward pass than one LoRA an expert."
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
