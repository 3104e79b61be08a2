"""
The charts of a report, as Vega-Lite.

Everything that a chart shows stands in a table beside it. Colours are variables of the page's
style, so that light and dark are one chart, and none tells anything that form or place does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recbench.report.costs import Cost
from recbench.report.experts import ExpertWeights
from recbench.runs.compare import Comparison
from recbench.runs.leaderboard import Row
from recbench.runs.positions import FIGURE, PositionCurve
from recbench.statistics.intervals import Estimate
from recbench.studies.curves import Look

if TYPE_CHECKING:
    import altair as alt

INK, LINE, ACCENT = "var(--ink)", "var(--line)", "var(--accent)"
SERIES = [f"var(--series-{number})" for number in range(1, 7)]

CONFIG = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        **dict.fromkeys(("labelColor", "titleColor"), INK),
        **dict.fromkeys(("gridColor", "domainColor", "tickColor"), LINE),
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelLimit": 150,
        "labelPadding": 6,
    },
    "legend": {
        **dict.fromkeys(("labelColor", "symbolBaseFillColor", "symbolBaseStrokeColor"), INK),
        "labelFontSize": 12,
        "labelLimit": 300,
        "orient": "top",
        "direction": "vertical",
        "columns": 1,
    },
}
"""How all of them look."""


@dataclass(frozen=True)
class Chart:
    """
    One chart.

    Attributes
    ----------
    about
        What it shows, in words: its heading, and all that a screen reader says of it.
    spec
        Vega-Lite, as JSON values; its width is that of the page.
    """

    about: str
    spec: dict[str, Any]


def intervals(
    about: str, figure: str, rows: Sequence[Row], found: Sequence[Estimate | None], top: float
) -> Chart:
    """
    Draw a figure of each row with its interval; filled where the row may be the best.

    The scale goes from 0 to `top`, so that charts side by side have the same.
    """
    import altair as alt

    values = [
        {
            "row": f"{number}. {row.label}",
            "value": one.figure.value,
            "low": one.figure.low,
            "high": one.figure.high,
            "best": "may be best" if row.to_best and row.to_best.may_be_best else "another",
        }
        for number, (row, one) in enumerate(zip(rows, found, strict=True), 1)
        if one is not None
    ]
    base = alt.Chart(alt.Data(values=values)).encode(
        y=alt.Y("row:N", sort=None, title=None),
        tooltip=_tooltip("row:N", "value:Q", "low:Q", "high:Q"),
    )
    bars = base.mark_rule(color=INK, strokeWidth=2).encode(
        x=alt.X("low:Q", title=figure, scale=alt.Scale(domain=[0, top])), x2="high:Q"
    )
    fill = alt.condition("datum.best == 'may be best'", alt.value(ACCENT), alt.value("var(--page)"))
    dots = base.mark_point(size=70, stroke=ACCENT, strokeWidth=2, opacity=1).encode(
        x="value:Q", fill=fill
    )
    return _chart(about, alt.layer(bars, dots).properties(height=22 * len(values)))


def against(about: str, figure: str, axis: str, found: Sequence[tuple[Cost, float]]) -> Chart:
    """Draw the figure of each row against what it took, above 0, by its number in the table."""
    import altair as alt

    values = [
        {"no": one.number, "row": one.row.label, "value": one.figure.value, "cost": cost}
        for one, cost in found
        if one.figure is not None and cost > 0
    ]
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X(
            "cost:Q",
            title=axis,
            scale=alt.Scale(type="log", padding=20),
            axis=alt.Axis(tickCount=6),
        ),
        y=alt.Y("value:Q", title=figure),
        tooltip=_tooltip("no:N", "row:N", "value:Q", "cost:Q"),
    )
    dots = base.mark_point(size=50, filled=True, color=ACCENT, opacity=1)
    # Neighbours in the table often lie close together: their numbers go to either side.
    names = [
        base.mark_text(align=align, dx=dx, color=INK, fontSize=13)
        .transform_filter(f"datum.no % 2 == {odd}")
        .encode(text="no:N")
        for align, dx, odd in (("left", 7, 1), ("right", -7, 0))
    ]
    return _chart(about, alt.layer(dots, *names).properties(height=260))


def pairs(about: str, found: Comparison) -> Chart:
    """Draw which row is told apart from which, as a square of signs."""
    import altair as alt

    number = {row.label: place for place, row in enumerate(found.rows, 1)}
    values = []
    for one in found.pairs:
        sign = int(one.pair.low > 0) - int(one.pair.high < 0)
        both = (one.a, one.b, sign, 1), (one.b, one.a, -sign, -1)
        values += [
            {
                "row": f"{number[a.label]}. {a.label}",
                "column": number[b.label],
                "to": b.label,
                "difference": turned * one.pair.difference.value,
                "sign": "▲" if told > 0 else "▼" if told < 0 else "·",
            }
            for a, b, told, turned in both
        ]
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X("column:O", title="less row no.", axis=alt.Axis(orient="top", labelAngle=0)),
        y=alt.Y("row:N", title=None, sort=[f"{place}. {name}" for name, place in number.items()]),
        tooltip=_tooltip("row:N", "to:N", "difference:Q", "sign:N"),
    )
    shade = alt.Color(
        "sign:N",
        scale=alt.Scale(
            domain=["▲", "·", "▼"], range=["var(--better)", "var(--even)", "var(--worse)"]
        ),
        legend=None,
    )
    squares = base.mark_rect(stroke="var(--page)", strokeWidth=2).encode(color=shade)
    signs = base.mark_text(color=INK, fontSize=12).encode(text="sign:N")
    return _chart(about, alt.layer(squares, signs).properties(height=24 * len(number)))


def learning(about: str, figure: str, found: Sequence[Look]) -> Chart:
    """Draw a figure of the validation rows against the rows that were learnt from."""
    import altair as alt

    values = [
        {"system": one.system, "seed": one.seed, "rows": one.rows, "value": one.figures[figure]}
        for one in found
        if figure in one.figures
    ]
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X(
            "rows:Q",
            title="rows learnt from",
            scale=alt.Scale(type="log", nice=False, padding=12),
            axis=alt.Axis(values=sorted({one.rows for one in found}), format="d"),
        ),
        y=alt.Y("value:Q", title=f"{figure}, validation"),
        color=alt.Color("system:N", sort=None, scale=alt.Scale(range=SERIES), legend=None),
        detail="seed:N",
        tooltip=_tooltip("system:N", "seed:N", "rows:Q", "value:Q"),
    )
    # The form of the points names them, in any light and to any eye.
    shape = alt.Shape("system:N", title=None, sort=None)
    dots = base.mark_point(size=60, filled=True, opacity=1).encode(shape=shape)
    dashed = alt.StrokeDash("system:N", sort=None, legend=None)
    lines = base.mark_line(strokeWidth=2).encode(strokeDash=dashed)
    return _chart(about, alt.layer(lines, dots).properties(height=260))


def position(about: str, curve: PositionCurve) -> Chart:
    """Draw how often a row is right by the target's place, and over all places."""
    import altair as alt

    values = [
        {
            "place": one.slot,
            "rows": one.rows,
            "value": one.estimate.figure.value,
            "low": one.estimate.figure.low,
            "high": one.estimate.figure.high,
        }
        for one in curve.places
    ]
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X(
            "place:O",
            title="place of the target in the list",
            axis=alt.Axis(labelAngle=0, labelOverlap=True),
        ),
        tooltip=_tooltip("place:O", "rows:Q", "value:Q", "low:Q", "high:Q"),
    )
    top = max(one.estimate.figure.high for one in curve.places)
    bars = base.mark_rule(color=INK, strokeWidth=2).encode(
        y=alt.Y("low:Q", title=FIGURE, scale=alt.Scale(domain=[0, top])), y2="high:Q"
    )
    dots = base.mark_point(size=60, filled=True, color=ACCENT, opacity=1).encode(y="value:Q")
    whole = curve.row.estimates[FIGURE].figure.value
    level = (
        alt.Chart(alt.Data(values=[{"value": whole}]))
        .mark_rule(color=ACCENT, strokeDash=[4, 4])
        .encode(y="value:Q")
    )
    return _chart(about, alt.layer(level, bars, dots).properties(height=200))


def experts(about: str, found: ExpertWeights) -> Chart:
    """Draw the weight of each expert over the examples, and that of equal weights."""
    import altair as alt

    values = [
        {"expert": expert, "mean": mean, "low": low, "high": high}
        for expert, (mean, low, high) in enumerate(found.spread.T.tolist(), 1)
    ]
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X("expert:O", title="expert", axis=alt.Axis(labelAngle=0)),
        tooltip=_tooltip("expert:O", "mean:Q", "low:Q", "high:Q"),
    )
    top = max(one["high"] for one in values)
    bars = base.mark_rule(color=INK, strokeWidth=2).encode(
        y=alt.Y("low:Q", title="weight", scale=alt.Scale(domain=[0, top])), y2="high:Q"
    )
    dots = base.mark_point(size=60, filled=True, color=ACCENT, opacity=1).encode(y="mean:Q")
    level = (
        alt.Chart(alt.Data(values=[{"value": 1 / len(values)}]))
        .mark_rule(color=ACCENT, strokeDash=[4, 4])
        .encode(y="value:Q")
    )
    return _chart(about, alt.layer(level, bars, dots).properties(height=200))


def _chart(about: str, drawn: "alt.LayerChart") -> Chart:
    fitting = {"type": "fit-x", "contains": "padding"}
    spec = drawn.properties(width="container", autosize=fitting, description=about).to_dict()
    # The page has one of each for all charts.
    return Chart(about, {name: spec[name] for name in spec if name not in ("config", "$schema")})


def _tooltip(*fields: str) -> list["alt.Tooltip"]:
    import altair as alt

    formats = ({"format": ".4~g"} if one.endswith(":Q") else {} for one in fields)
    return [alt.Tooltip(one, **form) for one, form in zip(fields, formats, strict=True)]
