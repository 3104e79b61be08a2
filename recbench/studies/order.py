"""
Whether the order of systems survives another protocol.

For every two questions that the same systems were asked: Kendall's tau (Biometrika 30, 1938; a tie
counts for neither) between the systems' figures. Cañamares and Castells (SIGIR 2018) and Krichene
and Rendle (KDD 2020) ask the same of sampled and full rankings. What is not told apart may stand in
either order: a pair of systems has a sign under a question where its simultaneous interval, users
and seeds counted, leaves out 0, at 97.5% for each of the two questions. The interval of tau is from
what the pairs without a sign could make of it, so it holds tau with 95% at least.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from recbench.errors import UserError
from recbench.plain_text import as_json
from recbench.runs.leaderboard import Row, Table, leaderboard, ranked_by
from recbench.runs.notes import given_training
from recbench.runs.record import RunRecord
from recbench.runs.sheet import Grid, Sheet
from recbench.runs.store import Run
from recbench.runs.systems import matched
from recbench.runs.text import Format, as_csv, laid_out, protocol_name
from recbench.settings import digest
from recbench.statistics.best import all_pairs, differences
from recbench.studies.study import Reading

CONFIDENCE_OF_ONE = 0.975
"""Of the signs under one question, so that those under both hold with 95%."""


class Order(Reading):
    """Kendall's tau of all questions that are on record for a dataset."""

    question = "Does the order of systems survive the change of protocol?"
    place = "Cañamares and Castells, SIGIR 2018; Krichene and Rendle, KDD 2020"

    def printed(self, runs: Sequence[Run], dataset: str, form: Format) -> str:
        """Write a line for every two questions that have three systems in common."""
        found = agreements(leaderboard(runs))
        if not found:
            raise UserError(
                f"no two questions about {dataset} have three systems in common; ask otherwise, "
                f"for example: recbench leaderboard --run --models A,B,C --datasets {dataset} "
                "--protocol P --candidates all"
            )
        return render_order(found, form)


@dataclass(frozen=True)
class Agreement:
    """
    How two questions order the same systems.

    Attributes
    ----------
    first, second
        The two tables.
    systems
        How many were asked both.
    pairs, signed
        Pairs of systems, and how many of them have a sign under both questions.
    tau, low, high
        Kendall's tau, in [-1, 1], with its 95% interval.
    single
        Which of the systems were judged by one or two trainings of a random kind, and under what.
    """

    first: Table
    second: Table
    systems: int
    pairs: int
    signed: int
    tau: float
    low: float
    high: float
    single: tuple[str, ...]


def agreements(tables: Sequence[Table]) -> list[Agreement]:
    """Compare every two tables of one dataset that have three systems or more in common."""
    found = []
    for first, second in combinations(tables, 2):
        if first.record.digests.dataset == second.record.digests.dataset:
            own, other = _by_system(first), _by_system(second)
            common = [key for key in own if key in other]
            if len(common) > 2:
                rows = [own[key] for key in common], [other[key] for key in common]
                found.append(_agreement(first, second, *rows))
    return found


def _by_system(table: Table) -> dict[str, Row]:
    return {_system_key(row): row for row in table.rows if row.system is not None}


def _system_key(row: Row) -> str:
    record = row.record
    asked = [record.model, record.settings, record.ingredients, record.matching]
    return digest([*asked, record.training.model_dump(mode="json", exclude={"split"})])


def _agreement(first: Table, second: Table, own: Sequence[Row], other: Sequence[Row]) -> Agreement:
    (seen, known), (seen_too, known_too) = _signs(own), _signs(other)
    sure = known * known_too  # +1 the same order, -1 the reverse, 0 not known
    pairs, signed = len(sure), int((sure != 0).sum())
    low, high = ((sure.sum() + open_ones) / pairs for open_ones in (signed - pairs, pairs - signed))
    tau = float((seen * seen_too).mean())
    found = tau, float(low), float(high)
    return Agreement(first, second, len(own), pairs, signed, *found, _single((*own, *other)))


def _single(rows: Sequence[Row]) -> tuple[str, ...]:
    alone = [row for row in rows if given_training(row)]
    return tuple(f"{row.label} under {protocol_name(row.record)}" for row in alone)


def _signs(rows: Sequence[Row]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return of every pair of rows the sign that is seen, and the sign that is shown or 0."""
    systems = [row.system for row in rows if row.system is not None]
    found = differences(systems, lambda a, b: matched(rows[a].runs, rows[b].runs))
    pairs = all_pairs(found, alpha=1 - CONFIDENCE_OF_ONE)
    seen = np.array([np.sign(pair.difference.value) for pair in pairs], dtype=np.int64)
    shown = [int(pair.low > 0) - int(pair.high < 0) for pair in pairs]
    return seen, np.array(shown, dtype=np.int64)


def render_order(found: Sequence[Agreement], form: Format) -> str:
    """Write agreements as text, a line a pair of questions, without a last line end."""
    if form == "json":
        named = [dict(zip(_KEYS, _values(one), strict=True)) for one in found]
        return as_json(named)
    if form == "csv":
        return as_csv(_KEYS, [_values(one) for one in found])
    headers = ["dataset", "first", "second", "systems", "pairs told apart in both"]
    lines = [
        [
            *(one.first.record.dataset, _question(one.first.record), _question(one.second.record)),
            *(str(one.systems), f"{one.signed} of {one.pairs}"),
            f"{one.tau:+.2f} [{one.low:+.2f}, {one.high:+.2f}]",
        ]
        for one in found
    ]
    blocks: list[str | Grid] = [
        Grid([*headers, "Kendall's tau"], lines),
        "Agreement of the order of systems under two questions: 1 the same, -1 the reverse. The "
        "95% interval counts every pair that is not told apart under both, at 97.5% each, as the "
        "one and as the other.",
        _of_one_training(found),
    ]
    return laid_out(Sheet(tuple(blocks)), form)


def _of_one_training(found: Sequence[Agreement]) -> str:
    single = sorted({name for one in found for name in one.single})
    return f"Of one or two trainings, as they are: {', '.join(single)}." if single else ""


def _question(record: RunRecord) -> str:
    """Name a question so that no two in a list have one name."""
    asked = f"{protocol_name(record)} by {ranked_by(record)}"
    return asked if record.full_ranking else f"{asked}, {record.draws} draws, pack {_pack(record)}"


def _pack(record: RunRecord) -> str:
    return record.digests.pack[:8]


_KEYS = (
    *("dataset", "first", "first_by", "first_draws", "first_pack"),
    *("second", "second_by", "second_draws", "second_pack"),
    *("systems", "pairs", "told_apart", "tau", "low", "high"),
)


def _values(one: Agreement) -> list[object]:
    first, second = one.first.record, one.second.record
    return [
        *(first.dataset, protocol_name(first), ranked_by(first), first.draws, _pack(first)),
        *(protocol_name(second), ranked_by(second), second.draws, _pack(second)),
        *(one.systems, one.pairs, one.signed, one.tau, one.low, one.high),
    ]
