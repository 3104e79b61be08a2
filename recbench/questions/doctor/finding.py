"""One finding: how often something is so, how bad that is, and what to do about it."""

from collections.abc import Sequence
from textwrap import fill
from typing import Literal

from pydantic import BaseModel, ConfigDict, computed_field

_WIDTH = 64  # of the words in a table

Severity = Literal["fine", "note", "warning"]


class Finding(BaseModel):
    """
    What one check found.

    Attributes
    ----------
    name
        Of what was counted, two or three words.
    count
        How often; a fraction where it is an expected number.
    of
        How many there are to count among; None where the count is no part of anything.
    severity
        ``"fine"``, ``"note"`` (to be known) or ``"warning"`` (figures may mislead).
    text
        One sentence or two: what it means, and the remedy.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    count: float
    of: int | None
    severity: Severity
    text: str

    @computed_field  # type: ignore[prop-decorator]
    @property
    def share(self) -> float | None:
        """Count over `of`; None where there is nothing to count among."""
        return self.count / self.of if self.of else None


def graded(
    *, name: str, count: float, of: int, text: str, note: float = 0.0, warning: float = 1.0
) -> Finding:
    """
    Grade a finding by its share: a note above `note`, a warning above `warning`, else fine.

    Parameters
    ----------
    name, count, of, text
        As in `Finding`; a fraction is rounded, once it is graded. Of nothing the share is 0.
    note, warning
        Shares, in [0, 1].
    """
    share = count / of if of else 0.0
    severity: Severity = "warning" if share > warning else "note" if share > note else "fine"
    return Finding(name=name, count=round(count, 2), of=of, severity=severity, text=text)


def as_table(findings: Sequence[Finding]) -> str:
    """Write findings as a table for a terminal; what is fine needs no words."""
    from tabulate import tabulate

    lines = [
        [
            one.severity,
            one.name,
            f"{one.count:,.4g}" if one.count < 1000 else f"{one.count:,.0f}",
            "-" if one.of is None else f"{one.of:,}",
            "-" if one.share is None else f"{one.share:.1%}",
            "" if one.severity == "fine" else fill(one.text, _WIDTH),
        ]
        for one in findings
    ]
    headers = ["severity", "what", "count", "of", "share", "in words"]
    aligned = ("left", "left", "right", "right", "right", "left")
    return tabulate(lines, headers=headers, colalign=aligned, disable_numparse=True)
