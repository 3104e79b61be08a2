"""
Columns of a pickled pandas table, taken out of its description without pandas.

Read are the layouts of pandas 0.24 to 3. A table keeps its columns in blocks of one type: a block
is a NumPy array [columns, rows] and the places of its columns in the table. Old versions store
blocks as the state of a ``BlockManager``, newer ones as its arguments; NumPy writes an array of
numbers as bytes and an array of objects as a list.
"""

import math
import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from recbench.data.readers.pickled import Call, describe
from recbench.errors import DataError

_FRAMES = {"pandas.core.frame.DataFrame", "pandas.DataFrame"}
_INDEXES = {"pandas.core.indexes.base._new_Index"}
_BLOCKS = {"pandas._libs.internals._unpickle_block", "pandas.core.internals.blocks.new_block"}
_RECONSTRUCTS = {"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"}
_BUFFERS = {"numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"}
_SCALARS = {"numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"}
_ARROW_TEXTS = "pandas.arrays.ArrowStringArray"
_CHUNKS = "pyarrow.lib.chunked_array"
_BACKED = "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked"
ADMITTED = frozenset().union(
    *(_FRAMES, _INDEXES, _BLOCKS, _RECONSTRUCTS, _BUFFERS, _SCALARS),
    ("pandas.core.internals.managers.BlockManager", "numpy.ndarray", "numpy.dtype"),
    ("pandas.core.indexes.base.Index", "pandas.Index"),
    ("pandas.core.indexes.range.RangeIndex", "pandas.RangeIndex"),
    ("pandas.core.indexes.numeric.Int64Index", "builtins.slice"),
    # Names of columns, as pandas 3 keeps them.
    (_ARROW_TEXTS, _BACKED, "pandas.arrays.StringArray", "pandas.StringDtype"),
    ("pyarrow.lib._restore_array", "pyarrow.lib.type_for_alias", _CHUNKS),
    ("pyarrow.lib.py_buffer", "builtins.bytearray"),
)
"""Everything that a pickled table of lists and numbers names; nothing of it is ever called."""


def read_columns(file: Path, names: Iterable[str]) -> dict[str, list[Any]]:
    """
    Read some columns of a pickled table.

    Returns
    -------
    dict of str to list
        A value a row: an integer, or what the pickle describes (`recbench.data.readers.pickled`),
        on which `plain` helps.

    Raises
    ------
    DataError
        As `describe`; if it describes no such table, or the table lacks a column.
    """
    described = describe(file, ADMITTED)
    try:
        blocks, columns = _blocks(described)
        missing = [name for name in names if columns.count(name) != 1]
        if not missing:
            found = {name: _column(blocks, columns.index(name)) for name in names}
    except (ValueError, LookupError, TypeError, AttributeError):
        raise DataError(
            f"{file}: expected a table of lists and integers as pandas pickles it"
        ) from None
    if missing:
        raise DataError(
            f"{file}: expected one column '{missing[0]}', found {', '.join(columns)[:200]}"
        )
    if len({len(column) for column in found.values()}) > 1:
        raise DataError(f"{file}: expected columns of one length")
    return found


def plain(value: Any) -> Any:
    """Return a NumPy number as an int, a NumPy array as a list, anything else as it is."""
    if not isinstance(value, Call):
        return value
    if value.name in _SCALARS:
        return int(np.frombuffer(value.args[1], _integers(value.args[0]))[0])
    return _array(value)


def _blocks(frame: Call) -> tuple[list[tuple[Any, Any]], list[str]]:
    """Return values and places of each block, and the names of all columns."""
    if frame.name not in _FRAMES:
        raise ValueError
    manager = frame.state["_mgr"] if "_mgr" in frame.state else frame.state["_data"]
    if manager.args:  # pandas 1.3 and later
        made, axes = manager.args
        if any(block.name not in _BLOCKS for block in made):
            raise ValueError
        blocks = [block.args[:2] for block in made]
    else:
        state = manager.state[3]["0.14.1"]
        axes, blocks = state["axes"], [(b["values"], b["mgr_locs"]) for b in state["blocks"]]
    return blocks, _names(axes[0])


def _names(index: Call) -> list[str]:
    data = index.args[1]["data"]
    if data.name == _ARROW_TEXTS:  # pandas 3 with pyarrow
        names = _arrow_texts(data.state["_pa_array"])
    elif data.name == _BACKED:  # pandas 3 without
        names = _array(data.state[1])
    else:
        names = _array(data)
    if not all(isinstance(name, str) for name in names):
        raise ValueError
    return names


def _arrow_texts(array: Call) -> list[str]:
    """Read a pyarrow array of texts: where each begins in the bytes of all."""
    texts: list[str] = []
    for chunk in array.args[0] if array.name == _CHUNKS else [array]:
        kind, length, _, start, (_, cuts, data), *_ = chunk.args[0]
        width = "<i8" if kind.args == ("large_string",) else "<i4"
        numbers = np.frombuffer(_bytes(cuts.args[0]), width)
        places = numbers[start : start + length + 1].tolist()
        if places != sorted(places):
            raise ValueError
        text = _bytes(data.args[0])
        texts += [text[begin:end].decode() for begin, end in pairwise(places)]
    return texts


def _bytes(data: Any) -> bytes:
    """Return the bytes of a buffer, which older protocols wrap in a call of ``bytearray``."""
    found = data.args[0] if isinstance(data, Call) else data
    if not isinstance(found, bytes | bytearray):  # bytes(10**12) would be a lot of zeros
        raise TypeError
    return bytes(found)


def _column(blocks: list[tuple[Any, Any]], place: int) -> list[Any]:
    for values, places in blocks:
        placed = range(*places.args) if places.name == "builtins.slice" else _array(places)
        if place in placed:
            return _array(values, placed.index(place))
    raise LookupError


def _array(array: Call, row: int | None = None) -> list[Any]:
    """Return the values of an array [values], or of one row of an array [rows, values]."""
    if array.name in _BUFFERS:
        data, dtype, shape, order, *axes = array.args
    elif array.name in _RECONSTRUCTS:
        _, shape, dtype, by_column, data = array.state
        order, axes = "F" if by_column else "C", []
    else:
        raise ValueError
    if len(shape) > 2:
        raise ValueError
    if isinstance(data, list):  # objects, in C order whatever the array's is
        if len(data) != math.prod(shape):
            raise ValueError
        return data if row is None else data[row * shape[1] : (row + 1) * shape[1]]
    numbers = np.frombuffer(data, _integers(dtype))
    if order == "K" and axes and axes[0] is not None:
        numbers = numbers.reshape(shape).transpose(axes[0])
    else:
        numbers = numbers.reshape(shape, order=order)
    if row is None and numbers.size < max(shape):  # a shape (10**12, 0) would be a lot of lists
        raise ValueError
    found: list[Any] = (numbers if row is None else numbers[row]).tolist()
    return found


def _integers(dtype: Call) -> np.dtype[Any]:
    """Return the type of whole numbers that a pickled ``dtype`` describes."""
    kind, order = dtype.args[0], dtype.state[1]
    if not re.fullmatch("[iu][1248]", kind) or order not in "<>|=":
        raise ValueError
    return np.dtype(order.replace("=", "|") + kind)
