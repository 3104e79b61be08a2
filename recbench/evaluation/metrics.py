"""
Metrics: one value a row first, means and intervals from those.

A metric is a class with one method, so it comes in through the door that any package can use:

1. write ``class MyMetric(Metric)`` and its `values`;
2. in your package's ``pyproject.toml``, under ``[project.entry-points."recbench.metrics"]``,
   write ``MyMetric = "my_package.my_module:MyMetric"``;
3. ``pip install`` your package: its figures are in every record made from then on.

Names. A model that only scores has one answer, and its figures have the plain names. Of a model
that writes, ``ValidRatio`` and ``HitRatio@1`` judge the written answer, and what is ranked by the
likelihood of the candidates' titles says so (``HitRatio@3|likelihood``). A model that only writes
has no rank (`Outcome.rank` is None), and no figure that needs one. What a system cannot give is
left out and shown as a dash.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbench.errors import PluginError, RecbenchError, UserError
from recbench.evaluation.answers import SHARED_TITLE
from recbench.evaluation.outcome import Outcome
from recbench.registry import Clash, Registered, blamed, is_own, listed, loaded

Values = NDArray[np.float64]

CUTOFFS = (1, 3, 5, 10)
"""K of the figures that every record holds; those that say nothing are not shown (`tells`)."""

OWN_NAMES = ("ValidRatio", "SharedTitleRatio", "HitRatio@", "NDCG@", "MRR")
"""
How the names of recbench's own figures begin. Nobody would doubt one of such a name, so none of
another package may have it.
"""

_OWN_BEGIN = tuple(name.rstrip("@").casefold() for name in OWN_NAMES)


def named_as_own(figure: str) -> bool:
    """Tell whether a figure is named as recbench's own are, or nearly so."""
    return figure.casefold().startswith(_OWN_BEGIN)


COLUMNS = frozenset(
    {"dataset", "protocol", "protocol_version", "dataset_digest", "pack", "draws", "model", "seeds"}
    | {"random_training", "audited", "n", "figure", "baseline", "mixed", "notes", "published"}
    | {"published in", "each_user_once", "to_best", "may_be_best", "to_baseline"}
)
"""Of a leaderboard as CSV, beside the figures: whoever reads it goes by their names."""


class Metric(ABC):
    """One metric, or a family of them."""

    @abstractmethod
    def values(self, outcome: Outcome) -> dict[str, Values]:
        """
        Return the figures this metric has for this system.

        Returns
        -------
        dict
            Figure name to float64 [rows], each in [0, 1], NaN where the figure is not defined for a
            row. A figure that the system cannot give is left out.
        """


class ValidRatio(Metric):
    """
    Share of rows whose answer is exactly one of the candidates.

    A model that only scores always answers with a candidate: 1, as the published tables print it.
    """

    def values(self, outcome: Outcome) -> dict[str, Values]:
        """Return ``ValidRatio``."""
        return {"ValidRatio": outcome.valid.astype(np.float64)}


class SharedTitleRatio(Metric):
    """Share of rows whose written title two or more candidates share; such a row is invalid."""

    def values(self, outcome: Outcome) -> dict[str, Values]:
        """Return ``SharedTitleRatio`` for models that write."""
        if not outcome.writes or outcome.answer_slot is None:
            return {}
        return {"SharedTitleRatio": (outcome.answer_slot == SHARED_TITLE).astype(np.float64)}


class HitRatio(Metric):
    """
    Share of rows whose target is among the first K; an invalid answer is a miss.

    ``HitRatio@1|valid`` counts valid rows alone, as released codes do: NaN on invalid ones.
    K of at least the number of candidates gives 1 on every row.
    """

    def values(self, outcome: Outcome) -> dict[str, Values]:
        """Return ``HitRatio@K``, ``HitRatio@1|valid`` and what is ranked by likelihood."""
        answered = outcome.hit.astype(np.float64)
        figures = {
            "HitRatio@1": answered,
            "HitRatio@1|valid": np.where(outcome.valid, answered, np.nan),
            **_ranked("HitRatio", outcome, hit_at, CUTOFFS),
        }
        if outcome.rank_per_token is not None:
            figures["HitRatio@1|likelihood-per-token"] = hit_at(outcome.rank_per_token, 1)
        return figures


class NDCG(Metric):
    """Normalised discounted cumulative gain (Järvelin and Kekäläinen, TOIS 2002), of one target."""

    def values(self, outcome: Outcome) -> dict[str, Values]:
        """Return ``NDCG@K``, or ``NDCG@K|likelihood`` for models that write and rank."""
        return _ranked("NDCG", outcome, ndcg_at, CUTOFFS)


class MRR(Metric):
    """Reciprocal of the target's rank among all candidates (Voorhees, TREC-8 1999)."""

    def values(self, outcome: Outcome) -> dict[str, Values]:
        """Return ``MRR``, or ``MRR|likelihood`` for models that write and rank."""
        return {} if outcome.rank is None else {f"MRR{_by(outcome)}": reciprocal(outcome.rank)}


def hit_at(rank: NDArray[np.int32], k: int) -> Values:
    """Return float64 [rows]: 1 where the rank (from 1) is at most k, else 0."""
    return (rank <= k).astype(np.float64)


def ndcg_at(rank: NDArray[np.int32], k: int) -> Values:
    """Return float64 [rows]: 1 / log2(1 + rank) where the rank is at most k, else 0; ideally 1."""
    return np.where(rank <= k, 1.0 / np.log2(1.0 + rank.astype(np.float64)), 0.0)


def reciprocal(rank: NDArray[np.int32]) -> Values:
    """Return float64 [rows]: 1 / rank."""
    return 1.0 / rank.astype(np.float64)


_FAMILIES = {"HitRatio": hit_at, "NDCG": ndcg_at}
"""Figures of the first K candidates, of any K."""

_OWN = re.compile(
    r"ValidRatio|SharedTitleRatio|(MRR|(HitRatio|NDCG)@[0-9]+)(\|likelihood)?"
    r"|HitRatio@1\|(valid|likelihood-per-token)"
)
"""The names of all figures of recbench's own."""


def at_cutoffs(outcome: Outcome, cutoffs: Iterable[int]) -> dict[str, Values]:
    """
    Work HitRatio@K and NDCG@K out for any K from 1 on.

    Returns
    -------
    dict
        Figure name to float64 [rows], K by K; of a model that writes by likelihood, and named so.
        Empty of one that only writes.
    """
    found = [_ranked(name, outcome, at, [k]) for k in cutoffs for name, at in _FAMILIES.items()]
    return {name: values for one in found for name, values in one.items()}


def names_at(cutoffs: Iterable[int]) -> list[str]:
    """Return the names that `at_cutoffs` may give to figures, in its order."""
    ways = ("", "|likelihood")
    return [f"{family}@{k}{way}" for k in cutoffs for family in _FAMILIES for way in ways]


def cutoff_of(name: str) -> int | None:
    """Return K of a figure that looks at the first K candidates, of its name; None of others."""
    found = re.match(rf"({'|'.join(_FAMILIES)})@([0-9]+)(?![^|])", name)
    return None if found is None else int(found[2])


def tells(name: str, candidates: int) -> bool:
    """
    Tell whether a figure says something: among the first C of C candidates is every target.

    Of a full ranking `candidates` are those of the row that is left with the most.
    """
    k = cutoff_of(name)
    return k is None or k < candidates


def lower_is_better(name: str) -> bool | None:
    """Tell whether less of a figure is better, of its name; None of a plug-in's: nobody says."""
    return name == "SharedTitleRatio" if _OWN.fullmatch(name) else None


def check_cutoffs(cutoffs: Iterable[int], candidates: int) -> None:
    """
    Refuse K that no target can be told by.

    Raises
    ------
    UserError
        For a K below 1, or of at least the number of candidates.
    """
    for k in cutoffs:
        if k < 1:
            raise UserError(f"K counts the first places, from 1 on: not {k}")
        if k >= candidates:
            raise UserError(
                f"K must be from 1 to {candidates - 1}, not {k}: among the first {candidates} of "
                f"{candidates} candidates stands every target"
            )


def figures(
    outcome: Outcome,
    report: Callable[[str], None] = lambda _: None,
    registered: Collection[str] | None = None,
) -> dict[str, Values]:
    """
    Work out every registered metric.

    Parameters
    ----------
    outcome
        What the system did.
    report
        Told, in one line each, which plug-ins could not be imported or failed, and which names are
        registered more than once; the others go on.
    registered
        Work out these alone; None for all.

    Returns
    -------
    dict
        Figure name to float64 [rows], in the order that each metric gives; recbench's own come
        first, then by registered name.
    """
    return dict(each_figure(outcome, report, registered))


def each_figure(
    outcome: Outcome,
    report: Callable[[str], None] = lambda _: None,
    registered: Collection[str] | None = None,
) -> Iterator[tuple[str, Values]]:
    """Give the figures of `figures` metric by metric: of many rows, all take much memory."""
    given = set[str]()
    # Sorting keeps the order by name: whatever theirs are called, ours are never second to them.
    for name, claimed in sorted(listed("metrics").items(), key=lambda one: not is_own(one[1])):
        if registered is not None and name not in registered:
            continue
        if (point := _taken(claimed, report)) is None:
            continue
        try:
            with blamed(point):
                gave = loaded(point)().values(outcome.read_only)
                found = _checked(gave, given, len(outcome), is_own(point))
        except RecbenchError as error:
            report(str(error))
            continue
        given |= found.keys()
        while found:
            yield next(iter(found)), found.pop(next(iter(found)))


def _taken(claimed: Registered, report: Callable[[str], None]) -> EntryPoint | None:
    """
    Return what is worked out under a name, None where several packages claim it.

    Nobody asks for a metric by its name, and a record without recbench's own is none: those stay.
    """
    if not isinstance(claimed, Clash):
        return claimed
    until = "it is left out" if claimed.own is None else "recbench's own is taken"
    report(f"{claimed.refusal}; until then {until}")
    return claimed.own


def constant(name: str, outcome: Outcome) -> bool:
    """
    Tell whether a figure is what it is by construction: there is nothing to be unsure of.

    A model that only scores answers with a candidate, and among the first K of K candidates stands
    the target.
    """
    if name == "ValidRatio":
        return not outcome.writes
    shown = None if outcome.scores is None else outcome.scores.shape[1]
    return name.startswith("HitRatio@") and shown is not None and not tells(name, shown)


def _checked(given: Any, found: Collection[str], rows: int, own: bool) -> dict[str, Values]:
    """Return what a metric, recbench's own or not, gave as float64, all of it or nothing."""
    if not isinstance(given, dict):
        raise PluginError(f"values must return a dict, not {type(given).__name__}")
    checked = {}
    for figure, values in given.items():
        if not isinstance(figure, str) or not figure.strip() or not figure.isprintable():
            raise PluginError(
                f"the name of a figure must be one line of text that can be printed, not {figure!r}"
            )
        if figure in found:
            raise PluginError(f"it gives '{figure}', which another metric gave before")
        if not own and named_as_own(figure):
            raise PluginError(f"it gives '{figure}', which is named as recbench's own figures are")
        if figure in COLUMNS:
            raise PluginError(f"it gives '{figure}', which is a column of every table")
        array = np.asarray(values)
        if array.shape != (rows,) or array.dtype.kind not in "biuf" or _outside(array):
            raise PluginError(f"it must give {rows} values in [0, 1] as '{figure}'")
        checked[figure] = array.astype(np.float64, copy=False)
    return checked


def _outside(values: NDArray[Any]) -> bool:
    return bool(((values < 0) | (values > 1)).any())  # NaN, where not defined, is neither


def _by(outcome: Outcome) -> str:
    return "|likelihood" if outcome.writes else ""


def _ranked(
    name: str,
    outcome: Outcome,
    at: Callable[[NDArray[np.int32], int], Values],
    cutoffs: Iterable[int],
) -> dict[str, Values]:
    rank = outcome.rank
    return {} if rank is None else {f"{name}@{k}{_by(outcome)}": at(rank, k) for k in cutoffs}
