"""Checks of who is asked about what."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recbench.data.missing import missing_among
from recbench.data.ragged import lengths
from recbench.defaults import DRAWS
from recbench.questions.competitors import RULE, needed
from recbench.questions.doctor.case import Case
from recbench.questions.doctor.finding import Finding, graded
from recbench.questions.effective_users import effective_users
from recbench.questions.split import PAD, Examples
from recbench.statistics.power import Design, assumed, told_apart

DISCORDANCE, DRAWS_SHARE, SEED_SD = 0.11, 0.8, 0.014
"""
Assumed of two systems where no runs are at hand: the share of rows, of one draw and one training
each, for which one is right and the other wrong; what of it is by chance of the draw; and the
standard deviation of a system's hit ratio between trainings.

Measured on the published runs of Caser, GRU4Rec and SASRec on MovieLens-100K by
``python tools/assumed.py``, 29 November 2026: discordances of .099 to .112 under `paper`,
`next-item` and `temporal`, and draws of .83; .0141 between five trainings of each under `paper`,
.0021 and .0022 under the others, which have more rows. Assumed are round figures: about the
largest discordance and deviation, and a share of draws that more draws shrink by less.
"""

ALIKE = 0.002
"""
Correlation of what two rows of one user, of one draw each, show of a difference; measured likewise
under `temporal`, where a user has up to 428 rows.
"""

SEEDS = 5
"""Trainings of each system that are assumed."""

_EXCLUDED_AT_ONCE = 1 << 23  # as when packs are drawn; no result depends on it

FEW_USERS = 100
"""Below as many effective users, a test is no surer than the small published ones."""


def smallest_difference(users: NDArray[np.integer], draws: int = DRAWS) -> float:
    """
    Return the true difference in HitRatio@1 that these rows tell apart, as far as can be assumed.

    Found with 80% power by the paired test, clustered by user, of two systems with `DISCORDANCE`,
    `DRAWS_SHARE`, `SEED_SD` and `SEEDS` trainings each (`recbench.statistics.power`). What
    trainings do to single users and draws is counted with those, which is careful. Stored runs say
    it better: ``recbench plan``.

    Parameters
    ----------
    users
        [rows], whose each is, at least two different ones.
    draws
        Of each row, at least 1; 1 where no negatives are drawn.
    """
    rows, worth = len(users), effective_users(users)
    design = Design.of(users, draws, SEEDS)
    # Rows of one user are alike to some degree: the design effect of Kish (1965). Draws take away
    # what is by their chance, so that what is left is the more alike.
    alike = ALIKE / (1 - DRAWS_SHARE + DRAWS_SHARE / draws)
    independent = rows / (1 + alike * (rows / worth - 1))
    single = assumed(DISCORDANCE, SEED_SD, DRAWS_SHARE)
    return told_apart(single, replace(design, users=independent))


def size(case: Case) -> Finding:
    """How many test rows there are, and what they can show."""
    rows, users = len(case.test), len(np.unique(case.test.users))
    draws = 1 if case.protocol.full or case.protocol.given else DRAWS
    least = smallest_difference(case.test.users, draws) if users > 1 else 1.0
    drawn = f", {DRAWS_SHARE:.0%} of that by chance of the draw, {draws} draws" if draws > 1 else ""
    said = (
        f"Two systems are told apart that truly differ by {least:.3f} in HitRatio@1: the paired "
        "test, clustered by user, then finds it with 80% power."
        if least < 1
        else "No two systems can be told apart in HitRatio@1: the paired test, clustered by user, "
        "would not find even a true difference of 1 with 80% power."
    )
    return Finding(
        name="test rows",
        count=rows,
        of=None,
        severity="warning" if least > 0.05 else "note" if least > 0.02 else "fine",
        text=f"{said} Assumed, as measured on MovieLens-100K: {DISCORDANCE:.0%} of the rows "
        f"answered differently{drawn}, {SEEDS} seeds of standard deviation {SEED_SD}; recbench "
        "plan says it of stored runs.",
    )


def too_few_competitors(case: Case) -> Finding:
    """Test rows that are left out, since too few items are left to be wrong answers."""
    split, least = case.split, needed(case.protocol)
    if case.refused:
        rows = len(split.test)
        return Finding(name=RULE, count=rows, of=rows, severity="warning", text=case.refused)
    few, remedy = "no wrong answer", ""
    if least > 1:
        few = f"fewer than {least:,} wrong answers"
        remedy = " Fewer candidates (--candidates) leave fewer out."
    found = graded(
        name=RULE,
        count=split.left_out_test,
        of=len(split.test) + split.left_out_test,
        warning=0.05,
        text=f"Test rows with {few} to choose from, their users have touched nearly "
        f"everything; they are left out, and {split.left_out_validation} validation rows as well."
        f"{remedy}",
    )
    if found.severity == "fine" and split.left_out_validation:
        return found.model_copy(update={"severity": "note"})
    return found


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


def missing_items(case: Case) -> Finding:
    """Interactions with an item whose id programs write for a missing one."""
    data = case.dataset
    codes = missing_among(data.catalogue.raw_ids)
    return graded(
        name="ids of missing items",
        count=int(np.isin(data.items, codes).sum()) if codes else 0,
        of=len(data),
        warning=0.0,
        text="Interactions with an item called nan, None, null or the like: so programs write a "
        "missing id, and different items may have become one; if so, leave these rows out and add "
        "the data anew.",
    )


def targets_in_histories(case: Case) -> Finding:
    """Test rows whose target the visible history holds."""
    test = case.test
    return graded(
        name="targets in histories",
        count=int(_are_visible(test).sum()),
        of=len(test),
        warning=0.01,
        text="Test targets that stand in their own visible history: naming what was met before is "
        "then a right answer; keep one interaction of each pair if that is not meant.",
    )


def targets_met_before(case: Case) -> Finding:
    """Test rows whose target the user touched before what the visible history holds."""
    test = case.test
    itself = case.protocol.exclude == "user"  # what is left out of a row then holds the target
    older = (_times_excluded(case) > itself) & ~_are_visible(test)
    return graded(
        name="targets met before",
        count=int(older.sum()),
        of=len(test),
        warning=0.01,
        text="Test targets that their user touched longer ago than the visible history shows; no "
        "wrong answer was touched before, so a model that knows its users tells the target by that "
        "alone; keep one interaction of each pair (--pairs of recbench data add) if that is not "
        "meant.",
    )


def _are_visible(test: Examples) -> NDArray[np.bool_]:
    """Tell of each row whether its history holds the target."""
    return (test.histories == test.targets[:, None]).any(axis=1)


def _times_excluded(case: Case) -> NDArray[np.int64]:
    """Count how often the target stands among what is left out of its test row, int64 [rows]."""
    excluded, counts = case.split.excluded_test, np.zeros(len(case.test), dtype=np.int64)
    for rows in excluded.runs(len(excluded), _EXCLUDED_AT_ONCE):
        lists = excluded.lists(rows)
        owners = np.repeat(rows, lengths(lists))
        counts += np.bincount(
            owners[lists.values == case.test.targets[owners]], minlength=len(counts)
        )
    return counts


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
