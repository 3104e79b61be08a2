"""What others wrote stays text in every form, and says there what it said."""

import json

import pytest
from hostile import (
    HOSTILE,
    STEERING,
    formulas,
    of_markdown,
    shows_only_text,
    unescaped_latex,
)
from hypothesis import given
from hypothesis import strategies as st

from recbench.plain_text import (
    FORMULA,
    as_cell,
    as_json,
    as_markdown,
    printable,
    printable_lines,
)
from recbench.runs import latex
from recbench.runs.sheet import Grid, Sheet
from recbench.runs.text import as_csv, laid_out

hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


@hostile
def test_a_terminal_shows_it_as_it_is_written(text):
    assert shows_only_text(printable(text))
    assert printable(printable(text)) == printable(text)
    assert printable_lines(f"{text}\n\n{text}") == f"{printable(text)}\n\n{printable(text)}"


@given(st.text())
def test_no_text_steers_a_terminal(text):
    assert shows_only_text(printable(text))
    assert text != (shown := printable(text)) or not STEERING.search(shown)


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_says_the_same_and_steers_nothing(value):
    assert shows_only_text(as_json(value))
    assert json.loads(as_json(value)) == value


@hostile
def test_no_cell_is_a_formula(text):
    page = as_csv(["a", "b"], [[text, 1.5], ["x", text]])
    assert shows_only_text(page)
    assert not formulas(page)


@given(st.text())
def test_no_text_is_a_formula(text):
    page = as_csv(["a"], [[text], [f"={text}"], [f"-{text}"]])
    assert not formulas(page)


@pytest.mark.parametrize("same", ["-", "+0.012", "-3", "1e-5", "-1.5%", "a=b", "", 3, -0.5, None])
def test_numbers_and_plain_texts_stay(same):
    assert as_cell(same) == same


@pytest.mark.parametrize("sign", FORMULA)
def test_a_formula_is_kept_a_text(sign):
    assert as_cell(f"{sign}A1") == f"'{sign}A1"
    assert as_cell(f" {sign}A1") == f"' {sign}A1"


@pytest.mark.parametrize("reference", ["+E5", "-e10", "=1"])
def test_what_looks_like_a_part_of_a_number_is_a_formula(reference):
    assert as_cell(reference) == f"'{reference}"


@hostile
@pytest.mark.parametrize("place", ["cell", "paragraph", "title"])
def test_markdown_shows_it_as_it_is_written(text, place):
    grid = Grid(["a", text], [[text, "1"]]) if place == "cell" else Grid(["a"], [["1"]])
    said = (text,) if place == "paragraph" else ()
    page = laid_out(Sheet((grid, *said), text if place == "title" else ""), "markdown")
    kinds, shown = of_markdown(page)
    assert kinds <= {"strong_open", "strong_close"}  # of the title
    assert printable(text) in shown


@pytest.mark.parametrize(
    "text",
    [
        *("# a", "> a", "- a", "+ a", "---", "## b", "_a_", "a_b", "*", "\\"),
        *("1. a", "12) a", "1.", "[a]: b", "[a]: <b>"),
    ],
)
def test_nothing_begins_a_block_or_is_stressed(text):
    kinds, shown = of_markdown(as_markdown(text))
    assert (kinds, shown) == (set(), text)


def test_what_markdown_takes_for_text_is_left_alone():
    said = "lora_rank=8, may be 0.300 [0.201, 0.401] (-0.012), #3 of a+b; x_1"
    assert as_markdown(said) == said


@hostile
def test_latex_prints_it(text):
    page = latex.page(Sheet((Grid(["a"], [[text]]), text), text))
    assert shows_only_text(page)
    assert not unescaped_latex(page)
