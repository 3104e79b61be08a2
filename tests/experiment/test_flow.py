import numpy as np
import pytest
from spies import Spy, SpySettings, silent

from recbench import experiment, stages
from recbench.evaluation import asking, finished_calls
from recbench.experiment import run
from recbench.questions.protocols import protocol
from recbench.questions.queries import Queries
from recbench.runs import store
from recbench.runs.record_parts import USUAL
from recbench.stages import ask, build, describe


def test_the_record_says_what_was_run(wanted):
    done = run(wanted(settings={"taste": "7"}, draws=2), silent)
    record = done.record
    assert (record.model, record.protocol, record.draws) == ("spy", "paper", 2)
    assert record.settings == {"taste": 7}
    assert record.trained.parameters_trained == 3
    assert not done.reused
    assert store.finished(done.folder).record == record


def test_a_second_run_finds_the_first(wanted, spy):
    first, second = run(wanted(), silent), run(wanted(), silent)
    assert second.reused
    assert second.record == first.record
    assert spy.fitted == 1


def test_a_run_that_is_there_is_found_where_nothing_can_be_written(wanted, spy, monkeypatch):
    first = run(wanted(), silent)
    monkeypatch.setattr(experiment, "locked", pytest.fail)
    monkeypatch.setattr(type(first.folder), "mkdir", pytest.fail)
    assert run(wanted(), silent).record == first.record


def test_other_ingredients_are_another_run(wanted, spy):
    first = run(wanted(), silent)
    spy.brought = {"llm": "0a1b"}
    second = run(wanted(), silent)
    assert not second.reused
    assert second.record.row != first.record.row
    assert second.record.ingredients == {"llm": "0a1b"}


def test_what_was_interrupted_after_training_is_not_trained_again(wanted, spy):
    spy.killed = True
    with pytest.raises(KeyboardInterrupt):
        run(wanted(), silent)
    spy.killed = False
    done = run(wanted(), silent)
    assert spy.fitted == 1
    assert done.record.trained.parameters_trained == 3
    assert not (done.folder / store.CHECKPOINTS).exists()


@pytest.mark.parametrize(
    "change",
    [
        {"draws": 2},
        {"pack_seed": 3},
        {"protocol": "next-item,candidates=7"},
        {"protocol": "next-item,negatives=popular"},
        {"protocol": "next-item,candidates=all"},
        {"audit": True},
    ],
    ids=str,
)
def test_another_question_asks_the_model_that_was_trained(wanted, spy, change, monkeypatch):
    monkeypatch.setattr(experiment, "audit", lambda *_: None)
    first = run(wanted(protocol="next-item"), silent).record
    said: list[str] = []
    other = run(wanted(**{"protocol": "next-item"} | change), said.append)
    if "audit" not in change:
        assert not other.reused
        assert said[-1].startswith("asking the model trained before: ")
        assert other.record.row != first.row
        assert other.record.times.fit == 0
    assert other.record.trained == first.trained
    assert spy.fitted == 1


@pytest.mark.honesty
def test_a_rule_of_matching_is_no_other_row_of_what_writes_nothing(wanted, spy):
    first = run(wanted(), silent)
    said: list[str] = []
    other = run(wanted(matching="substring"), said.append)
    assert (other.folder, other.reused, other.record.matching) == (first.folder, True, "exact")
    assert "spy writes nothing: --matching changes nothing" in said


def test_a_rule_of_matching_is_another_row_of_what_writes(wanted, monkeypatch):
    monkeypatch.setattr(stages, "writes", lambda _: True)
    rules = [wanted(matching=rule) for rule in ("exact", "substring")]
    question, model = ask(rules[0], silent), build(rules[0])
    setups = [describe(one, model, question, USUAL) for one in rules]
    assert [one.matching for one in setups] == ["exact", "substring"]
    assert setups[0].row != setups[1].row


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"settings": {"taste": 1}},
        {"protocol": "paper"},
        {"protocol": "next-item,history=3"},
        {"train_fraction": 0.5},
    ],
    ids=str,
)
def test_what_changes_the_learning_trains_anew(wanted, spy, change):
    first = run(wanted(protocol="next-item"), silent).record
    other = run(wanted(**{"protocol": "next-item"} | change), silent).record
    assert spy.fitted == 2
    assert other.trained.training_id != first.trained.training_id


def test_fresh_trains_and_asks_anew_and_replaces_what_stood(wanted, spy):
    first = run(wanted(), silent)
    spy.killed = True
    with pytest.raises(KeyboardInterrupt):
        run(wanted(fresh=True), silent)
    assert run(wanted(), silent).record == first.record  # nothing is lost before it is replaced
    spy.killed = False
    again = run(wanted(fresh=True), silent)
    assert (again.folder, again.reused, spy.fitted) == (first.folder, False, 3)


def test_a_training_that_is_not_random_has_one_seed(wanted, spy, monkeypatch):
    monkeypatch.setattr(Spy, "random_training", False)
    first, other = run(wanted(seed=0), silent), run(wanted(seed=5), silent)
    assert other.reused
    assert (first.record.seed, first.record.random_training) == (0, False)


def test_the_model_is_asked_in_rounds_and_what_was_answered_is_not_asked_again(
    wanted, spy, monkeypatch
):
    monkeypatch.setattr(finished_calls, "SECONDS", 0.0)
    monkeypatch.setattr(asking, "ROWS_AT_ONCE", 2)
    run(wanted(results=wanted().results / "whole"), silent)
    whole = [one.histories for one in spy.seen if isinstance(one, Queries)]
    assert max(map(len, whole)) == 2
    spy.seen.clear()
    spy.killed_after = 2
    with pytest.raises(KeyboardInterrupt):
        run(wanted(), silent)
    spy.killed_after = None
    run(wanted(), silent)
    asked = [one.histories for one in spy.seen if isinstance(one, Queries)]
    del asked[2]  # the one that killed it
    assert len(asked) == len(whole)
    assert all(np.array_equal(one, other) for one, other in zip(asked, whole, strict=True))


def test_settings_and_presets_reach_the_model(wanted):
    assert build(wanted(settings={"taste": "3"})).settings == SpySettings(taste=3)


def test_what_a_card_changed_under_its_name_is_another_run(wanted, monkeypatch, spy):
    # A plug-in's card may change under its name; the candidates are the same nevertheless.
    first = run(wanted(protocol="next-item"), silent)
    changed = protocol("next-item").model_copy(update={"history": 3})
    monkeypatch.setattr(stages, "protocol_of", lambda *_: changed)
    other = run(wanted(protocol="next-item"), silent)
    assert first.record.digests.pack == other.record.digests.pack
    assert (other.reused, spy.fitted) == (False, 2)
    assert first.record.row != other.record.row


def test_a_killed_evaluation_goes_on_in_as_many_threads(wanted, spy):
    torch = pytest.importorskip("torch")
    before, said = torch.get_num_threads(), []
    spy.killed = True
    try:
        torch.set_num_threads(2)
        with pytest.raises(KeyboardInterrupt):
            run(wanted(), lambda line: None)
        torch.set_num_threads(3)
        spy.killed = False
        found = run(wanted(), said.append)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert found.record.provenance.device.threads == 2
    assert any(line.startswith("going on in 2 threads as it was begun, not in 3") for line in said)


def test_keys_that_are_no_text_stand_in_the_record_as_text(wanted, monkeypatch):
    monkeypatch.setattr(Spy, "fit", lambda *_: {"parameters_trained": 3, "by_epoch": {1: 0.5}})
    assert run(wanted(), silent).record.trained.fit["by_epoch"] == {"1": 0.5}


def test_a_training_that_cannot_be_loaded_says_what_makes_it_anew(wanted, monkeypatch):
    def broken(self, folder, data, runtime):
        raise FileNotFoundError("weights")

    run(wanted(), silent)
    monkeypatch.setattr(Spy, "load", broken)
    said: list[str] = []
    with pytest.raises(FileNotFoundError):
        run(wanted(draws=2), said.append)
    assert said[-1].endswith(" cannot be loaded; --fresh trains it anew")
