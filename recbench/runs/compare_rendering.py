"""Comparisons as text: for a terminal, Markdown, LaTeX, CSV and JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from recbench.plain_text import as_json
from recbench.runs.compare import Compared, Comparison
from recbench.runs.notes import estimate_of, notes, notes_of, seeds_cell, unshown_note
from recbench.runs.sheet import Grid, Sheet
from recbench.runs.text import (
    Format,
    as_csv,
    laid_out,
    probability,
    question_as_json,
    question_line,
    signed,
    told,
)

PARTS = ("users", "draws", "seeds", "rest")


def render_comparison(found: Comparison, form: Format) -> str:
    """Write a comparison as text, a line a pair, without a last line end."""
    if form == "json":
        return as_json(_as_json(found))
    if form == "csv":
        return _as_csv(found)
    return laid_out(comparison_sheet(found), form)


def comparison_sheet(found: Comparison) -> Sheet:
    """Return what a page says of a comparison: its rows, then a line a pair."""
    rows = [[row.label, seeds_cell(row)] for row in found.rows]
    lines = [
        [
            *(one.a.label, one.b.label, _difference(one)),
            *(probability(one.pair.p), f"{one.pair.difference.df:.1f}", str(one.discordant)),
            *(f"{share:.0%}" for share in _shares(one)),
            *("matched" if one.matched else "apart", told(one.smallest)),
        ]
        for one in found.pairs
    ]
    headers = ["first", "second", f"{found.metric}: first less second", "p", "df"]
    headers += ["users apart", *PARTS, "seeds are", "smallest told apart"]
    many = len(found.pairs)
    blocks: list[str | Grid] = [
        Grid(["row", "seeds"], rows),
        Grid(headers, lines),
        f"Intervals hold all at once with 95%, p is adjusted for {many} "
        f"pair{'s' if many > 1 else ''} (Bonferroni), each with degrees of freedom of its own. "
        "Users, draws, seeds and the rest: their shares of the variance of the difference. The "
        "smallest true difference that such a table tells apart: with 80% power.",
        *notes(found.rows, found.metric),
        unshown_note(found.unshown),
    ]
    return Sheet(tuple(blocks), question_line(found.rows[0].record))


def _difference(one: Compared) -> str:
    return signed(one.pair.difference.value, one.pair.low, one.pair.high)


def _shares(one: Compared) -> list[float]:
    amounts = [getattr(one.parts, part) for part in PARTS]
    whole = sum(amounts)
    return [amount / whole if whole else 0.0 for amount in amounts]


def _as_csv(found: Comparison) -> str:
    headers = ["metric", "first", "second", "difference", "low", "high", "p", "df", "se"]
    headers += ["users_apart", *(f"{part}_share" for part in PARTS), "matched", "smallest"]
    headers += ["first notes", "second notes", "rows left out"]
    return as_csv(headers, [_values(found, one) for one in found.pairs])


def _values(found: Comparison, one: Compared) -> Sequence[object]:
    whole = one.pair.difference
    return [
        *(found.metric, one.a.label, one.b.label, whole.value, one.pair.low, one.pair.high),
        *(one.pair.p, whole.df, whole.se, one.discordant, *_shares(one)),
        *(one.matched, one.smallest),
        *("; ".join(notes_of(row, estimate_of(row, found.metric))) for row in (one.a, one.b)),
        found.unshown,
    ]


def _as_json(found: Comparison) -> dict[str, Any]:
    return {
        **question_as_json(found.rows[0].record),
        "metric": found.metric,
        "rows_left_out": found.unshown,
        "rows": [
            {
                "label": row.label,
                "seeds": [run.record.seed for run in row.runs],
                "notes": notes_of(row, estimate_of(row, found.metric)),
            }
            for row in found.rows
        ],
        "pairs": [
            {
                "first": one.a.label,
                "second": one.b.label,
                "difference": one.pair.difference.value,
                "low": one.pair.low,
                "high": one.pair.high,
                "p": one.pair.p,
                "se": one.pair.difference.se,
                "df": one.pair.difference.df,
                "given_training": one.pair.difference.given_training,
                "users_apart": one.discordant,
                "variance": asdict(one.parts),
                "matched": one.matched,
                "smallest": one.smallest,
            }
            for one in found.pairs
        ],
    }
