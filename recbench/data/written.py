"""How a text file is written: its separator, its encoding, its columns, as a user names them."""

import codecs
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from recbench.errors import UserError, unknown

UTF8 = "utf8"

Quotes = Literal["", "double", "none"]

SPACES = " +"
"""What stands for one or more spaces, and any at the ends of a line."""

SEPARATORS: Mapping[str, str] = {
    "comma": ",",
    "tab": "\t",
    "semicolon": ";",
    "pipe": "|",
    "colons": "::",
    "space": " ",
    "spaces": SPACES,
}
"""What separators are called; all are looked for, spaces only where there is no other."""

_NOT_OF_FILES = {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"}


@dataclass(frozen=True)
class Written:
    """
    How a text file is written.

    Attributes
    ----------
    separator
        What stands between fields; "" if that is to be found.
    encoding
        As Python names it; "" for UTF-8, or what a byte order mark tells.
    columns
        What the columns are called, in their order, in a file without a line of names; empty where
        line 1 names them.
    quotes
        Whether a double quote may stand around fields ("double") or is a character like any other
        ("none"); "" if nobody said so: then it may, unless that is doubtful.
    """

    separator: str = ""
    encoding: str = ""
    columns: tuple[str, ...] = ()
    quotes: Quotes = ""


TO_BE_FOUND = Written()
"""Of a file of which nobody said how it is written."""


def written_by(
    separator: str | None,
    encoding: str | None,
    columns: str | None,
    item_columns: str | None,
    quotes: Quotes | None = None,
) -> tuple[Written, Written]:
    """
    Return what a user says of interactions and items.

    Parameters
    ----------
    separator
        Itself or a key of `SEPARATORS`.
    encoding
        A name that Python knows; two with a slash between them where the items have another.
    columns, item_columns
        Names with commas between them.
    quotes
        As `Written` has it.

    Raises
    ------
    UserError
        As `separator_named` and `encoding_named`; for an empty name of a column.
    """
    between = "" if separator is None else separator_named(separator)
    first, slash, second = (encoding or "").partition("/")
    encodings = ["" if encoding is None else encoding_named(first)]
    encodings.append(encoding_named(second) if slash else encodings[0])
    return (
        Written(between, encodings[0], _columns_named(columns, "--columns"), quotes or ""),
        Written(
            between, encodings[1], _columns_named(item_columns, "--item-columns"), quotes or ""
        ),
    )


def separator_named(text: str) -> str:
    r"""
    Return the separator that a user names, by itself or by a key of `SEPARATORS`.

    Raises
    ------
    UserError
        For what cannot stand between fields: letters, digits, quotes and line breaks.

    Examples
    --------
    >>> separator_named("tab"), separator_named("::")
    ('\t', '::')
    """
    found = {**SEPARATORS, "\\t": "\t"}.get(text.lower(), text)
    if not found or any(map(_in_fields, found)):
        near = difflib.get_close_matches(text.lower(), SEPARATORS, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise UserError(
            "--separator must be what stands between fields, as ';', or its name "
            f"({', '.join(SEPARATORS)}), not {text!r}{hint}"
        )
    return found


def _in_fields(character: str) -> bool:
    """Whether a character cannot separate fields."""
    return character.isalnum() or character in '"\r\n\0' or "\ud800" <= character <= "\udfff"


def encoding_named(text: str) -> str:
    """
    Return Python's name of an encoding.

    Raises
    ------
    UserError
        If Python knows no encoding of text by that name; the message holds the nearest one.
    """
    try:
        name = codecs.lookup(text).name
        "\n".encode(name)  # refused by codecs that are not of text
    except (LookupError, ValueError):
        name = ""
    if not name or name in _NOT_OF_FILES:
        usual = ("utf-8", "utf-16", "latin-1", "cp1250", "cp1251", "cp1252", "gb18030", "big5")
        raise unknown("encoding", text, (*usual, "shift_jis", "euc_jp", "euc_kr", "koi8_r"))
    return UTF8 if name in ("utf-8", "utf-8-sig") else name


def _columns_named(text: str | None, option: str) -> tuple[str, ...]:
    names = () if text is None else tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise UserError(f"{option} must be names with commas between them, not {text!r}")
    return names
