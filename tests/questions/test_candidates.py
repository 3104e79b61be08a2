from collections import Counter
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, distribution
from itertools import combinations, permutations

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from recbench.data.catalogue import Catalogue, make_catalogue
from recbench.data.ragged import Ragged, ragged
from recbench.errors import DataError, UserError
from recbench.questions import candidates as module
from recbench.questions import negatives
from recbench.questions.candidates import draw, frozen_pack, load, save
from recbench.questions.excluded import Excluded
from recbench.questions.protocols import Protocol, protocol
from recbench.questions.split import Examples, Split
from recbench.testing.toy import toy_split

PAPER, NEXT_ITEM = protocol("paper"), protocol("next-item")
POPULAR = protocol("next-item,negatives=popular")
SMALL = PAPER.model_copy(update={"candidates": 3})
SMALL_DISTINCT = NEXT_ITEM.model_copy(update={"candidates": 3})


def catalogue(size: int, titles: int | None = None) -> Catalogue:
    """Items 100, 101, ...; with `titles` item i has title number i modulo that."""
    names = [f"title {i % (titles or size)}" for i in range(size)]
    return make_catalogue(np.arange(100, 100 + size), names)


def split_of(examples: Examples, excluded: Ragged, items: Catalogue) -> Split:
    """Ask the same in both parts."""
    lists = Excluded.each(excluded)
    return replace(
        toy_split(),
        catalogue=items,
        validation=examples,
        test=examples,
        excluded_validation=lists,
        excluded_test=lists,
    )


def asked(rows: int, target: int, excluded: list[int], items: Catalogue) -> Split:
    """Make the same question `rows` times."""
    histories = np.zeros((rows, 2), dtype=np.int32)
    targets = np.full(rows, target, dtype=np.int32)
    examples = Examples(histories, targets, np.arange(rows, dtype=np.int32))
    flat = np.tile(np.array(excluded, dtype=np.int32), rows)
    return split_of(examples, ragged(flat, np.full(rows, len(excluded), dtype=np.int64)), items)


def arithmetic() -> Split:
    """Questions made without any generator, for pins."""
    numbers = np.arange(40 * 11, dtype=np.int32).reshape(40, 11) * 7919 % 300
    examples = Examples(numbers[:, :10], numbers[:, 10], np.arange(40, dtype=np.int32))
    excluded = ragged(numbers[:, :10].ravel().copy(), np.full(40, 10, dtype=np.int64))
    return split_of(examples, excluded, catalogue(300, titles=280))


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        (PAPER, "c170a9c603aabaece6f9badfffa8b6f7629cc34b51c07a2e0b94f10f80ff60ab"),
        (NEXT_ITEM, "22e7b65fde51926892dd7c699c9892dca4277e7f009b9ced191f705d7f552c40"),
        (POPULAR, "5c250d7f786063bcd57f05234f0a17e9ad7211261910c2f03eff791b817e712e"),
    ],
)
def test_packs_are_pinned(protocol, expected):
    # If this fails, every published figure was made from other questions: change it for no less.
    pack = draw(arithmetic(), protocol, "test", 3, 0)
    assert pack.hash == expected


@pytest.mark.parametrize("protocol", [PAPER, NEXT_ITEM, POPULAR])
def test_a_row_holds_the_target_once_and_nothing_excluded(protocol):
    split = arithmetic()
    examples, items = split.test, split.catalogue
    pack = draw(split, protocol, "test", 4, 0)
    assert pack.candidates.shape == (40, 4, 20)
    assert pack.candidates.dtype == np.int32
    assert pack.target_position.dtype == np.int16
    assert (len(pack), pack.draws, pack.seed) == (40, 4, 0)
    for row in range(40):
        for number in range(4):
            shown = pack.candidates[row, number].tolist()
            target = examples.targets[row]
            assert len(set(shown)) == 20
            assert shown.index(target) == pack.target_position[row, number]
            assert not (set(shown) - {target}) & set(split.excluded_test[row].tolist())
            assert 0 <= min(shown) <= max(shown) < 300
            titles = {items.titles[item] for item in shown}
            assert len(titles) == 20 or not protocol.distinct_titles


def test_a_target_that_stands_in_its_history_is_still_shown_once():
    split = asked(50, target=1, excluded=[0, 1], items=catalogue(6))
    pack = draw(split, SMALL, "test", 1, 0)
    assert (pack.candidates == 1).sum() == 50


def test_every_set_of_free_items_and_every_position_is_equally_likely():
    split = asked(30_000, target=2, excluded=[0, 5, 5], items=catalogue(8))
    pack = draw(split, SMALL, "test", 1, 0)
    shown = Counter(tuple(row) for row in pack.candidates[:, 0].tolist())
    free = [1, 3, 4, 6, 7]
    assert {tuple(sorted({*row} - {2})) for row in shown} == set(combinations(free, 2))
    # 10 sets in 6 orders: the order of the row is uniform, the target's place with it.
    assert len(shown) == 60
    assert chisquare(list(shown.values())).pvalue > 0.001
    assert chisquare(np.bincount(pack.target_position[:, 0], minlength=3)).pvalue > 0.001


def test_distinct_titles_leave_every_other_set_equally_likely():
    # Titles of items 0..7: 0 1 2 3 4 0 1 2. Target 2 takes its namesake 7 along; 0 is excluded.
    split = asked(30_000, target=2, excluded=[0], items=catalogue(8, titles=5))
    pack = draw(split, SMALL_DISTINCT, "test", 1, 0)
    shown = Counter(tuple(sorted({*row} - {2})) for row in pack.candidates[:, 0].tolist())
    assert set(shown) == set(combinations([1, 3, 4, 5, 6], 2)) - {(1, 6)}
    assert chisquare(list(shown.values())).pvalue > 0.001


def test_popular_negatives_come_in_proportion_to_training_counts_plus_one():
    split = asked(40_000, target=2, excluded=[0, 2], items=catalogue(6))
    counts = [9, 1, 9, 0, 3, 7]  # of items 0..5; 1, 3, 4 and 5 are free
    trained = np.repeat(np.arange(6), counts).astype(np.int32)
    split = replace(split, sequences=ragged(trained, np.array([len(trained)])))
    pack = draw(split, SMALL.model_copy(update={"negatives": "popular"}), "test", 1, 0)
    shown = Counter(tuple(sorted({*row} - {2})) for row in pack.candidates[:, 0].tolist())
    weights = {1: 2, 3: 1, 4: 4, 5: 8}
    chances = {
        (a, b): weights[a] / 15 * weights[b] / (15 - weights[a])
        + weights[b] / 15 * weights[a] / (15 - weights[b])
        for a, b in combinations(weights, 2)
    }
    assert set(shown) == set(chances)
    expected = [40_000 * chance for chance in chances.values()]
    assert chisquare([shown[pair] for pair in chances], expected).pvalue > 0.001


def test_popular_negatives_of_distinct_titles():
    split = asked(30_000, target=2, excluded=[0], items=catalogue(8, titles=5))
    popular = SMALL_DISTINCT.model_copy(update={"negatives": "popular"})
    trained = np.array([1, 1, 1, 3, 6], dtype=np.int32)
    split = replace(split, sequences=ragged(trained, np.array([5])))
    pack = draw(split, popular, "test", 1, 0)
    shown = Counter(tuple(sorted({*row} - {2})) for row in pack.candidates[:, 0].tolist())
    weights = {1: 4, 3: 2, 4: 1, 5: 1, 6: 2}  # 1 and 6 share a title
    chances = {
        (a, b): weights[a] * weights[b] / (10 - weights[a])
        + weights[b] * weights[a] / (10 - weights[b])
        for a, b in combinations(weights, 2)
        if (a, b) != (1, 6)
    }
    assert set(shown) == set(chances)
    whole = sum(chances.values())
    expected = [30_000 * chance / whole for chance in chances.values()]
    assert chisquare([shown[pair] for pair in chances], expected).pvalue > 0.001


@pytest.mark.parametrize("protocol", [PAPER, NEXT_ITEM, POPULAR])
def test_rows_that_share_their_excluded_items_are_drawn_as_if_each_had_its_own(protocol):
    split = arithmetic()
    # The first ten rows leave out the first ten targets, the next ten 20 of them, and so on.
    starts, ends = np.repeat([[0, 0, 10, 25], [10, 20, 20, 40]], 10, axis=1)
    shared = Excluded(split.test.targets.copy(), starts, ends)
    own = Excluded.each(shared.lists(np.arange(40)))
    packs = [
        draw(replace(split, excluded_test=one), protocol, "test", 9, 0) for one in (shared, own)
    ]
    assert packs[0].hash == packs[1].hash
    for row in range(40):
        drawn = set(packs[0].candidates[row].ravel().tolist()) - {int(split.test.targets[row])}
        assert not drawn & set(shared[row].tolist())


def test_ten_items_of_the_whole_catalogue_are_equally_likely():
    split = arithmetic()
    examples = split.test
    pack = draw(split, PAPER, "test", 400, 0)
    free = np.ones((40, 300), dtype=bool)
    rows = np.arange(40)
    free[rows[:, None], examples.histories] = False
    free[rows, examples.targets] = False
    expected = (400 * 19 * free / free.sum(axis=1, keepdims=True)).sum(axis=0)
    negatives = np.bincount(pack.candidates.ravel(), minlength=300)
    negatives -= 400 * np.bincount(examples.targets, minlength=300)
    assert chisquare(negatives, expected).pvalue > 0.001


GIVEN = protocol("released,candidates=3,negatives=given")


def given_split(rows: int = 30_000) -> Split:
    """Every row asks for item 2 among 1, 2 and 5, in test alone."""
    split = asked(rows, target=2, excluded=[0], items=catalogue(8))
    return replace(split, given_test=np.tile(np.array([1, 2, 5], dtype=np.int32), (rows, 1)))


@pytest.mark.honesty
def test_given_candidates_stay_a_set_and_every_order_is_equally_likely():
    split = given_split()
    pack = draw(split, GIVEN, "test", 5, 0)
    assert (pack.candidates.shape, pack.candidates.dtype) == ((30_000, 1, 3), np.int32)
    assert (pack.target_position.shape, pack.target_position.dtype) == ((30_000, 1), np.int16)
    shown = Counter(tuple(row) for row in pack.candidates[:, 0].tolist())
    assert set(shown) == set(permutations((1, 2, 5)))
    assert chisquare(list(shown.values())).pvalue > 0.001
    places = np.take_along_axis(pack.candidates, pack.target_position[..., None].astype(int), 2)
    assert (places == 2).all()
    assert draw(split, GIVEN, "test", 1, 0).hash == pack.hash
    assert draw(split, GIVEN, "test", 1, 1).hash != pack.hash
    few = draw(given_split(3), GIVEN, "test", 1, 0).candidates  # pinned, as the packs above
    assert few.tolist() == [[[5, 2, 1]], [[2, 5, 1]], [[2, 5, 1]]]


def test_given_candidates_are_kept_once_whatever_draws_are_asked_for(tmp_path):
    split = given_split(5)
    assert {frozen_pack(split, GIVEN, "test", n, 0, tmp_path).hash for n in (1, 5)} == {
        draw(split, GIVEN, "test", 1, 0).hash
    }
    assert len(list(tmp_path.rglob("*.parquet"))) == 1
    with pytest.raises(UserError, match="--draws must be at least 1, not 0"):
        frozen_pack(split, GIVEN, "test", 0, 0, tmp_path)


def test_a_part_that_brings_no_candidates_is_not_asked_about():
    with pytest.raises(UserError, match="the validation rows bring no candidates; ask about"):
        draw(given_split(5), GIVEN, "validation", 1, 0)


def test_draws_are_nested_and_parts_and_seeds_apart():
    few, many = (draw(arithmetic(), PAPER, "test", draws, 0) for draws in (2, 5))
    np.testing.assert_array_equal(few.candidates, many.candidates[:, :2])
    np.testing.assert_array_equal(few.target_position, many.target_position[:, :2])
    others = [
        draw(arithmetic(), PAPER, "test", 2, 1),
        draw(arithmetic(), PAPER, "validation", 2, 0),
    ]
    for other in others:
        assert (other.candidates != few.candidates).mean() > 0.9
    assert len({pack.hash for pack in (few, many, *others)}) == 4
    assert (few.candidates[:, 0] != few.candidates[:, 1]).mean() > 0.9


@pytest.mark.parametrize(("bound", "most"), [("_ROWS_AT_ONCE", 16), ("_EXCLUDED_AT_ONCE", 70)])
def test_rows_beyond_one_chunk_are_drawn_too(monkeypatch, bound, most):
    monkeypatch.setattr(module, bound, most)
    test_a_row_holds_the_target_once_and_nothing_excluded(NEXT_ITEM)


@given(st.integers(3, 9), st.data())
@settings(max_examples=50, deadline=None)
def test_a_row_is_sound_or_refused(size, data):
    excluded = data.draw(st.lists(st.integers(0, size - 1)))
    target = data.draw(st.integers(0, size - 1))
    question = asked(5, target, excluded, catalogue(size))
    free = set(range(size)) - {target, *excluded}
    if len(free) < 2:
        with pytest.raises(
            UserError, match=r"^5 of 5 test rows have fewer than 2 competitors; split the data "
        ):
            draw(question, SMALL, "test", 1, 0)
    else:
        pack = draw(question, SMALL, "test", 1, 0)
        assert {*pack.candidates.ravel().tolist()} <= free | {target}


@pytest.mark.parametrize("rule", [NEXT_ITEM, POPULAR], ids=["uniform", "popular"])
def test_titles_of_which_most_items_have_one_are_drawn_one_by_one(rule, monkeypatch):
    monkeypatch.setattr(negatives, "_TRIALS", 30)
    # 19 titles of one item each beside the target's, and one that 400 items share.
    titles = [*(f"title {i}" for i in range(20)), *["unknown"] * 400]
    items = make_catalogue(np.arange(len(titles)), titles)
    pack = draw(asked(3, 0, [1], items), rule, "test", 2, 0)
    shown = np.sort(pack.candidates.reshape(-1, 20), axis=1)
    assert (shown[:, :19] == [0, *range(2, 20)]).all()
    assert len(set(shown[:, 19].tolist())) > 1
    again = draw(asked(3, 0, [1], items), rule, "test", 2, 0)
    assert again.hash == pack.hash


def test_titles_drawn_one_by_one_are_as_likely_as_items_have_them(monkeypatch):
    monkeypatch.setattr(negatives, "_ROUNDS", 0)
    items = make_catalogue(np.arange(7), ["target", "a", "a", "a", "b", "c", "c"])
    pack = draw(asked(30_000, 0, [], items), SMALL_DISTINCT, "test", 1, 0)
    pairs = Counter(tuple(sorted(set(row) - {0})) for row in pack.candidates[:, 0].tolist())
    # The first of 6, then of those with another title: 1/6 (1/3 + 1/5) for an a and the b.
    likely = {(a, 4): (1 / 3 + 1 / 5) / 6 for a in (1, 2, 3)}
    likely |= {(a, c): (1 / 3 + 1 / 4) / 6 for a in (1, 2, 3) for c in (5, 6)}
    likely |= {(4, c): (1 / 5 + 1 / 4) / 6 for c in (5, 6)}
    assert sum(likely.values()) == pytest.approx(1)
    expected = [30_000 * likely[pair] for pair in sorted(likely)]
    assert chisquare([pairs[pair] for pair in sorted(likely)], expected).pvalue > 0.001


def test_too_few_titles_and_draws_are_refused():
    with pytest.raises(UserError, match="1 of 1 test rows have fewer than 2 competitors"):
        draw(asked(1, 0, [], catalogue(40, titles=2)), SMALL_DISTINCT, "test", 1, 0)
    with pytest.raises(UserError, match="--draws must be at least 1, not 0"):
        draw(arithmetic(), PAPER, "test", 0, 0)


def test_no_rows_make_an_empty_pack(tmp_path):
    pack = draw(asked(0, 0, [], catalogue(30)), PAPER, "test", 2, 0)
    assert pack.candidates.shape == (0, 2, 20)


def test_the_file_has_the_documented_columns_and_comes_back(tmp_path):
    split = arithmetic()
    examples, items = split.test, split.catalogue
    pack = draw(split, PAPER, "test", 3, 5)
    files = [tmp_path / "one.parquet", tmp_path / "deep" / "two.parquet"]
    for file in files:
        save(pack, items, file)
    assert files[0].read_bytes() == files[1].read_bytes()
    table = pq.read_table(files[0])
    assert table.column_names == ["example", "draw", "candidates", "target_position"]
    row = table.slice(3 * 7 + 2, 1).to_pylist()[0]
    assert (row["example"], row["draw"]) == (7, 2)
    assert row["candidates"] == (pack.candidates[7, 2] + 100).tolist()
    assert row["candidates"][row["target_position"]] == examples.targets[7] + 100
    again = load(files[0], items)
    np.testing.assert_array_equal(again.candidates, pack.candidates)
    np.testing.assert_array_equal(again.target_position, pack.target_position)
    assert (again.hash, again.seed) == (pack.hash, 5)
    assert (again.candidates.dtype, again.target_position.dtype) == (np.int32, np.int16)


def test_raw_ids_may_be_texts(tmp_path):
    texts = make_catalogue(np.array([f"b{i:03}" for i in range(40)], dtype=object), ["t"] * 40)
    pack = draw(asked(4, 3, [1], texts), PAPER, "test", 2, 0)
    save(pack, texts, tmp_path / "pack.parquet")
    assert load(tmp_path / "pack.parquet", texts).hash == pack.hash


@pytest.mark.parametrize("texts", [True, False])
def test_what_one_row_group_cannot_hold_is_written_in_several(tmp_path, monkeypatch, texts):
    ids = np.array([f"b{i:03}" for i in range(40)], dtype=object) if texts else np.arange(40)
    items = make_catalogue(ids, ["t"] * 40)
    pack = draw(asked(4, 3, [1], items), PAPER, "test", 3, 0)
    whole, cut = tmp_path / "whole.parquet", tmp_path / "cut.parquet"
    save(pack, items, whole)
    rows = 5  # of 20 candidates, with ids of four letters or none
    monkeypatch.setattr(module, "_IDS_AT_ONCE", rows * 20 * (4 if texts else 1))
    save(pack, items, cut)
    with pq.ParquetFile(cut) as file:
        sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert (max(sizes), sum(sizes)) == (rows, len(pack) * 3)
    assert pq.read_table(cut).equals(pq.read_table(whole), check_metadata=True)
    again = load(cut, items)
    np.testing.assert_array_equal(again.candidates, pack.candidates)
    assert again.hash == load(whole, items).hash == pack.hash


def test_a_file_that_is_no_pack_or_another_catalogues_is_refused(tmp_path):
    split = arithmetic()
    items = split.catalogue
    file = tmp_path / "pack.parquet"
    save(draw(split, PAPER, "test", 1, 0), items, file)
    with pytest.raises(DataError, match="expected a pack of this catalogue"):
        load(file, catalogue(300))
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(DataError, match="expected a pack of candidates"):
        load(file, items)
    with pytest.raises(DataError, match="expected a pack of candidates"):
        load(tmp_path / "nowhere.parquet", items)


def test_a_frozen_pack_is_drawn_once_and_again_when_damaged(tmp_path, monkeypatch):
    split = toy_split()
    first = frozen_pack(split, PAPER, "validation", 2, 0, tmp_path)
    direct = draw(split, PAPER, "validation", 2, 0)
    assert first.hash == direct.hash
    (file,) = tmp_path.rglob("*.parquet")
    with monkeypatch.context() as patched:
        patched.setattr(module, "draw", None)
        assert frozen_pack(split, PAPER, "validation", 2, 0, tmp_path).hash == first.hash
    file.write_bytes(b"damaged")
    assert frozen_pack(split, PAPER, "validation", 2, 0, tmp_path).hash == first.hash
    save(replace(first, seed=8), split.catalogue, file)  # a byte of its metadata
    assert frozen_pack(split, PAPER, "validation", 2, 0, tmp_path).seed == 0
    more = PAPER.model_copy(update={"candidates": 21})
    others = [
        frozen_pack(split, PAPER, "validation", 2, 1, tmp_path),
        frozen_pack(split, PAPER, "test", 2, 0, tmp_path),
        frozen_pack(split, PAPER, "validation", 3, 0, tmp_path),
        frozen_pack(split, more, "validation", 2, 0, tmp_path),
        frozen_pack(replace(split, digest="another"), PAPER, "validation", 2, 0, tmp_path),
    ]
    assert len(list(tmp_path.rglob("*"))) == 1 + 1 + len(others)
    assert len({pack.hash for pack in (first, *others[:-1])}) == len(others)


def test_a_pack_of_an_older_drawing_is_not_taken_from_the_cache(tmp_path, monkeypatch):
    split = toy_split()
    frozen_pack(split, PAPER, "test", 1, 0, tmp_path)
    monkeypatch.setattr(module, "_VERSION", module._VERSION + 1)
    frozen_pack(split, PAPER, "test", 1, 0, tmp_path)
    assert len(list(tmp_path.rglob("*.parquet"))) == 2


@pytest.mark.parametrize(
    ("protocol", "pack_hash", "popularity"),
    [
        (PAPER, "32343155bf3bc969c79a157568954986fc791c889bd6e83e78d7ca46cdc1ee72", 0.19),
        (NEXT_ITEM, "dc3dd4f18d9d60a2c1f3d31f1285f1f7f3ecdf5fc5a6612969382544f4831474", 0.251),
        (POPULAR, "dc451cbf4efac761528b0324dcc6d98830cb85810c76ba8aa1c989519293c0a8", 0.077),
    ],
)
def test_movielens_asks_the_published_questions(
    tmp_path_factory, protocol: Protocol, pack_hash, popularity
):
    """Popularity alone scores .19 under `paper`, as over the published negatives."""
    from recbench.data.prepare import prepare
    from recbench.questions.make_split import make_split

    try:
        distribution("recbole")
    except PackageNotFoundError:
        pytest.skip("recbole, which brings MovieLens-100K, is not installed")
    dataset = prepare("movielens", tmp_path_factory.mktemp("cache"), None, lambda _: None)
    split = make_split(dataset, protocol)
    pack = draw(split, protocol, "test", 5, 0)
    assert pack.hash == pack_hash
    many = draw(split, protocol, "test", 200 if protocol is PAPER else 20, 1)
    counts = np.bincount(split.sequences.values, minlength=len(split.catalogue))
    scores = counts[many.candidates]
    of_target = np.take_along_axis(scores, many.target_position[..., None].astype(int), axis=2)
    hits = (scores >= of_target).sum(axis=2) == 1  # ties count against it
    assert hits.mean() == pytest.approx(popularity, abs=0.006)
