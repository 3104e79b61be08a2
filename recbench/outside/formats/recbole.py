"""
What RecBole's case study gives (``recbole.utils.case_study``), kept by ``numpy.savez``.

RecBole writes no file of it. ``full_sort_topk`` gives two arrays [rows, k], the scores and the
items' numbers, ``full_sort_scores`` one of all scores, [rows, items]. Saved beside them are the
tokens that ``dataset.id2token`` makes of the numbers, and the keys of the rows:

- ``key`` [rows], ``topk_score`` and ``topk_iid_list`` [rows, k] (tokens); or
- ``key`` [rows], ``scores`` [rows, items] and ``iid`` [items] (tokens).

Whole numbers are refused where tokens belong: RecBole's own numbers are mostly some item's id, too.
Items that are no candidates, and RecBole's own ``[PAD]``, are passed over.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbench.errors import DataError
from recbench.outside.formats.room import check_room
from recbench.outside.given import Given, Words, wrong
from recbench.outside.sheet import Sheet

PAD = "[PAD]"

_ZIP = b"PK\x03\x04"

_EXPECTED = (
    "an .npz file of key, topk_score and topk_iid_list, or of key, scores and iid, whose shapes "
    "agree, with items as tokens (text)"
)
_REMEDY = (
    "write items as dataset.id2token(dataset.iid_field, topk_iid_list.cpu()).astype(str), and save "
    "the arrays again"
)


def read(file: Path, _: Sheet) -> Iterator[Given]:
    """Read either kind of arrays."""
    keys, scores, tokens, is_whole = _arrays(file)
    for number, (key, row, items) in enumerate(zip(keys, scores, tokens, strict=True), start=1):
        named = [str(item) for item in items.tolist()]
        pairs = [pair for pair in zip(named, row.tolist(), strict=True) if pair[0] != PAD]
        if len(dict(pairs)) < len(pairs):
            found = Words("one of them twice")
            raise wrong(file, f"row {number}", "different items", found, "save the arrays again")
        yield Given(f"row {number}", str(key), "whole" if is_whole else "top", dict(pairs))


def _arrays(file: Path) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], bool]:
    """Return keys [rows], scores and tokens [rows, items], and whether those are all items."""
    with file.open("rb") as stream:
        if stream.read(len(_ZIP)) != _ZIP:  # numpy would take it for a pickle, and ask for trust
            raise wrong(file, "row 1", _EXPECTED, Words("another kind of file"), _REMEDY)
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as kept:
            _check_members(file, kept)
            is_whole = "scores" in kept
            names = "key", *(("scores", "iid") if is_whole else ("topk_score", "topk_iid_list"))
            if missing := [name for name in names if name not in kept]:
                found = f"no array called {' or '.join(missing)}"
                raise wrong(file, "row 1", _EXPECTED, Words(found), _REMEDY)
            keys, scores, tokens = (np.asarray(kept[name]) for name in names)
        if is_whole and scores.ndim == 2 and tokens.shape == scores.shape[1:]:
            tokens = np.broadcast_to(tokens, scores.shape)
        kinds = keys.dtype.kind == "U", scores.dtype.kind == "f", tokens.dtype.kind == "U"
        shapes = keys.ndim == 1, scores.ndim == 2, scores.shape == tokens.shape
        found = f"shapes {keys.shape}, {scores.shape}, {tokens.shape}"
        found += f", types {keys.dtype}, {scores.dtype}, {tokens.dtype}"
        if all((*kinds, *shapes, len(keys) == len(scores))):
            return keys, scores, tokens, is_whole
    except DataError:
        raise
    except Exception:  # numpy and zipfile tell of a broken file by whatever went wrong
        found = "an array of Python objects, or a damaged file"
    raise wrong(file, "row 1", _EXPECTED, Words(found[:160]), _REMEDY)


def _check_members(file: Path, kept: Any) -> None:
    """Refuse arrays that come to more than their file may hold, or of which one is there twice."""
    found = kept.zip.infolist()
    check_room(file, sum(one.file_size for one in found))
    for name, times in Counter(one.filename for one in found).items():
        if times > 1:
            twice = Words(f"{ascii(name)[1:-1][:60]} twice")
            raise wrong(file, "row 1", "each array once", twice, "save the arrays again")
