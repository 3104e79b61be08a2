"""
Models that learn nothing: one that guesses, and others that try to find the target out.

They stand in a module that a fresh process can import.
"""

import json
import pickle
from collections import Counter, defaultdict
from typing import ClassVar

import numpy as np

from recbench.hardware.devices import is_deterministic
from recbench.questions.split import PAD
from recbench.recommender import Answerer, RankingAnswerer, Recommender
from recbench.settings import Settings


class Guess(Recommender):
    """Gives each history and item a number of their own: honest, and at chance."""

    settings_class = Settings
    summary = reference = "test"
    random_training = False

    def fit(self, data, runtime):
        return {"parameters_trained": 0}

    def score(self, queries, runtime):
        powers = np.cumprod(np.full(queries.histories.shape[1], 1_000_003, dtype=np.uint64))
        rows = (queries.histories.astype(np.uint64) * powers).sum(axis=1, keepdims=True)
        mixed = (rows + queries.candidates.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        return ((mixed ^ (mixed >> np.uint64(32))) % 99_991 / 99_991).astype(np.float32)

    def save(self, folder):
        (folder / "nothing").write_text("learnt")

    def load(self, folder, data, runtime):
        assert (folder / "nothing").read_text() == "learnt"


class UnderEverySeed(Guess):
    """The same whatever the seed, and says that chance is in it."""

    random_training = True


class KeepingNotes(Guess):
    """Writes into the folder that it was loaded from while it is asked."""

    folder = None

    def load(self, folder, data, runtime):
        super().load(folder, data, runtime)
        self.folder = folder

    def score(self, queries, runtime):
        if self.folder is not None:
            (self.folder / "notes").write_text("asked")
        return super().score(queries, runtime)


class Watched(Guess):
    """Counts its calls in this process, and is stopped at one of them."""

    calls: ClassVar[int] = 0
    stopped_at: ClassVar[int | None] = None

    def score(self, queries, runtime):
        if Watched.calls == self.stopped_at:
            raise KeyboardInterrupt
        Watched.calls += 1
        return super().score(queries, runtime)


class Counting(Guess):
    """Counts how often the rows of a call with the same history show a candidate (issue: a)."""

    def score(self, queries, runtime):
        shown = defaultdict(Counter)
        for history, candidates in zip(queries.histories, queries.candidates, strict=True):
            shown[history.tobytes()].update(candidates.tolist())
        rows = zip(queries.histories, queries.candidates, strict=True)
        counts = [[shown[h.tobytes()][c] for c in own.tolist()] for h, own in rows]
        return super().score(queries, runtime) + np.array(counts, dtype=np.float32)


class LookingAhead(Guess):
    """Looks in the call's other histories for what follows a row's last three items (issue: b)."""

    def score(self, queries, runtime):
        after = self.followers(queries.histories.tolist())
        follows = np.zeros(queries.candidates.shape, dtype=np.float32)
        for row, own in enumerate(queries.candidates):
            if found := after.get(tuple(queries.histories[row, -3:].tolist())):
                follows[row] = np.isin(own, [*found])
        return super().score(queries, runtime) + follows

    def followers(self, histories):
        after = defaultdict(set)
        for history in histories:
            for last in range(3, len(history)):
                if history[last - 3] != PAD:
                    after[tuple(history[last - 3 : last])].add(history[last])
        return after


class RememberingHistories(LookingAhead):
    """The same over all calls so far."""

    def __init__(self, settings):
        super().__init__(settings)
        self.met = defaultdict(set)

    def followers(self, histories):
        for last, after in super().followers(histories).items():
            self.met[last] |= after
        return self.met


class RememberingCandidates(Guess):
    """Remembers what each history was asked about, and prefers what was there each time."""

    def __init__(self, settings):
        super().__init__(settings)
        self.common = {}

    def score(self, queries, runtime):
        always = np.zeros(queries.candidates.shape, dtype=np.float32)
        for row, own in enumerate(queries.candidates):
            history = queries.histories[row].tobytes()
            self.common[history] = self.common.get(history, {*own.tolist()}) & {*own.tolist()}
            always[row] = np.isin(own, [*self.common[history]])
        return super().score(queries, runtime) + always


class RememberingShown(Guess):
    """
    Remembers what a user was shown in earlier rows, and prefers what is new.

    Where none of a user's items is ever a negative, it is the target.
    """

    def __init__(self, settings):
        super().__init__(settings)
        self.shown = {}

    def score(self, queries, runtime):
        new = np.zeros(queries.candidates.shape, dtype=np.float32)
        for row, (history, own) in enumerate(
            zip(queries.histories, queries.candidates, strict=True)
        ):
            met = self.shown.get(history[:-1].tobytes(), set())
            new[row] = ~np.isin(own, [*met])
            self.shown[history[1:].tobytes()] = met | {*own.tolist()}
        return super().score(queries, runtime) + new


class ListedRememberingCandidates(RememberingCandidates):
    """The same, asked draw by draw."""

    lists_candidates = True


class SmallScores(ListedRememberingCandidates):
    """The same, with scores so small that no plain tolerance tells them apart."""

    def score(self, queries, runtime):
        return super().score(queries, runtime) * np.float32(1e-6)


class CloseScores(ListedRememberingCandidates):
    """The same, with scores close together and far from nought."""

    def score(self, queries, runtime):
        return np.float32(500) + super().score(queries, runtime)


class LowPrecision(ListedRememberingCandidates):
    """The same, called imprecise."""

    scores_in = "bfloat16"


class CountingAll(Guess):
    """Counts what all rows of a call show: targets are shown more often than other items."""

    def score(self, queries, runtime):
        shown = np.bincount(queries.candidates.ravel())
        return super().score(queries, runtime) + shown[queries.candidates].astype(np.float32)


class BatchNormalised(Guess):
    """Honest, but normalises scores over its batch."""

    def score(self, queries, runtime):
        scores = super().score(queries, runtime)
        return (scores - scores.mean(axis=0)) / (scores.std(axis=0) + np.float32(0.1))


class NormalisedByRow(Guess):
    """Normalises over a row's candidates: their number and company change scores."""

    def score(self, queries, runtime):
        scores = super().score(queries, runtime)
        return scores / scores.max(axis=1, keepdims=True)


class ReadingCache(Guess):
    """Leaves in the cache what it was asked and looks there for more."""

    def score(self, queries, runtime):
        file = runtime.cache / "met.json"
        met = json.loads(file.read_text()) if file.is_file() else []
        file.write_text(json.dumps(met + queries.histories[:, -1].tolist()))
        return super().score(queries, runtime) + np.isin(queries.candidates, met).astype(np.float32)


class SavedByHalves(Guess):
    """Saves a part of what it has learnt."""

    learnt = 0.0

    def fit(self, data, runtime):
        self.learnt = 1.0
        return super().fit(data, runtime)

    def score(self, queries, runtime):
        even = (queries.candidates % 2 == 0).astype(np.float32)
        return super().score(queries, runtime) + np.float32(self.learnt) * even


class StoppedByHalves(SavedByHalves, Watched):
    """The same, stopped at a call."""


class Pickled(Guess):
    """Saves a pickle, under a name that does not say so."""

    def save(self, folder):
        super().save(folder)
        (folder / "weights.safetensors").write_bytes(pickle.dumps({"learnt": 1}))


class SavedLater(Guess):
    """Writes what it was asked beside what it had learnt, once it is loaded."""

    folder = None

    def save(self, folder):
        super().save(folder)
        (folder / "met.json").write_text("[]")

    def load(self, folder, data, runtime):
        super().load(folder, data, runtime)
        self.folder = folder

    def score(self, queries, runtime):
        if self.folder is not None:
            with (self.folder / "met.json").open("a") as file:
                file.write(f"{queries.histories.tolist()}\n")
        return super().score(queries, runtime)


class Imprecise(Guess):
    """Honest, with an error that depends on how it is asked, of a size of its own."""

    error = 1e-5
    calls = 0

    def score(self, queries, runtime):
        self.calls += 1
        scores = super().score(queries, runtime)
        random = np.random.default_rng([len(queries), self.calls])
        errors = random.normal(0, self.error, scores.shape)
        return scores + np.clip(errors, -2 * self.error, 2 * self.error).astype(np.float32)


class ImpreciseHalf(Imprecise):
    """The same with the error of half precision, and says so."""

    error = 5e-2
    scores_in = "bfloat16"


class ImpreciseDouble(Imprecise):
    """The same, called more precise than any score is."""

    error = 5e-2
    scores_in = "float64"


class ImpreciseUnsaid(Imprecise):
    """The same without saying so."""

    error = 2e-2


class SaysWhetherExact(Guess):
    """Honest: scores everything by whether operations must give the same bits every time."""

    def score(self, queries, runtime):
        return np.full(queries.candidates.shape, float(is_deterministic()), dtype=np.float32)


class Writing(Guess, Answerer):
    """Honest: writes the title of its best candidate."""

    titles = ()

    def fit(self, data, runtime):
        self.titles = data.catalogue.titles
        return super().fit(data, runtime)

    def load(self, folder, data, runtime):
        super().load(folder, data, runtime)
        self.titles = data.catalogue.titles

    def answer(self, queries, runtime):
        best = Guess.score(self, queries, runtime).argmax(axis=1)
        rows = np.arange(len(queries))
        return [self.titles[item] for item in queries.candidates[rows, best]]

    def title_lengths(self):
        return np.full(len(self.titles), 2, dtype=np.int32)


class AtOnce(Writing, RankingAnswerer):
    """The same, by one call."""


class Written(Answerer):
    """Honest: writes the same, and gives no score."""

    settings_class = Settings
    summary = reference = "test"
    random_training = False

    def __init__(self, settings):
        super().__init__(settings)
        self.writing = Writing(settings)

    def fit(self, data, runtime):
        return self.writing.fit(data, runtime)

    def answer(self, queries, runtime):
        return self.writing.answer(queries, runtime)

    def save(self, folder):
        self.writing.save(folder)

    def load(self, folder, data, runtime):
        self.writing.load(folder, data, runtime)


class WrittenFromMemory(Written):
    """Gives no score, and writes what was among the candidates each time."""

    def __init__(self, settings):
        super().__init__(settings)
        self.writing = WritingWhatItRemembers(settings)


class WritingWhatItRemembers(Writing):
    """Scores honestly, and writes what was among the candidates each time."""

    def __init__(self, settings):
        super().__init__(settings)
        self.memory = RememberingCandidates(settings)

    def answer(self, queries, runtime):
        best = self.memory.score(queries, runtime).argmax(axis=1)
        rows = np.arange(len(queries))
        return [self.titles[item] for item in queries.candidates[rows, best]]


class Failing(Guess):
    """Fails in a fresh process, in the way that is asked for."""

    how: ClassVar[str] = ""

    def save(self, folder):
        (folder / "how").write_text(self.how)

    def load(self, folder, data, runtime):
        import os
        import signal
        import sys

        how = (folder / "how").read_text()
        print("noise")
        if how == "raise":
            raise ValueError("two\nlines")
        if how == "exit":
            sys.exit(0)
        if how == "code":
            os._exit(3)
        if how == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
