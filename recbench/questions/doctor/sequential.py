"""Checks of the order of training sequences: whether there is any."""

from recbench.questions.doctor.case import Case
from recbench.questions.doctor.finding import Finding, Severity
from recbench.questions.doctor.rules import CONFIDENCE, SHUFFLES, SUPPORT, ShuffleTest

WEAK, WEAKER = 0.9, 0.5
"""Shares of the rules that shuffling takes away, below which a finding is a note, or a warning."""

FEW = 20
"""Of fewer rules nothing is claimed: a finding is a note whatever share of them goes away."""


def pairs(case: Case) -> Finding:
    """Rules of two items that are gone when sequences are shuffled."""
    return _lost("pairs in order", case.shuffle_tests[0])


def triples(case: Case) -> Finding:
    """The same of three items."""
    return _lost("threes in order", case.shuffle_tests[1])


def _lost(name: str, found: ShuffleTest) -> Finding:
    rules, lost = found.rules, float(found.rules - found.shuffled.mean())
    share = lost / rules if rules else 0.0
    severity: Severity = "warning" if share < WEAKER else "note" if share < WEAK else "fine"
    if rules < FEW:
        severity = "note"
    rule = f"more than {SUPPORT} times and in more than {CONFIDENCE:.0%} of the cases"
    few = f"They are few, and say little: fewer than {FEW}. " if rules < FEW else ""
    if not rules:
        said = f"No item comes next {rule}: of an order these sequences show nothing in this way."
        return Finding(name=name, count=0, of=0, severity=severity, text=said)
    return Finding(
        name=name,
        count=round(lost, 1),
        of=rules,
        severity=severity,
        text=f"Rules (an item comes next {rule}) that are gone when each training sequence is "
        f"shuffled: {found.shuffled.min():,} to {found.shuffled.max():,} are left in {SHUFFLES} "
        f"shuffles, by what is popular. {few}Where most are left, the data show little order; what "
        "of a figure goes away with it, recbench run --control shuffled-history tells.",
    )
