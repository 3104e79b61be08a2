"""Ask a model every question of a pack, then judge what it answered."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recbench.data.catalogue import Catalogue
from recbench.errors import PluginError
from recbench.evaluation.answers import Matching, match
from recbench.evaluation.asking import calls_of
from recbench.evaluation.finished_calls import FinishedCalls
from recbench.evaluation.full_ranking import rank_all
from recbench.evaluation.metrics import constant, figures
from recbench.evaluation.outcome import Outcome
from recbench.evaluation.ranks import checked_scores, target_ranks, top_slots
from recbench.progress import progress_bar
from recbench.questions.candidates import Pack
from recbench.questions.full_ranking import FullRanking
from recbench.questions.queries import Queries
from recbench.questions.split import Examples
from recbench.recommender import Answerer, Recommender, Runtime
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
    finished: Path | None = None,
) -> Judgement:
    """
    Evaluate a fitted model on a frozen pack, or on a full ranking.

    The model is given histories and candidates alone, in the calls of `recbench.evaluation.asking`;
    targets are read only afterwards, to judge.

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
    if isinstance(pack, FullRanking):
        outcome = rank_all(model, pack, runtime, finished)
        return Judgement(outcome, None, summary(outcome, runtime.report))
    asked = _ask(model, pack, examples, len(catalogue), runtime, finished)
    outcome = _outcome(model, asked, pack, examples, catalogue, matching)
    texts = asked.texts if outcome.writes else None
    return Judgement(outcome, texts, summary(outcome, runtime.report))


def _outcome(
    model: Recommender,
    asked: FinishedCalls,
    pack: Pack,
    examples: Examples,
    catalogue: Catalogue,
    matching: Matching,
) -> Outcome:
    """Look at what was answered beside the targets."""
    scores, target = asked.columns["scores"], pack.target_position.reshape(-1).astype(np.int32)
    if isinstance(model, Answerer):
        candidates = pack.candidates.reshape(-1, pack.size)  # [rows * draws, C]
        slots = match(asked.texts, candidates, catalogue.titles, matching)
        tokens = _title_lengths(model, len(catalogue))[candidates]
    else:
        slots, tokens = top_slots(scores, target), None
    return Outcome(
        draws=pack.draws,
        users=examples.users,
        rank=target_ranks(scores, target),
        writes=isinstance(model, Answerer),
        scores=scores,
        target_slot=target,
        answer_slot=slots,
        title_tokens=tokens,
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
        for name, values in figures(outcome, report, registered).items()
    }
    return {name: one for name, one in averaged.items() if one is not None}


def _ask(
    model: Recommender,
    pack: Pack,
    examples: Examples,
    items: int,
    runtime: Runtime,
    finished: Path | None,
) -> FinishedCalls:
    """Put every question that has not been answered before; fill scores, and texts if it writes."""
    shape = len(pack) * pack.draws, pack.size
    scores = np.empty(shape, dtype=np.float32)
    with (
        FinishedCalls(finished, scores=scores) as asked,
        progress_bar(runtime.show_progress) as bar,
    ):
        task = bar.add_task("scoring", total=shape[0], completed=int(asked.done.sum()))
        for call in calls_of(pack, examples, items, model.lists_candidates):
            rows = call.rows.ravel()
            if asked.done[rows].all():
                continue
            shape, examples_asked = call.queries.candidates.shape, call.rows[:, 0] // pack.draws
            given = checked_scores(model.score(call.queries, runtime), shape, examples_asked)
            texts = _texts(model, call.queries, runtime) if isinstance(model, Answerer) else None
            asked.add(rows, {"scores": call.cut(given)}, texts)
            bar.advance(task, len(rows))
    return asked


def _texts(model: Answerer, queries: Queries, runtime: Runtime) -> list[str]:
    texts = model.answer(queries, runtime)
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise PluginError("answer must return a list of texts")
    if len(texts) != len(queries):
        raise PluginError(f"the model gave {len(texts)} answers to {len(queries)} rows")
    return list(texts)


def _title_lengths(model: Answerer, items: int) -> NDArray[np.int32]:
    lengths = np.asarray(model.title_lengths())
    if lengths.shape != (items,) or lengths.dtype.kind not in "iu" or (lengths < 1).any():
        raise PluginError(f"title_lengths must return {items} whole numbers of at least 1")
    return lengths
