"""Whether a file holds a pickle, whatever it is called: who reads one runs what stands in it."""

import bz2
import gzip
import io
import lzma
import pickletools
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

SUFFIXES = (
    *(".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle"),
)
"""Of files that are pickles as a rule."""

_PROTOCOLS = range(2, 6)
"""Those that say which they are: a pickle then begins with 0x80 and the number."""

_INSTRUCTIONS = frozenset(one.code for one in pickletools.opcodes)

_COMPRESSED: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ": lzma.decompress,
    b"]\x00\x00": lzma.decompress,
    b"x": zlib.decompress,
}
"""How what is compressed begins, as joblib does it, to what reads it."""


def is_pickle(path: Path) -> bool:
    """Tell whether a file is a pickle, or holds one, by its name or its content."""
    return path.suffix in SUFFIXES or holds_pickle(path.read_bytes())


def holds_pickle(content: bytes) -> bool:
    """Tell whether bytes are a pickle, or an archive or a compressed file with one in it."""
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return any(holds_pickle(archive.read(name)) for name in archive.namelist())
    if content.startswith(b"\x93NUMPY"):
        return b"|O" in content.partition(b"\n")[0]  # the array's objects are pickled
    for beginning, decompress in _COMPRESSED.items():
        if content.startswith(beginning):
            try:
                return holds_pickle(decompress(content))
            except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error):
                continue  # it only begins like that
    return _says_so(content) or _is_one_throughout(content)


def _says_so(content: bytes) -> bool:
    """Tell whether bytes begin as a pickle does; raw arrays may stand between its instructions."""
    begins = content[:1] == b"\x80" and len(content) > 2 and content[1] in _PROTOCOLS
    known = chr(content[2]) in _INSTRUCTIONS if begins else False
    return known and not _is_safetensors(content)


def _is_safetensors(content: bytes) -> bool:
    """Tell whether bytes begin with the length of a JSON header, of which 0x80 may be a part."""
    return content[8:9] == b"{" and int.from_bytes(content[:8], "little") + 8 <= len(content)


def _is_one_throughout(content: bytes) -> bool:
    """Tell whether bytes are instructions of a pickle to the last, of one that says no protocol."""
    try:
        first, *_, (last, _, place) = pickletools.genops(content)
    except Exception:  # whatever it makes of what is none
        return False
    takes = first[0].stack_before  # a text such as "0." takes away what nothing has put there
    return not takes and last.name == "STOP" and place == len(content) - 1
