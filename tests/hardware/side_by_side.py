"""
Train and ask some toy models, in this process or in one of several; run by `test_launched.py`.

    python side_by_side.py FOLDER LEARNT MODEL...

The main process writes what was learnt and answered into FOLDER. What is asked is what was just
learnt or, where LEARNT is such a folder, what stands there. With DIES_AT=STEP in the environment
the last process dies in that step of a training; a checkpoint is written after every one.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import golden

from recbench.evaluation import asking
from recbench.evaluation.evaluator import evaluate
from recbench.hardware.launched import launched
from recbench.neural.checkpoint import Checkpoint, learnt, restore
from recbench.neural.loop import TrainingRun
from recbench.neural.randomness import one_thread
from recbench.processes import Processes
from recbench.questions.candidates import draw
from recbench.questions.full_ranking import FullRanking
from recbench.questions.queries import Queries
from recbench.recommender import Runtime
from recbench.registry import load
from recbench.testing.toy import toy_split, toy_training_data

SMALL = {"embedding_dim": 8, "dropout": 0.0, "batch_size": 7, "epochs": 6, "averaged_epochs": 2}

# 9 steps an epoch, of which the last has 4 rows: an odd number for two processes, as all have.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "sasrec": ("sasrec", {**SMALL, "epochs": 3}),
    "sasrec-estimated": ("sasrec", {**SMALL, "epochs": 2, "softmax_items": 10}),
    "esasrec": ("esasrec", {**SMALL, "epochs": 2, "negatives": 5}),
    "bert4rec": ("bert4rec", {**SMALL, "epochs": 2, "masking": 0.4}),
    # 52 steps; dropout is drawn for the rows computed at once, which are the same in any number
    # of processes. Batches are cut into 2, 2 and 2 rows, the last of an epoch into 2 and 1. At a
    # higher rate Adam makes what differs by rounding larger step by step.
    "ilora": (
        "ilora",
        golden.CASES["ilora"]
        | {"examples": 75, "batch_size": 6, "micro_batch_size": 2, "epochs": 4}
        | {"learning_rate": 1e-5, "curve_rows": 0},
    ),
    # A gate that mixes the rows of a batch; the second process has none of the last one.
    "ilora-resnet": (
        "ilora",
        golden.CASES["ilora"]
        | {"examples": 26, "batch_size": 6, "micro_batch_size": 2, "gate": "resnet"}
        | {"learning_rate": 1e-5, "curve_rows": 0},
    ),
}


asking.ROWS_AT_ONCE = 3  # so that there are calls to divide, and one over


def die_at(step: int, processes: Processes) -> None:
    """Kill the last process in a step of a training."""
    own, last = TrainingRun._step, processes.count - 1

    def dying(run: TrainingRun, batch: Any, index: int) -> float:
        if index == step and processes.rank == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return own(run, batch, index)

    TrainingRun._step = dying  # type: ignore[method-assign]
    Checkpoint.due = True  # type: ignore[assignment, method-assign]


def main(folder: Path, reference: Path, names: list[str]) -> None:
    """Do all cases."""
    processes, split = launched(), toy_split()
    if step := os.environ.get("DIES_AT"):
        die_at(int(step), processes)
    data, pack = toy_training_data(split), draw(split, golden.ASKED, "test", 2, 0)
    for name in names:
        own = folder / name
        runtime = Runtime(0, "cpu", own, own / "cache", processes=processes).at(own / "kept")
        model_class, settings = CASES[name]
        kind: Any = load("models", model_class)
        model = kind(kind.settings_class.build(settings))
        asked = [pack] if model.lists_candidates else [pack, FullRanking.of(split, "test")]
        with one_thread(), golden.small_encoder():
            fit = model.fit(data, runtime)
            weights = learnt(model.module)
            scores = model.score(Queries(split.test.histories, pack.candidates[:, 0]), runtime)
            if processes.is_main:
                np.save(own / "scores.npy", scores)
                save_file(weights, own / "learnt.safetensors")
                (own / "fit.json").write_text(json.dumps(fit))
            if reference.is_dir():
                restore(weights, load_file(reference / name / "learnt.safetensors"))
            ranks = [
                evaluate(model, split.test, split.catalogue, one, runtime).outcome.rank
                for one in asked
            ]
        if processes.is_main:
            np.save(own / "ranks.npy", np.concatenate(ranks))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
