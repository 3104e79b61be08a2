"""Checks of the titles, by which language models know items and are understood."""

from recbench.data.ragged import lengths
from recbench.data.titles import UNKNOWN, TitleGroups, normalised
from recbench.questions.doctor.case import Case
from recbench.questions.doctor.finding import Finding, graded


def shared(case: Case) -> Finding:
    """Items that have their title in common with another."""
    sizes = lengths(TitleGroups.of(case.split.catalogue).items)
    count, of = int(sizes[sizes > 1].sum()), len(case.split.catalogue)
    return graded(
        name="shared titles",
        count=count,
        of=of,
        warning=0.05,
        text=f"Items that share {int((sizes > 1).sum())} titles: a written answer cannot tell them "
        "apart; a protocol whose candidates have different titles never shows two of them.",
    )


def missing(case: Case) -> Finding:
    """Items without a title."""
    titles = case.split.catalogue.titles
    count = sum(normalised(title) in ("", UNKNOWN) for title in titles)
    return graded(
        name="items without a title",
        count=count,
        of=len(titles),
        warning=0.01,
        text=f'Items without a title of their own (they are called "{UNKNOWN}"): a language model '
        "learns nothing of them; give them titles, or leave them out.",
    )


def inside_others(case: Case) -> Finding:
    """Items whose title is a part of another item's."""
    count, of = len(case.title_parts.inner_items()), len(case.split.catalogue)
    return graded(
        name="titles inside titles",
        count=count,
        of=of,
        text="Items whose title is a part of another one: where both are candidates, the substring "
        "rule cannot read the longer one; use --matching exact, the default.",
    )


def invalid_answers(case: Case) -> Finding:
    """
    Test rows whose exactly right answer the substring rule would call invalid, as expected.

    The answer is the target's title; it is invalid when the title of another candidate is a part
    of it. Of the n items that a row may draw, k have such a title; m negatives drawn uniformly
    miss them all with probability comb(n - k, m) / comb(n, m). Exact but where titles must differ:
    there a set is drawn again when two negatives share a title, which is left out of account.
    """
    targets, parts = case.test.targets, case.title_parts
    spoiled = case.any_drawn(lambda free: free.among(parts.spoilers(targets[free.numbers])))
    return graded(
        name="right answers called invalid",
        count=float(spoiled.sum()),
        of=len(targets),
        warning=0.01,
        text="Test rows, as expected over random negatives, in which the exactly right title holds "
        "another candidate's and the substring rule calls it invalid; use --matching exact, the "
        "default.",
    )
