"""
Every check, one after the other.

To add a check: write a function from `Case` to `Finding` into the file of its kind and name it in
`CHECKS`, or in `TIMED` if it needs times.
"""

from collections.abc import Callable

from recbench.data.doctor import order, rows, titles
from recbench.data.doctor.case import Case
from recbench.data.doctor.finding import Finding

Check = Callable[[Case], Finding]

CHECKS: tuple[Check, ...] = (
    rows.size,
    rows.redraw_noise,
    rows.cold_items,
    rows.cold_targets,
    rows.targets_in_histories,
    rows.users_in_parts,
    rows.follows_ids,
    titles.missing,
    titles.shared,
    titles.inside_others,
    titles.invalid_answers,
)
TIMED: tuple[Check, ...] = (order.before_training, order.ties, order.against_time)

UNTIMED = Finding(
    name="times",
    count=0,
    of=None,
    severity="note",
    text="The data have no times: whether a test target precedes training, and whether the order "
    "is that of time, cannot be said.",
)


def diagnose(case: Case) -> list[Finding]:
    """Run every check; where the data have no times, one finding says so instead of those."""
    timed = [check(case) for check in TIMED] if case.timed else [UNTIMED]
    return [*(check(case) for check in CHECKS), *timed]
