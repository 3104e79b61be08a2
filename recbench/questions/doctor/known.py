"""Checks of the rows of a finished split that are known from elsewhere in it."""

import numpy as np

from recbench.data.overlaps import LEAST, MOST
from recbench.questions.doctor.case import Case
from recbench.questions.doctor.finding import Finding, graded


def repeated(case: Case) -> Finding:
    """Rows that are equal to an earlier one of their part."""
    found = case.overlaps
    return graded(
        name="repeated rows",
        count=sum(found.repeated.values()),
        of=sum(found.rows.values()),
        warning=0.01,
        text=f"Rows with the history and target of an earlier row of their part "
        f"({found.repeated_in_words}): they count twice, in training or in a figure; import the "
        "split without them.",
    )


def in_training(case: Case) -> Finding:
    """Test rows that are training or validation rows as well."""
    found = case.overlaps
    return graded(
        name="test rows in training",
        count=found.known_test,
        of=found.rows["test"],
        warning=0.01,
        text="Test rows that stand in training or validation too, history and target alike: a "
        "model has learnt their answers (of the validation rows "
        f"{found.known_validation} stand in training); import the split without them.",
    )


def foretold(case: Case) -> Finding:
    """Test rows whose history goes on to their target in a training sequence."""
    found = case.overlaps
    return graded(
        name="test rows foretold",
        count=found.foretold_test,
        of=found.rows["test"],
        warning=0.05,
        text=f"Test rows of which the last {LEAST} to {MOST} items of the history, and then the "
        "target, follow one another in a training sequence: a model need only remember; "
        "where it is many, users or sessions stand in several parts.",
    )


def candidates_met(case: Case) -> Finding:
    """Test rows of which a given wrong answer stands in the visible history."""
    test, given = case.test, case.split.given_test
    assert given is not None
    met = np.zeros(given.shape, dtype=bool)
    for items in test.histories.T:
        met |= given == items[:, None]
    met &= given != test.targets[:, None]
    return graded(
        name="candidates in histories",
        count=int(met.any(axis=1).sum()),
        of=len(test),
        text="Test rows that bring a wrong answer which stands in the visible history: a model "
        "that never names what was met before has fewer to choose from; under drawn negatives no "
        "row has one.",
    )
