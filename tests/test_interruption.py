"""A run that is killed, at any write or moment, ends with the bits of one that nobody disturbed."""

import random

import pytest
from killed import killed_at_every_write, killed_at_random, outcome, undisturbed

from recbench.atomic_write import PARTIAL
from recbench.request import Experiment
from recbench.runs.leftovers import leftovers
from recbench.testing.toy_lm import toy_llm

SASREC = {"epochs": 2, "embedding_dim": 8, "batch_size": 512}
ILORA = {
    **{"examples": 12, "batch_size": 6, "micro_batch_size": 6, "candidates": 5},
    **{"targets": "q_proj", "rank": 2, "experts": 2, "precision": "float32"},
}
MOMENTS = 25
"""Of each model."""


@pytest.fixture
def wanted(raw_folder, tmp_path):
    """Return a function that asks for a run in folders of its own, of which nothing is there."""

    def ask(model, place, **changes):
        settings = SASREC
        if model == "ilora":
            settings = {**ILORA, "llm": str(toy_llm(tmp_path / "llm"))}
        return Experiment(
            model=model,
            settings=settings,
            protocol="next-item,candidates=5",
            draws=2,
            data_dir=raw_folder,
            device="cpu",
            results=tmp_path / place / "results",
            cache=tmp_path / place / "cache",
            **changes,
        )

    return ask


def leaves_nothing(wanted):
    for one in leftovers(wanted.results, wanted.cache, days=0):
        one.remove()
    return not list(wanted.results.rglob(f"*{PARTIAL}")) + list(wanted.cache.rglob(f"*{PARTIAL}"))


@pytest.mark.parametrize(("model", "least"), [("sasrec", 16), ("ilora", 16)])
def test_a_run_killed_at_every_write_ends_as_one_that_was_not(wanted, model, least):
    whole, _ = undisturbed(wanted(model, "whole", limit=8), quick=True)
    killed = wanted(model, "killed", limit=8)
    assert killed_at_every_write(killed) >= least
    assert outcome(killed) == whole
    assert leaves_nothing(killed)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["sasrec", "ilora"])
def test_a_run_killed_at_random_moments_ends_as_one_that_was_not(wanted, model):
    whole, seconds = undisturbed(wanted(model, "whole"), quick=False)
    seeds, kills = random.Random(0), 0
    while kills < MOMENTS:
        seed = seeds.getrandbits(32)
        killed = wanted(model, f"killed {seed}")
        new = killed_at_random(killed, seconds, seed)
        kills += new
        seconds /= 1 if new else 2  # the machine has less to do than it had
        print(f"{model}, {seconds:.0f} s undisturbed: killed {kills} times", flush=True)
        assert outcome(killed) == whole
        assert leaves_nothing(killed)
