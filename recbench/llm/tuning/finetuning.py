"""What a language model is tuned on: prompts whose candidates are drawn anew in every epoch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recbench.data.titles import normalised
from recbench.llm.settings import TuningSettings
from recbench.neural.plan import Step
from recbench.questions.queries import Queries
from recbench.questions.split import PAD, Examples
from recbench.seeding import generator


class TrainingQuestions:
    """
    Questions made of training rows.

    Negatives are uniform over the items that are neither in the row's history nor its target. Every
    draw is a function of (seed, epoch, row), so batches may be cut in any way.

    Parameters
    ----------
    train
        The protocol's training rows.
    items
        Catalogue size.
    settings
        Candidates a question (fewer where the catalogue is too small), rows used, epochs.
    seed
        The run's seed.

    Attributes
    ----------
    rows
        int64 [n], the numbers of the training rows used, in the order of the questions.
    """

    def __init__(self, train: Examples, items: int, settings: TuningSettings, seed: int) -> None:
        self.items, self.epochs, self.seed = items, settings.epochs, seed
        most = items - train.histories.shape[1]
        self.negatives = max(0, min(settings.candidates, most) - 1)
        self.rows = generator(seed, "examples").permutation(len(train))[: settings.examples]
        self.histories, self.targets = train.histories[self.rows], train.targets[self.rows]

    def __len__(self) -> int:
        return len(self.targets)

    def candidates(self, rows: NDArray[np.int64], step: Step) -> NDArray[np.int32]:
        """Draw the candidates of `rows` [B] in the epoch of `step`: int32 [B, C], shuffled."""
        epoch = step.index * self.epochs // step.total
        drawn = np.empty((len(rows), self.negatives + 1), dtype=np.int32)
        for line, row in zip(drawn, rows, strict=True):
            random = generator(self.seed, "candidates", epoch, int(row))
            history, target = self.histories[row], self.targets[row]
            unseen = np.delete(np.arange(self.items), [*history[history != PAD], target])
            line[:-1] = random.choice(unseen, self.negatives, replace=False)
            line[-1] = target
            random.shuffle(line)
        return drawn

    def hybrid(self, rows: NDArray[np.int64], step: Step) -> NDArray[np.bool_]:
        """
        Draw which rows [B] get the hybrid prompt: each with probability t / T.

        The released code draws once a step; drawing a row at a time has the same mean and less
        noise.
        """
        share = step.index / step.total
        draws = [generator(self.seed, "curriculum", step.index, int(row)).random() for row in rows]
        return np.array(draws) < share


@dataclass(frozen=True)
class ValidationQuestions:
    """
    What a training is looked at with: some validation rows, always the same ones.

    Attributes
    ----------
    queries
        Histories, and candidates drawn as those of training.
    targets
        int32 [rows].
    """

    queries: Queries
    targets: NDArray[np.int32]

    @classmethod
    def some(
        cls, validation: Examples, items: int, settings: TuningSettings, seed: int
    ) -> "ValidationQuestions":
        """Choose ``settings.curve_rows`` rows, or all where there are fewer."""
        few = settings.model_copy(update={"examples": settings.curve_rows})
        questions = TrainingQuestions(validation, items, few, seed)
        rows = np.arange(len(questions))
        candidates = questions.candidates(rows, Step(0, 1))
        return cls(Queries(questions.histories, candidates), questions.targets)

    def point(
        self, scores: NDArray[np.float32], texts: Sequence[str], titles: Sequence[str]
    ) -> dict[str, float]:
        """Return the figures of what was answered, as a run names them, with exact matching."""
        candidates = self.queries.candidates
        keys = np.array([normalised(title) for title in titles])
        said = np.array([normalised(text) for text in texts])
        named = (keys[candidates] == said[:, None]) & (said != "")[:, None]  # [rows, C]
        valid = named.sum(axis=1) == 1  # a title that candidates share names none of them
        right = valid & named[candidates == self.targets[:, None]]
        of_target = scores[candidates == self.targets[:, None]]
        ahead = (scores >= of_target[:, None]).sum(axis=1)  # ties count against the model
        return {
            "HitRatio@1": float(np.mean(right)),
            "ValidRatio": float(np.mean(valid)),
            "HitRatio@1|likelihood": float(np.mean(ahead == 1)),
        }
