"""
From the text that a model wrote to the candidate it meant.

Two rules. ``exact``: the answer, normalised, is the title of exactly one candidate, case, width and
spaces apart (`recbench.data.titles.normalised`). ``substring``: the rule of the codes released
with LLaRA (Liao et al., SIGIR 2024) and iLoRA (Kong et al., NeurIPS 2024): exactly one candidate
title is a substring of the lower-cased first line.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recbench.data.titles import normalised
from recbench.errors import PluginError

Matching = Literal["exact", "substring"]

NO_CANDIDATE = -1
"""Slot of an answer that names no candidate, or several different ones."""

SHARED_TITLE = -2
"""Slot of an answer whose title two or more candidates share: nobody can tell which was meant."""


def match(
    answers: Sequence[str],
    candidates: NDArray[np.int32],
    titles: Sequence[str],
    matching: Matching = "exact",
) -> NDArray[np.int32]:
    """
    Find the candidate that each answer means.

    Only the first line of a stripped answer counts. An empty answer names no candidate, and no
    answer one whose title is empty.

    Parameters
    ----------
    answers
        [rows], as written.
    candidates
        int32 [rows, C], catalogue codes in the order shown.
    titles
        [items], the title of each catalogue code.
    matching
        The rule, see the module.

    Returns
    -------
    NDArray
        int32 [rows], a slot in 0..C-1, or `NO_CANDIDATE`, or `SHARED_TITLE`; both negative ones are
        invalid answers.

    Raises
    ------
    PluginError
        If there is not one answer a row.
    """
    if len(answers) != len(candidates):
        raise PluginError(f"the model gave {len(answers)} answers to {len(candidates)} queries")
    lines = [first_line(answer) for answer in answers]
    if matching == "exact":
        numbers, keys = _numbered([normalised(title) for title in titles])
        numbers.pop("", None)
        said = np.array([numbers.get(normalised(line), -1) for line in lines], dtype=np.int64)
        named = keys[candidates] == said[:, None]  # [rows, C]
        shared = named.sum(axis=1) > 1
    else:
        lowered = [title.lower().strip() for title in titles]
        keys = _numbered(lowered)[1]
        named = np.array(
            [
                [lowered[item] != "" and lowered[item] in line.lower() for item in row]
                for line, row in zip(lines, candidates.tolist(), strict=True)
            ],
            dtype=bool,
        ).reshape(candidates.shape)
        shared = _one_title_many_times(named, keys[candidates])
    slots = np.where(named.sum(axis=1) == 1, named.argmax(axis=1), NO_CANDIDATE)
    return np.where(shared, SHARED_TITLE, slots).astype(np.int32)


def first_line(answer: str) -> str:
    """Return the first line of a stripped answer; an empty string where there is none."""
    return answer.strip().split("\n", 1)[0].strip()


def _numbered(titles: Sequence[str]) -> tuple[dict[str, int], NDArray[np.int64]]:
    """Number the distinct titles; return the numbers and the number of each item."""
    numbers: dict[str, int] = {}
    keys = [numbers.setdefault(title, len(numbers)) for title in titles]
    return numbers, np.array(keys, dtype=np.int64)


def _one_title_many_times(named: NDArray[np.bool_], keys: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell for each row whether several slots are named and all show the same title."""
    first = np.take_along_axis(keys, named.argmax(axis=1)[:, None], axis=1)  # [rows, 1]
    return (named.sum(axis=1) > 1) & ~(named & (keys != first)).any(axis=1)
