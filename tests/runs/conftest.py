"""Runs as they would stand on disk, without a model."""

import numpy as np
import pytest

from recbench.evaluation.answers import NO_CANDIDATE
from recbench.evaluation.evaluator import Judgement, summary
from recbench.evaluation.outcome import Outcome
from recbench.questions.cold_start import ColdStart
from recbench.recommender import Runtime
from recbench.runs import environment, store
from recbench.runs.record import USUAL, Digests, RunRecord, Times, row_digest, run_id


def judgement(hits, draws=2, writes=False, candidates=4, users=None):
    """Judge rows that are right where `hits` is true; a writer's second row is invalid."""
    hit = np.array(hits, dtype=bool)
    slot = np.where(hit, 0, 1).astype(np.int16)
    if writes:
        slot[1] = NO_CANDIDATE
    outcome = Outcome(
        draws=draws,
        users=np.arange(len(hit) // draws, dtype=np.int32)
        if users is None
        else np.array(users, dtype=np.int32),
        scores=np.arange(len(hit) * candidates, dtype=np.float32).reshape(-1, candidates),
        rank=np.where(hit, 1, 2).astype(np.int16),
        answer_slot=slot,
        valid=slot >= 0,
        hit=slot == 0,
        writes=writes,
        rank_per_token=np.where(hit, 1, 2).astype(np.int16) if writes else None,
    )
    runtime = Runtime(seed=0, device="cpu", checkpoints=None, cache=None)
    answers = [f"Title {i}" for i in range(len(hit))] if writes else None
    return Judgement(outcome, answers, summary(outcome, runtime))


def full_ranking(ranks):
    """Judge a ranking of all items, an example a rank."""
    rank = np.array(ranks, dtype=np.int32)
    outcome = Outcome(
        draws=1,
        users=np.arange(len(rank), dtype=np.int32),
        scores=None,
        rank=rank,
        answer_slot=rank,
        valid=np.ones(len(rank), dtype=bool),
        hit=rank == 1,
        writes=False,
    )
    runtime = Runtime(seed=0, device="cpu", checkpoints=None, cache=None)
    return Judgement(outcome, None, summary(outcome, runtime))


def record(
    judged,
    model="gru4rec",
    seed=0,
    pack="pack",
    dataset_digest="data",
    split="split",
    **changes,
):
    """Describe a judgement; `changes` are fields of the record."""
    fields = {
        "settings": {"epochs": 3},
        "protocol": "paper",
        "matching": "exact",
        "dataset": "movielens",
        "caption": "",
        "preset": None,
        "training": USUAL,
    } | changes
    digests = Digests(dataset=dataset_digest, catalogue="items", split=split, pack=pack)
    row = row_digest(
        model,
        fields["settings"],
        {},
        digests,
        fields["protocol"],
        fields["matching"],
        fields["training"],
    )
    return RunRecord(
        run_id=run_id(row, seed),
        row=row,
        model=model,
        seed=seed,
        digests=digests,
        pack_seed=0,
        draws=judged.outcome.draws,
        candidates=99 if judged.outcome.scores is None else judged.outcome.scores.shape[1],
        full_ranking=judged.outcome.scores is None,
        examples=len(judged.outcome) // judged.outcome.draws,
        writes=judged.outcome.writes,
        parameters_trained=7,
        fit={"epochs": 3},
        metrics=judged.metrics,
        device=environment.device("cpu"),
        times=Times(prepare=1, fit=2, score=3, total=6),
        peak_memory=environment.peak_memory("cpu"),
        versions=environment.versions(),
        finished="2026-01-01T00:00:00+00:00",
        **fields,
    )


def counted(judged, target_count=None):
    """Counts of each example, by default all different."""
    examples = len(judged.outcome) // judged.outcome.draws
    places = np.arange(examples, dtype=np.int32)
    own = places if target_count is None else np.array(target_count, dtype=np.int32)
    return ColdStart(own, places + 100, places * 0 + 10)


@pytest.fixture
def made(tmp_path):
    """Return a function that writes a finished run below ``tmp_path/results``."""

    def make(
        hits=(1, 0, 0, 1),
        model="gru4rec",
        writes=False,
        draws=2,
        target_count=None,
        users=None,
        ranks=None,
        **changes,
    ):
        if ranks is None:
            judged = judgement(hits, draws=draws, writes=writes, users=users)
        else:
            judged = full_ranking(ranks)
        described = record(judged, model=model, **changes)
        folder = store.run_folder(tmp_path / "results", described)
        return store.finish(folder, described, judged, counted(judged, target_count))

    return make


@pytest.fixture
def judge():
    """Return `judgement`, for tests that write piece by piece."""
    return judgement


@pytest.fixture
def count():
    """Return `counted`."""
    return counted


@pytest.fixture
def describe():
    """Return `record`."""
    return record
