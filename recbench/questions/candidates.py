"""
Candidate packs: which items stand to choice in which order, frozen before any model sees them.

A pack holds, for each example and each draw, the target and negatives in random order. All of it
comes from raw PCG64 words, one stream a part and draw, so that the first five draws are the same
whether five or twenty are made. Where the rows bring their candidates, only the order is drawn.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recbench.atomic_write import atomic_file
from recbench.data.catalogue import Catalogue
from recbench.data.dataset import array_digest
from recbench.errors import DataError, RecbenchError, UserError
from recbench.questions.negatives import Negatives
from recbench.questions.protocols import Protocol
from recbench.questions.sampling import Words, shuffle
from recbench.questions.split import Part, Split
from recbench.settings import digest

_ROWS_AT_ONCE, _EXCLUDED_AT_ONCE = 1 << 13, 1 << 23
"""
Rows that are drawn together, and items on the lists of what is excluded for them. They decide the
order in which words are used: part of what a pack is.
"""

_VERSION = 2
"""
Of the drawing, for the names of kept packs: raise it when the same split, protocol and seed give
another pack, whether by a change here or in `negatives`, `unseen` or `sampling` of this room.
"""

_IDS_AT_ONCE = 2**31 - 2
"""
Ids, and bytes of them, that one row group of a file holds at most: Arrow finds the ids of a row
and the letters of an id by 32-bit numbers.
"""

_DAMAGED = (
    *(OSError, pa.ArrowException, LookupError, ValueError, ArithmeticError, AttributeError),
    *(TypeError, MemoryError),
)
"""What reading a file raises that is no pack."""

DRAWN_ONCE = "the rows bring their candidates, so --draws changes nothing: each is asked once"
"""Said where a user asks for several draws of candidates that are given."""


@dataclass(frozen=True)
class Pack:
    """
    The candidates of every example and draw.

    Attributes
    ----------
    candidates
        int32 [rows, draws, C], catalogue codes in the order shown, distinct within a draw.
    target_position
        int16 [rows, draws], where the target stands, from 0.
    seed
        The pack seed it was drawn from.
    hash
        SHA-256 over both arrays and the catalogue's digest.
    """

    candidates: NDArray[np.int32]
    target_position: NDArray[np.int16]
    seed: int
    hash: str

    def __len__(self) -> int:
        return len(self.candidates)

    @property
    def draws(self) -> int:
        """How often the negatives of each example were drawn."""
        return self.candidates.shape[1]

    @property
    def size(self) -> int:
        """C, the candidates of each query."""
        return self.candidates.shape[2]


def make_pack(
    candidates: NDArray[np.int32],
    target_position: NDArray[np.int16],
    seed: int,
    catalogue: Catalogue,
) -> Pack:
    """Put a pack together with its hash; the arrays are those of `Pack`, and are not copied."""
    hashed = array_digest("pack", catalogue.digest, candidates, target_position)
    return Pack(candidates, target_position, seed, hashed)


def draw(split: Split, protocol: Protocol, part: Part, draws: int, pack_seed: int) -> Pack:
    """
    Draw the candidates of one part of a split.

    Parameters
    ----------
    split
        Its catalogue is where negatives come from, cold items included.
    protocol
        How many candidates, and whether their titles must differ.
    part
        Whose rows; it names the stream: validation and test share nothing.
    draws
        At least 1; where the candidates are given there is one, whatever is asked for.
    pack_seed
        Any integer.

    Returns
    -------
    Pack
        Its negatives are those of `recbench.questions.negatives`, its orders are equally likely.

    Raises
    ------
    UserError
        For `draws` below 1; where the protocol ranks all items; where fewer items (or titles) are
        free than it needs; where candidates are given, but not with this part.
    """
    if draws < 1:
        raise UserError(f"--draws must be at least 1, not {draws}")
    if protocol.given:
        return _shuffled(split, part, pack_seed)
    size = protocol.drawn + 1
    examples = split.examples(part)
    negatives = Negatives(split, part, protocol)
    candidates = np.empty((len(examples), draws, size), dtype=np.int32)
    position = np.empty((len(examples), draws), dtype=np.int16)
    streams = [Words(pack_seed, "pack", part, number) for number in range(draws)]
    for rows in split.excluded(part).runs(_ROWS_AT_ONCE, _EXCLUDED_AT_ONCE):
        targets = examples.targets[rows]
        free = negatives.free(rows)
        for number, words in enumerate(streams):
            shown = np.empty((size, len(rows)), dtype=np.int64)
            shown[0] = targets
            shown[1:] = negatives.draw(words, free)
            shuffle(words, shown)
            candidates[rows, number] = shown.T
            position[rows, number] = (shown == targets).argmax(axis=0)
    return make_pack(candidates, position, pack_seed, split.catalogue)


def _shuffled(split: Split, part: Part, pack_seed: int) -> Pack:
    """Put the candidates that the rows bring in random order."""
    given, targets = split.given(part), split.examples(part).targets
    if given is None:
        raise UserError(f"the {part} rows bring no candidates; ask about the other part")
    candidates, position = np.empty_like(given), np.empty(len(given), dtype=np.int16)
    words = Words(pack_seed, "pack", part, 0)
    for start in range(0, len(given), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        shown = given[rows].T.astype(np.int64)
        shuffle(words, shown)
        candidates[rows] = shown.T
        position[rows] = (shown == targets[rows]).argmax(axis=0)
    return make_pack(candidates[:, None], position[:, None], pack_seed, split.catalogue)


def frozen_pack(
    split: Split, protocol: Protocol, part: Part, draws: int, pack_seed: int, cache: Path
) -> Pack:
    """
    Return the pack of one part of a split, drawn once and kept under `cache`.

    A kept pack that does not match its hash is drawn again.

    Parameters
    ----------
    split, protocol, part, draws, pack_seed
        As for `draw`; with the version of the drawing they name the kept file.
    cache
        The user's cache folder, made if it is missing.

    Raises
    ------
    UserError
        As `draw`.
    """
    draws = min(draws, 1) if protocol.given else draws
    key = digest([_VERSION, split.digest, protocol.digest, part, draws, pack_seed])
    file = cache / "packs" / f"{key[:32]}.parquet"
    if file.is_file():
        try:
            kept = load(file, split.catalogue)
        except RecbenchError:
            kept = None
        if kept is not None and kept.seed == pack_seed:
            return kept
    pack = draw(split, protocol, part, draws, pack_seed)
    save(pack, split.catalogue, file)
    return pack


def save(pack: Pack, catalogue: Catalogue, file: Path) -> None:
    """
    Write a pack as parquet, aside first.

    Parameters
    ----------
    pack, catalogue
        The pack, and what gives its codes their raw ids.
    file
        Replaced if it is there; missing folders above it are made.

    Notes
    -----
    Columns ``example`` and ``draw`` (int32, from 0), ``candidates`` (list of raw ids, in the
    order shown), ``target_position`` (int16, from 0). Hash and seed stand in the file's
    metadata. Under one version of pyarrow the bytes are the same everywhere.
    """
    ids = pa.array(catalogue.raw_ids)
    rows = len(pack) * pack.draws
    first, *rest = _cuts(pack.candidates.reshape(rows, pack.size), ids)
    table = _table(pack, ids, first)
    with (
        atomic_file(file) as partial,
        pq.ParquetWriter(partial, table.schema, compression="zstd", use_dictionary=False) as writer,
    ):
        writer.write_table(table)
        for cut in rest:
            writer.write_table(_table(pack, ids, cut))


def _cuts(candidates: NDArray[np.int32], ids: pa.Array) -> list[slice]:
    """Cut rows [rows, C] so that what is written at once has no more than `_IDS_AT_ONCE`."""
    numbers = pa.types.is_integer(ids.type)
    sizes = np.ones(len(ids), dtype=np.int32) if numbers else pc.binary_length(ids).to_numpy()
    ends = np.cumsum(np.maximum(sizes, 1)[candidates].sum(axis=1, dtype=np.int64))
    cuts, start, written = [], 0, 0
    while start < len(ends):
        fitting = int(np.searchsorted(ends, written + _IDS_AT_ONCE, side="right"))
        stop = max(fitting, start + 1)
        cuts.append(slice(start, stop))
        start, written = stop, int(ends[stop - 1])
    return cuts


def _table(pack: Pack, ids: pa.Array, rows: slice) -> pa.Table:
    """Return some rows of a pack as they are written."""
    numbers = np.arange(rows.start, rows.stop)
    shown = pack.candidates.reshape(-1, pack.size)[rows]
    cuts = np.arange(len(shown) + 1, dtype=np.int32) * pack.size
    columns = {
        "example": (numbers // pack.draws).astype(np.int32),
        "draw": (numbers % pack.draws).astype(np.int32),
        "candidates": pa.ListArray.from_arrays(cuts, ids.take(pa.array(shown.ravel()))),
        "target_position": pack.target_position.ravel()[rows],
    }
    about = {"hash": pack.hash, "seed": str(pack.seed)}
    return pa.table(columns).replace_schema_metadata(about)


def load(file: Path, catalogue: Catalogue) -> Pack:
    """
    Read what `save` wrote.

    Raises
    ------
    DataError
        If the file is no pack, belongs to another catalogue, or does not hold what its hash says.
    """
    try:
        with pq.ParquetFile(file) as packed:
            metadata, ids = packed.schema_arrow.metadata, pa.array(catalogue.raw_ids)
            groups = map(packed.read_row_group, range(packed.num_row_groups))
            read = [_arrays(group, ids) for group in groups]
        about = {key.decode(): value.decode() for key, value in metadata.items()}
        drawn, codes, position = (np.concatenate(parts) for parts in zip(*read, strict=True))
        draws = int(drawn.max(initial=-1)) + 1
        shape = (len(drawn) // draws, draws)
        shown = codes.reshape(*shape, -1), position.reshape(shape)
        pack = make_pack(*shown, int(about["seed"]), catalogue)
        wanted = about["hash"]
    except _DAMAGED:
        raise DataError(f"{file}: expected a pack of candidates as recbench writes them") from None
    if pack.hash != wanted:
        raise DataError(f"{file}: expected a pack of this catalogue with hash {wanted}")
    return pack


def _arrays(table: pa.Table, ids: pa.Array) -> tuple[NDArray[Any], ...]:
    """Return draws, codes and places of the target; an id of no item becomes some item's code."""
    codes = pc.index_in(table["candidates"].combine_chunks().flatten(), ids)
    read = codes.fill_null(0).to_numpy()  # the hash tells of it
    return table["draw"].to_numpy(), read, table["target_position"].to_numpy()
