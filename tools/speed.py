"""
How fast language models are trained and asked here, against the plain way of doing the same.

Every case computes the same numbers in both ways, checks that first, and then times them in turn,
pair by pair, with one thread. Times are those of the processor, so that other work on the machine
counts less; what is kept is the median. `results/performance.md` is made from the file that this
writes (`tools/performance.py`):

    python tools/speed.py --llm smollm2 --out results/performance/cpu-smollm2.json
"""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

import torch

from recbench.neural.plan import Step
from recbench.runs import environment

ROWS = 16
AIM = Step(9, 10)  # late in training, nearly all prompts are hybrid
CPU = torch.device("cpu")


def main() -> None:
    """Time every case and write them down."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--llm", default="tiny")
    words.add_argument("--pairs", type=int, default=5)
    words.add_argument("--out", type=Path, required=True)
    given = words.parse_args()
    torch.set_num_threads(1)
    lab = Lab(given.llm, given.pairs)
    cases = [case(lab) for case in CASES]
    page = {
        "date": datetime.now(UTC).date().isoformat(),
        "llm": given.llm,
        "hardware": environment.device("cpu"),
        "cases": cases,
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(page, indent=1) + "\n", encoding="utf-8")
