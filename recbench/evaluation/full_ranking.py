"""
Full ranking: the target's rank among all items of the catalogue, save those excluded for its row.

A model is asked to score every item; what is excluded is taken out afterwards, so it neither counts
nor tells the model anything. Only a chunk of rows is ever scored at once, and only ranks are kept.
"""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recbench.data.ragged import lengths
from recbench.errors import UserError
from recbench.evaluation.asker import Asker
from recbench.evaluation.asking import calls, who
from recbench.evaluation.divided import Answers, divided
from recbench.evaluation.finished_calls import FinishedCalls
from recbench.evaluation.outcome import Outcome
from recbench.evaluation.ranks import checked_scores, target_ranks
from recbench.progress import progress_bar
from recbench.questions.excluded import Excluded
from recbench.questions.full_ranking import FullRanking
from recbench.questions.queries import Queries
from recbench.recommender import Recommender, Runtime, System, ranks, reads_candidates


def check_can_rank_all(model: System, name: str) -> None:
    """
    Refuse a model that cannot be asked for a full ranking.

    Raises
    ------
    UserError
        If its candidates must be listed to it; `name` is what the user calls it.
    """
    if reads_candidates(model):
        raise UserError(
            f"{name} reads its candidates in a prompt, which cannot list the whole catalogue; "
            "give --candidates N, for example 20, or as many as the rows bring"
        )


def rank_all(
    model: System,
    ranking: FullRanking,
    runtime: Runtime,
    finished: Path | None = None,
    asker: Asker | None = None,
) -> Outcome:
    """
    Rank every target among all items that are not excluded for its row.

    Parameters
    ----------
    model
        Fitted.
    ranking
        What is asked.
    runtime
        Where it runs.
    finished
        As for `recbench.evaluation.evaluator.evaluate`.
    asker
        Puts the questions; None for one of its own.

    Returns
    -------
    Outcome
        One row an example; neither scores nor slots are kept.

    Raises
    ------
    UserError
        If the model's candidates must be listed to it.
    RecbenchError
        If a score is NaN or infinite, or the scores are not one an item.
    """
    check_can_rank_all(model, type(model).__name__)
    assert ranks(model)  # what does not writes, and was refused
    rank, asker = np.empty(len(ranking), dtype=np.int32), asker or Asker(model, runtime)
    with (
        FinishedCalls(finished, len(rank), runtime.processes, runtime.report, rank=rank) as asked,
        progress_bar(runtime.show_progress) as bar,
    ):
        task = bar.add_task("scoring", total=len(ranking), completed=int(asked.done.sum()))
        every = calls(ranking.examples.users, ranking.size, ranking.hash)
        left = (rows for rows in every if not asked.done[rows].all())
        answer = partial(_ranked, model, ranking, asker)
        for answers in divided(left, answer, runtime.processes):
            asked.add(answers)
            bar.advance(task, len(answers.rows))
        asked.check_whole()
    return Outcome(draws=ranking.draws, users=ranking.examples.users, rank=rank, writes=False)


def _ranked(
    model: Recommender, ranking: FullRanking, asker: Asker, rows: NDArray[np.int64]
) -> Answers:
    """Rank the targets of some rows."""
    asked_all = Queries.of_all(ranking.examples.histories[rows], ranking.size)
    queries = asked_all.by(who(ranking.examples, rows, model.knows_users))
    given = checked_scores(asker.ask(queries)[0], queries.candidates.shape, rows)
    return Answers(rows, {"rank": ranks_among_all(ranking, rows, given)})


def ranks_among_all(
    ranking: FullRanking, rows: NDArray[np.int64], scores: NDArray[np.float32]
) -> NDArray[np.int32]:
    """Rank the targets of `rows` by scores float32 [rows, items], finite; int32 [rows]."""
    targets = ranking.examples.targets[rows]
    return target_ranks(without_excluded(scores, ranking.excluded, rows, targets), targets)


def without_excluded(
    given: NDArray[np.floating],
    excluded: Excluded,
    rows: NDArray[np.int64],
    targets: NDArray[np.int32],
) -> NDArray[np.float32]:
    """Return the scores of `rows` with those of excluded items below all others."""
    scores = np.array(given, dtype=np.float32)
    lists = excluded.lists(rows)
    places = np.arange(len(rows))
    of_targets = scores[places, targets]
    scores[np.repeat(places, lengths(lists)), lists.values] = -np.inf
    scores[places, targets] = of_targets
    return scores
