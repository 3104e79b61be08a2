"""What a page says of a table, in words and cells, before it is laid out."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Grid:
    """Cells in rows and columns, as texts: a header a column, a line a row."""

    headers: Sequence[str]
    lines: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Sheet:
    """
    What is said of one table, before it is laid out.

    Attributes
    ----------
    blocks
        Paragraphs and grids in their order; an empty paragraph is left out.
    title
        What was asked; empty for none.
    part
        What of it is shown, behind the title.
    """

    blocks: tuple[str | Grid, ...]
    title: str = ""
    part: str = ""

    @property
    def said(self) -> list[str | Grid]:
        """All blocks but empty ones."""
        return [block for block in self.blocks if block]
