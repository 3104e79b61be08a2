"""What can be found of how a text file is written, and what is said where it cannot."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recbench.data.readers.delimited import (
    Dialect,
    DoubtfulQuotesError,
    field_counts,
    first_line,
)
from recbench.data.readers.files import UndecodableError
from recbench.data.written import SEPARATORS, SPACES
from recbench.errors import DataError

_LINES = 100  # that are looked at
_SAID = re.compile('"?sep=(.)"?')


def separator_said(file: Path, encoding: str) -> str:
    """Return the separator that line 1 names as Excel writes it, ``sep=;``; else ""."""
    line = "".join(first_line(file, Dialect("\n", encoding)))
    found = _SAID.fullmatch(line)
    return found[1] if found else ""


def separator_of(
    file: Path, named: str, usual: str, encoding: str, columns: int, quoting: bool = True
) -> str:
    """
    Find what separates the fields of a file.

    It is the one that was named, if that splits line 1: another file may need it. Else it is that
    of comma, tab, semicolon, pipe and ``::`` which splits line 1. Where several do, it is one that
    gives the next lines as many fields: the usual one if that does. A space may be many, where one
    does not give the lines as many fields.

    Parameters
    ----------
    file
        A text file.
    named
        By the user; "" if nothing was.
    usual
        What the end of the file's name promises, taken where nothing splits line 1 and where
        nothing gives all lines as many fields; "" if it promises nothing: then a space may be it.
    encoding
        Of the file.
    columns
        How many it has; 0 for as many as line 1.
    quoting
        Whether a field may stand in double quotes.

    Raises
    ------
    DataError
        If none can be it, or several; if the file is missing or not in that encoding.
    """
    looked_for = dict.fromkeys([named, *SEPARATORS.values()] if named else SEPARATORS.values())
    counts = {
        each: field_counts(file, _LINES, Dialect(each, encoding, quoting=quoting))
        for each in looked_for
    }
    splitting = [each for each, found in counts.items() if found and found[0] > 1]
    even = [each for each in splitting if set(counts[each]) == {columns or counts[each][0]}]
    spaces = [each for each in (" ", SPACES) if each in splitting]
    space = [each for each in spaces if each in even][:1] or spaces[:1]
    if named == " " and space:
        return space[0]
    if named in splitting:
        return named
    known = [each for each in splitting if each not in spaces] or ([] if usual else space)
    if len(known) == 1:
        return known[0]
    even = [each for each in even if each in known]
    if usual in even or (usual and known and not even):
        return usual
    if len(even) == 1:
        return even[0]
    alone = columns < 2 and not known  # one column, maybe
    if (alone and (named or usual)) or not any(counts.values()):  # or no line, as others will say
        return named or usual or ","
    found = " and ".join(map(repr, even or known)) or "none"
    raise DataError(
        f"{file}, line 1: expected one separator of fields, found {found}; "
        "name the right one, as --separator ';'"
    )


@contextmanager
def naming_remedies() -> Iterator[None]:
    """Say how an encoding or quotes are named, where those that were assumed do not fit."""
    try:
        yield
    except UndecodableError as error:
        raise DataError(
            f"{error}; name the right encoding, as --encoding {error.likely}, or "
            f"utf-8/{error.likely} if it is that of the items alone"
        ) from None
    except DoubtfulQuotesError as error:
        raise DataError(
            f"{error}; if quotes are characters like any other, say --quotes none"
            f"{'' if error.only_then else ', if they stand around fields, --quotes double'}"
        ) from None
