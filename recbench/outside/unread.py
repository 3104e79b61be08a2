"""What a file of answers holds that nobody reads: who passes the file on passes it on as well."""

import csv
import io
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

from recbench.data.readers.files import content
from recbench.errors import RecbenchError
from recbench.outside.formats.objects import objects
from recbench.outside.formats.plain import READ, is_parquet


def unread(file: Path, form: str | None) -> list[str]:
    """
    Name what is not read, sorted.

    Parameters
    ----------
    file
        Answers that were scored.
    form
        Their format (`recbench.outside.formats.FORMATS`); None where a record does not say it.

    Returns
    -------
    list of str
        Fields, columns or arrays; that they hold titles or histories, nobody says.
    """
    for one in _NAMES if form is None else [form]:
        with suppress(RecbenchError, ValueError):  # of another format
            return sorted(set(_NAMES[one](file)) - _READ[one] - {""})
    return []


def _of_plain(file: Path) -> Iterable[str]:
    if not is_parquet(file):
        return _of_objects(file)
    from pyarrow import parquet

    with parquet.ParquetFile(file) as opened:
        return list(opened.schema_arrow.names)


def _of_objects(file: Path) -> Iterable[str]:
    return {name for _, found in objects(file) for name in found}


def _of_arrays(file: Path) -> Iterable[str]:
    with np.load(file, allow_pickle=False) as kept:
        return list(kept)


def _of_csv(file: Path) -> Iterable[str]:
    names = next(csv.reader(io.StringIO(content(file), newline="")), [])
    if not _READ["llara"] <= set(names):
        raise ValueError("it is of another format")
    return names


_NAMES: dict[str, Callable[[Path], Iterable[str]]] = {
    "plain": _of_plain,
    "recbole": _of_arrays,
    "lm-eval": _of_objects,
    "llara": _of_csv,
    "trec": lambda _: (),
}
"""What each format names; in this order they are tried of a file whose format nobody knows."""

_READ: dict[str, set[str]] = {
    "plain": READ,
    "recbole": {"key", "scores", "iid", "topk_score", "topk_iid_list"},
    "lm-eval": {"filtered_resps", "filter"},  # of the doc the key alone
    "llara": {"generate"},
    "trec": set(),
}
