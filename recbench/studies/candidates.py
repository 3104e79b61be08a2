"""Whether the order of systems survives other candidates, and other protocols."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from recbench.data.card import card
from recbench.questions.protocols import protocol
from recbench.questions.protocols.choice import default_protocol, fits
from recbench.request import Experiment
from recbench.runs.leaderboard import ranked_by
from recbench.runs.store import Run
from recbench.studies.cells import is_another, prompted
from recbench.studies.drawing import beside, intervals, legend, looks, named_places, sheet
from recbench.studies.order import Agreement, agreements
from recbench.studies.points import OF_FEW, VALUE, Point, frame, in_order, question, value
from recbench.studies.study import Asked, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

SIZES = ("", "candidates=30", "candidates=40", "candidates=100", "candidates=all")
"""What is changed of the dataset's own protocol."""

PROMPTED = SIZES[:3]
"""What a model is asked that has its candidates in a prompt: it cannot hold many more."""

OTHERS = {
    "next-item": 5,
    "temporal": 1,
    "temporal,candidates=all": None,
}
"""Other protocols, and draws of each example at most: they have more test rows than the paper's."""

ORDER, FIGURE = "order", "HitRatio@1"


class Candidates(Study):
    """
    The same systems under other questions; the first is the dataset's own.

    Models that have their candidates in a prompt are asked by the dataset's own protocol alone, for
    another one trains them anew.
    """

    question = "Does the order of systems survive more candidates and other protocols?"
    place = "iLoRA's rebuttal: 30 and 40 candidates, and SASRec's full ranking, which was asked for"
    models = ("popularity", "ease", "sasrec", "ilora")
    seeds = 2
    cut = "30 and 100 candidates and other protocols"
    note = (
        "The interval of Kendall's tau counts every pair of systems that is not told apart under "
        "both questions as in the same order and as in the reverse one."
    )

    def cells(self, asked: Asked) -> list[Experiment]:
        """Return every model with every seed under every question that it can be asked."""
        own = default_protocol(asked.dataset, asked.cache)
        small = {_changed(own, size) for size in PROMPTED}
        slow = prompted(asked)
        return [
            cell
            for name, draws in _questions(asked, own)
            for cell in asked.of_all_models(protocol=name, draws=draws)
            if name in small or cell.model not in slow
        ]

    def data(self, runs: Sequence[Run], asked: Asked) -> "DataFrame":
        """Return the figures under every question, and how each orders the systems."""
        tables = in_order(runs)
        points = [
            point
            for table in tables
            for row in table.rows
            for point in value(row, FIGURE, question=question(table))
        ]
        first = tables[0]
        found = [one for one in agreements(tables) if first in (one.first, one.second)]
        return frame([*points, *(_agreement(one) for one in found)])

    def figure(self, data: "DataFrame") -> "Figure":
        """Draw the figures under every question, and the order against the first one."""
        figure, (upper, lower) = sheet(heights=(2.6, 2.0))
        shown, order = data[data["kind"] == VALUE], data[data["kind"] == ORDER]
        names = list(dict.fromkeys(shown["question"]))
        systems = looks(list(shown["system"]))
        for number, (name, look) in enumerate(systems.items()):
            for card_name, some in _by_protocol(shown[shown["system"] == name]):
                at = np.array([names.index(one) for one in some["question"]])
                places = at + beside(number, len(systems), 0.4)
                label = name if names[0].startswith(card_name) else None
                intervals(upper, places, some, label=label, **look | {"linestyle": ":"})
        upper.set_ylabel(f"{FIGURE} (share of questions)")
        at = np.array([names.index(one) for one in order["question"]])
        if len(order):
            intervals(lower, at, order, color="black", marker="o")
        lower.axhline(1, color="#7F7F7F", linewidth=0.8)
        lower.axhline(0, color="#7F7F7F", linewidth=0.8)
        lower.set_ylim(-1.05, 1.05)
        lower.set_ylabel(f"Kendall's tau with {names[0]}")
        others = sorted(set(order["by"]) - {FIGURE}) if len(order) else []
        ranked = "".join(f" and, of all items, by {one}" for one in others)
        lower.set_title(f"Order of systems by {FIGURE}{ranked}")
        for axes in (upper, lower):
            named_places(axes, [one.replace(", ", "\n") for one in names])
            axes.tick_params(axis="x", labelsize=7.5)
            axes.set_xlabel("protocol and number of candidates")
        legend(figure, upper)
        return figure


def _questions(asked: Asked, own: str) -> Iterator[tuple[str, int]]:
    """Yield protocols and draws, the dataset's own first."""
    known = card(asked.dataset, asked.cache)
    sizes = (SIZES[0], SIZES[2], SIZES[4]) if asked.quick else SIZES
    for size in sizes:
        name = _changed(own, size)
        if not size or fits(known, protocol(name)):
            yield name, asked.draws
    for name, most in ({} if asked.quick else OTHERS).items():
        if is_another(name, asked):
            yield name, min(asked.draws, most or asked.draws)


def _changed(own: str, size: str) -> str:
    return f"{own},{size}" if size else own


def _by_protocol(data: "DataFrame") -> "Iterator[tuple[str, DataFrame]]":
    """Part the points by protocol: a line joins those that differ in candidates alone."""
    yield from data.groupby(data["question"].str.partition(", ")[0], sort=False)


def _agreement(one: Agreement) -> Point:
    return {
        "kind": ORDER,
        "question": question(one.second),
        "by": ranked_by(one.second.record),
        "system": f"{one.systems} systems",
        "figure": "Kendall's tau",
        "value": one.tau,
        "low": one.low,
        "high": one.high,
        "seeds": OF_FEW if one.single else "several",
    }
