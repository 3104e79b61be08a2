"""The published LastFM rows, from the published raw files; skipped where they are not here."""

import json
from pathlib import Path

import numpy as np
import pytest

from recbench.data.card import card
from recbench.data.prepare import prepare
from recbench.questions.export import export
from recbench.questions.make_split import make_split
from recbench.questions.protocols import protocol
from recbench.questions.split import PAD

REFERENCE = Path(__file__).parents[2] / "../shared/reference"
RAW = REFERENCE / "hetrec2011-lastfm-2k"


@pytest.fixture(scope="module")
def lastfm(tmp_path_factory):
    if not RAW.is_dir():
        pytest.skip(f"{RAW} is not here")
    told: list[str] = []
    made = prepare("lastfm", tmp_path_factory.mktemp("cache"), RAW, told.append)
    assert not [line for line in told if "as published" in line]
    return made


@pytest.fixture(scope="module")
def paper(lastfm):
    return make_split(lastfm, protocol("paper"))


def test_the_data_are_those_of_the_card(lastfm):
    assert lastfm.digest == card("lastfm").digest
    assert lastfm.catalogue.digest == card("lastfm").catalogue_digest
    assert len(lastfm) == 184_941
    assert len(lastfm.catalogue) == 17_632
    assert (lastfm.times < 0).sum() == 4
    assert "Weird Al Yankovic" in lastfm.catalogue.titles


def test_paper_equals_the_released_validation_rows(paper, tmp_path):
    export(paper, tmp_path)
    ours = (tmp_path / "validation.jsonl").read_text(encoding="utf-8").splitlines()
    released = REFERENCE / "splits/lastfm"
    pairs = (released / "raw_artist_ids.tsv").read_text(encoding="utf-8").splitlines()[1:]
    artist = dict(tuple(map(int, pair.split("\t"))) for pair in pairs)
    rows = [json.loads(line) for line in (released / "val.jsonl").read_text().splitlines()]
    theirs = [
        {"history": [artist[i] for i in row["history"]], "target": artist[row["target"]]}
        for row in rows
    ]
    assert len(theirs) == 122
    assert ours == [json.dumps(row, separators=(",", ":")) for row in theirs]
    assert sorted(artist.values()) == paper.catalogue.raw_ids.tolist()


def test_paper_has_the_published_counts(paper):
    assert (len(paper.train), len(paper.validation), len(paper.test)) == (47_872, 122, 122)
    assert card("lastfm").test_rows["paper"] == 122
    assert len(paper.sequences) == 976
    assert len(paper.sequences.values) == 50_800
    assert len(paper.catalogue) == 4_606
    assert paper.digest == "5485b22d15f448c28cf1aa06905f6d711268c396989a55440b483d9b7be36776"


def test_paper_is_ordered_by_artist_and_the_card_says_so(paper):
    assert (paper.test.targets > paper.test.histories.max(axis=1)).all()  # PAD is below all codes
    assert any("ascending artistID, not time" in flaw for flaw in card("lastfm").known_flaws)


def test_next_item_asks_about_the_same_pairs_in_order_of_time(lastfm, paper):
    split = make_split(lastfm, protocol("next-item"))
    assert split.catalogue.digest == paper.catalogue.digest
    assert len(split.test) == card("lastfm").test_rows["next-item"] == 1_220
    assert len(split.sequences.values) + 2 * 1_220 == 56_794
    earliest: dict[tuple[int, int], int] = {}
    for user, item, time in zip(lastfm.users, lastfm.items, lastfm.times, strict=True):
        pair = int(user), int(lastfm.catalogue.raw_ids[item])
        earliest[pair] = min(time, earliest.get(pair, time))
    raw_ids = split.catalogue.raw_ids
    for user, history, target in zip(
        split.test.users, split.test.histories, split.test.targets, strict=True
    ):
        shown = [*history[history != PAD], target]
        times = [earliest[user, raw_ids[item]] for item in shown]
        assert (np.diff(times) >= 0).all()
