from dataclasses import fields, replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from recbench import experiment, registry, stages
from recbench.data.catalogue import make_catalogue
from recbench.errors import PluginError, RecbenchError, UserError
from recbench.evaluation import asking, finished_calls
from recbench.experiment import run
from recbench.questions.protocols import protocol
from recbench.questions.queries import Queries
from recbench.questions.split import PAD
from recbench.recommender import Recommender, TrainingData, Transferable
from recbench.request import Experiment
from recbench.runs import question, store
from recbench.runs.examples import read_outcome
from recbench.runs.record_parts import USUAL, Training
from recbench.settings import Settings
from recbench.stages import ask, build, describe


def give(monkeypatch, prepare):
    """Let `prepare` be what gives the data that are asked about, and those learnt from."""
    for place in (stages, question):
        monkeypatch.setattr(place, "prepare", prepare)


class SpySettings(Settings):
    taste: int = 0


class Spy(Recommender):
    """Scores by item code and remembers what it was given."""

    settings_class = SpySettings
    summary = "scores by item code"
    reference = "none"
    fitted: ClassVar[int] = 0
    seen: ClassVar[list[Any]] = []
    killed: ClassVar[bool] = False
    killed_after: ClassVar[int | None] = None
    brought: ClassVar[dict[str, str]] = {}

    def fit(self, data, runtime):
        Spy.fitted += 1
        self.seen.append(data)
        return {"parameters_trained": 3}

    def score(self, queries, runtime):
        self.seen.append(queries)
        calls = sum(isinstance(one, Queries) for one in self.seen)
        if self.killed or (self.killed_after is not None and calls > self.killed_after):
            raise KeyboardInterrupt
        return queries.candidates.astype(np.float32)

    def ingredients(self):
        return dict(self.brought)

    def save(self, folder):
        (folder / "weights").write_text("here")

    def load(self, folder, data, runtime):
        assert (folder / "weights").read_text() == "here"


class Reader(Spy, Transferable):
    """One that reads prompts, and can be asked about other items than it has learnt from."""

    lists_candidates = True

    def transfer(self, data, runtime):
        self.seen.append(("transferred", data))

    @property
    def refitted(self):
        return ("encoder gru4rec",)


class Unlisted(Spy):
    """One that reads prompts in which no candidates are listed."""

    reads_words = True


@pytest.fixture(autouse=True)
def spy(monkeypatch):
    Spy.fitted, Spy.seen, Spy.killed, Spy.brought = 0, [], False, {}
    Spy.killed_after = None
    real = registry.load
    monkeypatch.setattr(
        registry,
        "load",
        lambda group, name: (
            {"spy": Spy, "reader": Reader, "unlisted": Unlisted, "clock": Clock}.get(name)
            or real(group, name)
        ),
    )
    return Spy


@pytest.fixture
def wanted(raw_folder, tmp_path):
    def build_experiment(**changes):
        values = {
            "model": "spy",
            "data_dir": raw_folder,
            "results": tmp_path / "results",
            "cache": tmp_path / "cache",
            "device": "cpu",
            "audit": False,  # a fresh process could not import what this file defines
        }
        return Experiment(**{**values, **changes})

    return build_experiment


def silent(_: str) -> None:
    pass


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


def test_other_ingredients_are_another_run(wanted, spy):
    first = run(wanted(), silent)
    spy.brought = {"llm": "0a1b"}
    second = run(wanted(), silent)
    assert not second.reused
    assert second.record.row != first.record.row
    assert second.record.ingredients == {"llm": "0a1b"}


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


@pytest.fixture
def elsewhere(wanted, monkeypatch, raw_folder):
    """An experiment that learns from "other": the same raw files under another card."""
    real = stages.prepare

    def prepared(name, *rest):
        dataset = real("movielens", *rest)
        words = {"name": name, "noun": ("song", "songs")} if name == "other" else {}
        return replace(dataset, card=dataset.card.model_copy(update=words))

    give(monkeypatch, prepared)
    changes = {"train_dataset": "other", "train_data_dir": raw_folder}
    return lambda **more: wanted(**{"model": "reader", **changes, **more})


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


@pytest.fixture
def edited(wanted, monkeypatch):
    """Return a function that runs a model on a dataset of the user's own, whose card says so."""
    real = stages.prepare

    def run_on_edited(verb, model="reader"):
        def prepared(*arguments):
            dataset = real(*arguments)
            words = {"name": "mine", "verb": verb}
            return replace(dataset, card=dataset.card.model_copy(update=words))

        give(monkeypatch, prepared)
        return run(wanted(model=model), silent)

    return run_on_edited


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


class Clock(Spy):
    """One that reads times."""

    reads_times = True


@pytest.fixture
def timed(wanted, monkeypatch):
    """Return a function that runs a model on data whose times are moved by so many seconds."""
    real = stages.prepare

    def run_on_moved(moved, model="clock"):
        def prepared(*arguments):
            dataset = real(*arguments)
            return replace(dataset, times=dataset.times + moved, digest=f"moved by {moved}")

        give(monkeypatch, prepared)
        return run(wanted(model=model), silent)

    return run_on_moved


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


def spy_data(spy):
    return [one for one in spy.seen if isinstance(one, TrainingData)]


def usual_noun():
    return ("movie", "movies")


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


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_an_error_even_for_a_finished_run(wanted):
    run(wanted(), silent)
    with pytest.raises(UserError, match="GPU"):
        run(wanted(device="cuda"), silent)


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


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("changes", "refitted", "said"),
    [
        ({"preset": "a\nb"}, "encoder", r"its preset must be one line .*, not 'a\\nb'"),
        ({}, "en\u00a0coder", r"its caption must be one line of text that can be printed, not 'tu"),
        ({"model": "external:spy"}, "encoder", "its name begins with external:, as those of"),
    ],
)
def test_what_no_reader_would_trust_is_refused_before_anything_is_trained(
    wanted, changes, refitted, said
):
    question, model = ask(wanted(), silent), build(wanted())
    elsewhere = Training(dataset="ml-1m", refitted=(refitted,))
    with pytest.raises(PluginError, match=said):
        describe(wanted(**changes), model, question, elsewhere)
    assert describe(wanted(), model, question, Training(dataset="ml-1m")).caption


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


@pytest.mark.parametrize("model", ["tallrec", "llara", "ilora"])
def test_what_lists_its_candidates_refuses_a_full_ranking_before_any_data_is_read(
    wanted, monkeypatch, model
):
    give(monkeypatch, None)
    with pytest.raises(
        UserError, match=f"^{model} reads its candidates in a prompt, .*--candidates"
    ):
        run(wanted(model=model, protocol="paper,candidates=all"), silent)


def test_a_typo_ends_before_any_data_is_read(wanted, monkeypatch):
    give(monkeypatch, None)
    with pytest.raises(UserError, match="unknown model 'ilra'"):
        run(wanted(model="ilra"), silent)
    with pytest.raises(UserError, match="unknown setting 'tast'; did you mean 'taste'"):
        run(wanted(settings={"tast": 1}), silent)


@pytest.mark.parametrize("train_dataset", [None, "movielens"])
def test_a_folder_to_learn_from_without_its_dataset_is_refused(wanted, tmp_path, train_dataset):
    with pytest.raises(UserError, match="--train-data-dir is the folder of --train-dataset"):
        build(wanted(train_data_dir=tmp_path, train_dataset=train_dataset))


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


@pytest.mark.parametrize(
    ("details", "said"),
    [
        (None, "a dict with parameters_trained"),
        ({"epochs": 3}, "a dict with parameters_trained"),
        ({"parameters_trained": 3, "loss": np.float32(0.5)}, "must return JSON values: .*float32"),
    ],
)
def test_what_fit_may_not_return_is_refused_before_a_question_is_asked(
    wanted, spy, monkeypatch, details, said
):
    monkeypatch.setattr(Spy, "fit", lambda *_: details)
    with pytest.raises(RecbenchError, match=said):
        run(wanted(), silent)
    assert not spy.seen


class Personal(Spy):
    """Must be told who asks."""

    knows_users = True


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


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"protocol": "paper"}, "paper asks about users who have not trained; take --protocol"),
        ({"protocol": "temporal"}, "temporal asks about users who have not trained"),
        ({"protocol": "next-item", "train_fraction": 0.5}, "leave out --train-fraction"),
    ],
)
def test_a_model_that_knows_users_is_not_asked_about_others(
    wanted, spy, monkeypatch, changes, said
):
    monkeypatch.setattr(stages, "recommender_class", lambda name: Personal)
    give(monkeypatch, None)  # nothing is read
    with pytest.raises(UserError, match=f"spy learns a vector of each user, and .*{said}"):
        run(wanted(**changes), silent)


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


class Titled(Spy):
    """One that reads titles, and changes something else itself."""

    controls = frozenset({"anonymised-titles", "permuted-items"})

    def load(self, folder, data, runtime):
        self.seen.append(data)

    def begin(self, control):
        self.seen.append(control)


@pytest.fixture
def titled(monkeypatch):
    monkeypatch.setattr(registry, "load", lambda group, name: Titled)


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


@pytest.mark.parametrize(
    ("model", "control", "says"),
    [
        ("popularity", "shuffled-history", "leave it out: no control does"),
        ("spy", "anonymised-titles", "read titles in a prompt; take shuffled-history"),
        ("llara", "other-user", "have a gate on the user; take anonymised-titles or perm"),
        ("tallrec", "permuted-items", "item vectors; take anonymised-titles or shuffled-history"),
    ],
)
def test_a_control_of_no_use_is_refused_before_any_data_is_read(
    wanted, monkeypatch, model, control, says
):
    give(monkeypatch, None)
    with pytest.raises(UserError, match=f"--control {control} says nothing of {model}.*{says}"):
        run(wanted(model=model, control=control), silent)


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


class Prompted(Titled):
    """One that shows its prompt."""

    def prompt(self, data, queries):
        seen = [data.catalogue.titles[item] for item in queries.histories[0] if item != PAD]
        return "\n".join(["\x1b[2Jasked", *seen, str(queries.candidates.shape)])


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


def test_what_reads_no_prompt_is_refused_before_any_data_is_read(wanted, monkeypatch):
    give(monkeypatch, None)
    with pytest.raises(UserError, match="sasrec reads no prompt; leave out --show-prompt"):
        run(wanted(model="sasrec", show_prompt=True), silent)


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
