"""Which of the stored runs are asked for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from recbench.questions.protocols.choice import means
from recbench.runs.record import RunRecord
from recbench.runs.store import Run


def asked_for(there: Iterable[Run], wanted: Mapping[str, Sequence[Any]]) -> list[Run]:
    """
    Return the runs whose records have one of the wanted values in each field.

    Parameters
    ----------
    there
        All runs.
    wanted
        Field of a record to values; a protocol goes by its name, see `means`. Draws choose only
        among runs whose negatives were drawn, and pack seeds among those whose candidates were.
    """
    found = list(there)
    for field, values in wanted.items():
        found = [run for run in found if _is_one(field, run.record, values)]
    return found


def _is_one(field: str, record: RunRecord, values: Sequence[Any]) -> bool:
    if field == "protocol":
        return any(means(value, record.protocol) for value in values)
    if (field == "draws" and not record.redrawn) or (field == "pack_seed" and record.full_ranking):
        return True
    return getattr(record, field) in values
