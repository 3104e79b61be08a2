from dataclasses import replace

import numpy as np

from recbench.data.card import card
from recbench.data.dataset import Dataset
from recbench.data.overview import overview
from recbench.data.prepare import prepare
from recbench.data.statistics import statistics


def small(raw_folder, tmp_path) -> Dataset:
    """Three users with 1, 2 and 5 interactions among four of 80 items."""
    made = prepare("movielens", tmp_path, raw_folder, lambda _: None)
    titles = ("Heat", " HEAT", "unknown", *(f"Film {i}" for i in range(77)))
    return replace(
        made,
        catalogue=replace(made.catalogue, titles=titles),
        users=np.array([0, 1, 1, 2, 2, 2, 2, 2], dtype=np.int32),
        items=np.array([0, 0, 1, 0, 1, 2, 3, 3], dtype=np.int32),
        ratings=np.ones(8, dtype=np.float32),
        times=np.array([5, 0, 86_400, 5, 5, 5, 5, 5]),
    )


def test_counts_worked_out_by_hand(raw_folder, tmp_path):
    assert statistics(small(raw_folder, tmp_path)).model_dump() == {
        "users": 3,
        "complete_users": 0,
        "items": 80,
        "items_met": 4,
        "interactions": 8,
        "density": 8 / 240,
        "shortest": 1,
        "median": 2.0,
        "mean": 8 / 3,
        "longest": 5,
        "first": "1970-01-01T00:00:00",
        "last": "1970-01-02T00:00:00",
        "time_unit": "s",
        "titles": 79,
        "untitled": 1,
    }


def test_times_in_smaller_units_and_none(raw_folder, tmp_path):
    data = small(raw_folder, tmp_path)
    units = {1_000: "milliseconds", 1_000_000: "microseconds", 10**9: "nanoseconds"}
    for scale, word in units.items():
        found = statistics(replace(data, times=(data.times + 10**9) * scale))
        assert (found.first, found.last) == ("2001-09-09T01:46:40", "2001-09-10T01:46:40")
        page = " ".join(overview(data.card, found).split())
        assert f"time: {found.first} to {found.last}, read as {word}" in page
    untimed = statistics(replace(data, times=np.arange(8)))
    assert (untimed.first, untimed.last) == (None, None)
    assert "\n  time: none\n" in overview(data.card, untimed)


def test_both_ends_of_a_column_are_read_in_one_unit(raw_folder, tmp_path):
    data = small(raw_folder, tmp_path)
    times = (data.times + 10**9) * 1000
    times[0] //= 1000
    found = statistics(replace(data, times=times))
    assert (found.first, found.last) == ("1970-01-12T13:46:40", "2001-09-10T01:46:40")


def test_the_page_holds_the_whole_card(raw_folder, tmp_path):
    known = card("movielens")
    page = " ".join(overview(known, statistics(small(raw_folder, tmp_path))).split())
    wanted = [known.title, known.licence, " ".join(known.citation.split()), known.homepage]
    wanted += [*known.known_flaws, *(rules.note for rules in known.protocols.values())]
    wanted += ["recbole/dataset_example/ml-100k", "u.data", "min_rating 3.0", "movies"]
    wanted += [
        "users: 3",
        "items: 80, 4 of them",
        "density: 3.333%",
        "1 to 5, median 2.0, mean 2.7",
    ]
    assert [text for text in wanted if text not in page] == []


def test_fields_inside_fields_are_words_too(raw_folder, tmp_path):
    page = overview(card("lastfm"), None, "no source is here")
    assert "files url https://" in page
    assert "[{" not in page


def test_without_data_the_reason_stands_where_the_numbers_would():
    page = overview(card("movielens"), None, "no source is here")
    assert page.endswith("statistics\n  none: no source is here")
