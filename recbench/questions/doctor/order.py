"""Checks of what came before what."""

import numpy as np
from numpy.typing import NDArray

from recbench.data.sorted_sets import distinct
from recbench.data.time_units import astray
from recbench.questions.doctor.case import Case
from recbench.questions.doctor.finding import Finding, graded
from recbench.questions.split import PAD


def before_training(case: Case) -> Finding:
    """Test targets that precede some training interaction."""
    train, targets = case.training_times, case.target_times
    count = int((targets < train.max(initial=targets.min())).sum())
    later = 1 - float(np.searchsorted(train, targets, side="right").mean()) / max(1, len(train))
    return graded(
        name="test before train",
        count=count,
        of=len(targets),
        warning=0.0,
        text=f"Test targets that precede some training interaction; on average {later:.0%} of the "
        "training interactions are later than a target, so a model learns from the future; "
        "a single cut in time (--protocol temporal) has none of this.",
    )


def ties(case: Case) -> Finding:
    """Test targets that share their time with another interaction of the same user."""
    data, test = case.dataset, case.test
    met = distinct(data.times)  # times may be far apart, their places among all are not
    moments = np.sort(_moments(data.users, np.searchsorted(met, data.times), len(met)))
    asked = _moments(test.users, np.searchsorted(met, case.target_times), len(met))
    alike = np.searchsorted(moments, asked, "right") - np.searchsorted(moments, asked, "left")
    count = int((alike > 1).sum())
    return graded(
        name="ties in time",
        count=count,
        of=len(test),
        warning=0.1,
        text="Test targets that share their time with another interaction of the same user: "
        "which of them is the target, a rule decides and not the user.",
    )


def _moments(users: NDArray[np.int32], places: NDArray[np.int64], number: int) -> NDArray[np.int64]:
    """Return one number for each user and time, int64 [n]; `places` of times are below `number`."""
    return users.astype(np.int64) * number + places


def ties_with_history(case: Case) -> Finding:
    """Test targets that share their time with the last item of their history, another one."""
    test, last = case.test, case.test.histories[:, -1]
    rows = np.flatnonzero((last != PAD) & (last != test.targets))
    count = int(case.met_at(test.users[rows], last[rows], case.target_times[rows]).sum())
    return graded(
        name="ties with the history",
        count=count,
        of=len(case.test),
        warning=0.1,
        text="Test targets that share their time with the last item of their visible history: "
        "which of the two comes next, a rule decides and not the user.",
    )


def against_time(case: Case) -> Finding:
    """Test targets that are older than something in their visible history."""
    count = int((case.target_times < case.latest_history_times).sum())
    return graded(
        name="targets out of order",
        count=count,
        of=len(case.test),
        warning=0.01,
        text="Test targets that are older than an item of their visible history: the rows do not "
        "follow time, and what they ask is not what comes next.",
    )


def other_magnitudes(case: Case) -> Finding:
    """Interactions whose time is of another magnitude than the rest."""
    times = case.dataset.times
    return graded(
        name="times of another magnitude",
        count=int(astray(times).sum()),
        of=len(times),
        warning=0.0,
        text="Interactions with a time of another magnitude than the rest (seconds among "
        "milliseconds, or a 0 for one that is not known): they stand in the wrong place of "
        "their users' sequences; write all times in one unit, leave the unknown out, and add the "
        "data anew.",
    )
