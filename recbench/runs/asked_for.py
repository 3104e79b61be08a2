"""Which of the stored runs are asked for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from recbench.questions.protocols.choice import means
from recbench.runs.store import Run


def asked_for(there: Iterable[Run], wanted: Mapping[str, Sequence[Any]]) -> list[Run]:
    """
    Return the runs whose records have one of the wanted values in each field.

    Parameters
    ----------
    there
        All runs.
    wanted
        Field of a record to values; a protocol goes by its name, see `means`.
    """
    found = list(there)
    for field, values in wanted.items():
        found = [run for run in found if _is_one(field, getattr(run.record, field), values)]
    return found


def _is_one(field: str, own: Any, values: Sequence[Any]) -> bool:
    return any(means(value, own) for value in values) if field == "protocol" else own in values
