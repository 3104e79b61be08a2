"""Blocks of printed tables: filled, refilled, and nothing between them lost."""

import pytest


@pytest.fixture(scope="module")
def tool(load):
    return load("printed")


PAGE = """# Page

<!-- printed by: recbench a -->

<!-- end of print -->

between

<!-- printed by: recbench b --c -->

old

table

<!-- end of print -->

after
"""


def test_blocks_are_filled_and_what_lies_between_stays(tool):
    once = tool.filled(PAGE, lambda command: f"printed by {command}")
    assert tool.blocks(once) == [
        ("recbench a", "printed by recbench a"),
        ("recbench b --c", "printed by recbench b --c"),
    ]
    assert "\n\nbetween\n\n" in once
    assert once.endswith("\n\nafter\n")
    assert "old" not in once
    assert tool.filled(once, lambda command: f"printed by {command}") == once


def test_every_page_has_as_many_ends_as_begins(tool):
    for page in tool.PAGES:
        text = page.read_text(encoding="utf-8")
        assert len(tool.blocks(text)) == text.count("<!-- printed by:")
        assert text.count("<!-- printed by:") == text.count("<!-- end of print -->")


def test_a_command_prints_to_the_tool_what_it_prints(tool, command_line):
    code, out, err = command_line("protocols", "show", "paper")
    assert code == 0, err
    assert tool.printed("recbench protocols show paper") == out.strip()
