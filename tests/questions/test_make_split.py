import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from shuffled_ties import place_among_ties

from recbench.errors import UserError
from recbench.questions.export import export
from recbench.questions.make_split import make_split
from recbench.questions.protocols import Protocol, protocol, protocols
from recbench.questions.split import PAD

PAPER, NEXT_ITEM = protocol("paper"), protocol("next-item")
REFERENCE = Path(__file__).parents[2] / "../shared/reference/splits/movielens/val.jsonl"


@pytest.fixture(scope="module")
def paper(movielens):
    return make_split(movielens, PAPER)


@pytest.fixture(scope="module")
def next_item(movielens):
    return make_split(movielens, NEXT_ITEM)


def test_paper_equals_the_released_validation_rows(paper, tmp_path):
    if not REFERENCE.is_file():
        pytest.skip("the released rows are not here")
    export(paper, tmp_path)
    ours = (tmp_path / "validation.jsonl").read_text(encoding="utf-8").splitlines()
    theirs = REFERENCE.read_text(encoding="utf-8").splitlines()
    assert len(theirs) == 94
    assert ours == theirs


def test_paper_has_the_published_counts(paper):
    assert (len(paper.train), len(paper.validation), len(paper.test)) == (66_126, 94, 95)
    assert len(paper.sequences) == 754
    assert len(paper.sequences.values) == 68_388
    trained = np.unique(paper.sequences.values)
    assert len(paper.catalogue) - len(trained) == 157
    assert (~np.isin(paper.test.targets, trained)).sum() == 2
    assert paper.digest == "8c4d94c846443aca58cac0eaabfdd95cc340f880475e555d1094e8d6ec556f6e"


def test_paper_keeps_users_apart_and_excludes_what_is_visible(paper):
    users = [set(part.users.tolist()) for part in (paper.train, paper.validation, paper.test)]
    assert sum(map(len, users)) == len(set.union(*users)) == 943
    for row, history in enumerate(paper.test.histories):
        assert paper.excluded_test[row].tolist() == history[history != PAD].tolist()
    assert ((paper.train.histories != PAD).sum(axis=1) >= 3).all()


def test_next_item_equals_a_plain_loop(movielens, next_item):
    raw_ids, times = movielens.catalogue.raw_ids.tolist(), movielens.times.tolist()
    assert len(next_item.validation) == len(next_item.test) == len(next_item.sequences) == 943
    train_rows = 0
    for user in range(943):
        rows = np.flatnonzero(movielens.users == user).tolist()
        placed = {row: place_among_ties(raw_ids[movielens.items[row]], user) for row in rows}
        rows.sort(key=lambda row, placed=placed: (times[row], placed[row]))
        items = movielens.items[rows].tolist()
        assert next_item.sequences[user].tolist() == items[:-2]
        assert next_item.validation.targets[user] == items[-2]
        assert next_item.validation.histories[user].tolist() == items[-12:-2]
        assert next_item.test.targets[user] == items[-1]
        assert next_item.test.histories[user].tolist() == items[-11:-1]
        assert sorted(next_item.excluded_test[user].tolist()) == sorted(items)
        assert sorted(next_item.excluded_validation[user].tolist()) == sorted(items[:-1])
        train_rows += len(items) - 3
    assert len(next_item.train) == train_rows == 97_171
    assert next_item.digest == "b56c00b0d11d93fbf727f64f7b0e9b58a2a0ca820fb137f5d9dc9f5a75b8b091"


def test_next_item_leaves_short_users_in_training(movielens):
    user = movielens.users == 0
    kept = np.flatnonzero(~user | (np.cumsum(user) <= 2))
    shorter = replace(
        movielens,
        users=movielens.users[kept],
        items=movielens.items[kept],
        ratings=movielens.ratings[kept],
        times=movielens.times[kept],
    )
    split = make_split(shorter, NEXT_ITEM)
    assert len(split.sequences) == 943
    assert len(split.sequences[0]) == 2
    assert len(split.test) == len(split.validation) == 942
    assert 0 not in split.test.users


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_the_digest_sees_every_part(movielens, paper, part):
    rows = getattr(paper, part)
    user, target, last = rows.users[-1], rows.targets[-1], rows.histories[-1, -1]
    swapped = [
        np.flatnonzero((movielens.users == user) & (movielens.items == item))[0]
        for item in (target, last)
    ]
    items = movielens.items.copy()
    items[swapped] = items[swapped[::-1]]
    assert make_split(replace(movielens, items=items), PAPER).digest != paper.digest


def test_a_protocol_that_the_card_does_not_know_is_refused(movielens):
    with pytest.raises(UserError, match="unknown protocol of movielens 'papers'; did you mean"):
        make_split(movielens, PAPER.model_copy(update={"name": "papers"}))
    silent = movielens.card.model_copy(update={"protocols": {}})
    known = ", ".join(name for name, each in protocols().items() if not each.published)
    with pytest.raises(UserError, match=f"protocol of movielens 'paper'; known: {known}; why: "):
        make_split(replace(movielens, card=silent), PAPER)


def test_a_protocol_of_a_plug_in_needs_no_word_of_the_card(movielens):
    mine = NEXT_ITEM.model_copy(update={"name": "mine,history=5", "history": 5})
    split = make_split(movielens, mine)
    assert split.test.histories.shape == (943, 5)
    assert len(split.sequences) == 943


def test_export_writes_the_rows_as_compact_json(next_item, tmp_path):
    (tmp_path / "mine.txt").write_text("left alone", encoding="utf-8")
    export(next_item, tmp_path)
    names = {"train.jsonl", "validation.jsonl", "test.jsonl", "items.tsv", "mine.txt"}
    assert {file.name for file in tmp_path.iterdir()} == names
    ids = next_item.catalogue.raw_ids
    lines = (tmp_path / "test.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 943
    row = json.loads(lines[5])
    assert lines[5] == json.dumps(row, separators=(",", ":"))
    assert row["history"] == ids[next_item.test.histories[5]].tolist()
    assert row["target"] == ids[next_item.test.targets[5]]
    first = json.loads((tmp_path / "train.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert len(first["history"]) == 1
    items = (tmp_path / "items.tsv").read_text(encoding="utf-8").splitlines()
    assert items[0] == "id\ttitle"
    assert items[267] == "267\tunknown"
    assert len(items) == 1683


@pytest.mark.honesty
@pytest.mark.parametrize("name", [name for name, one in protocols().items() if not one.published])
@pytest.mark.parametrize("exclude", get_args(Protocol.model_fields["exclude"].annotation))
def test_validation_does_not_know_the_test_targets(movielens, name, exclude):
    # Who touches an item once only, as all do here, has not met a test target by then: left out of
    # the negatives, it would be known by being the one popular item that is never shown.
    split = make_split(movielens, protocol(name).model_copy(update={"exclude": exclude}))
    tested = set(zip(split.test.users.tolist(), split.test.targets.tolist(), strict=True))
    assert len(tested) == len(split.test)
    for row, user in enumerate(split.validation.users.tolist()):
        left_out = split.excluded_validation[row].tolist()
        assert not tested & {(user, item) for item in left_out}


@pytest.mark.parametrize("name", ["paper", "next-item", "temporal"])
def test_every_interaction_of_training_has_its_time(movielens, name):
    split = make_split(movielens, protocol(name))
    owners = np.repeat(split.sequence_users, np.diff(split.sequences.offsets))
    triples = zip(owners.tolist(), split.sequences.values.tolist(), split.times, strict=True)
    when = dict(
        zip(zip(movielens.users, movielens.items, strict=True), movielens.times, strict=True)
    )
    assert all(when[user, item] == time for user, item, time in triples)
    assert (np.diff(split.times)[np.diff(owners) == 0] >= 0).all()


def test_an_order_alone_gives_no_times(movielens):
    order = np.arange(len(movielens))
    split = make_split(replace(movielens, times=order), PAPER)  # the filter leaves gaps in it
    assert split.times is None
    assert split.timed_training_digest == split.training_digest


def test_times_are_part_of_one_digest_alone(next_item):
    other = replace(next_item, times=next_item.times + 1)
    assert (other.digest, other.training_digest) == (next_item.digest, next_item.training_digest)
    digests = {other.timed_training_digest, next_item.timed_training_digest}
    assert len(digests | {next_item.training_digest}) == 3


def test_next_item_asks_users_of_three_items(movielens) -> None:
    user = movielens.users == 0
    kept = np.flatnonzero(~user | (np.cumsum(user) <= 3))
    fields = ("users", "items", "ratings", "times")
    shorter = {name: getattr(movielens, name)[kept] for name in fields}
    split = make_split(replace(movielens, **shorter), NEXT_ITEM)
    assert len(split.sequences[0]) == 1
    assert len(split.test) == len(split.validation) == 943


@pytest.mark.parametrize("part", ["train", "validation"])
@pytest.mark.parametrize("name", ["histories", "targets", "users"])
def test_the_training_digest_sees_every_row(next_item, part: str, name: str) -> None:
    rows = getattr(next_item, part)
    changed = getattr(rows, name).copy()
    changed[-1] += 1
    other = replace(next_item, **{part: replace(rows, **{name: changed})})
    assert other.training_digest != next_item.training_digest
