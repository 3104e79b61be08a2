import numpy as np
import pytest

from recbench.by_hand.recommendation import (
    Explanation,
    Item,
    LeftOut,
    Ranked,
    Recommendation,
    Rival,
)
from recbench.by_hand.rendering import render
from recbench.data.catalogue import make_catalogue


@pytest.mark.honesty
def test_items_of_one_title_are_told_apart_wherever_they_are_named():
    catalogue = make_catalogue(np.arange(3), ["Sabrina", "Heat", "Sabrina"])
    assert catalogue.shared_titles == {"Sabrina"}
    first, other, second = (Item.of(catalogue, code) for code in range(3))
    found = Recommendation(
        run="r",
        model="m",
        dataset="d",
        protocol="p",
        history=[first, other, second],
        unread=0,
        ranked=0,
        whole_catalogue=True,
        likelihood=False,
    )
    assert "  Sabrina (id:0)\n  Heat\n  Sabrina (id:2)" in str(found)


def test_changes_are_seen_whatever_the_scale_of_the_scores():
    """Probabilities over a catalogue differ in the fifth decimal."""
    one, other = Item(id=1, title="Heat"), Item(id=2, title="Jaws")
    why = Explanation(
        rivals=[Rival(id=2, title="Jaws", rank=2, score=2e-4, behind=2.34567e-5)],
        without=[
            LeftOut(item=one, rank=1, change=-1.23456e-5, first=other),
            LeftOut(item=other, rank=3, change=1234.567, first=one),
            LeftOut(item=other, rank=4, change=-0.0, first=one),
        ],
        said={},
    )
    found = Recommendation(
        run="run",
        model="model, seed 0",
        dataset="movielens",
        protocol="paper",
        history=[one, other],
        unread=0,
        ranked=2,
        whole_catalogue=True,
        likelihood=False,
        items=[Ranked(id=1, title="Heat", rank=1, score=2.23e-4)],
        text=None,
        answer=None,
        explanation=why,
    )
    lines = [line.split() for line in render(found).splitlines()]
    assert ["2", "Jaws", "2.346e-05"] in lines
    assert ["Heat", "1", "-1.235e-05", "Jaws"] in lines
    assert ["Jaws", "3", "+1235", "Heat"] in lines
    assert ["Jaws", "4", "0", "Heat"] in lines
