"""What was recited, as text."""

from recbench.memory.recital import Memory
from recbench.runs.text import figure_cell, grid, signed

SHOWN = 3
"""Recited answers that are shown of each kind."""


def render(found: Memory) -> str:
    """Write it for a terminal, without a last line end."""
    lines = [
        [
            one.what,
            str(len(one.answers)),
            figure_cell(one.recited),
            figure_cell(one.control),
            signed(one.difference, one.low, one.high),
        ]
        for one in found.recitals
    ]
    headers = ["asked for", "asked", "recited", "with other ids", "memory of the file"]
    shown = [
        f"Recited: {answer.expected}"
        for one in found.recitals
        for answer in [each for each in one.answers if each.written == each.expected][:SHOWN]
    ]
    return "\n\n".join(
        [
            f"{found.llm}, as it is, goes on behind the files of {found.dataset}",
            grid(headers, lines),
            *(["\n".join(shown)] if shown else []),
            "Greedy. With other ids the same is shown, and no file goes on so: what is right there "
            "all the same was guessed. 95% intervals; the difference is of the same questions.",
        ]
    )
