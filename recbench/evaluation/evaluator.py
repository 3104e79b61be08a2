"""Ask a model every question of a pack, then judge what it answered."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbench.data.catalogue import Catalogue
from recbench.errors import PluginError
from recbench.evaluation.answers import Matching, match
from recbench.evaluation.asker import Asker
from recbench.evaluation.asking import ROWS_AT_ONCE, WRITTEN_AT_ONCE, Call, calls_of, who
from recbench.evaluation.divided import Answers, divided
from recbench.evaluation.finished_calls import FinishedCalls
from recbench.evaluation.full_ranking import rank_all
from recbench.evaluation.metrics import constant, each_figure
from recbench.evaluation.outcome import Outcome, are_weights
from recbench.evaluation.ranks import checked_scores, target_ranks, top_slots
from recbench.progress import progress_bar
from recbench.questions.candidates import Pack
from recbench.questions.full_ranking import FullRanking
from recbench.questions.queries import Queries
from recbench.questions.split import Examples
from recbench.recommender import (
    Runtime,
    System,
    WeighsExperts,
    ranks,
    reads_candidates,
    writes,
)
from recbench.statistics.intervals import Figure, figure


@dataclass(frozen=True)
class Judgement:
    """
    What came out of an evaluation.

    Attributes
    ----------
    outcome
        The per-row table.
    answers
        [rows], as written, or None of a model that only scores.
    metrics
        Figure name to mean and interval; a figure without any defined row is left out.
    halved
        How often memory did not suffice, so that half as many rows were asked at once.
    """

    outcome: Outcome
    answers: list[str] | None
    metrics: dict[str, Figure]
    halved: int = 0


def evaluate(
    model: System,
    examples: Examples,
    catalogue: Catalogue,
    pack: Pack | FullRanking,
    runtime: Runtime,
    matching: Matching = "exact",
    finished: Path | None = None,
) -> Judgement:
    """
    Evaluate a fitted model on a frozen pack, or on a full ranking.

    The model is given histories and candidates alone, in the calls of `recbench.evaluation.asking`;
    targets are read only afterwards, to judge.

    Parameters
    ----------
    model
        Fitted. One that ranks is scored, one that writes is read.
    examples
        The rows that the pack was drawn for.
    catalogue
        Names the candidates.
    pack
        Candidates of every example and draw.
    runtime
        Where it runs; its `report` hears of broken metrics.
    matching
        How a written answer names a candidate, see `answers`.
    finished
        Folder of the calls that this model has answered to these questions before: they are not
        put again. None keeps none.

    Returns
    -------
    Judgement
        Rows by example and then by draw.

    Raises
    ------
    RecbenchError
        If a score is NaN or infinite, or scores or answers are not one a row.
    UserError
        If all items are to be ranked by a model that must have its candidates listed.
    """
    asker = Asker(model, runtime)
    if isinstance(pack, FullRanking):
        outcome = rank_all(model, pack, runtime, finished, asker)
        outcome = replace(outcome, expert_weights=_expert_weights(model, examples))
        return Judgement(outcome, None, summary(outcome, runtime.report), asker.halved)
    asked = _ask(model, pack, examples, len(catalogue), runtime, finished, asker)
    scores = asked.columns["scores"] if ranks(model) else None
    texts = asked.texts if writes(model) else None
    outcome = looked_at(pack, examples, catalogue, scores, texts, matching)
    if ranks(model) and writes(model):
        tokens = _title_lengths(model, len(catalogue))[pack.candidates.reshape(-1, pack.size)]
        outcome = replace(outcome, title_tokens=tokens)
    outcome = replace(outcome, expert_weights=_expert_weights(model, examples))
    return Judgement(outcome, texts, summary(outcome, runtime.report), asker.halved)


def looked_at(
    pack: Pack,
    examples: Examples,
    catalogue: Catalogue,
    scores: NDArray[np.float32] | None,
    texts: list[str] | None,
    matching: Matching = "exact",
) -> Outcome:
    """
    Look at what was answered beside the targets.

    Parameters
    ----------
    pack, examples, catalogue, matching
        As for `evaluate`.
    scores
        float32 [rows * draws, C], finite, in the pack's order; None of what only writes.
    texts
        [rows * draws]; None of what only scores.
    """
    candidates = pack.candidates.reshape(-1, pack.size)  # [rows * draws, C]
    target, found = pack.target_position.reshape(-1).astype(np.int32), dict[str, Any]()
    if scores is not None:
        found = {"scores": scores, "rank": target_ranks(scores, target)}
        found["answer_slot"] = top_slots(scores, target)
    if texts is not None:
        found["answer_slot"] = match(texts, candidates, catalogue.titles, matching)
    return Outcome(
        draws=pack.draws,
        users=examples.users,
        writes=texts is not None,
        target_slot=target,
        **found,
    )


def summary(
    outcome: Outcome, report: Callable[[str], None], registered: Collection[str] | None = None
) -> dict[str, Figure]:
    """
    Average every figure over the rows of `outcome`; see `recbench.evaluation.metrics.figures`.

    One that is defined on no row is left out.
    """
    averaged = {
        name: figure(values, outcome.draws, outcome.users, constant(name, outcome))
        for name, values in each_figure(outcome, report, registered)
    }
    return {name: one for name, one in averaged.items() if one is not None}


def _ask(
    model: System,
    pack: Pack,
    examples: Examples,
    items: int,
    runtime: Runtime,
    finished: Path | None,
    asker: Asker,
) -> FinishedCalls:
    """Put every question that has not been answered before; fill scores if it ranks, and texts."""
    total, most = len(pack) * pack.draws, None if ranks(model) else WRITTEN_AT_ONCE
    kept = {"scores": np.empty((total, pack.size), np.float32)} if ranks(model) else {}
    with (
        FinishedCalls(finished, total, runtime.processes, runtime.report, **kept) as asked,
        progress_bar(runtime.show_progress) as bar,
    ):
        if writes(model) and not asked.done.all():
            model.announce(int((~asked.done).sum()), pack.size, runtime)
        task = bar.add_task("scoring", total=total, completed=int(asked.done.sum()))
        listed, named = reads_candidates(model), model.knows_users
        every = calls_of(pack, examples, items, listed, most, named)
        left = (call for call in every if not asked.done[call.rows.ravel()].all())
        answer = partial(_answered, model, pack.draws, asker)
        for answers in divided(left, answer, runtime.processes):
            asked.add(answers)
            bar.advance(task, len(answers.rows))
        asked.check_whole()
    return asked


def _answered(model: System, draws: int, asker: Asker, call: Call) -> Answers:
    """Put one call to the model."""
    given, texts = asker.ask(call.queries)
    found = {}
    if ranks(model):
        numbers = call.rows[:, 0] // draws
        scores = checked_scores(given, call.queries.candidates.shape, numbers)
        found["scores"] = call.cut(scores)
    return Answers(call.rows.ravel(), found, texts)


def _expert_weights(model: System, examples: Examples) -> NDArray[np.float32] | None:
    """Return the weights of the model's experts [examples, K], where users have some."""
    if not isinstance(model, WeighsExperts) or not model.weighs_users:
        return None
    found = []
    for start in range(0, len(examples), ROWS_AT_ONCE):
        rows = np.arange(start, min(start + ROWS_AT_ONCE, len(examples)))
        nothing = np.empty((len(rows), 0), dtype=np.int32)
        asked = Queries(examples.histories[rows], nothing)
        found.append(model.expert_weights(asked.by(who(examples, rows, model.knows_users))))
    weights = np.concatenate(found) if found else None
    if weights is not None and (weights.ndim != 2 or not are_weights(weights)):
        raise PluginError("expert_weights must be [rows, K], at least 0, and add up to 1")
    return weights


def _title_lengths(model: Any, items: int) -> NDArray[np.int32]:
    lengths = np.asarray(model.title_lengths())
    if lengths.shape != (items,) or lengths.dtype.kind not in "iu" or (lengths < 1).any():
        raise PluginError(f"title_lengths must return {items} whole numbers of at least 1")
    return lengths
