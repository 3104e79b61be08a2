"""Titles as a language model sees them: shortened if asked, and what a tokenizer makes of them."""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from recbench.data.titles import normalised

ELLIPSIS = "..."

Encode = Callable[[list[str]], list[list[int]]]


def shortened(titles: Sequence[str], limit: int | None, encode: Encode) -> list[str]:
    """
    Shorten the titles that have more than `limit` tokens, none of them where it is None.

    A title is cut at a word's end and "..." put there, at a character where its first word alone is
    too long.
    """
    if limit is None:
        return list(titles)
    lengths = map(len, encode(list(titles)))
    return [
        title if length <= limit else _shortened(title, limit, encode)
        for title, length in zip(titles, lengths, strict=True)
    ]


def _shortened(title: str, limit: int, encode: Encode) -> str:
    def tokens(shown: str) -> int:
        return len(encode([shown])[0])

    words = [title[: gap.start()].rstrip(" ,:;.-") for gap in re.finditer(r"\s+", title)]
    letters = [title[:end] for end in range(1, len(title))]
    for beginnings in (words, letters):
        tried = [f"{one}{ELLIPSIS}" for one in beginnings if one]
        fitting = bisect_right(tried, limit, key=tokens)  # a longer one has more tokens
        if fitting:
            return tried[fitting - 1]
    return ELLIPSIS


@dataclass(frozen=True)
class TitleLosses:
    """
    What titles lose on their way to a language model and back.

    Attributes
    ----------
    shortened
        Titles that were shortened, each with what is shown.
    alike
        How many are then shown as another, different one is.
    damaged
        Titles that do not come out of the tokenizer as they went in, each with what comes out.
    unanswerable
        How many of these an answer can never name, whatever the model writes.
    titles
        How many there are.
    """

    shortened: tuple[tuple[str, str], ...]
    alike: int
    damaged: tuple[tuple[str, str], ...]
    unanswerable: int
    titles: int

    @classmethod
    def of(cls, titles: Sequence[str], shown: Sequence[str], read: Sequence[str]) -> "TitleLosses":
        """Compare titles with what is shown of them, and with what is read of that, [items]."""
        damaged = [pair for pair in zip(shown, read, strict=True) if pair[0].strip() != pair[1]]
        return cls(
            shortened=tuple(pair for pair in zip(titles, shown, strict=True) if len(set(pair)) > 1),
            alike=_alike(titles, shown),
            damaged=tuple(damaged),
            unanswerable=sum(normalised(one) != normalised(other) for one, other in damaged),
            titles=len(titles),
        )

    def lines(self, listed: bool = True) -> list[str]:
        """
        Say it to the user, a line each of what was lost.

        Parameters
        ----------
        listed
            Whether an answer names one of the candidates; else titles are ranked by what is shown.
        """
        lines = []
        if self.shortened:
            lines.append(
                f"{len(self.shortened)} of {self.titles} titles are shortened: "
                f"{_examples(self.shortened)}"
                + ("; an answer names a title by its short form too" if listed else "")
            )
        if self.alike:
            invalid = "where both are candidates, an answer that names them is invalid"
            lines.append(
                f"{self.alike} titles are shown as another one is: "
                f"{invalid if listed else 'their ranks tie, which counts against the model'}; "
                "a larger title_tokens parts them"
            )
        if self.damaged:
            lost = f"no answer can name {self.unanswerable} of them, which lowers ValidRatio"
            named = lost if self.unanswerable else "answers name them all the same"
            lines.append(
                f"{len(self.damaged)} of {self.titles} titles do not come out of the tokenizer as "
                f"they went in: {_examples(self.damaged)}; "
                f"{named if listed else 'they are ranked as they come out'}"
            )
        return lines

    def record(self) -> dict[str, Any]:
        """Return the counts, and three of the damaged titles, for a run record; only of losses."""
        counts = {
            "titles_shortened": len(self.shortened),
            "titles_alike": self.alike,
            "titles_damaged": len(self.damaged),
            "titles_unanswerable": self.unanswerable,
            "damaged_titles": [title for title, _ in self.damaged[:3]],
        }
        return {name: value for name, value in counts.items() if value}


def _examples(pairs: Sequence[tuple[str, str]]) -> str:
    """Name three."""
    named = ", ".join(f"{one!r} as {other!r}" for one, other in pairs[:3])
    return f"{named}, ..." if len(pairs) > 3 else named


def _alike(titles: Sequence[str], shown: Sequence[str]) -> int:
    """Count the titles that are shown as another, different title is, case and spaces apart."""
    pairs = {(normalised(one), normalised(title)) for title, one in zip(titles, shown, strict=True)}
    owners = Counter(one for one, _ in pairs)
    return sum(owners[normalised(one)] > 1 for one in shown)
