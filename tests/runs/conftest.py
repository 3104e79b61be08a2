"""Runs as they would stand on disk, without a model."""

from dataclasses import replace

import numpy as np
import pytest

from recbench.evaluation.answers import NO_CANDIDATE
from recbench.evaluation.audit import Audit
from recbench.evaluation.evaluator import Judgement, summary
from recbench.evaluation.outcome import Outcome
from recbench.questions.cold_start import ColdStart
from recbench.runs import environment, store
from recbench.runs.identity import row_digest, run_id, training_digest
from recbench.runs.record import FIGURE_VERSION, RunRecord, Trained
from recbench.runs.record_parts import USUAL, Device, Digests, Memory, Provenance, Times

AUDIT = Audit(seed=0, rows=32, largest_difference=0.0, better_placed=0, worse_placed=0)
FINISHED = "2026-01-01T00:00:00+00:00"
MEMORY = Memory(host=1 << 30, device=None)


def whose(users, examples):
    return np.arange(examples) if users is None else np.array(users)


def judgement(
    hits=(), draws=2, writes=False, candidates=4, users=None, seed=0, ranks=None, only=False
):
    """
    Judge rows that rank first where `hits` is true and second elsewhere, or as `ranks` say.

    Slot 0 scores highest and is answered with; a writer's second row is invalid. Seeds differ in
    their scores and in nothing that a figure is made from. One that `only` writes has no rank.
    """
    rank = np.where(np.array(hits, dtype=bool), 1, 2) if ranks is None else np.array(ranks)
    answer = np.zeros(len(rank), dtype=np.int32)
    if writes:
        answer[1:2] = NO_CANDIDATE
    scores = np.tile(-np.arange(candidates, dtype=np.float32), (len(rank), 1)) - seed
    outcome = Outcome(
        draws=draws,
        users=whose(users, len(rank) // draws).astype(np.int32),
        rank=rank.astype(np.int32),
        writes=writes,
        scores=scores,
        target_slot=(rank - 1).astype(np.int32),
        answer_slot=answer,
        title_tokens=np.full(scores.shape, 2, dtype=np.int32) if writes else None,
    )
    if only:
        outcome = replace(outcome, rank=None, scores=None, title_tokens=None)
    answers = [f"Title {i}" for i in range(len(rank))] if writes else None
    return Judgement(outcome, answers, summary(outcome, lambda _: None))


def full_ranking(ranks, users=None):
    """Judge a ranking of all items, an example a rank."""
    rank, users = np.array(ranks, dtype=np.int32), whose(users, len(ranks)).astype(np.int32)
    outcome = Outcome(draws=1, users=users, rank=rank, writes=False)
    return Judgement(outcome, None, summary(outcome, lambda _: None))


def provenance(
    device="cpu",
    precision="float32",
    figure_version=FIGURE_VERSION,
    plugin="recbench 0.1.0",
    commit="0" * 40,
):
    return Provenance(
        figure_version=figure_version,
        plugin=plugin,
        commit=commit,
        device=Device(name=device, hardware=f"a {device}", system="Linux x86_64", threads=1),
        precision=precision,
        versions=environment.versions(),
    )


def trained(record, made, parts=None, weights=None):
    """Describe the training of a record's fields; another row or seed has other weights."""
    learnt = training_digest(
        **{name: record[name] for name in ("model", "settings", "ingredients", "training")},
        data="data",
        plugin=made.plugin,
        figure_version=made.figure_version,
    )
    named = run_id(learnt, record["seed"])
    return Trained(
        training_id=named,
        runtime_settings={},
        seed=record["seed"],
        data="data",
        parameters_trained=7,
        fit={"epochs": 3},
        seconds=2.0,
        peak_memory=MEMORY,
        weights=weights or f"weights of {named}",
        parts=parts or {},
        provenance=made,
        finished=FINISHED,
    )


def record(
    judged,
    model="gru4rec",
    pack="pack",
    dataset_digest="data",
    split="split",
    parts=None,
    weights=None,
    trained_by=None,
    asked_by=None,
    **changes,
):
    """
    Describe a judgement.

    `parts` and `weights` are those of the training; `trained_by` and `asked_by` are arguments of
    `provenance`, the second as the first where it is not given; `changes` are fields of the record.
    """
    outcome = judged.outcome
    digests = Digests(dataset=dataset_digest, catalogue="items", split=split, pack=pack)
    fields = {
        "model": model,
        "preset": None,
        "settings": {"epochs": 3},
        "ingredients": {},
        "seed": 0,
        "random_training": True,
        "dataset": "movielens",
        "protocol": "paper",
        "pack_seed": 0,
        "training": USUAL,
        "matching": "exact",
        "caption": "",
        "audit": AUDIT,
        "candidates": 4 if outcome.scores is None else outcome.scores.shape[1],
    } | changes
    named = ("settings", "ingredients", "protocol", "matching", "training")
    asked = {name: fields[name] for name in named} | {"control": fields.get("control")}
    row = row_digest(model=model, digests=digests, **asked)
    made = provenance(**(trained_by or {}))
    return RunRecord(
        run_id=run_id(row, fields["seed"]),
        row=row,
        digests=digests,
        draws=outcome.draws,
        full_ranking=outcome.target_slot is None,
        examples=len(outcome) // outcome.draws,
        writes=outcome.writes,
        ranks=outcome.rank is not None,
        trained=trained(fields, made, parts, weights),
        metrics=judged.metrics,
        examples_sha256="",
        provenance=made if asked_by is None else provenance(**asked_by),
        times=Times(prepare=1, fit=2, score=3, audit=0),
        peak_memory=MEMORY,
        finished=FINISHED,
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
    """
    Return a function that writes a finished run below ``tmp_path/results``.

    `hits` or `ranks` with `draws`, `writes`, `only` and `users` go to `judgement`; with
    ``full=True`` the `ranks` are those of a full ranking of `items`; `experts` are their weights,
    a list an example; the rest goes to `record`.
    """

    def make(
        hits=(1, 0, 0, 1),
        writes=False,
        draws=2,
        candidates=4,
        users=None,
        ranks=None,
        only=False,
        full=False,
        items=99,
        target_count=None,
        experts=None,
        results=tmp_path / "results",
        **changes,
    ):
        if full:
            judged = full_ranking(ranks, users)
            changes["candidates"] = items
        else:
            shape = draws, writes, candidates, users, changes.get("seed", 0)
            judged = judgement(hits, *shape, ranks, only)
        if experts is not None:
            weighed = replace(judged.outcome, expert_weights=np.array(experts, dtype=np.float32))
            judged = replace(judged, outcome=weighed)
        described = record(judged, **changes)
        folder = store.run_folder(results, described)
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
