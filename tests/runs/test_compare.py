import csv
import json

import numpy as np
import pytest

from recbench.errors import UserError
from recbench.runs.compare import compare
from recbench.runs.compare_rendering import render_comparison
from recbench.runs.leaderboard import leaderboard
from recbench.runs.plan import plan
from recbench.runs.systems import matched, systems, why_not
from recbench.runs.text import probability
from recbench.statistics.power import Design, smallest_difference, split

GOOD, BAD = [1] * 12, [1, 1] + [0] * 10


def mixture(seed, share=0.5, rows=60):
    return (np.random.default_rng(seed).random(rows) < share).astype(int).tolist()


def test_the_difference_is_over_examples_and_so_is_who_stands_apart(made):
    found = compare([made(GOOD, model="a"), made(BAD, model="b")])
    (one,) = found.pairs
    assert [row.label for row in found.rows] == ["a", "b"]
    assert one.pair.difference.value == pytest.approx(5 / 6)
    assert one.pair.low < one.pair.difference.value < one.pair.high
    assert one.discordant == 5


def test_the_difference_is_clustered_by_user(made):
    users = [3, *[9] * 5]  # five of six examples differ, all of one user
    runs = [made(hits, model=model, users=users) for hits, model in [(GOOD, "a"), (BAD, "b")]]
    (one,) = compare(runs).pairs
    assert one.discordant == 1
    assert one.pair.p > 0.2


@pytest.mark.honesty
def test_all_pairs_are_corrected_for_and_those_with_a_baseline_for_fewer(made):
    runs = [made(mixture(i), model=f"m{i}") for i in range(4)]
    every, few = compare(runs), compare(runs, baseline="m2")
    assert (len(every.pairs), len(few.pairs)) == (6, 3)
    assert {one.b.label for one in few.pairs} == {"m2"}
    width = {
        (frozenset((one.a.label, one.b.label))): one.pair.high - one.pair.low for one in every.pairs
    }
    for one in few.pairs:
        key = frozenset((one.a.label, one.b.label))
        assert one.pair.high - one.pair.low < width[key]


@pytest.mark.honesty
def test_seeds_that_differ_make_a_difference_doubtful(made):
    sure = [made(mixture(0), model="a", seed=seed) for seed in range(3)]
    unsure = [
        made(mixture(seed, share=0.2 + 0.3 * seed), model="b", seed=seed) for seed in range(3)
    ]
    popular = made(mixture(5), model="popularity", random_training=False)
    (steady,) = compare([*sure, popular]).pairs
    (shaken,) = compare([*unsure, popular]).pairs
    assert shaken.parts.seeds > 10 * steady.parts.seeds
    assert shaken.smallest > steady.smallest
    assert shaken.pair.difference.df < 3


def test_the_parts_are_those_with_the_seeds_of_the_row_with_fewer(made):
    many, few = (
        [made(mixture(10 * place + seed), model=model, seed=seed) for seed in range(seeds)]
        for place, (model, seeds) in enumerate([("many", 3), ("few", 2)])
    )
    popular = [made(mixture(5), model="popularity", random_training=False)]
    for rows, seeds in (([many, few], 2), ([many, popular], 3), ([few, popular], 2)):
        (one,) = compare([run for row in rows for run in row]).pairs
        a, b = (systems(row.runs)["HitRatio@1"] for row in (one.a, one.b))
        assert one.parts == split(a, b).of(Design.of(a.users, a.draws, seeds))


@pytest.mark.honesty
def test_seeds_are_matched_where_an_encoder_is_shared(made):
    encoders = [{"encoder": f"encoder {seed}"} for seed in range(2)]
    ilora = [made(model="ilora", seed=s, parts=encoders[s]) for s in range(2)]
    llara = [made(model="llara", seed=s, parts=encoders[s]) for s in range(2)]
    sasrec = [made(model="sasrec", seed=s, weights=f"encoder {s}") for s in range(2)]
    other = [made(model="other", seed=s, parts={"encoder": f"own {s}"}) for s in range(2)]
    assert matched(ilora, llara)
    assert matched(ilora, sasrec)
    assert not matched(ilora, other)
    assert not matched(sasrec, other)
    assert not matched(ilora, llara[:1])  # other seeds: the table's means are of all of them
    assert compare([*ilora, *llara]).pairs[0].matched


def test_every_run_of_a_row_is_kept_apart(made):
    row = [made(GOOD, seed=0), made(BAD, seed=1)]
    system = systems(row)["HitRatio@1"]
    assert system.seeds == (0, 1)
    assert system.values.tolist() == [[1.0] * 12, [1.0] * 2 + [0.0] * 10]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"pack": "other"}, "another candidate pack"),
        ({"dataset_digest": "other"}, "another dataset digest"),
        ({"dataset_digest": "other", "dataset": "lastfm"}, "another dataset"),
        ({"protocol": "next-item"}, "another protocol"),
        ({"protocol_version": 2, "split": "other"}, "another version of the protocol"),
        ({"split": "other"}, "another split"),
        ({"protocol": "next-item", "split": "other"}, "another protocol"),
    ],
)
def test_rows_that_were_asked_something_else_are_not_compared(made, change, reason):
    one, other = made(), made(**change)
    assert why_not(one.record, other.record) == reason
    with pytest.raises(UserError, match=f"cannot be compared: {reason}"):
        compare([one, other])
    assert why_not(one.record, made(model="sasrec", seed=5).record) == ""


def test_a_figure_that_a_row_does_not_have(made):
    written, scored = made(model="ilora", writes=True), made()
    with pytest.raises(UserError, match=r"unknown figure of ilora 'HitRatio@3'; did you mean"):
        compare([written, scored], "HitRatio@3")
    compare([written, made(model="tallrec", writes=True)], "HitRatio@2|likelihood")
    with pytest.raises(UserError, match="value on every row"):
        compare([written, scored], "HitRatio@1|valid")


def test_one_user_tells_nothing_of_others(made):
    runs = [made(GOOD, model="a", users=[4] * 6), made(BAD, model="b", users=[4] * 6)]
    with pytest.raises(UserError, match="all test rows are of one user"):
        compare(runs)
    with pytest.raises(UserError, match="all test rows are of one user"):
        plan(leaderboard(runs)[0])


@pytest.mark.honesty
def test_what_is_constant_by_construction_is_not_in_doubt(made):
    runs = [made(GOOD, model="a"), made(BAD, model="b")]
    (one,) = compare(runs, "ValidRatio").pairs
    assert (one.pair.low, one.pair.high, one.pair.p) == (0.0, 0.0, 1.0)
    figure = leaderboard(runs)[0].rows[0].estimates["ValidRatio"].figure
    assert (figure.low, figure.value, figure.high) == (1.0, 1.0, 1.0)


@pytest.mark.honesty
@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_what_is_cautioned_about_is_what_is_compared(made, form):
    # First for half of the users, and never below the second place: the rarer side is empty.
    shape = {"draws": 1, "random_training": False}
    runs = [made([1, 0] * 12, model="a", **shape), made([1, 1, 0] * 8, model="b", **shape)]
    narrow = "may be too narrow: worth 0.0 users on the rarer side"
    assert "too narrow" not in render_comparison(compare(runs), form)
    assert narrow in render_comparison(compare(runs, "HitRatio@2"), form)


def test_any_k_is_compared_from_the_stored_ranks(made):
    shape = {"draws": 1, "candidates": 9}
    runs = [
        made(ranks=[1, 2, 7, 8], model="a", **shape),
        made(ranks=[8, 8, 8, 7], model="b", **shape),
    ]
    (one,) = compare(runs, "HitRatio@7").pairs
    assert one.pair.difference.value == pytest.approx(0.75 - 0.25)
    (one,) = compare(runs, "NDCG@2").pairs
    assert one.pair.difference.value == pytest.approx((1 + 1 / np.log2(3)) / 4)
    with pytest.raises(UserError, match=r"^K counts the first places, from 1 on: not 0"):
        compare(runs, "HitRatio@0")
    for k in (9, 100):
        with pytest.raises(UserError, match=f"^K must be from 1 to 8, not {k}: among the first 9"):
            compare(runs, f"HitRatio@{k}")
    with pytest.raises(UserError, match="unknown figure of a 'HitRatio@x'; did you mean"):
        compare(runs, "HitRatio@x")


def test_one_row_is_no_comparison_and_a_baseline_must_be_there(made):
    with pytest.raises(UserError, match="gru4rec is one row"):
        compare([made(seed=0), made(seed=1)])
    runs = [made(GOOD, model="a"), made(BAD, model="b"), made(BAD, model="b", matching="substring")]
    with pytest.raises(UserError, match="unknown row 'sasrec'"):
        compare(runs, baseline="sasrec")
    with pytest.raises(UserError, match="several rows are of b: b "):
        compare(runs, baseline="b")
    assert compare(runs, baseline="b (matching=exact)").pairs[0].b.label == "b (matching=exact)"


@pytest.mark.honesty
def test_rows_that_were_left_out_are_counted(made):
    runs = [made(mixture(seed), model=model) for seed, model in enumerate("abcd")]
    text = render_comparison(compare(runs[:3], there=runs), "table")
    assert "1 more row was asked the same and left out here" in text
    assert "left out" not in render_comparison(compare(runs[:3]), "table")
    found = render_comparison(compare(runs[:3], there=runs), "csv").splitlines()
    assert [one["rows left out"] for one in csv.DictReader(found)] == ["1"] * 3


@pytest.mark.honesty
def test_no_p_is_printed_as_nought(made):
    assert [probability(p) for p in (0.00009, 0.0001, 1.0)] == ["<0.0001", "0.0001", "1.0000"]
    rows = [made(mixture(1, share, 600), model=name) for share, name in ((0.9, "a"), (0.1, "b"))]
    text = render_comparison(compare(rows), "table")
    assert "<0.0001" in text
    assert " 0.0000" not in text


@pytest.mark.parametrize("form", ["table", "markdown", "latex", "csv", "json"])
def test_every_form_says_the_same(made, form):
    found = compare(
        [
            *(made(mixture(seed), model="a", seed=seed) for seed in range(3)),
            made(mixture(7), model="b"),
            made(mixture(8), model="popularity", random_training=False),
        ]
    )
    text = render_comparison(found, form)
    first = found.pairs[0]
    if form == "json":
        (pairs, rows) = (json.loads(text)[key] for key in ("pairs", "rows"))
        assert pairs[0]["difference"] == first.pair.difference.value
        assert {row["label"]: row["seeds"] for row in rows}["a"] == [0, 1, 2]
    elif form == "csv":
        lines = list(csv.DictReader(text.splitlines()))
        assert float(lines[0]["p"]) == first.pair.p
        assert len(lines) == 3
        shares = [float(lines[0][f"{part}_share"]) for part in ("users", "draws", "seeds", "rest")]
        assert sum(shares) == pytest.approx(1)
    else:
        assert "b: a single training is judged, as it is: nothing is said of another seed" in text
        assert f"{first.smallest:.3f}" in text
        assert "adjusted for 3 pairs (Bonferroni)" in text


def test_the_smallest_difference_is_that_of_so_many_pairs(made) -> None:
    found = compare([made(mixture(i), model=f"m{i}") for i in range(4)])
    for one in found.pairs:
        alone = one.pair.difference
        assert one.smallest == pytest.approx(smallest_difference(alone.se, alone.df, 0.05 / 6))


def test_seeds_are_not_matched_where_one_alone_shares_its_encoder(made) -> None:
    one, other = (
        [
            made(model=model, seed=s, parts={"encoder": "shared" if s == 0 else f"{model} {s}"})
            for s in range(3)
        ]
        for model in ("ilora", "llara")
    )
    assert not matched(one, other)
    assert matched(one[:1], other[:1])
