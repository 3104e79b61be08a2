"""
Raw files on disk: found under either name, read alike however they are packed and encoded.

What is read is UTF-8 without blank last lines: files are unpacked (gzip), recoded and trimmed block
by block on the way.
"""

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import pyarrow as pa

from recbench.data.archive import left_of, room_of
from recbench.data.written import SPACES, UTF8
from recbench.errors import DataError

STAND_IN = "\x1f"
"""What Arrow, which knows separators of one byte only, is shown in the place of a longer one."""
DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)
"""What reading a gzipped file raises where it is cut off or damaged."""

_GZIP = b"\x1f\x8b"
_BLOCK = 1 << 20
_LONGEST = 1 << 24  # bytes of a line: what one bad file may cost of memory
_BLANK = b" \r\n"  # no tab: it stands between two empty fields
_AT_ENDS = re.compile(rb"(?:\A|(?<=[\r\n])) +| +(?=[\r\n]|\Z)")  # of lines
_RUN = re.compile(rb" +")
_LINE_END = re.compile(rb"\r?\n|\r")
_MARKS = {
    codecs.BOM_UTF8: UTF8,
    codecs.BOM_UTF32_LE: "utf-32",  # begins as the next one does
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF32_BE: "utf-32",
}

_NO_TEXT = {
    b"PK\x03\x04": "a workbook or an archive; save its table as CSV",
    b"\xd0\xcf\x11\xe0": "a workbook; save its table as CSV",
    b"PAR1\x15": "a Parquet file; let its name end in .parquet",
    b"SQLite format 3\0": "a database; save its table as CSV",
    b"BZh9": "a bzip2 file; unpack it",
    b"\x28\xb5\x2f\xfd": "a Zstandard file; unpack it",
    b"\xfd7zXZ\0": "an xz file; unpack it",
}
"""How files begin that people call ``.csv``, and what helps."""


class UndecodableError(DataError):
    """A text is not in the encoding that it was read in, but maybe in a `likely` one."""

    likely = "latin-1"


def undecodable(file: Path, line: int, encoding: str) -> UndecodableError:
    """Build the error for a line that is no text in this encoding."""
    return UndecodableError(f"{file}, line {line}: expected {encoding} text")


def wide(message: str, text: str) -> UndecodableError:
    """Build the error for a text with the NULs of UTF-16, which has no mark."""
    error = UndecodableError(message)
    error.likely = "utf-16-be" if text.startswith("\0") else "utf-16-le"
    return error


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


def encoding_of(file: Path, named: str = "") -> str:
    """
    Return the encoding that a byte order mark tells, else `named`, else UTF-8.

    Raises
    ------
    DataError
        If the file is not there, damaged, or no text at all.
    """
    with _sound(file), _packed(file) as stream:
        start = stream.read(16)
    for first, kind in _NO_TEXT.items():
        if start.startswith(first):
            raise DataError(f"{file}: expected text, found {kind}")
    marked = (encoding for mark, encoding in _MARKS.items() if start.startswith(mark))
    return next(marked, named or UTF8)


def arrow_stream(file: Path, encoding: str = UTF8, separator: str = "") -> pa.NativeFile:
    """
    Open for pyarrow; `STAND_IN` replaces a separator, if one is given.

    Reading it raises DataError as `lines`, and for a stand-in that is there already.
    """
    blocks = _blocks(file, encoding)
    if separator == SPACES:
        blocks, separator = _squeezed(blocks), " "
    return pa.PythonFile(_buffered(_separated(blocks, separator, file) if separator else blocks))


def lines(file: Path, encoding: str = UTF8) -> Iterator[tuple[int, bytes]]:
    """
    Yield line number, from 1, and line in UTF-8, its end included.

    Raises
    ------
    DataError
        With the line, where a gzipped file is cut off or damaged, a line is longer than 16 MiB or
        no text in an encoding that is not UTF-8 (whose bytes nobody looked at); if the file is not
        there, or comes to more than 100 times its size when it is unpacked.
    """
    number = 0
    try:
        with _opened(file, encoding) as stream:
            for number, line in enumerate(iter(partial(stream.readline, _LONGEST), b""), start=1):
                if len(line) == _LONGEST:
                    raise DataError(f"{file}, line {number}: expected a line of at most 16 MiB")
                yield number, line
    except DAMAGED as error:
        raise DataError(f"{file}, line {number + 1}: expected sound gzip data, {error}") from None


def content(file: Path, encoding: str = UTF8) -> str:
    """Return a whole file as text, without a byte order mark; raises as `lines`."""
    with _sound(file), _opened(file, encoding) as stream:
        whole = stream.read()
    try:
        return whole.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise undecodable(file, whole.count(b"\n", 0, error.start) + 1, UTF8) from None


@contextmanager
def characters(file: Path, encoding: str = UTF8) -> Iterator[TextIO]:
    """
    Open a file to be read as characters, one a byte of UTF-8, its line ends left as they are.

    Raises
    ------
    DataError
        As `lines`; without the line where a gzipped file is damaged.
    """
    with (
        _sound(file),
        io.TextIOWrapper(_opened(file, encoding), encoding="latin-1", newline="") as stream,
    ):
        yield stream


@contextmanager
def _sound(file: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGED as error:
        raise DataError(f"{file}: expected sound gzip data, {error}") from None


def _packed(file: Path) -> BinaryIO | gzip.GzipFile:
    return gzip.open(file, "rb") if is_gzipped(file) else file.open("rb", buffering=_BLOCK)


def _opened(file: Path, encoding: str) -> io.BufferedReader:
    return _buffered(_blocks(file, encoding))


def _buffered(blocks: Iterable[bytes]) -> io.BufferedReader:
    return io.BufferedReader(_Stream(blocks), _BLOCK)


def _blocks(file: Path, encoding: str) -> Iterator[bytes]:
    """Give a file as UTF-8 without blank last lines, block by block."""
    raw = _unpacked(file)
    return _trimmed(raw if encoding == UTF8 else _recoded(raw, encoding, file))


def _unpacked(file: Path) -> Iterator[bytes]:
    with _packed(file) as stream:
        blocks = iter(partial(stream.read, _BLOCK), b"")
        yield from _bounded(file, blocks) if isinstance(stream, gzip.GzipFile) else blocks


def _bounded(file: Path, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Stop where more comes out of a gzipped file than any text shrinks."""
    room = room_of(file)
    for block in blocks:
        room = left_of(file, room, block)
        yield block


def _recoded(blocks: Iterable[bytes], encoding: str, file: Path) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    for block in chain(blocks, (b"",)):
        before = decoder.getstate()
        try:
            text = decoder.decode(block, final=not block)
            made = text.encode()
        except UnicodeError:
            decoder.setstate(before)
            raise undecodable(file, line + _sound_lines(decoder, block), encoding) from None
        line += text.count("\n")
        yield made


def _sound_lines(decoder: codecs.IncrementalDecoder, block: bytes) -> int:
    """Return how many lines end before the byte that cannot be decoded."""
    ended = 0
    for at in range(len(block)):
        try:
            ended += decoder.decode(block[at : at + 1]).count("\n")
        except UnicodeError:
            break
    return ended


def _trimmed(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Leave out blank last lines, and nothing of the line before them."""
    held: list[bytes] = []
    for block in blocks:
        end = len(block.rstrip(_BLANK))
        if end:
            yield b"".join([*held, block[:end]])
            held.clear()
        held.append(block[end:])
    rest = b"".join(held)
    line_end = _LINE_END.search(rest)
    yield rest[: line_end.end()] if line_end else rest


def _separated(blocks: Iterable[bytes], separator: str, file: Path) -> Iterator[bytes]:
    """Put `STAND_IN` in the place of a separator, which two blocks may share."""
    old, new = separator.encode(), STAND_IN.encode()
    held, line = b"", 1
    for block in blocks:
        if new in block:
            line += block.count(b"\n", 0, block.index(new))
            raise DataError(
                f"{file}, line {line}: expected no character U+001F in a file with {separator!r} "
                "between its fields"
            )
        line += block.count(b"\n")
        *whole, rest = (held + block).split(old)
        cut = max(0, len(rest) - len(old) + 1)
        yield new.join([*whole, rest[:cut]])
        held = rest[cut:]
    yield held


def _squeezed(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Make one space of many, and none at the ends of a line."""
    held = b""
    for block in blocks:
        held += block
        cut = max(held.rfind(b"\n"), held.rfind(b"\r")) + 1
        yield _RUN.sub(b" ", _AT_ENDS.sub(b"", held[:cut]))
        held = held[cut:]
    yield _RUN.sub(b" ", _AT_ENDS.sub(b"", held))


class _Stream(io.RawIOBase):
    """Blocks of bytes as a file."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._left = memoryview(block)
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count
