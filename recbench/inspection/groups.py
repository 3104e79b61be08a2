"""For which test rows a system is right: by training interactions, and by what it has to go on."""

from pydantic import BaseModel

from recbench.runs.groups import Grouping, grouped
from recbench.runs.leaderboard import compared, rows_of
from recbench.runs.store import Run
from recbench.statistics.intervals import Figure

BY: dict[Grouping, str] = {
    "target-count": "training interactions of the target",
    "user-count": "training interactions of the user",
    "history-length": "items in the history",
}
"""By what rows are parted, in words; 0 is a cold item, a new user, an empty history."""


class Part(BaseModel):
    """The test rows of one group of one kind of `BY`, and the figure that tables go by."""

    by: str
    group: str
    rows: int
    hit: Figure | None


def groups(run: Run) -> list[Part]:
    """Part the test rows by each of `BY`, those left out by which all are in one group."""
    table = compared(rows_of([run]))
    found = []
    for by, words in BY.items():
        parts = [group for group in grouped([table], by)[0].groups if group.examples]
        if len(parts) > 1:
            found += [
                Part(
                    by=words,
                    group=group.name,
                    rows=group.examples,
                    hit=None if group.estimates[0] is None else group.estimates[0].figure,
                )
                for group in parts
            ]
    return found
