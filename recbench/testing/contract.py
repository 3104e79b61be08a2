"""
The contract tests that a plug-in inherits.

In your own test suite::

    from recbench.testing.contract import RecommenderContract

    class TestMyModel(RecommenderContract):
        model_class = MyModel
        settings = {"epochs": 1}

A model that writes inherits `AnswererContract`, whether it also ranks or not, an encoder
`EncoderContract`, and a model that can learn from one dataset and be asked about another
`TransferableContract` besides. The tests train on the toy dataset, on the CPU; with
``device = "cuda"``, and a `tolerance` that suits the precision there, on a GPU.

What a row is given must depend on that row alone (`recbench.evaluation.asking` says why), so rows
that tell of each other are asked together, in another order, alone, and after something else.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from recbench.errors import UserError
from recbench.evaluation.asking import ask
from recbench.evaluation.audit import scale
from recbench.evaluation.ranks import checked_scores
from recbench.file_digests import folder_digest
from recbench.models import check_declared
from recbench.questions.queries import Queries
from recbench.questions.split import PAD, Split
from recbench.recommender import (
    Encoder,
    RankingAnswerer,
    Recommender,
    Runtime,
    System,
    TrainingData,
    Transferable,
    ranks,
    writes,
)
from recbench.seeding import generator
from recbench.testing.pickles import is_pickle
from recbench.testing.toy import toy_next_item_split, toy_split, toy_training_data

Answers = tuple[NDArray[np.float32] | None, list[str] | None]
"""Scores [rows, C] of a model that ranks, texts [rows] of one that writes."""


def toy_queries(split: Split, candidates: int = 8, named: bool = False) -> Queries:
    """
    Return one query a test row of `split`: the target and random others, in random order.

    With `named`, a query says who asks.
    """
    random = generator(0, "contract")
    items = len(split.catalogue)
    rows = []
    for target in split.test.targets:
        others = random.choice(np.delete(np.arange(items), target), candidates - 1, replace=False)
        rows.append(random.permutation(np.append(others, target)))
    users = split.test.users if named else None
    return Queries(split.test.histories, np.array(rows, dtype=np.int32)).by(users)


def telling_queries(
    split: Split, histories: int = 2, candidates: int = 8, named: bool = False
) -> Queries:
    """
    Return queries that tell of each other, 4 rows a history.

    Three rows have the same history, and candidates that share one item alone: the target. The
    fourth has the history without its last item, which is among its candidates: what it asks for
    stands in the other three. With `named`, a query says who asks.
    """
    random = generator(0, "telling")
    items, rows, shown = len(split.catalogue), [], []
    for history, target in zip(split.test.histories[:histories], split.test.targets, strict=False):
        others = random.permutation(np.delete(np.arange(items), target))
        earlier = np.concatenate([[PAD], history[:-1]])
        for own, wanted, part in [(history, target, i) for i in range(3)] + [
            (earlier, history[-1], 3)
        ]:
            rows.append(own)
            drawn = others[others != wanted][part * (candidates - 1) :][: candidates - 1]
            shown.append(random.permutation([wanted, *drawn]))
    users = np.repeat(split.test.users[:histories], 4) if named else None
    asked = Queries(np.array(rows, dtype=np.int32), np.array(shown, dtype=np.int32))
    return asked.by(users)


def _rows(answers: Answers, rows: Any) -> Answers:
    scores, texts = answers
    return (
        None if scores is None else scores[rows],
        None if texts is None else [texts[row] for row in rows],
    )


class SystemContract:
    """
    What every model must do, however it answers.

    Attributes
    ----------
    model_class
        Set it.
    settings
        Of the model; they should make training short.
    tolerance
        Largest difference that the way of asking may make to a float32 score, over its
        `recbench.evaluation.audit.scale`.
    device
        Where the tests run. Trained twice, a model has equal scores on a CPU, and such that differ
        by no more than the tolerance elsewhere.
    """

    model_class: ClassVar[type[System]]
    settings: ClassVar[dict[str, Any]] = {}
    tolerance: ClassVar[float] = 1e-4
    device: ClassVar[str] = "cpu"

    @pytest.fixture(scope="class")
    @classmethod
    def split(cls) -> Split:
        """The toy dataset; every user trains where the model must know who asks."""
        return toy_next_item_split() if cls.model_class.knows_users else toy_split()

    @classmethod
    def queries(cls, split: Split) -> Queries:
        """Return `toy_queries` as the model is asked."""
        return toy_queries(split, named=cls.model_class.knows_users)

    @classmethod
    def telling(cls, split: Split) -> Queries:
        """Return `telling_queries` as the model is asked."""
        return telling_queries(split, named=cls.model_class.knows_users)

    @pytest.fixture(scope="class")
    @classmethod
    def workplace(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A folder for checkpoints and caches, one a class."""
        return tmp_path_factory.mktemp("contract")

    @classmethod
    def runtime(cls, workplace: Path, name: str, seed: int = 0) -> Runtime:
        """Return a quiet runtime on the device with checkpoints of its own."""
        checkpoints = workplace / name
        checkpoints.mkdir(exist_ok=True)
        cache = workplace / "cache"
        cache.mkdir(exist_ok=True)
        return Runtime(seed=seed, device=cls.device, checkpoints=checkpoints, cache=cache)

    @classmethod
    def data(cls, split: Split) -> TrainingData:
        """Return what the model may learn from `split`, with times if it reads them."""
        return toy_training_data(split, cls.model_class.reads_times)

    @classmethod
    def build(cls) -> System:
        """Return a model that has learnt nothing."""
        return cls.model_class(cls.model_class.settings_class.build(cls.settings))

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls, split: Split, workplace: Path) -> System:
        """A model that was fitted once, shared by the tests of the class."""
        model = cls.build()
        details = model.fit(cls.data(split), cls.runtime(workplace, "fitted"))
        assert details["parameters_trained"] >= 0
        json.dumps(details)  # it goes into the run record
        return model

    @classmethod
    def copy(cls, fitted: System, split: Split, workplace: Path, name: str) -> System:
        """Return another model with what a fitted one has learnt, by way of a folder."""
        (workplace / name).mkdir()
        fitted.save(workplace / name)
        copy = cls.build()
        copy.load(workplace / name, cls.data(split), cls.runtime(workplace, "copy"))
        return copy

    @classmethod
    def answers(cls, model: System, queries: Queries, runtime: Runtime) -> Answers:
        """Ask as a run does; fail where scores are not finite float32 [rows, C], or texts lack."""
        scores, texts = ask(model, queries, runtime)
        if ranks(model):
            scores = checked_scores(scores, queries.candidates.shape, np.arange(len(queries)))
        return scores, texts

    @classmethod
    def assert_same(cls, given: Answers, expected: Answers) -> None:
        """Fail where texts differ, or scores by more than the tolerance."""
        assert given[1] == expected[1]
        if given[0] is not None and expected[0] is not None:
            cls.assert_agree(given[0], expected[0])

    @classmethod
    def assert_agree(cls, given: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
        """Fail where scores [rows, C] differ by more than the tolerance."""
        apart = np.abs(given.astype(np.float64) - expected) / scale(expected)
        assert apart.max() <= cls.tolerance, f"a score differs by {apart.max():.3g} of its scale"

    @classmethod
    def assert_unchanged(cls, given: Answers, expected: Answers, atol: float = 1e-6) -> None:
        """Fail where what was computed twice differs; on a GPU, by more than the tolerance."""
        if cls.device != "cpu":
            cls.assert_same(given, expected)
            return
        assert given[1] == expected[1]
        if given[0] is not None and expected[0] is not None:
            np.testing.assert_allclose(given[0], expected[0], rtol=atol / 10, atol=atol)

    def test_unknown_settings_are_refused(self) -> None:
        """A typo in a setting is an error, not a default."""
        with pytest.raises(UserError, match="unknown setting"):
            self.model_class.settings_class.build({"no_such_setting": 1})

    def test_its_settings_are_the_same_each_time(self, fitted: System) -> None:
        """A run is found by them: they hang on neither chance nor time, and `fit` leaves them."""
        check_declared(self.model_class.settings_class)
        assert fitted.settings.record() == self.build().settings.record()
        assert self.build().settings.record() == self.build().settings.record()

    def test_it_is_described(self) -> None:
        """``recbench models NAME`` shows a summary and a reference."""
        assert self.model_class.summary
        assert "\n" not in self.model_class.summary
        assert self.model_class.reference

    def test_a_row_does_not_depend_on_its_batch(
        self, fitted: System, split: Split, workplace: Path
    ) -> None:
        """Alone, among rows that tell of it or in another order, a row is answered the same."""
        queries, runtime = self.telling(split), self.runtime(workplace, "fitted")
        together = self.answers(fitted, queries, runtime)
        for row in range(len(queries)):
            alone = self.answers(fitted, queries[row : row + 1], runtime)
            self.assert_same(alone, _rows(together, [row]))
        order = generator(0, "order").permutation(len(queries))
        in_order = self.answers(fitted, queries[order], runtime)
        self.assert_same(in_order, _rows(together, order))

    def test_a_row_does_not_depend_on_what_was_asked_before(
        self, fitted: System, split: Split, workplace: Path
    ) -> None:
        """A copy that was asked nothing else answers the same, then and afterwards."""
        queries, runtime = self.telling(split), self.runtime(workplace, "fitted")
        before = self.copy(fitted, split, workplace, "asked before")
        asked = [queries[[row]] for row in (3, 0)]
        first = [self.answers(before, one, runtime) for one in asked]
        self.answers(before, queries, runtime)
        for one, given in zip(asked, first, strict=True):
            self.assert_same(self.answers(before, one, runtime), given)
            self.assert_same(self.answers(fitted, one, runtime), given)

    def test_short_and_empty_histories_are_answered(
        self, fitted: System, split: Split, workplace: Path
    ) -> None:
        """Cold users have fewer items than the history holds, down to none."""
        queries = self.queries(split)
        histories = queries.histories.copy()
        histories[0, :] = PAD
        histories[1, :-1] = PAD
        cold = replace(queries, histories=histories)
        self.answers(fitted, cold, self.runtime(workplace, "fitted"))

    def test_saved_and_loaded_it_answers_the_same(
        self, fitted: System, split: Split, workplace: Path
    ) -> None:
        """What was learnt survives on disk, without pickle; to be asked changes nothing there."""
        queries, runtime = self.queries(split), self.runtime(workplace, "fitted")
        loaded = self.copy(fitted, split, workplace, "saved")
        saved = (path for path in (workplace / "saved").rglob("*") if path.is_file())
        assert not [path.name for path in saved if is_pickle(path)], "save no pickles"
        kept = folder_digest(workplace / "saved")
        given, expected = (self.answers(model, queries, runtime) for model in (loaded, fitted))
        self.assert_unchanged(given, expected)
        assert folder_digest(workplace / "saved") == kept, "write nothing there once it is saved"

    def test_the_seed_decides_everything(
        self, fitted: System, split: Split, workplace: Path
    ) -> None:
        """Fitted again with the same seed, it answers the same."""
        queries, runtime = self.queries(split), self.runtime(workplace, "fitted")
        again = self.build()
        again.fit(self.data(split), self.runtime(workplace, "again"))
        given, expected = (self.answers(model, queries, runtime) for model in (again, fitted))
        self.assert_unchanged(given, expected, atol=0)

    def test_the_seed_is_part_of_what_is_learnt(
        self, fitted: System, split: Split, workplace: Path
    ) -> None:
        """Of another seed it saves another model, unless it says that no chance is in it."""
        other = self.build()
        other.fit(self.data(split), self.runtime(workplace, "other", seed=1))
        for name, model in (("one seed", fitted), ("another seed", other)):
            (workplace / name).mkdir()
            model.save(workplace / name)
        alike = folder_digest(workplace / "one seed") == folder_digest(workplace / "another seed")
        assert alike is not fitted.random_training, (
            "of two seeds it saved the same model: set random_training = False"
            if alike
            else "of two seeds it saved other models: leave random_training as it is"
        )


class RecommenderContract(SystemContract):
    """What a model must do that only ranks."""

    def test_all_items_can_be_scored_at_once(
        self, fitted: Recommender, split: Split, workplace: Path
    ) -> None:
        """A full ranking's queries have candidates that cannot be written to; scores are equal."""
        if self.model_class.lists_candidates:
            pytest.skip("its candidates must be listed to it")
        users = self.queries(split).users
        queries = Queries.of_all(split.test.histories, len(split.catalogue)).by(users)
        runtime = self.runtime(workplace, "fitted")
        scores = fitted.score(queries, runtime)
        assert scores.shape == queries.candidates.shape
        apart = replace(queries, candidates=queries.candidates.copy())
        self.assert_agree(scores, fitted.score(apart, runtime))

    def test_the_score_of_a_candidate_does_not_depend_on_the_others(
        self, fitted: Recommender, split: Split, workplace: Path
    ) -> None:
        """Draws are cut from the scores of all their candidates."""
        if self.model_class.lists_candidates:
            pytest.skip("its candidates are listed to it, and it may compare them")
        queries, runtime = self.queries(split), self.runtime(workplace, "fitted")
        items = len(split.catalogue)
        everything = np.tile(np.arange(items, dtype=np.int32), (len(queries), 1))
        of_all = fitted.score(replace(queries, candidates=everything), runtime)
        own = np.take_along_axis(of_all, queries.candidates.astype(np.intp), axis=1)
        self.assert_agree(fitted.score(queries, runtime), own)


class EncoderContract(RecommenderContract):
    """What a recommender must do to guide another."""

    def test_vectors_have_one_width(self, fitted: System, split: Split) -> None:
        """One finite vector an item and one a history, of the same width."""
        assert isinstance(fitted, Encoder)
        items, users = fitted.item_vectors(), fitted.user_vectors(split.test.histories)
        assert items.shape[0] == len(split.catalogue)
        assert users.shape == (len(split.test), items.shape[1])
        assert items.dtype == users.dtype == np.float32
        assert np.isfinite(items).all()
        assert np.isfinite(users).all()


class AnswererContract(SystemContract):
    """What a model must do that writes, whether it also ranks or not."""

    def test_answers_are_one_line_a_row(
        self, fitted: System, split: Split, workplace: Path
    ) -> None:
        """Ended at the line's end."""
        assert writes(fitted)
        queries = self.queries(split)
        answers = fitted.answer(queries, self.runtime(workplace, "fitted"))
        assert len(answers) == len(queries)
        assert not [text for text in answers if "\n" in text]

    def test_what_it_says_of_its_answering_goes_into_the_record(
        self, fitted: System, split: Split, workplace: Path
    ) -> None:
        """Announced and asked, it gives JSON values."""
        assert writes(fitted)
        queries, runtime = self.queries(split), self.runtime(workplace, "fitted")
        fitted.announce(len(queries), queries.candidates.shape[1], runtime)
        fitted.answer(queries, runtime)
        account = fitted.account(runtime)
        assert isinstance(account, dict)
        json.dumps(account)

    def test_title_lengths_are_positive(self, fitted: System, split: Split) -> None:
        """The mean per token divides by them."""
        if not ranks(fitted):
            pytest.skip("it only writes")
        lengths = cast(RankingAnswerer, fitted).title_lengths()
        assert lengths.shape == (len(split.catalogue),)
        assert (lengths >= 1).all()

    def test_what_is_asked_at_once_is_what_is_asked_apart(
        self, fitted: System, split: Split, workplace: Path
    ) -> None:
        """One reading of a prompt serves for scores and text, if it is overridden."""
        if not isinstance(fitted, RankingAnswerer):
            pytest.skip("it is never asked at once")
        queries, runtime = self.queries(split), self.runtime(workplace, "fitted")
        apart = fitted.score(queries, runtime), fitted.answer(queries, runtime)
        self.assert_same(fitted.score_and_answer(queries, runtime), apart)


class TransferableContract(SystemContract):
    """What a model must do that can learn from one dataset and be asked about another."""

    def test_transferred_it_is_asked_saved_and_loaded_as_of_the_new_dataset(
        self, fitted: System, split: Split, workplace: Path
    ) -> None:
        """Another catalogue of another size; what the fitted model was is not needed to load it."""
        other = toy_split(items=30, seed=1)
        data, runtime = self.data(other), self.runtime(workplace, "transferred")
        first, second = workplace / "before transfer", workplace / "after transfer"
        for folder in (first, second):
            folder.mkdir()
        fitted.save(first)
        moved, loaded = self.build(), self.build()
        moved.load(first, self.data(split), runtime)
        assert isinstance(moved, Transferable)
        moved.transfer(data, runtime)
        queries = toy_queries(other)
        expected = self.answers(moved, queries, runtime)
        moved.save(second)
        loaded.load(second, data, runtime)
        self.assert_unchanged(self.answers(loaded, queries, runtime), expected)
