"""
Every check, one after the other.

To add a check: write a function from `Case` to `Finding` into the file of its kind and name it in
one of the tables below.
"""

from collections.abc import Callable

from recbench.data.doctor import order, rows, titles
from recbench.data.doctor.case import Case
from recbench.data.doctor.finding import Finding

Check = Callable[[Case], Finding]

ALWAYS: tuple[Check, ...] = (
    rows.size,
    rows.cold_items,
    rows.cold_targets,
    rows.targets_in_histories,
    rows.users_in_parts,
    rows.follows_ids,
    titles.missing,
    titles.shared,
    titles.inside_others,
)
UNIFORM: tuple[Check, ...] = (titles.invalid_answers, rows.redraw_noise)
"""Of protocols with uniform negatives: of others the probabilities have no closed form."""

TIMED: tuple[Check, ...] = (order.before_training, order.ties, order.against_time)
"""Of data with times."""

UNTIMED = Finding(
    name="times",
    count=0,
    of=None,
    severity="note",
    text="The data have no times: whether a test target precedes training, and whether the order "
    "is that of time, cannot be said.",
)


def diagnose(case: Case) -> list[Finding]:
    """Run every check that can be run; where there are no times, a finding says so."""
    uniform = UNIFORM if case.protocol.negatives == "uniform" else ()
    found = [check(case) for check in (*ALWAYS, *uniform)]
    return [*found, *(check(case) for check in TIMED)] if case.timed else [*found, UNTIMED]
