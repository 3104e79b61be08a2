"""Raw files on disk, gzipped or not: found under either name, read alike."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, TextIO

import pyarrow as pa

from recbench.errors import DataError

_GZIP = b"\x1f\x8b"
_BLOCK = 1 << 20
_LONGEST = 1 << 24  # bytes of a line: what one bad file may cost of memory


def raw_file(folder: Path, name: str) -> Path:
    """Return the file of that name in `folder`; its gzipped or unpacked twin if only that is."""
    twin = name.removesuffix(".gz") if name.endswith(".gz") else f"{name}.gz"
    if not (folder / name).is_file() and (folder / twin).is_file():
        return folder / twin
    return folder / name


def is_gzipped(file: Path) -> bool:
    """
    Tell by the first bytes, whatever the name says.

    Raises
    ------
    DataError
        If the file is not there.
    """
    try:
        with file.open("rb") as stream:
            return stream.read(len(_GZIP)) == _GZIP
    except FileNotFoundError:
        raise DataError(f"{file}: expected a file, found none") from None


def arrow_stream(file: Path) -> pa.NativeFile:
    """Open for pyarrow, unpacking on the way."""
    return pa.input_stream(str(file), compression="gzip" if is_gzipped(file) else None)


def lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """
    Yield line number, from 1, and line, its end included.

    Raises
    ------
    DataError
        With the line, where a gzipped file is cut off or damaged, or a line is longer than 16 MiB;
        if the file is not there.
    """
    number = 0
    try:
        with _opened(file) as stream:
            for number, line in enumerate(iter(partial(stream.readline, _LONGEST), b""), start=1):
                if len(line) == _LONGEST:
                    raise DataError(f"{file}, line {number}: expected a line of at most 16 MiB")
                yield number, line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{file}, line {number + 1}: expected sound gzip data, {error}") from None


@contextmanager
def characters(file: Path) -> Iterator[TextIO]:
    """
    Open a file to be read as characters, one a byte (latin-1), its line ends left as they are.

    Raises
    ------
    DataError
        Where a gzipped file is cut off or damaged; if the file is not there.
    """
    try:
        with io.TextIOWrapper(_opened(file), encoding="latin-1", newline="") as stream:
            yield stream
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{file}: expected sound gzip data, {error}") from None


def _opened(file: Path) -> BinaryIO | gzip.GzipFile:
    return gzip.open(file, "rb") if is_gzipped(file) else file.open("rb", buffering=_BLOCK)
