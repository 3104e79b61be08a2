"""Recommenders that remember what they were given, for tests of an experiment."""

from typing import Any, ClassVar

import numpy as np

from recbench import stages
from recbench.questions.queries import Queries
from recbench.questions.split import PAD
from recbench.recommender import Recommender, TrainingData, Transferable
from recbench.runs import question
from recbench.settings import Settings


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


class Clock(Spy):
    """One that reads times."""

    reads_times = True


class Personal(Spy):
    """Must be told who asks."""

    knows_users = True


class Titled(Spy):
    """One that reads titles, and changes something else itself."""

    controls = frozenset({"anonymised-titles", "permuted-items"})

    def load(self, folder, data, runtime):
        self.seen.append(data)

    def begin(self, control):
        self.seen.append(control)


class Prompted(Titled):
    """One that shows its prompt."""

    def prompt(self, data, queries):
        seen = [data.catalogue.titles[item] for item in queries.histories[0] if item != PAD]
        return "\n".join(["\x1b[2Jasked", *seen, str(queries.candidates.shape)])


def give(monkeypatch, prepare):
    """Let `prepare` be what gives the data that are asked about, and those learnt from."""
    for place in (stages, question):
        monkeypatch.setattr(place, "prepare", prepare)


def silent(_: str) -> None:
    pass


def spy_data(spy):
    return [one for one in spy.seen if isinstance(one, TrainingData)]


def usual_noun():
    return ("movie", "movies")
