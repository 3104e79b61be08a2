from dataclasses import fields

import numpy as np
import pytest
from spies import Personal, Prompted, Spy, silent

from recbench import registry, stages
from recbench.experiment import run
from recbench.questions.queries import Queries
from recbench.runs.examples import read_outcome
from recbench.stages import ask


def test_law_1_the_seed_of_training_never_changes_a_pack(wanted):
    records = [run(wanted(seed=seed), silent).record for seed in (0, 1)]
    assert records[0].digests == records[1].digests
    assert records[0].row == records[1].row
    other = run(wanted(pack_seed=1), silent).record
    assert other.digests.pack != records[0].digests.pack


def test_law_1_the_pack_is_stored_before_a_model_sees_it(wanted, tmp_path):
    question = ask(wanted(), silent)
    assert [*(tmp_path / "cache").rglob("*.parquet")]
    assert ask(wanted(), silent).pack.hash == question.pack.hash


@pytest.mark.parametrize("protocol", ["paper", "next-item"])
def test_law_2_a_model_never_sees_the_target(wanted, spy, protocol):
    run(wanted(protocol=protocol), silent)
    question = ask(wanted(protocol=protocol), silent)
    data, *asked = spy.seen
    assert all(type(one) is Queries for one in asked)
    assert {one.name for one in fields(Queries)} == {"histories", "candidates"}
    assert all(one.users is None for one in asked)  # told only to a model that must know
    assert not hasattr(data, "test")
    # What it trains on holds no test row, and the target's place among the candidates varies.
    assert set(map(tuple, data.train.histories)).isdisjoint(
        set(map(tuple, question.split.test.histories))
    )
    assert len(set(question.pack.target_position.ravel().tolist())) > 10


def test_a_full_ranking_is_run_recorded_and_found_again(wanted, spy):
    asked = {"protocol": "next-item,candidates=all"}
    done = run(wanted(**asked, draws=5), silent)
    record = done.record
    assert (record.protocol, record.full_ranking) == ("next-item,candidates=all", True)
    assert (record.draws, record.candidates, record.examples) == (1, 80, 60)
    assert done.folder.parent.parent.name == "next-item,candidates=all"
    again = read_outcome(done.folder, record)
    assert again.scores is None
    assert again.rank.max() > 20
    assert record.metrics["HitRatio@10"].value == pytest.approx((again.rank <= 10).mean())
    said: list[str] = []
    assert run(wanted(**asked, draws=2, pack_seed=7), said.append).reused
    assert "next-item,candidates=all draws nothing: --draws and --pack-seed change nothing" in said
    drawn = run(wanted(protocol="next-item"), silent).record
    assert not drawn.full_ranking
    assert drawn.digests.split == record.digests.split
    assert drawn.digests.pack != record.digests.pack


def test_law_2_a_full_ranking_shows_neither_target_nor_excluded_items(wanted, spy):
    run(wanted(protocol="next-item,candidates=all"), silent)
    _, *asked = spy.seen
    assert all(type(one) is Queries for one in asked)
    assert all((one.candidates == np.arange(80)).all() for one in asked)


@pytest.mark.parametrize("protocol", ["next-item", "next-item,candidates=all"])
@pytest.mark.parametrize("model_class", [Spy, Personal])
def test_who_asks_is_told_to_a_model_that_must_know_and_to_no_other(
    wanted, spy, monkeypatch, protocol, model_class
):
    monkeypatch.setattr(stages, "recommender_class", lambda name: model_class)
    run(wanted(protocol=protocol), silent)
    queries = [one for one in spy.seen if isinstance(one, Queries)]
    if model_class is Spy:
        assert all(one.users is None for one in queries)
        return
    data = spy.seen[0]
    for one in queries:
        for user, history in zip(one.users.tolist(), one.histories, strict=True):
            own = data.sequences[int(np.flatnonzero(data.sequence_users == user)[0])]
            assert history[-2] == own[-1]  # between it and the target stands the validation target


def test_a_control_asks_the_model_that_was_trained_and_shows_it_something_else(wanted, spy):
    plain = run(wanted(), silent)
    (asked,) = [one for one in spy.seen if isinstance(one, Queries)]
    spy.seen.clear()
    control = run(wanted(control="shuffled-history"), silent)
    (shown,) = [one for one in spy.seen if isinstance(one, Queries)]
    assert spy.fitted == 1
    np.testing.assert_array_equal(shown.candidates, asked.candidates)
    assert (shown.histories != asked.histories).any()
    np.testing.assert_array_equal(np.sort(shown.histories), np.sort(asked.histories))
    assert control.record.control == "shuffled-history"
    assert control.record.digests == plain.record.digests
    assert control.record.trained == plain.record.trained
    assert control.record.row != plain.record.row
    assert run(wanted(control="shuffled-history"), silent).reused


def test_a_full_ranking_is_shown_shuffled_histories_too(wanted, spy):
    full = {"protocol": "paper,candidates=all", "draws": 5}
    plain = run(wanted(**full), silent).record
    asked = spy.seen[-1].histories
    control = run(wanted(**full, control="shuffled-history"), silent).record
    assert (spy.seen[-1].histories != asked).any()
    assert control.digests == plain.digests


def test_under_anonymised_titles_a_model_is_loaded_with_codes(wanted, spy, titled):
    plain = run(wanted(), silent).record
    spy.seen.clear()
    record = run(wanted(control="anonymised-titles"), silent).record
    loaded, codes, begun = spy.seen[:3]
    assert all(title.startswith("Film") for title in loaded.catalogue.titles)
    assert all(title.startswith("item ") for title in codes.catalogue.titles)
    assert begun == "anonymised-titles"
    assert record.digests == plain.digests
    assert record.trained == plain.trained


def test_what_only_a_model_can_change_is_told_to_it(wanted, spy, titled):
    run(wanted(control="permuted-items"), silent)
    assert spy.seen[-2] == "permuted-items"


@pytest.mark.parametrize("rule", ["paper", "paper,candidates=all"])
def test_a_limit_asks_about_the_first_rows_and_trains_as_ever(wanted, spy, rule):
    whole = run(wanted(protocol=rule), silent)
    told = []
    few = run(wanted(protocol=rule, limit=2), told.append)
    assert spy.fitted == 1
    assert any("--limit 2, of 6 test rows: the first alone" in line for line in told)
    assert (few.record.examples, few.record.limit) == (2, 2)
    assert few.record.row != whole.record.row
    all_rows, first = (read_outcome(one.folder, one.record) for one in (whole, few))
    np.testing.assert_array_equal(first.rank, all_rows.rank[: len(first.rank)])


def test_a_limit_that_leaves_out_nothing_is_no_limit(wanted):
    whole = run(wanted(), silent)
    found = run(wanted(limit=1000), silent)
    assert found.reused
    assert found.folder == whole.folder


def test_the_first_prompt_is_told_before_anything_is_trained(wanted, spy, monkeypatch):
    monkeypatch.setattr(registry, "load", lambda group, name: Prompted)
    told = []

    def tell(line):
        told.append((line, spy.fitted))

    run(wanted(show_prompt=True), tell)
    ((prompt, fitted),) = [one for one in told if "asked" in one[0]]
    assert fitted == 0
    assert prompt.startswith("\\x1b[2Jasked\nFilm ")
    assert prompt.endswith("\n(1, 20)")
    told.clear()
    run(wanted(show_prompt=True, control="anonymised-titles"), tell)
    assert any(line.startswith("\\x1b[2Jasked\nitem ") for line, _ in told)
