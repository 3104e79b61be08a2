"""
What others wrote, shown as text: it steers no terminal, and is no markup where it is printed.

Titles, names and what a system's maker says may hold anything. Signs that cannot be printed (escape
sequences, marks that turn the order of letters around) are written as Python or JSON writes them;
what else a form takes for its own is written as that form writes plain signs.
"""

import json
import re

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""How a cell begins that a spreadsheet works out, whatever stands in it."""

_NUMBER = re.compile(r"[+-]?(\d[\d,.]*(e[+-]?\d+)?%?)?", re.IGNORECASE)
_OF_MARKDOWN = re.compile(
    r"[\\`*<&|]"  # escapes, code, emphasis, tags, entities, cells
    r"|(?<![^\W_])[_~]+|[_~]+(?![^\W_])"  # emphasis and strokes, of which none is inside a word
    r"|(?<=\])[(\[:]"  # where a link goes
    r"|^(?:>|[#+-](?=[#\s-])|\d+[.)](?=\s|$))"  # what begins a block
)


def printable(text: str) -> str:
    """Write signs that would steer a terminal (escapes, line breaks) as Python writes them."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def printable_lines(text: str) -> str:
    """Do as `printable`, line by line: line breaks stay."""
    return "\n".join(map(printable, text.split("\n")))


def as_json(value: object) -> str:
    """Write a value as JSON, as `printable_json`."""
    return printable_json(json.dumps(value, indent=2, ensure_ascii=False))


def printable_json(text: str) -> str:
    """Write signs of a JSON text that would steer a terminal as JSON writes them: it says the same.

    Line breaks, which JSON has between its values alone, stay.
    """
    return "".join(
        one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in text
    )


def as_cell(value: object) -> object:
    """
    Return what stands for a value in a table that a spreadsheet may open.

    Numbers stay numbers. In front of a text that a spreadsheet would take for a formula stands an
    apostrophe, which keeps it a text.
    """
    if not isinstance(value, str):
        return value
    text = printable(value)
    formula = text.lstrip().startswith(FORMULA) and not _NUMBER.fullmatch(text)
    return f"'{text}" if formula else text


def as_markdown(text: str) -> str:
    """Write a text so that Markdown shows it as it is, in a paragraph as in a cell."""
    return _OF_MARKDOWN.sub(lambda found: re.sub(r"([^\d])", r"\\\1", found[0]), printable(text))
