"""
How a model is asked: in calls that give nothing away.

The target of an example is the one item that all its draws have in common, and later rows of a
user hold the targets of earlier ones in their histories. So a call never holds two draws of one
example nor two rows of one user, and calls go forward in time: round r asks each user's r-th row,
the oldest first. Even a model that remembers every call has met no history that holds a target
still to come. Inside a round rows are shuffled: a file may be sorted by what is asked for.

A model that lists its candidates in a prompt is asked draw by draw. Any other is asked once a row,
over the union of its draws' candidates, which is filled up to one width with other items; each
draw's scores are cut from those. Which item all draws share cannot be told from one union.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbench.errors import PluginError
from recbench.questions.candidates import Pack
from recbench.questions.queries import Queries
from recbench.questions.split import Examples
from recbench.recommender import RankingAnswerer, Runtime, System, ranks, writes
from recbench.seeding import generator

ROWS_AT_ONCE = 256
"""Most rows of a call; a model cuts them into batches of its own."""

WRITTEN_AT_ONCE = 32
"""
Most rows of a call to a model that only writes. What a call has got when it is stopped is asked
again, and is waited for, or paid for, twice.
"""

CELLS_AT_ONCE = 1 << 24
"""Most rows times items of a call, unless one row has more: a bound on memory."""

Rows = NDArray[np.int64]


def ask(model: System, queries: Queries, runtime: Runtime) -> tuple[Any, list[str] | None]:
    """
    Put queries to a model, in the way it answers.

    Returns
    -------
    scores
        As `score` gave them, not yet looked at; None of a model that only writes.
    texts
        One a row; None of a model that only scores.

    Raises
    ------
    PluginError
        If the texts are not one a row.
    """
    if isinstance(model, RankingAnswerer):
        both = model.score_and_answer(queries, runtime)
        if not (isinstance(both, tuple) and len(both) == 2):
            raise PluginError("score_and_answer must return scores and texts")
        return both[0], _one_a_row(both[1], len(queries))
    scores = model.score(queries, runtime) if ranks(model) else None
    texts = _one_a_row(model.answer(queries, runtime), len(queries)) if writes(model) else None
    return scores, texts


def _one_a_row(texts: Any, rows: int) -> list[str]:
    """Check texts; half a character, as JSON may hold, is no text for a file and becomes ``?``."""
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise PluginError("answer must return a list of texts")
    if len(texts) != rows:
        raise PluginError(f"the model gave {len(texts)} answers to {rows} rows")
    return [text.encode("utf-8", "replace").decode("utf-8") for text in texts]


def rounds(users: NDArray[np.int32]) -> list[Rows]:
    """
    Part rows so that no part holds two of one user.

    Parameters
    ----------
    users
        int32 [rows], whose each is; the rows of a user stand oldest first.

    Returns
    -------
    list of ndarray
        Part r holds the r-th row of every user that has so many, as row numbers, ascending.
    """
    by_user = np.argsort(users, kind="stable")
    sorted_users = users[by_user]
    turn = np.empty(len(users), dtype=np.int64)
    turn[by_user] = np.arange(len(users)) - np.searchsorted(sorted_users, sorted_users)
    in_turn = np.argsort(turn, kind="stable")
    return np.split(in_turn, np.cumsum(np.bincount(turn))[:-1]) if len(users) else []


def calls(
    users: NDArray[np.int32], width: int, question: str, most: int | None = None
) -> Iterator[Rows]:
    """
    Cut every round into calls of as many rows as may be asked at once.

    Parameters
    ----------
    users
        As for `rounds`.
    width
        Items that a row is asked about.
    question
        A hash of the question, from which rows are shuffled: asked again, the calls are the same.
    most
        Rows of a call; None for `ROWS_AT_ONCE`.
    """
    random = generator(0, "calls", question)
    size = max(1, min(most or ROWS_AT_ONCE, CELLS_AT_ONCE // max(1, width)))
    for in_order in rounds(users):
        rows = random.permutation(in_order)
        for start in range(0, len(rows), size):
            yield rows[start : start + size]


@dataclass(frozen=True)
class Call:
    """
    One call, and where its scores belong.

    Attributes
    ----------
    queries
        What the model is given.
    rows
        int64 [n, D]: which rows of the table (``example * draws + draw``) it answers; D is all
        draws, or one.
    slots
        int64 [n, D, C]: where among the query's candidates those of each row stand; None where
        they are the query's own, in their order.
    """

    queries: Queries
    rows: Rows
    slots: NDArray[np.int64] | None = None

    def cut(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return float32 [n * D, C]: the scores of each row's own candidates."""
        if self.slots is None:
            return scores
        n = np.arange(len(scores))[:, None, None]
        own: NDArray[np.float32] = scores[n, self.slots]
        return own.reshape(-1, own.shape[-1])


def calls_of(
    pack: Pack,
    examples: Examples,
    items: int,
    listed: bool,
    most: int | None = None,
    named: bool = False,
) -> Iterator[Call]:
    """
    Put every question of a pack, each once.

    Parameters
    ----------
    pack, examples
        What is asked.
    items
        Size of the catalogue.
    listed
        Whether the model has its candidates listed to it: then it is asked draw by draw.
    most
        As for `calls`.
    named
        Whether the model is told who asks.
    """
    if not listed:
        width = _widest(pack)
        for rows in calls(examples.users, width, pack.hash, most):
            shown, slots = union(pack.candidates[rows], items, width)
            queries = Queries(examples.histories[rows], shown).by(who(examples, rows, named))
            yield Call(queries, rows[:, None] * pack.draws + np.arange(pack.draws), slots)
        return
    for rows in calls(examples.users, pack.size, pack.hash, most):
        for draw in range(pack.draws):
            candidates = pack.candidates[rows, draw]
            candidates.flags.writeable = False  # a model that sorts them in place fails
            asked = Queries(examples.histories[rows], candidates)
            queries = asked.by(who(examples, rows, named))
            yield Call(queries, rows[:, None] * pack.draws + draw)


def who(examples: Examples, rows: Rows, named: bool) -> NDArray[np.int32] | None:
    """Return the users of `rows` where a model is told who asks, else None."""
    return examples.users[rows] if named else None


def union(
    candidates: NDArray[np.int32], items: int, width: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """
    Show all draws of a row as one set.

    Parameters
    ----------
    candidates
        int32 [n, D, C], catalogue codes; n at least 1.
    items
        Size of the catalogue.
    width
        Items to show of each row, at most `items`, at least as many as any row's draws hold.

    Returns
    -------
    shown : ndarray
        int32 [n, width], ascending: the draws' items and, up to `width`, the lowest other codes,
        which depend on nothing but that set. Not to be written to.
    slots : ndarray
        int64 [n, D, C], where each candidate stands in its row of `shown`.
    """
    n = len(candidates)
    held = np.sort(candidates.reshape(n, -1), axis=1)  # [n, D * C]
    is_first = np.diff(held, axis=1, prepend=-1) > 0
    missing = width - is_first.sum(axis=1, keepdims=True)
    # The lowest `missing` codes that a row does not hold are below `width`: it holds all others.
    is_other = np.ones((n, width), dtype=bool)
    row, place = np.nonzero(held < width)
    is_other[row, held[row, place]] = False
    is_shown = np.concatenate([is_first, is_other & (is_other.cumsum(axis=1) <= missing)], axis=1)
    codes = np.concatenate([held, np.tile(np.arange(width, dtype=np.int32), (n, 1))], axis=1)
    shown = codes[is_shown].reshape(n, width)
    shown.sort(axis=1)
    shown.flags.writeable = False
    first = np.arange(n)[:, None] * items  # makes the codes of all rows one ascending array
    found = np.searchsorted((shown + first).ravel(), candidates.reshape(n, -1) + first)
    return shown, (found - np.arange(n)[:, None] * width).reshape(candidates.shape)


def _widest(pack: Pack) -> int:
    """Return the most different items that the draws of one row hold."""
    widest = 0
    for start in range(0, len(pack), ROWS_AT_ONCE):
        held = pack.candidates[start : start + ROWS_AT_ONCE].reshape(-1, pack.draws * pack.size)
        different = (np.diff(np.sort(held, axis=1), axis=1) > 0).sum(axis=1) + 1
        widest = max(widest, int(different.max()))
    return widest
