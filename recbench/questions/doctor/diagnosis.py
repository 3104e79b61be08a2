"""
Every check, one after the other.

To add a check: write a function from `Case` to `Finding` into the file of its kind and name it in
one of the tables below.
"""

from collections.abc import Callable

from recbench.questions.doctor import known, order, rows, sequential, titles
from recbench.questions.doctor.case import Case
from recbench.questions.doctor.finding import Finding

Check = Callable[[Case], Finding]

ALWAYS: tuple[Check, ...] = (
    rows.size,
    rows.too_few_competitors,
    rows.cold_items,
    rows.cold_targets,
    rows.missing_items,
    rows.targets_in_histories,
    rows.follows_ids,
    sequential.pairs,
    sequential.triples,
    titles.missing,
    titles.shared,
    titles.inside_others,
)
UNIFORM: tuple[Check, ...] = (titles.invalid_answers, rows.redraw_noise)
"""Where negatives are drawn uniformly: of others the probabilities have no closed form."""

POPULAR = Finding(
    name="popular negatives",
    count=0,
    of=None,
    severity="note",
    text="Two checks are left out, of right answers called invalid and of the noise of the "
    "negatives: where popular items are drawn more often their figures are not known; ask under "
    "uniform negatives.",
)

KNOWN: tuple[Check, ...] = (rows.targets_met_before,)
"""Where more is left out of a row than its visible history."""

BROUGHT: tuple[Check, ...] = (known.candidates_met,)
"""Where the rows bring their candidates."""

GIVEN = Finding(
    name="given candidates",
    count=0,
    of=None,
    severity="note",
    text="Two checks are left out, of right answers called invalid and of the noise of the "
    "negatives: the rows bring their candidates, and how those were chosen is not known; "
    "--candidates all ranks the whole catalogue.",
)

FINISHED: tuple[Check, ...] = (known.repeated, known.in_training, known.foretold)
"""Of a finished split, whose parts come as others made them."""

OWNED: tuple[Check, ...] = (rows.users_in_parts,)
"""Of data that say whose each interaction is."""

TIMED: tuple[Check, ...] = (
    order.before_training,
    order.ties,
    order.against_time,
    order.other_magnitudes,
)
"""Of data with times."""

CLUSTERED: tuple[Check, ...] = (rows.new_users, rows.users_worth)
"""Where a user has several test rows."""

CLUSTERED_TIMED: tuple[Check, ...] = (order.ties_with_history,)
"""The same, of data with times; where a user is asked once, `order.ties` says as much."""

UNOWNED = Finding(
    name="users",
    count=0,
    of=None,
    severity="note",
    text="A finished split does not say whose its rows are: whether users who are asked about "
    "train as well cannot be said.",
)
UNTIMED = Finding(
    name="times",
    count=0,
    of=None,
    severity="note",
    text="The data have no times: whether a test target precedes training, and whether the order "
    "is that of time, cannot be said.",
)


def diagnose(case: Case) -> list[Finding]:
    """Run every check that can be run; a finding says where some cannot, and why."""
    rule = case.protocol
    uniform = rule.negatives == "uniform" and not rule.full
    owned, timed, clustered = not case.dataset.card.finished, case.timed, case.clustered
    tables = (
        (True, ALWAYS),
        (uniform, UNIFORM),
        (rule.exclude != "history", KNOWN),
        (case.dataset.rows is not None, FINISHED),
        (case.split.given_test is not None, BROUGHT),
        (owned, OWNED),
        (timed, TIMED),
        (clustered, CLUSTERED),
        (clustered and timed, CLUSTERED_TIMED),
    )
    checks = [check for holds, table in tables if holds for check in table]
    popular = rule.negatives == "popular"
    left_out = (
        (popular, POPULAR),
        (rule.given, GIVEN),
        (not owned, UNOWNED),
        (not timed, UNTIMED),
    )
    unsaid = [finding for holds, finding in left_out if holds]
    return [*(check(case) for check in checks), *unsaid]
