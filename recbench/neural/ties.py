"""What a model reads alike has one score: rounding must not break a tie."""

from collections.abc import Callable, Hashable, Iterable

import numpy as np
from numpy.typing import NDArray

from recbench.questions.queries import Queries


def scored_once(
    scores: NDArray[np.float32], queries: Queries, read_as: Callable[[int], Hashable]
) -> NDArray[np.float32]:
    """
    Give candidates that are read alike the score of the first of them in their row.

    Parameters
    ----------
    scores
        float32 [rows, C]; those of all other candidates stay as they are.
    queries
        Whose candidates they are of.
    read_as
        What an item is read as: a title, or its tokens.
    """
    if (shared := queries.shared) is not None:
        first = _first_alike(map(read_as, shared.tolist()))
        return scores if first == [*range(len(first))] else scores[:, first]
    rows = zip(scores, queries.candidates.tolist(), strict=True)
    ties = [own[_first_alike(map(read_as, items))] for own, items in rows]
    return np.array(ties, dtype=np.float32).reshape(scores.shape)


def _first_alike(read: Iterable[Hashable]) -> list[int]:
    """Return for each place the first one where the same is read."""
    first: dict[Hashable, int] = {}
    return [first.setdefault(one, place) for place, one in enumerate(read)]
