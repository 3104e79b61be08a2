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
import statistics
import time
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from recbench_baselines.ilora import ILoRA, ILoRASettings
from recbench_baselines.llara import LLaRA
from torch import Tensor, nn

from recbench.data.prepare import prepare
from recbench.llm.batching import autocast, computes_bfloat16
from recbench.llm.finetuning import TrainingQuestions
from recbench.llm.guided import GuidedLanguageModel
from recbench.llm.hybrid import Guide
from recbench.llm.objectives import NextTitle
from recbench.llm.probe import randomised
from recbench.neural.plan import Step
from recbench.neural.randomness import seeded
from recbench.questions.make_split import make_split
from recbench.questions.protocols import protocol
from recbench.recommender import Runtime, TrainingData
from recbench.runs import environment
from recbench.runs.places import cache_folder

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
