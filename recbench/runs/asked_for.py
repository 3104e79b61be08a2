"""Which of the stored runs are asked for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from recbench.questions.protocols.choice import means
from recbench.runs.record import RunRecord
from recbench.runs.store import Run


def asked_for(
    there: Iterable[Run], wanted: Mapping[str, Sequence[Any]], exact: bool = False
) -> list[Run]:
    """
    Return the runs whose records have one of the wanted values in each field.

    Parameters
    ----------
    there
        All runs.
    wanted
        Field of a record to values; a protocol goes by its name, see `means`. Draws choose only
        among runs whose negatives were drawn, and pack seeds among those whose candidates were.
    exact
        Whether those for whom nothing was drawn are left out, where draws or a pack seed are
        wanted: for one question out of several.
    """
    found = list(there)
    for field, values in wanted.items():
        found = [run for run in found if _is_one(field, run.record, values, exact)]
    return found


def _is_one(field: str, record: RunRecord, values: Sequence[Any], exact: bool) -> bool:
    if field == "protocol":
        return any(means(value, record.protocol) for value in values)
    undrawn = {"draws": not record.redrawn, "pack_seed": record.full_ranking}
    if undrawn.get(field):
        return not exact
    return getattr(record, field) in values
