"""Ask a model every question of a pack, then judge what it answered."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recbench.data.catalogue import Catalogue
from recbench.evaluation.answers import Matching, match
from recbench.evaluation.full_ranking import FullRanking, rank_all
from recbench.evaluation.intervals import Figure, figure
from recbench.evaluation.metrics import figures
from recbench.evaluation.outcome import Outcome
from recbench.evaluation.ranks import check_scores, target_ranks, top_slots
from recbench.progress import progress_bar
from recbench.questions.candidates import Pack
from recbench.questions.queries import Queries
from recbench.questions.split import Examples
from recbench.recommender import Answerer, Recommender, Runtime

CHUNK = 256
"""Rows between two steps of the progress bar; a model cuts them into batches of its own."""


@dataclass(frozen=True)
class Judgement:
    """
    What came out of an evaluation.

    Attributes
    ----------
    outcome
        The per-row table.
    answers
        [rows], as written, or None for a model that only scores.
    metrics
        Figure name to mean and interval; a figure without any defined row is left out.
    """

    outcome: Outcome
    answers: list[str] | None
    metrics: dict[str, Figure]


def evaluate(
    model: Recommender,
    examples: Examples,
    catalogue: Catalogue,
    pack: Pack | FullRanking,
    runtime: Runtime,
    matching: Matching = "exact",
) -> Judgement:
    """
    Evaluate a fitted model on a frozen pack, or on a full ranking.

    The model is given histories and candidates alone; targets are read only afterwards, to judge.

    Parameters
    ----------
    model
        Fitted; one that writes (`Answerer`) is both scored and read.
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
    if isinstance(pack, FullRanking):
        outcome = rank_all(model, pack, runtime)
        return Judgement(outcome, None, summary(outcome, runtime))
    queries = pack.queries(examples)
    scores, answers = _ask(model, queries, runtime)
    target = pack.target_position.reshape(-1)  # [rows * draws]
    if isinstance(model, Answerer):
        slots = match(answers, queries.candidates, catalogue.titles, matching)
        per_token = scores / model.title_lengths()[queries.candidates]
        rank_per_token = target_ranks(per_token, target)
    else:
        slots, rank_per_token = top_slots(scores, target), None
    outcome = Outcome(
        draws=pack.draws,
        users=examples.users,
        scores=scores,
        rank=target_ranks(scores, target),
        answer_slot=slots,
        valid=slots >= 0,
        hit=slots == target,
        writes=isinstance(model, Answerer),
        rank_per_token=rank_per_token,
    )
    return Judgement(outcome, answers if outcome.writes else None, summary(outcome, runtime))


def summary(outcome: Outcome, runtime: Runtime) -> dict[str, Figure]:
    """Average every registered figure over the rows of `outcome`."""
    averaged = {
        name: figure(values, outcome.draws, outcome.users)
        for name, values in figures(outcome, runtime.report).items()
    }
    return {name: one for name, one in averaged.items() if one is not None}


def _ask(
    model: Recommender, queries: Queries, runtime: Runtime
) -> tuple[NDArray[np.float32], list[str]]:
    """Return scores float32 [rows, C], and one answer a row (none for a model that only scores)."""
    scores = np.empty(queries.candidates.shape, dtype=np.float32)
    answers: list[str] = []
    with progress_bar(runtime.show_progress) as bar:
        task = bar.add_task("scoring", total=len(queries))
        for start in range(0, len(queries), CHUNK):
            chunk = queries[start : start + CHUNK]
            given = np.asarray(model.score(chunk, runtime))
            check_scores(given, chunk.candidates.shape, first_row=start)
            scores[start : start + CHUNK] = given
            if isinstance(model, Answerer):
                answers += model.answer(chunk, runtime)
            bar.advance(task, len(chunk))
    return scores, answers
