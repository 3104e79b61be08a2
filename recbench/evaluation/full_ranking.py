"""
Full ranking: the target's rank among all items of the catalogue, save those excluded for its row.

Nothing is drawn, so there is one draw and no pack seed. A model is asked to score every item; what
is excluded is taken out afterwards, so it neither counts nor tells the model anything. Only a chunk
of rows is ever scored at once, and only ranks are kept.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from recbench.data.dataset import array_digest
from recbench.data.ragged import chosen, lengths
from recbench.errors import UserError
from recbench.evaluation.outcome import Outcome
from recbench.evaluation.ranks import check_scores, target_ranks, top_slots
from recbench.progress import progress_bar
from recbench.questions.queries import Queries
from recbench.questions.split import Examples, Excluded, Part, Split
from recbench.recommender import Answerer, Recommender, Runtime

SCORES_AT_ONCE = 1 << 24
"""Most scores in memory at a time, unless one row has more; no result depends on it."""


@dataclass(frozen=True)
class FullRanking:
    """
    The frozen question of a full ranking: what a candidate pack is where negatives are drawn.

    Attributes
    ----------
    examples
        Whose targets are ranked.
    excluded
        For each row what is not ranked; the target is, wherever it stands.
    size
        Items of the catalogue.
    hash
        SHA-256 over the catalogue's digest, the targets and what is excluded.
    """

    examples: Examples
    excluded: Excluded
    size: int
    hash: str
    draws: ClassVar[int] = 1

    @classmethod
    def of(cls, split: Split, part: Part) -> "FullRanking":
        """Ask for all items on every row of one part of a split."""
        examples, excluded = split.examples(part), split.excluded(part)
        lists = excluded.lists
        arrays = examples.targets, lists.values, lists.offsets, excluded.rows
        hashed = array_digest("full ranking", split.catalogue.digest, *arrays)
        return cls(examples, excluded, len(split.catalogue), hashed)

    def __len__(self) -> int:
        return len(self.examples)


def check_can_rank_all(model: Recommender, name: str) -> None:
    """
    Refuse a model that cannot be asked for a full ranking.

    Raises
    ------
    UserError
        If its candidates must be listed to it; `name` is what the user calls it.
    """
    if model.lists_candidates or isinstance(model, Answerer):
        raise UserError(
            f"{name} reads its candidates in a prompt, which cannot list the whole catalogue; "
            "give --candidates N, for example 20"
        )


def rank_all(model: Recommender, ranking: FullRanking, runtime: Runtime) -> Outcome:
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

    Returns
    -------
    Outcome
        One row an example; its slots are catalogue codes, scores are not kept.

    Raises
    ------
    UserError
        If the model's candidates must be listed to it.
    RecbenchError
        If a score is NaN or infinite, or the scores are not one an item.
    """
    check_can_rank_all(model, type(model).__name__)
    targets = ranking.examples.targets
    ranks, tops = np.empty((2, len(ranking)), dtype=np.int32)
    size = max(1, SCORES_AT_ONCE // ranking.size)
    with progress_bar(runtime.show_progress) as bar:
        task = bar.add_task("scoring", total=len(ranking))
        for start in range(0, len(ranking), size):
            rows = np.arange(start, min(start + size, len(ranking)))
            queries = Queries.of_all(ranking.examples.histories[rows], ranking.size)
            given = np.asarray(model.score(queries, runtime))
            check_scores(given, queries.candidates.shape, first_row=start)
            scores = _without(given, ranking.excluded, rows, targets[rows])
            ranks[rows] = target_ranks(scores, targets[rows])
            tops[rows] = top_slots(scores, targets[rows])
            bar.advance(task, len(rows))
    return Outcome(
        draws=ranking.draws,
        users=ranking.examples.users,
        scores=None,
        rank=ranks,
        answer_slot=tops,
        valid=np.ones(len(ranking), dtype=bool),
        hit=tops == targets,
        writes=False,
    )


def _without(
    given: NDArray[np.floating],
    excluded: Excluded,
    rows: NDArray[np.int64],
    targets: NDArray[np.int32],
) -> NDArray[np.float32]:
    """Return the scores of `rows` with those of excluded items below all others."""
    scores = np.array(given, dtype=np.float32)
    lists = chosen(excluded.lists, excluded.rows[rows])
    places = np.arange(len(rows))
    of_targets = scores[places, targets]
    scores[np.repeat(places, lengths(lists)), lists.values] = -np.inf
    scores[places, targets] = of_targets
    return scores
