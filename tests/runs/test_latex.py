"""Sheets as LaTeX: every sign prints as it is, and nothing is added or left out."""

import re

import pytest

from recbench.runs import latex
from recbench.runs.leaderboard import leaderboard
from recbench.runs.rendering import render, sheet
from recbench.runs.sheet import Grid, Sheet

PLAIN = {written: sign for sign, written in latex.SIGNS.items()}


def read(text: str) -> str:
    """Return what LaTeX prints of a text, as far as `escaped` is concerned."""
    known = "|".join(map(re.escape, sorted(PLAIN, key=len, reverse=True)))
    plain = re.sub(known, lambda found: PLAIN[found[0]], text)
    return re.sub(r"^\{([\[*])\}", r"\1", plain)


@pytest.mark.parametrize("text", ["", "a & b", "100% of $5 #1", r"C:\new_{}~^", "a|b <c>", "été"])
def test_every_sign_prints_as_it_is(text):
    written = latex.escaped(text)
    assert read(written) == text
    assert not re.search(r"(?<!\\)[&%$#_]", written)


@pytest.mark.parametrize("text", ["[row 1a2b]", "*"])
def test_a_line_does_not_begin_with_what_belongs_to_the_end_of_the_one_before(text):
    grid = Grid(["model"], [["first"], [text]])
    lines = latex.page(Sheet((grid,))).splitlines()
    assert not any(line.startswith(("[", "*")) for line in lines)
    assert read(latex.escaped(text)) == text


def test_a_page_has_the_cells_and_the_notes_of_the_table(made):
    runs = [made(caption="50% & more"), made((1, 1, 1, 0), model="a_model")]
    (table,) = leaderboard(runs)
    page = render([table], "latex")
    title, grid, *notes = page.split("\n\n")
    said = sheet(table)
    assert read(title.removeprefix(r"\textbf{").removesuffix("}")) == said.title
    rows = [line.removesuffix(r" \\") for line in grid.splitlines() if line.endswith(r"\\")]
    cells = [[read(cell) for cell in row.split(" & ")] for row in rows]
    (shown,) = [block for block in said.said if isinstance(block, Grid)]
    assert cells == [[*shown.headers], *map(list, shown.lines)]
    assert [read(note) for note in notes] == [one for one in said.said if isinstance(one, str)]
    assert r"50\% \& more" in page
    assert r"a\_model" in page
