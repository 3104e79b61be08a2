"""What a process does that is to be killed (`killed`): all that is kept, it keeps at once."""

import os
import signal
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from unittest.mock import patch

import torch

from recbench import experiment
from recbench.evaluation import finished_calls, fresh_process
from recbench.llm import encoders, guided
from recbench.neural.checkpoint import Checkpoint
from recbench.registry import load

ENCODER = {"epochs": 2, "embedding_dim": 8, "batch_size": 512}


def work(wanted, quick, at, renamed):
    """
    Run; at the write of number `at` the process kills itself.

    Where it is to be `quick`, encoders are small and the audit needs no process of its own.
    """
    torch.set_num_threads(1)
    often = [patch.object(finished_calls, "SECONDS", 0.0), patch.object(Checkpoint, "due", True)]
    own = [patch.object(fresh_process, "_run", here), small_encoders()]
    numbers = count(1)
    dying = [
        patch.object(Path, name, dies(getattr(Path, name), numbers, at, renamed))
        for name in ("replace", "rename")
    ]
    with ExitStack() as patched:
        for one in [*often, *dying, *(own if quick else [])]:
            patched.enter_context(one)
        experiment.run(wanted, lambda _: None)


def dies(move, numbers, at, renamed):
    """Return `move`, but that the process ends when it is done that often."""

    def moved(path, target):
        is_last = next(numbers) == at
        if is_last and not renamed:
            os.kill(os.getpid(), signal.SIGKILL)
        done = move(path, target)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    return moved


def here(folder, name):
    """Answer the audit's questions in this process."""
    fresh_process.answer(folder)
    texts = fresh_process.json.loads((folder / fresh_process.TEXTS).read_text())
    return fresh_process.np.load(folder / fresh_process.SCORES), texts


@contextmanager
def small_encoders():
    """Have encoders that guide language models learn in no time, in this process."""

    def small(name):
        model = load("models", name)
        return model(model.settings_class.build(ENCODER))

    with (
        patch.object(encoders, "build_encoder", small),
        patch.object(guided, "build_encoder", small),
    ):
        yield
