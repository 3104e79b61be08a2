"""What is told of cells while they run."""

import io

import pytest
from rich.console import Console

from recbench.cells import board as module
from recbench.cells.board import Board
from recbench.cells.process import Ended


def drawn(board):
    console = Console(file=io.StringIO(), width=120)
    console.print(board.table())
    return console.file.getvalue()


def test_the_table_shows_what_runs_and_counts_the_rest():
    lines = []
    with Board(5, lines.append) as board:
        assert "5 cells: 5 waiting" in drawn(board)
        board.begun("a on d, seed 0", "host 1")
        board.begun("b on d, seed 0", "host 2")
        board.said("a on d, seed 0", "training a: [bold]results[/bold]")
        board.said("c on d, seed 0", "from nobody")
        shown = drawn(board)
        assert "training a: [bold]results[/bold]" in shown  # no markup
        assert "5 cells: 3 waiting" in shown
        board.ended("a on d, seed 0", Ended(0), again=False)
        board.ended("b on d, seed 0", Ended(-9), again=True)
        assert "5 cells: 1 done, 4 waiting" in drawn(board)
        board.begun("b on d, seed 0", "host 1")
        board.ended("b on d, seed 0", Ended(1, "error: no"), again=False)
        assert "5 cells: 1 done, 1 failed, 3 waiting" in drawn(board)
    assert lines == [
        "a on d, seed 0 on host 1: begun",
        "b on d, seed 0 on host 2: begun",
        "a on d, seed 0: training a: [bold]results[/bold]",
        "c on d, seed 0: from nobody",
        "a on d, seed 0 on host 1: done",
        f"b on d, seed 0 on host 2: {Ended(-9).words}; it goes on where it stopped",
        "b on d, seed 0 on host 1: begun",
        "b on d, seed 0 on host 1: failed with exit code 1: error: no",
    ]


def test_what_a_cell_says_is_passed_on_but_for_bars_and_its_error():
    """A table must not be filled with runs that were made otherwise, without a word."""
    lines = []
    with Board(1, lines.append) as board:
        board.begun("a on d, seed 0", "cpu")
        bar = "Loading weights:  50%|█████     | 1/2 [00:00<00:00]"
        board.said("a on d, seed 0", bar)
        assert bar[:20] in drawn(board)
        board.said("a on d, seed 0", "found a run that was not audited")
        board.said("a on d, seed 0", "error: no")
        board.ended("a on d, seed 0", Ended(1, "error: no"), again=False)
    assert lines[1:] == [
        "a on d, seed 0: found a run that was not audited",
        "a on d, seed 0 on cpu: failed with exit code 1: error: no",
    ]


def test_what_a_cell_says_steers_no_terminal_and_tells_no_key(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_planted-key-0123456789")
    board = Board(1, lambda line: None)
    board.begun("a on d, seed 0", "host\x1b[2J")
    board.said("a on d, seed 0", "\x1b]0;owned\x07 hf_planted-key-0123456789")
    shown = drawn(board)
    assert "\x1b" not in shown
    assert "\\x1b]0;owned" in shown
    assert "planted" not in shown


@pytest.mark.parametrize(("live", "terminal", "drawn"), [(True, True, True), (True, False, False)])
def test_a_terminal_alone_is_drawn_on(monkeypatch, live, terminal, drawn):
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=120)
    monkeypatch.setattr(module, "Console", lambda stderr: console)
    with Board(1, lambda line: None, live) as board:
        board.begun("a on d, seed 0", "host 1")
    assert ("a on d, seed 0" in file.getvalue()) == drawn
