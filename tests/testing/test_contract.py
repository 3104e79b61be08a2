from contextlib import nullcontext
from itertools import count

import cheats
import numpy as np
import pytest
from pydantic import Field, create_model

from recbench.errors import PluginError
from recbench.questions.split import PAD
from recbench.settings import Settings
from recbench.testing.contract import AnswererContract, RecommenderContract, telling_queries
from recbench.testing.toy import toy_split, toy_training_data

pytestmark = pytest.mark.honesty

BATCH = "test_a_row_does_not_depend_on_its_batch"
BEFORE = "test_a_row_does_not_depend_on_what_was_asked_before"
OTHERS = "test_the_score_of_a_candidate_does_not_depend_on_the_others"
SEED = "test_the_seed_is_part_of_what_is_learnt"
SAVED = "test_saved_and_loaded_it_answers_the_same"


class TestGuess(RecommenderContract):
    model_class = cheats.Guess


class TestImprecise(RecommenderContract):
    """Within the tolerance."""

    model_class = cheats.Imprecise

    test_saved_and_loaded_it_answers_the_same = None  # to 1e-6
    test_the_seed_decides_everything = None


class TestWriting(AnswererContract):
    model_class = cheats.Writing


class TestAtOnce(AnswererContract):
    model_class = cheats.AtOnce


class TestWritten(AnswererContract):
    model_class = cheats.Written


def contract_of(cheat, workplace):
    """Return the contract of a model, and what its tests are given."""
    base = AnswererContract if issubclass(cheat, cheats.Answerer) else RecommenderContract

    class Contract(base):
        model_class = cheat

    split = toy_split()
    (workplace / "cache").mkdir()
    model = Contract.build()
    model.fit(toy_training_data(split), Contract.runtime(workplace, "fitted"))
    return Contract(), (model, split, workplace)


@pytest.mark.parametrize(
    ("cheat", "test"),
    [
        (cheats.Counting, BATCH),
        (cheats.LookingAhead, BATCH),
        (cheats.CountingAll, BATCH),
        (cheats.BatchNormalised, BATCH),
        (cheats.RememberingHistories, BEFORE),
        (cheats.RememberingCandidates, BEFORE),
        (cheats.ListedRememberingCandidates, BEFORE),
        (cheats.SmallScores, BEFORE),
        (cheats.CloseScores, BEFORE),
        (cheats.ReadingCache, BEFORE),
        (cheats.ImpreciseUnsaid, BATCH),
        (cheats.NormalisedByRow, OTHERS),
        (cheats.SavedByHalves, SAVED),
        (cheats.Pickled, SAVED),
        (cheats.KeepingNotes, SAVED),
        (cheats.WritingWhatItRemembers, BEFORE),
        (cheats.WrittenFromMemory, BEFORE),
        (cheats.UnderEverySeed, SEED),
    ],
)
def test_models_that_cheat_fail_it(cheat, test, tmp_path):
    contract, given = contract_of(cheat, tmp_path)
    with pytest.raises(AssertionError):
        getattr(contract, test)(*given)


@pytest.mark.parametrize(
    ("salt", "runtime"), [(Field(default_factory=count().__next__), frozenset()), (0, {"slat"})]
)
def test_settings_that_are_others_each_time_or_name_none_fail_it(tmp_path, salt, runtime):
    salted = create_model("Salted", __base__=Settings, salt=(int, salt))
    salted.runtime = frozenset(runtime)
    cheat = type("Salty", (cheats.Guess,), {"settings_class": salted})
    for model, told in (
        (cheat, pytest.raises((AssertionError, PluginError))),
        (cheats.Guess, nullcontext()),
    ):
        (tmp_path / model.__name__).mkdir()
        contract, (fitted, *_) = contract_of(model, tmp_path / model.__name__)
        with told:
            contract.test_its_settings_are_the_same_each_time(fitted)


@pytest.mark.parametrize("test", [BATCH, BEFORE, OTHERS, SAVED, SEED])
def test_one_that_guesses_passes_it(test, tmp_path):
    contract, given = contract_of(cheats.Guess, tmp_path)
    getattr(contract, test)(*given)


def test_rows_tell_of_each_other():
    split = toy_split()
    asked = telling_queries(split)
    assert len(asked) == 8
    for start, target in zip((0, 4), split.test.targets[:2], strict=True):
        same, shown = asked.histories[start : start + 4], asked.candidates[start : start + 4]
        assert len(np.unique(same[:3], axis=0)) == 1
        assert set.intersection(*(set(row.tolist()) for row in shown[:3])) == {target}
        assert same[3].tolist() == [PAD, *same[0, :-1].tolist()]
        assert same[0, -1] in shown[3]
        assert all(len(set(row.tolist())) == 8 for row in shown)
