from itertools import count

import cheats
import numpy as np
import pytest
import torch
from pydantic import Field
from spies import Personal, Spy, SpySettings, give, silent

from recbench import registry, stages
from recbench.errors import PluginError, RecbenchError, UserError
from recbench.experiment import run
from recbench.runs.record_parts import Training
from recbench.stages import ask, build, describe


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_an_error_even_for_a_finished_run(wanted):
    run(wanted(), silent)
    with pytest.raises(UserError, match="GPU"):
        run(wanted(device="cuda"), silent)


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


@pytest.mark.parametrize(
    ("details", "said"),
    [
        (None, "a dict with parameters_trained"),
        ({"epochs": 3}, "a dict with parameters_trained"),
        ({"parameters_trained": 3, "loss": np.float32(0.5)}, "must return JSON values: .*float32"),
        ({"parameters_trained": -5}, "parameters_trained of at least 0"),
        ({"parameters_trained": 3, "precision": "a\nb"}, "its precision as one line of text"),
    ],
)
def test_what_fit_may_not_return_is_refused_before_a_question_is_asked(
    wanted, spy, monkeypatch, details, said
):
    monkeypatch.setattr(Spy, "fit", lambda *_: details)
    with pytest.raises(RecbenchError, match=said):
        run(wanted(), silent)
    assert not spy.seen


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


def test_what_reads_no_prompt_is_refused_before_any_data_is_read(wanted, monkeypatch):
    give(monkeypatch, None)
    with pytest.raises(UserError, match="sasrec reads no prompt; leave out --show-prompt"):
        run(wanted(model="sasrec", show_prompt=True), silent)


def test_settings_that_hang_on_chance_are_refused_before_any_data_is_read(wanted, monkeypatch):
    class Chance(SpySettings):
        salt: float = Field(default_factory=count().__next__)

    give(monkeypatch, None)
    monkeypatch.setattr(Spy, "settings_class", Chance)
    with pytest.raises(PluginError, match="its setting 'salt' is another each time it is made"):
        run(wanted(), silent)


def test_a_fit_that_changes_its_settings_is_refused_and_not_kept(wanted, monkeypatch):
    class Layers(SpySettings):
        layers: list[int] = Field(default=[64, 32])

    def fit(self, data, runtime):
        self.settings.layers.append(16)
        return {"parameters_trained": 3}

    monkeypatch.setattr(Spy, "settings_class", Layers)
    monkeypatch.setattr(Spy, "fit", fit)
    with pytest.raises(PluginError, match="fit may not change its settings"):
        run(wanted(), silent)
    assert not [*wanted().results.rglob("training.json")]


@pytest.mark.honesty
@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize("by", ["itself", "its copy"])
def test_what_was_saved_may_not_change_while_it_is_asked(wanted, monkeypatch, by):
    monkeypatch.setattr(registry, "load", lambda group, name: cheats.SavedLater)
    if by == "itself":  # loaded, in a second run
        run(wanted(), silent)
    with pytest.raises(PluginError, match="SavedLater has changed what it had saved while it was"):
        run(wanted(audit=by == "its copy", draws=2), silent)
    assert not [*wanted().results.rglob("* by *")]  # another training is asked everything
    assert len([*wanted().results.rglob("record.json")]) == (by == "itself")
