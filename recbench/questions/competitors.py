"""
Competitors: the wrong answers that stand to choice in a row, and the rows that have too few.

Of a full ranking these are the items that are neither excluded for a row nor its target. Where
negatives are drawn they are what may be drawn together: items, or titles where these must differ.
A validation or test row is asked only if it has as many as its question needs; of a full ranking
one, since the only item ranks first whoever is asked. The others are left out under the rule
`RULE`, so that one user who has touched everything makes no dataset unaskable.
"""

from dataclasses import replace
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from recbench.data.catalogue import Catalogue
from recbench.data.dataset import array_digest
from recbench.data.ragged import lengths
from recbench.data.sorted_sets import among, distinct
from recbench.data.titles import TitleGroups
from recbench.errors import UserError
from recbench.questions.excluded import Excluded
from recbench.questions.protocols import Protocol
from recbench.questions.split import Part, Split

RULE = "too few competitors"

PARTS: tuple[Part, ...] = get_args(Part)

_EXCLUDED_AT_ONCE = 1 << 23  # as when packs are drawn; no result depends on it


def needed(protocol: Protocol) -> int:
    """Return how many competitors a row must have to be asked; 0 where the rows bring them."""
    if protocol.given:
        return 0
    return 1 if protocol.full else protocol.drawn


def alike(catalogue: Catalogue, protocol: Protocol) -> TitleGroups:
    """Return which items are no competitors of one another: those of one title, where it counts."""
    distinct = protocol.distinct_titles and not protocol.full
    return TitleGroups.of(catalogue) if distinct else TitleGroups.apart(catalogue)


def competitors(
    groups: TitleGroups, targets: NDArray[np.int32], excluded: Excluded
) -> NDArray[np.int64]:
    """
    Count the competitors of each row.

    Parameters
    ----------
    groups
        From `alike`.
    targets, excluded
        Of any rows.

    Returns
    -------
    ndarray
        int64 [rows], from 0: the groups, but for the target's own and those that are excluded with
        all their items.
    """
    own = groups.numbers[targets]
    runs = excluded.runs(max(len(excluded), 1), _EXCLUDED_AT_ONCE)
    counts = [_counted(groups, excluded, run, own[run]) for run in runs]
    return np.concatenate([np.zeros(0, dtype=np.int64), *counts])


def _counted(
    groups: TitleGroups, excluded: Excluded, run: NDArray[np.int64], own: NDArray[np.int64]
) -> NDArray[np.int64]:
    lists, owners = excluded.distinct(run)
    number, size = len(groups.items), len(groups.numbers)
    whose = np.repeat(np.arange(len(lists)), lengths(lists))
    whose, items = np.divmod(distinct(whose * size + lists.values), size)
    # Each list and title that it holds, and of these the ones of which it holds all items.
    held, counts = np.unique(whose * number + groups.numbers[items], return_counts=True)
    gone = held[counts == lengths(groups.items)[held % number]]
    lost = np.bincount(gone // number, minlength=len(lists))
    left: NDArray[np.int64] = number - lost[owners] - ~among(owners * number + own, gone)
    return left


def enough(
    groups: TitleGroups, targets: NDArray[np.int32], excluded: Excluded, least: int
) -> NDArray[np.bool_]:
    """
    Tell which rows have at least `least` competitors, bool [rows].

    Rows that must have them, since no excluded item takes more than one away, are not looked at.
    """
    found = len(groups.items) - 1 - excluded.sizes >= least
    doubtful = np.flatnonzero(~found)
    found[doubtful] = competitors(groups, targets[doubtful], excluded.of(doubtful)) >= least
    return found


def askable(split: Split, protocol: Protocol, name: str) -> Split:
    """
    Leave the validation and test rows out that have too few competitors, and count them.

    Parameters
    ----------
    split
        With at least one row of each part; where all can be asked, it is returned as it is.
    protocol
        How its rows are asked.
    name
        Of the dataset, for the message.

    Raises
    ------
    UserError
        If a part has no row left, with the largest number of candidates that leaves some in both.
    """
    groups, least = alike(split.catalogue, protocol), needed(protocol)
    kept: dict[str, NDArray[np.int64]] = {}
    for part in PARTS:
        rows = enough(groups, split.examples(part).targets, split.excluded(part), least)
        if not rows.any():
            said = f"no {part} row of {name} has {_amount(least)} under {protocol.label}"
            raise UserError(f"{said}: {_advice(split, protocol)}")
        kept[part] = np.flatnonzero(rows)
    validation, test = kept["validation"], kept["test"]
    few_validation, few_test = len(split.validation) - len(validation), len(split.test) - len(test)
    if not few_validation + few_test:
        return split
    return replace(
        split,
        validation=split.validation[validation],
        test=split.test[test],
        excluded_validation=split.excluded_validation.of(validation),
        excluded_test=split.excluded_test.of(test),
        digest=array_digest(split.digest, RULE, validation, test),
        left_out_validation=few_validation,
        left_out_test=few_test,
    )


def _advice(split: Split, protocol: Protocol) -> str:
    """Say how a question can be asked on some row of each part, if it can."""

    def most(groups: TitleGroups) -> tuple[int, Part]:
        found: dict[Part, int] = {}
        for part in PARTS:
            targets, excluded = split.examples(part).targets, split.excluded(part)
            found[part] = int(competitors(groups, targets, excluded).max())
        fewest = min(PARTS, key=lambda part: found[part])
        return found[fewest], fewest

    fewer, _ = most(alike(split.catalogue, protocol))
    if not protocol.full and fewer:
        return f"give --candidates {fewer + 1}, the most that leave some"
    items, part = most(TitleGroups.apart(split.catalogue))
    if not protocol.full and items:
        drawn = "" if protocol.negatives == "uniform" else " --negatives uniform"
        return f"all that may be drawn has one title; give --candidates all{drawn}"
    return (
        f"every user of a {part} row has touched every item by then; it takes items that users "
        "have not touched"
    )


def left_out_lines(split: Split, protocol: Protocol) -> list[str]:
    """Say in one line for each part how many rows have too few competitors, where some have."""
    lines = []
    for part in PARTS:
        if count := split.left_out(part):
            of, one = count + len(split.examples(part)), count == 1
            least = needed(protocol)
            few = "no competitor" if least == 1 else f"fewer than {_amount(least)}"
            lines.append(
                f"{count:,} of {of:,} {part} rows {'has' if one else 'have'} {few} and "
                f"{'is' if one else 'are'} left out (rule: {RULE})"
            )
    return lines


def _amount(competing: int) -> str:
    return "a competitor" if competing == 1 else f"{competing:,} competitors"
