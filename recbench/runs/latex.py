r"""Sheets as LaTeX: tables of the package booktabs, to be put into a document with ``\input``."""

from recbench.plain_text import printable
from recbench.runs.sheet import Grid, Sheet

SIGNS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    # In the oldest encoding, which is the default, these three print as other signs.
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}
"""What a sign is written as that means something to LaTeX, or prints as another."""

_WRITTEN = str.maketrans(SIGNS)


def page(sheet: Sheet) -> str:
    """Write a sheet, a blank line between its blocks."""
    title = rf"\textbf{{{escaped(sheet.title)}}}" if sheet.title else ""
    texts = [_table(block) if isinstance(block, Grid) else escaped(block) for block in sheet.said]
    return "\n\n".join(filter(None, [title + escaped(sheet.part), *texts]))


def escaped(text: str) -> str:
    """Write a text so that it prints as it is, also at the beginning of a table's line."""
    text = printable(text)
    # After the end of a line, these two would be read as a part of that.
    guarded = f"{{{text[0]}}}" if text[:1] in ("[", "*") else text[:1].translate(_WRITTEN)
    return guarded + text[1:].translate(_WRITTEN)


def _table(grid: Grid) -> str:
    header, *lines = (
        rf"{' & '.join(map(escaped, line))} \\" for line in (grid.headers, *grid.lines)
    )
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{'l' * len(grid.headers)}}}",
            *(r"\toprule", header, r"\midrule", *lines, r"\bottomrule"),
            r"\end{tabular}",
        ]
    )
