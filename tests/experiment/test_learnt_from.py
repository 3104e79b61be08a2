from dataclasses import replace

import numpy as np
import pytest
from spies import give, silent, spy_data, usual_noun

from recbench import stages
from recbench.data.catalogue import make_catalogue
from recbench.errors import UserError
from recbench.experiment import run
from recbench.questions.protocols import protocol
from recbench.runs.record_parts import USUAL
from recbench.stages import build


def test_a_part_of_the_users_is_another_row_of_the_same_table(wanted, spy):
    whole = run(wanted(), silent).record
    part = run(wanted(train_fraction=0.5), silent).record
    assert part.training.fraction == 0.5
    assert part.digests == whole.digests
    assert part.row != whole.row
    data = [one for one in spy.seen if hasattr(one, "sequences")]
    assert [len(one.sequences) for one in data] == [48, 24]
    assert data[0].digest != data[1].digest
    np.testing.assert_array_equal(data[0].validation.targets, data[1].validation.targets)


def test_learnt_from_one_dataset_and_asked_about_another(elsewhere, wanted, spy):
    usual = run(wanted(model="reader"), silent).record
    spy.seen.clear()
    record = run(elsewhere(train_fraction=0.5), silent).record
    learnt, (word, asked) = spy.seen[:2]
    assert (learnt.noun, word, asked.noun) == (("song", "songs"), "transferred", usual_noun())
    assert (len(learnt.sequences), len(asked.sequences)) == (24, 48)
    assert record.training.model_dump(exclude={"split"}) == {
        "fraction": 0.5,
        "dataset": "other",
        "protocol": "paper",
        "refitted": ("encoder gru4rec",),
        "words": "song/songs, watched",
    }
    assert record.caption == "tuned on other alone, encoder gru4rec trained on movielens"
    assert record.digests == usual.digests
    assert record.row != usual.row


def test_too_few_items_to_be_asked_about_are_enough_to_learn_from(elsewhere, monkeypatch, spy):
    real = stages.prepare

    def of_few_items(name, *rest):
        dataset = real(name, *rest)
        if name != "other":
            return dataset
        few, kept, titles = 15, dataset.items < 15, dataset.catalogue.titles
        columns = ("users", "items", "ratings", "times")
        return replace(
            dataset,
            catalogue=make_catalogue(dataset.catalogue.raw_ids[:few], titles[:few]),
            **{column: getattr(dataset, column)[kept] for column in columns},
        )

    give(monkeypatch, of_few_items)
    record = run(elsewhere(), silent).record
    assert record.training.dataset == "other"
    assert len(spy.seen[0].catalogue) == 15


@pytest.mark.parametrize("model", ["reader", "unlisted"])
def test_other_words_of_prompts_are_another_row_for_what_reads_them(edited, model):
    first, other = edited("saw", model), edited("watched", model)
    assert (first.record.training.words, other.reused) == ("movie/movies, saw", False)
    assert first.record.digests == other.record.digests
    assert first.record.row != other.record.row
    assert edited("saw", model).reused
    assert not edited("saw", model="spy").reused
    assert edited("watched", model="spy").reused


def test_the_words_of_our_own_cards_are_no_part_of_a_row(wanted):
    assert run(wanted(model="reader"), silent).record.training == USUAL


def test_times_are_given_to_what_reads_them_and_name_its_trainings(timed, spy):
    first, other = timed(0), timed(1)
    assert (first.record.digests.split, spy.fitted) == (other.record.digests.split, 2)
    assert first.record.trained.training_id != other.record.trained.training_id
    np.testing.assert_array_equal(spy.seen[0].times + 1, spy_data(spy)[1].times)
    assert timed(0).reused


def test_without_reading_them_a_model_is_given_none_and_trained_once(timed, spy):
    timed(0, "spy"), timed(1, "spy")
    assert spy.fitted == 1
    assert spy_data(spy)[0].times is None


def test_a_dataset_that_cannot_be_asked_so_trains_by_its_own_protocol(elsewhere, monkeypatch):
    monkeypatch.setattr(
        stages, "allows", lambda card, rule: (card.name, rule.card) != ("other", "paper")
    )
    monkeypatch.setattr(
        stages, "protocol_of", lambda name, rule, cache: protocol(rule or "next-item")
    )
    record = run(elsewhere(protocol="paper"), silent).record
    assert (record.protocol, record.training.protocol) == ("paper", "next-item")


def test_what_was_transferred_and_killed_is_loaded_as_of_the_dataset_asked_about(elsewhere, spy):
    spy.killed = True
    with pytest.raises(KeyboardInterrupt):
        run(elsewhere(), silent)
    spy.killed = False
    run(elsewhere(), silent)
    assert spy.fitted == 1
    assert [type(one) for one in spy.seen].count(tuple) == 1


def test_a_model_that_knows_items_by_code_refuses_to_learn_elsewhere(elsewhere, monkeypatch):
    give(monkeypatch, None)
    for model in ("spy", "popularity"):
        with pytest.raises(UserError, match=f"{model} cannot learn from other and be asked about"):
            run(elsewhere(model=model), silent)


def test_to_learn_from_the_dataset_asked_about_is_the_usual(wanted):
    usual = run(wanted(), silent)
    assert run(wanted(train_dataset="movielens"), silent).record == usual.record


@pytest.mark.parametrize("train_dataset", [None, "movielens"])
def test_a_folder_to_learn_from_without_its_dataset_is_refused(wanted, tmp_path, train_dataset):
    with pytest.raises(UserError, match="--train-data-dir is the folder of --train-dataset"):
        build(wanted(train_data_dir=tmp_path, train_dataset=train_dataset))
