"""
The contract tests that a plug-in inherits.

In your own test suite::

    from recbench.testing.contract import RecommenderContract

    class TestMyModel(RecommenderContract):
        model_class = MyModel
        settings = {"epochs": 1}

An answerer inherits `AnswererContract`, an encoder `EncoderContract`, and a model that can learn
from one dataset and be asked about another `TransferableContract` besides. The tests train on the
toy dataset, on the CPU.

What a row is given must depend on that row alone (`recbench.evaluation.asking` says why), so rows
that tell of each other are asked together, in another order, alone, and after something else.
"""

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from recbench.errors import UserError
from recbench.evaluation.audit import scale
from recbench.questions.queries import Queries
from recbench.questions.split import PAD, Split
from recbench.recommender import Answerer, Encoder, Recommender, Runtime, Transferable
from recbench.seeding import generator
from recbench.testing.toy import toy_split, toy_training_data


def toy_queries(split: Split, candidates: int = 8) -> Queries:
    """Return one query a test row of `split`: the target and random others, in random order."""
    random = generator(0, "contract")
    items = len(split.catalogue)
    rows = []
    for target in split.test.targets:
        others = random.choice(np.delete(np.arange(items), target), candidates - 1, replace=False)
        rows.append(random.permutation(np.append(others, target)))
    return Queries(split.test.histories, np.array(rows, dtype=np.int32))


def telling_queries(split: Split, histories: int = 2, candidates: int = 8) -> Queries:
    """
    Return queries that tell of each other, 4 rows a history.

    Three rows have the same history, and candidates that share one item alone: the target. The
    fourth has the history without its last item, which is among its candidates: what it asks for
    stands in the other three.
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
    return Queries(np.array(rows, dtype=np.int32), np.array(shown, dtype=np.int32))


def _chosen(queries: Queries, rows: Any) -> Queries:
    return Queries(queries.histories[rows], queries.candidates[rows])


class RecommenderContract:
    """
    What every recommender must do.

    Attributes
    ----------
    model_class
        Set it.
    settings
        Of the model; they should make training short.
    tolerance
        Largest difference that the way of asking may make to a float32 score, over its
        `recbench.evaluation.audit.scale`.
    """

    model_class: ClassVar[type[Recommender]]
    settings: ClassVar[dict[str, Any]] = {}
    tolerance: ClassVar[float] = 1e-4

    @pytest.fixture(scope="class")
    @classmethod
    def split(cls) -> Split:
        """The toy dataset."""
        return toy_split()

    @pytest.fixture(scope="class")
    @classmethod
    def workplace(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A folder for checkpoints and caches, one a class."""
        return tmp_path_factory.mktemp("contract")

    @classmethod
    def runtime(cls, workplace: Path, name: str, seed: int = 0) -> Runtime:
        """Return a quiet runtime on the CPU with checkpoints of its own."""
        checkpoints = workplace / name
        checkpoints.mkdir(exist_ok=True)
        cache = workplace / "cache"
        cache.mkdir(exist_ok=True)
        return Runtime(seed=seed, device="cpu", checkpoints=checkpoints, cache=cache)

    @classmethod
    def build(cls) -> Recommender:
        """Return a model that has learnt nothing."""
        return cls.model_class(cls.model_class.settings_class.build(cls.settings))

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls, split: Split, workplace: Path) -> Recommender:
        """A model that was fitted once, shared by the tests of the class."""
        model = cls.build()
        details = model.fit(toy_training_data(split), cls.runtime(workplace, "fitted"))
        assert details["parameters_trained"] >= 0
        json.dumps(details)  # it goes into the run record
        return model

    @classmethod
    def copy(cls, fitted: Recommender, split: Split, workplace: Path, name: str) -> Recommender:
        """Return another model with what a fitted one has learnt, by way of a folder."""
        (workplace / name).mkdir()
        fitted.save(workplace / name)
        copy = cls.build()
        copy.load(workplace / name, toy_training_data(split), cls.runtime(workplace, "copy"))
        return copy

    @classmethod
    def assert_agree(cls, given: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
        """Fail where scores [rows, C] differ by more than the tolerance."""
        apart = np.abs(given.astype(np.float64) - expected) / scale(expected)
        assert apart.max() <= cls.tolerance, f"a score differs by {apart.max():.3g} of its scale"

    def test_unknown_settings_are_refused(self) -> None:
        """A typo in a setting is an error, not a default."""
        with pytest.raises(UserError, match="unknown setting"):
            self.model_class.settings_class.build({"no_such_setting": 1})

    def test_it_is_described(self) -> None:
        """``recbench models NAME`` shows a summary and a reference."""
        assert self.model_class.summary
        assert "\n" not in self.model_class.summary
        assert self.model_class.reference

    def test_scores_are_finite_and_shaped_like_the_candidates(
        self, fitted: Recommender, split: Split, workplace: Path
    ) -> None:
        """float32 [rows, C], finite."""
        queries = toy_queries(split)
        scores = fitted.score(queries, self.runtime(workplace, "fitted"))
        assert scores.shape == queries.candidates.shape
        assert scores.dtype == np.float32
        assert np.isfinite(scores).all()

    def test_all_items_can_be_scored_at_once(
        self, fitted: Recommender, split: Split, workplace: Path
    ) -> None:
        """A full ranking's queries have candidates that cannot be written to; scores are equal."""
        if self.model_class.lists_candidates:
            pytest.skip("its candidates must be listed to it")
        queries = Queries.of_all(split.test.histories, len(split.catalogue))
        runtime = self.runtime(workplace, "fitted")
        scores = fitted.score(queries, runtime)
        assert scores.shape == queries.candidates.shape
        apart = Queries(queries.histories, queries.candidates.copy())
        self.assert_agree(scores, fitted.score(apart, runtime))

    def test_a_row_does_not_depend_on_its_batch(
        self, fitted: Recommender, split: Split, workplace: Path
    ) -> None:
        """Alone, among rows that tell of it or in another order, a row has the same scores."""
        queries, runtime = telling_queries(split), self.runtime(workplace, "fitted")
        together = fitted.score(queries, runtime)
        alone = [fitted.score(queries[row : row + 1], runtime) for row in range(len(queries))]
        self.assert_agree(np.concatenate(alone), together)
        order = generator(0, "order").permutation(len(queries))
        self.assert_agree(fitted.score(_chosen(queries, order), runtime), together[order])

    def test_a_row_does_not_depend_on_what_was_asked_before(
        self, fitted: Recommender, split: Split, workplace: Path
    ) -> None:
        """A copy that was asked nothing else scores the same, then and afterwards."""
        queries, runtime = telling_queries(split), self.runtime(workplace, "fitted")
        before = self.copy(fitted, split, workplace, "asked before")
        first = [before.score(_chosen(queries, [row]), runtime) for row in (3, 0)]
        before.score(queries, runtime)
        for row, scores in zip((3, 0), first, strict=True):
            self.assert_agree(before.score(_chosen(queries, [row]), runtime), scores)
            self.assert_agree(fitted.score(_chosen(queries, [row]), runtime), scores)

    def test_the_score_of_a_candidate_does_not_depend_on_the_others(
        self, fitted: Recommender, split: Split, workplace: Path
    ) -> None:
        """Draws are cut from the scores of all their candidates."""
        if self.model_class.lists_candidates:
            pytest.skip("its candidates are listed to it, and it may compare them")
        queries, runtime = toy_queries(split), self.runtime(workplace, "fitted")
        items = len(split.catalogue)
        everything = np.tile(np.arange(items, dtype=np.int32), (len(queries), 1))
        of_all = fitted.score(Queries(queries.histories, everything), runtime)
        own = np.take_along_axis(of_all, queries.candidates.astype(np.intp), axis=1)
        self.assert_agree(fitted.score(queries, runtime), own)

    def test_short_and_empty_histories_are_scored(
        self, fitted: Recommender, split: Split, workplace: Path
    ) -> None:
        """Cold users have fewer items than the history holds, down to none."""
        queries = toy_queries(split)
        histories = queries.histories.copy()
        histories[0, :] = PAD
        histories[1, :-1] = PAD
        scores = fitted.score(
            Queries(histories, queries.candidates), self.runtime(workplace, "fitted")
        )
        assert np.isfinite(scores).all()

    def test_saved_and_loaded_it_scores_the_same(
        self, fitted: Recommender, split: Split, workplace: Path
    ) -> None:
        """What was learnt survives on disk, without pickle."""
        queries = toy_queries(split)
        runtime = self.runtime(workplace, "fitted")
        loaded = self.copy(fitted, split, workplace, "saved")
        saved = (workplace / "saved").rglob("*")
        assert not [path for path in saved if path.suffix in {".bin", ".pt", ".pkl"}]
        np.testing.assert_allclose(
            loaded.score(queries, runtime), fitted.score(queries, runtime), atol=1e-6
        )

    def test_the_seed_decides_everything(
        self, fitted: Recommender, split: Split, workplace: Path
    ) -> None:
        """Fitted again with the same seed, it scores the same."""
        queries = toy_queries(split)
        again = self.build()
        again.fit(toy_training_data(split), self.runtime(workplace, "again"))
        runtime = self.runtime(workplace, "fitted")
        np.testing.assert_array_equal(again.score(queries, runtime), fitted.score(queries, runtime))


class EncoderContract(RecommenderContract):
    """What a recommender must do to guide another."""

    def test_vectors_have_one_width(self, fitted: Recommender, split: Split) -> None:
        """One finite vector an item and one a history, of the same width."""
        assert isinstance(fitted, Encoder)
        items, users = fitted.item_vectors(), fitted.user_vectors(split.test.histories)
        assert items.shape[0] == len(split.catalogue)
        assert users.shape == (len(split.test), items.shape[1])
        assert np.isfinite(items).all()
        assert np.isfinite(users).all()


class AnswererContract(RecommenderContract):
    """What a recommender must do that also writes text."""

    def test_answers_are_one_line_a_row(
        self, fitted: Recommender, split: Split, workplace: Path
    ) -> None:
        """Greedy text, ended at the line's end."""
        assert isinstance(fitted, Answerer)
        queries = toy_queries(split)
        answers = fitted.answer(queries, self.runtime(workplace, "fitted"))
        assert len(answers) == len(queries)
        assert not [text for text in answers if "\n" in text]

    def test_an_answer_does_not_depend_on_what_else_is_asked(
        self, fitted: Recommender, split: Split, workplace: Path
    ) -> None:
        """Alone, among rows that tell of it or after them, a row is answered the same."""
        queries, runtime = telling_queries(split), self.runtime(workplace, "fitted")
        copy = self.copy(fitted, split, workplace, "asked for answers")
        assert isinstance(copy, Answerer)
        alone = [copy.answer(_chosen(queries, [row]), runtime) for row in (3, 0)]
        together = copy.answer(queries, runtime)
        order = generator(0, "order").permutation(len(queries))
        in_order = copy.answer(_chosen(queries, order), runtime)
        assert in_order == [together[row] for row in order]
        for row, texts in zip((3, 0), alone, strict=True):
            assert texts == together[row : row + 1]
            assert texts == copy.answer(_chosen(queries, [row]), runtime)

    def test_title_lengths_are_positive(self, fitted: Recommender, split: Split) -> None:
        """The mean per token divides by them."""
        assert isinstance(fitted, Answerer)
        lengths = fitted.title_lengths()
        assert lengths.shape == (len(split.catalogue),)
        assert (lengths >= 1).all()


class TransferableContract(RecommenderContract):
    """What a recommender must do that can learn from one dataset and be asked about another."""

    def test_transferred_it_is_asked_saved_and_loaded_as_of_the_new_dataset(
        self, fitted: Recommender, split: Split, workplace: Path
    ) -> None:
        """Another catalogue of another size; what the fitted model was is not needed to load it."""
        other = toy_split(items=30, seed=1)
        data, runtime = toy_training_data(other), self.runtime(workplace, "transferred")
        first, second = workplace / "before transfer", workplace / "after transfer"
        for folder in (first, second):
            folder.mkdir()
        fitted.save(first)
        moved, loaded = self.build(), self.build()
        moved.load(first, toy_training_data(split), runtime)
        assert isinstance(moved, Transferable)
        moved.transfer(data, runtime)
        queries = toy_queries(other)
        scores = moved.score(queries, runtime)
        assert scores.shape == queries.candidates.shape
        assert np.isfinite(scores).all()
        moved.save(second)
        loaded.load(second, data, runtime)
        np.testing.assert_allclose(loaded.score(queries, runtime), scores, atol=1e-6)
