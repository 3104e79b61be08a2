"""Checks of who is asked about what."""

import math

import numpy as np

from recbench.questions.doctor.case import Case
from recbench.questions.doctor.finding import Finding, graded
from recbench.questions.effective_users import effective_users
from recbench.questions.split import PAD

HIT_RATIO = 0.45
"""At which the smallest difference is given: about what good systems reach on 20 candidates."""

FEW_USERS = 100
"""Below as many effective users, a test is no surer than the small published ones."""


def smallest_difference(rows: int, hit_ratio: float = HIT_RATIO) -> float:
    """
    Return by how much two hit ratios must differ to be told apart, each measured on its own.

    Two-sided at 95%: 1.96 * sqrt(2 p (1 - p) / n), the normal approximation for the difference of
    two independent proportions p over n rows each. A paired test on the same rows sees smaller
    differences.
    """
    return 1.96 * math.sqrt(2 * hit_ratio * (1 - hit_ratio) / rows)


def size(case: Case) -> Finding:
    """How many test rows there are, and what they can show."""
    rows = len(case.test)
    least = smallest_difference(rows)
    return Finding(
        name="test rows",
        count=rows,
        of=None,
        severity="warning" if least > 0.05 else "note" if least > 0.02 else "fine",
        text=f"At a hit ratio of {HIT_RATIO} two systems must differ by {least:.3f} to be told "
        "apart (two-sided 95%, each on its own); compare them by paired tests on the same rows.",
    )


def redraw_noise(case: Case) -> Finding:
    """
    How much another draw of the negatives moves a fixed system: popularity, for which it is known.

    It hits a row when all negatives occurred less often in training than the target, with some
    probability p; over n rows the standard deviation of its hit ratio is sqrt(sum p (1 - p)) / n.
    """
    counts, targets = case.training_counts, case.test.targets
    misses = case.any_drawn(lambda free: free.at_least(counts, counts[targets[free.numbers]]))
    deviation = math.sqrt(float((misses * (1 - misses)).sum())) / len(misses)
    return Finding(
        name="noise of the negatives",
        count=round(deviation, 4),
        of=None,
        severity="note" if deviation > 0.005 else "fine",
        text="Standard deviation of popularity's hit ratio when only the negatives are drawn anew; "
        f"five draws a row (--draws 5) make it {deviation / math.sqrt(5):.4f}.",
    )


def cold_items(case: Case) -> Finding:
    """Items of the catalogue that no training sequence holds."""
    count, of = int((case.training_counts == 0).sum()), len(case.split.catalogue)
    return graded(
        name="cold items",
        count=count,
        of=of,
        warning=0.25,
        text="Items that never occur in training, yet can be drawn as candidates; an ID model "
        "knows nothing of them and ranks them by chance.",
    )


def cold_targets(case: Case) -> Finding:
    """Test rows whose target no training sequence holds."""
    targets = case.test.targets
    count = int((case.training_counts[targets] == 0).sum())
    return graded(
        name="cold targets",
        count=count,
        of=len(targets),
        warning=0.05,
        text="Test targets that never occur in training: look at them by "
        "recbench leaderboard --group-by target-count.",
    )


def targets_in_histories(case: Case) -> Finding:
    """Test rows whose target the visible history holds."""
    test = case.test
    count = int((test.histories == test.targets[:, None]).any(axis=1).sum())
    return graded(
        name="targets in histories",
        count=count,
        of=len(test),
        warning=0.01,
        text="Test targets that stand in their own visible history: naming what was met before is "
        "then a right answer; keep one interaction of each pair if that is not meant.",
    )


def users_in_parts(case: Case) -> Finding:
    """Test users who train as well."""
    users = np.unique(case.test.users)
    count = int(np.isin(users, case.split.sequence_users).sum())
    return graded(
        name="users in several parts",
        count=count,
        of=len(users),
        text="Test users whose earlier interactions train, so figures are for known users; "
        "under a protocol that keeps users apart they would be for new ones.",
    )


def new_users(case: Case) -> Finding:
    """Test rows of users who have no training interaction."""
    count, of = int((case.cold_start.user_count == 0).sum()), len(case.test)
    return graded(
        name="rows of new users",
        count=count,
        of=of,
        note=0.1,
        warning=0.5,
        text="Test rows of users without any training interaction: figures are largely for new "
        "users, of whom a model knows the visible history alone; look at known and new ones apart "
        "by recbench leaderboard --group-by user.",
    )


def users_worth(case: Case) -> Finding:
    """How many users with equally many test rows the test rows are worth."""
    users = case.test.users
    count, of = effective_users(users), len(np.unique(users))
    return Finding(
        name="effective users",
        count=round(count, 1),
        of=of,
        severity="warning" if count < FEW_USERS else "note",
        text=f"So many users with equally many rows are worth as much as these {of}, of whom a few "
        "have most of the rows (Kish: the square of the number of rows over the sum of the users' "
        "squared numbers); the number of rows says little about how sure a figure is.",
    )


def follows_ids(case: Case) -> Finding:
    """Test rows whose target has a larger id than everything in the visible history."""
    test = case.test  # catalogue codes ascend with raw ids
    known = (test.histories != PAD).sum(axis=1)
    asked = known > 0
    count = int((test.targets > test.histories.max(axis=1))[asked].sum())
    of = int(asked.sum())
    chance = float((1 / (1 + known[asked])).mean()) if of else 0.0
    return graded(
        name="order follows ids",
        count=count,
        of=of,
        note=2 * chance,
        warning=0.5,
        text="Test targets with a larger item id than their whole visible history "
        f"({chance:.0%} expected if ids say nothing); where it is most of them, the order is that "
        "of a sorted file, and the nearest larger id is a good guess.",
    )
