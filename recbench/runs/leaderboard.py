"""
From records to tables.

A table holds the rows that answered the same question: equal dataset digest, protocol, split and
pack hash. What differs in one of these stands in a table of its own, with the reason. Training
seeds are averaged inside a row and nowhere else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recbench.errors import UserError
from recbench.evaluation.metrics import check_cutoffs
from recbench.runs.record import RunRecord
from recbench.runs.record_parts import Provenance
from recbench.runs.store import Run
from recbench.runs.systems import matched, question, systems, why_not
from recbench.settings import as_text
from recbench.statistics.best import (
    ALPHA,
    Differences,
    Pair,
    ToBest,
    all_pairs,
    differences,
    to_best,
)
from recbench.statistics.intervals import Estimate, estimate
from recbench.statistics.values import SystemValues

ALWAYS_NAMED = ("llm", "examples", "train_fraction", "train_dataset", "control", "first_rows")
"""
What a row's label says even where it tells it from no other row, unless it is None: ``examples`` of
what was tuned on all training rows.
"""


@dataclass(frozen=True)
class Row:
    """
    One system on one question.

    Attributes
    ----------
    label
        The model and those of its settings that tell it from the table's other rows.
    runs
        One a training seed.
    estimates
        What every figure is and how sure, users and seeds counted.
    system
        Its values of what the table is `ranked_by`; None where it does not have that figure.
    per_user
        The mean of that over users, each once; None where every user has one test row.
    to_best
        The difference to the best of the other rows, in the same; None where nothing is to compare,
        and of what is no result (`recbench.runs.record.Setup.no_result`).
    to_baseline
        The difference to the row that was named beforehand, with its interval among all such
        differences (Bonferroni); None where none was named, and of that row.
    """

    label: str
    runs: tuple[Run, ...]
    estimates: dict[str, Estimate]
    system: SystemValues | None
    per_user: Estimate | None = None
    to_best: ToBest | None = None
    to_baseline: Pair | None = None

    @property
    def record(self) -> RunRecord:
        """The record of the first seed."""
        return self.runs[0].record

    @property
    def mixed(self) -> str:
        """What the runs of this row were not computed alike in; empty where all were."""
        made = [one for run in self.runs for one in _made(run.record)]
        kinds: dict[str, set[object]] = {
            "figure versions": {one.figure_version for one in made},
            "plug-in versions": {_plugin(run.record) for run in self.runs},
            "digests of what was learnt from": {_learnt_from(run.record) for run in self.runs},
            "device kinds": {one.device.name.partition(":")[0] for one in made},
            "precisions": {tuple(one.precision for one in _made(run.record)) for run in self.runs},
        }
        return ", ".join(kind for kind, values in kinds.items() if len(values) > 1)


@dataclass(frozen=True)
class Table:
    """
    Rows that may be compared, the best first.

    Attributes
    ----------
    rows
        At least one; controls come last.
    differences
        Between every two results that have what the table is `ranked_by`, in that figure.
    apart
        Why this table is not part of the one before, empty where dataset or protocol say so
        already.
    baseline
        Label of the row that all others are compared with; empty where none was named.
    unshown
        Rows that were asked the same and are none of these, since these were chosen.
    """

    rows: tuple[Row, ...]
    differences: Differences | None = None
    apart: str = ""
    baseline: str = ""
    unshown: int = 0

    @property
    def record(self) -> RunRecord:
        """A record that says what was asked."""
        return self.rows[0].record


def ranked_by(record: RunRecord) -> str:
    """
    Return the figure by which the rows of a table are ordered and compared.

    The first place among few candidates; where all items are ranked, more than ten, it says little,
    and the field goes by NDCG@10.
    """
    return "NDCG@10" if record.full_ranking and record.choices > 10 else "HitRatio@1"


def leaderboard(
    runs: Sequence[Run],
    baseline: str | None = None,
    cutoffs: Sequence[int] = (),
    there: Sequence[Run] = (),
) -> list[Table]:
    """
    Make tables of runs.

    Parameters
    ----------
    runs
        Finished ones, of any datasets and protocols.
    baseline
        Label, or model, of the row that the others are compared with, where it is in a table.
    cutoffs
        K of HitRatio@K and NDCG@K that are wanted besides, where they say something.
    there
        All runs that these were chosen from, where they were.

    Returns
    -------
    list of Table
        Sorted by dataset, protocol and pack; empty where there are no runs.

    Raises
    ------
    UserError
        If two runs are one row's and of one seed, or several rows of a table could be the baseline;
        for a K that says nothing in any table.
    DataError
        If examples are missing or damaged.
    """
    if runs:
        check_cutoffs(cutoffs, max(run.record.choices for run in runs))
    questions: dict[tuple[str, ...], list[Run]] = {}
    for run in sorted(runs, key=_place):
        questions.setdefault(question(run.record), []).append(run)
    tables: list[Table] = []
    for members in questions.values():
        record = members[0].record
        before = tables[-1].record if tables else record
        alike = (before.dataset, before.protocol) == (record.dataset, record.protocol)
        table = compared(rows_of(members, cutoffs), baseline)
        apart, unshown = why_not(before, record) if alike else "", rows_beside(members, there)
        tables.append(replace(table, apart=apart, unshown=unshown))
    return tables


def rows_beside(shown: Sequence[Run], there: Iterable[Run]) -> int:
    """Return how many results were asked the same as those that are shown, and are none of them."""
    asked, rows = question(shown[0].record), {run.record.row for run in shown}
    others = (run.record for run in there if not run.record.no_result)
    return len({one.row for one in others if question(one) == asked} - rows)


def rows_of(runs: Sequence[Run], cutoffs: Sequence[int] = ()) -> list[Row]:
    """
    Make rows of runs that were asked the same, the best first; see `leaderboard` for `cutoffs`.

    Raises
    ------
    UserError
        If two runs are one row's and of one seed.
    """
    by_row: dict[str, dict[int, Run]] = {}
    for run in sorted(runs, key=_place):
        seeds = by_row.setdefault(run.record.row, {})
        if other := seeds.get(run.record.seed):
            raise UserError(
                f"{other.folder} and {run.folder} are the same row and seed, which counts once; "
                "move one away"
            )
        seeds[run.record.seed] = run
    groups = [tuple(seeds.values()) for seeds in by_row.values()]
    labels = _labels([group[0].record for group in groups])
    rows = [_row(label, group, cutoffs) for label, group in zip(labels, groups, strict=True)]
    return sorted(rows, key=lambda row: (bool(row.record.no_result), -_value(row), row.label))


def labelled(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Return the runs behind each label of the tables that these make; no figure is worked out."""
    tables: dict[tuple[str, ...], dict[str, list[Run]]] = {}
    for run in sorted(runs, key=_place):
        rows = tables.setdefault(question(run.record), {})
        rows.setdefault(run.record.row, []).append(run)
    found: dict[str, list[Run]] = {}
    for rows in tables.values():
        labels = _labels([members[0].record for members in rows.values()])
        for label, members in zip(labels, rows.values(), strict=True):
            found.setdefault(label, []).extend(members)
    return found


def meant_by(runs: Sequence[Run], label: str) -> list[Run]:
    """
    Return the runs that a label means among these, though other rows once stood beside it.

    A label says what tells a row from its neighbours, ``ilora (llm=smollm2, examples=2000)``. Here
    it may say less or more, if it means one system alone; a control, rows of the test, and what
    else was learnt from must be said.

    Raises
    ------
    UserError
        If it may mean several systems, with their labels.
    """
    model, _, rest = label.partition(" (")
    wanted = set(rest.removesuffix(")").split(", ")) if rest else set()
    found: dict[str, list[Run]] = {}
    for run in (one for one in runs if one.record.model == model):
        own, brought = _choices(run.record), _brought(run.record)
        parts = _parts(own | brought)
        must = _parts({k: v for k, v in own.items() if k not in {*run.record.settings, "matching"}})
        if must <= wanted <= parts:
            found.setdefault(" ".join(sorted(parts)), []).append(run)
    if len(found) > 1:
        rows = labelled([run for some in found.values() for run in some])
        raise UserError(f"several rows are of {label}: {'; '.join(rows)}; name one of them, whole")
    return next(iter(found.values()), [])


def _of_parts(rows: Sequence[Row], label: str) -> list[int]:
    """Return the number of the row that `meant_by` finds."""
    found = meant_by([run for row in rows for run in row.runs], label)
    return [number for number, row in enumerate(rows) if row.runs[0] in found[:1]]


def _parts(values: dict[str, Any]) -> set[str]:
    return {f"{name}={_short(value)}" for name, value in values.items()}


def compared(rows: Sequence[Row], baseline: str | None = None, families: int = 1) -> Table:
    """
    Compare rows that were asked the same, the best first, with one another.

    `families` tables that are looked at together, such as those of groups of users, share what may
    be mistaken (Bonferroni).
    """
    able = [row for row in rows if row.system is not None]
    base = None if baseline is None else row_named(able, baseline)
    named = "" if base is None else able[base].label
    if len(able) < 2:
        return Table(tuple(rows), baseline=named)
    found = differences(
        [row.system for row in able if row.system is not None],
        lambda a, b: matched(able[a].runs, able[b].runs),
    )
    pairs = [] if base is None else all_pairs(found, baseline=base, families=families)
    against = {pair.a: pair for pair in pairs}
    results = [number for number, row in enumerate(able) if not row.record.no_result]
    among = found.among(results) if len(results) > 1 else None
    ends = [] if among is None else to_best(among, alpha=ALPHA / families)
    best = dict(zip(results, ends, strict=False))  # nothing where there is no other
    done = iter(
        replace(row, to_best=best.get(number), to_baseline=against.get(number))
        for number, row in enumerate(able)
    )
    whole = tuple(row if row.system is None else next(done) for row in rows)
    return Table(whole, differences=among, baseline=named)


def row_named(rows: Sequence[Row], baseline: str) -> int | None:
    """
    Return the number of the row that is meant by a label or a model; None where none is.

    A model means no control of it.

    Raises
    ------
    UserError
        If several could be meant.
    """
    exact = [number for number, row in enumerate(rows) if row.label == baseline]
    named = [number for number, row in enumerate(rows) if row.record.model == baseline]
    of_model = [number for number in named if rows[number].record.control is None]
    meant = exact or of_model or _of_parts(rows, baseline)
    if len(meant) > 1:
        labels = "; ".join(rows[number].label for number in meant)
        raise UserError(f"several rows are of {baseline}: {labels}; name one of them, in quotes")
    return meant[0] if meant else None


def _place(run: Run) -> tuple[str | int, ...]:
    record = run.record
    place = record.dataset, record.protocol, record.limit or 0
    return *place, *question(record), record.row, record.seed


def _row(label: str, group: tuple[Run, ...], cutoffs: Sequence[int]) -> Row:
    found = systems(group, cutoffs)
    estimates = {name: estimate(system) for name, system in found.items()}
    known = {name: one for name, one in estimates.items() if one is not None}
    return with_per_user(Row(label, group, known, found.get(ranked_by(group[0].record))))


def with_per_user(row: Row) -> Row:
    """Add the mean over users, each once, where users have several rows."""
    system = row.system
    if system is None or len(np.unique(system.users)) == len(system.users):
        return replace(row, per_user=None)
    return replace(row, per_user=estimate(replace(system, each_user_once=True)))


def _value(row: Row) -> float:
    name = ranked_by(row.record)
    return row.estimates[name].figure.value if name in row.estimates else -1.0


def _made(record: RunRecord) -> list[Provenance]:
    trained = record.trained
    return [record.provenance, *([] if trained is None else [trained.provenance])]


def _learnt_from(record: RunRecord) -> str | None:
    return None if record.trained is None else record.trained.data


def _plugin(record: RunRecord) -> str | None:
    """Return the plug-in that trained; None for recbench, whose code has figure versions."""
    trained = record.trained
    if trained is None:
        return None
    made = trained.provenance.plugin
    return None if made.partition(" ")[0] == "recbench" else made


def _labels(records: Sequence[RunRecord]) -> list[str]:
    """
    Name each row by its model, `ALWAYS_NAMED`, and what else tells it from its namesakes.

    What was chosen comes first; by its ingredients, most of which follow from that (the digest of a
    language model), a row is told from those alone whose choices are the same. Where all that is
    not enough, by the beginning of its digest: no two rows have one label.
    """
    labels = []
    for record in records:
        own, brought = _choices(record), _brought(record)
        namesakes = [other for other in records if other.model == record.model]
        alike = [_brought(other) for other in namesakes if _choices(other) == own]
        telling = [
            f"{name}={_short(value)}"
            for name, value in own.items()
            if (name in ALWAYS_NAMED and value is not None)
            or _differs(name, value, map(_choices, namesakes))
        ]
        telling += [
            f"{name}={_short(value)}"
            for name, value in brought.items()
            if _differs(name, value, alike)
        ]
        label = f"{record.model} ({', '.join(telling)})" if telling else record.model
        # Settings may hold any text, and a line of its own would pass for a row.
        labels.append(label if label.isprintable() else ascii(label)[1:-1])
    return [
        label if labels.count(label) == 1 else f"{label} [row {record.row[:8]}]"
        for label, record in zip(labels, records, strict=True)
    ]


_ABSENT = object()
"""What a row has that does not know a setting: another value than any."""


def _differs(name: str, value: Any, others: Iterable[dict[str, Any]]) -> bool:
    return any(other.get(name, _ABSENT) != value for other in others)


def _choices(record: RunRecord) -> dict[str, Any]:
    """Return what was chosen by which rows of one model may differ, by name."""
    learnt_from = record.training.model_dump(
        exclude_defaults=True, include={"fraction", "dataset", "protocol", "split", "words"}
    )
    trained = {f"train_{name}": value for name, value in learnt_from.items()}
    asked = {"matching": record.matching, "control": record.control, "first_rows": record.limit}
    told = {name: value for name, value in asked.items() if value is not None}
    return {**record.settings, **trained, **told}


def _brought(record: RunRecord) -> dict[str, Any]:
    """Return the ingredients by which rows of one model may differ, by name."""
    # A setting and an ingredient may share a name: the language model's, and its digest.
    return {f"{name} digest": value for name, value in _flat(record.ingredients).items()}


def _flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = value
    return flat


def _short(value: Any) -> str:
    """Write a value, a list as ``--set`` takes it; of a digest its beginning."""
    text = as_text(value) if isinstance(value, list | dict) else str(value)
    is_digest = len(text) >= 40 and set(text) <= set("0123456789abcdef")
    return text[:8] if is_digest else text
