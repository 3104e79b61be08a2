"""What a model learns from: training users of the dataset that is asked about, or of another."""

from dataclasses import dataclass

from recbench.data.card import Card, ships
from recbench.data.dataset import Dataset
from recbench.questions.fraction import with_fraction
from recbench.questions.split import Split
from recbench.recommender import System, TrainingData, Transferable, reads_words
from recbench.runs.asked_model import AskedModel
from recbench.runs.record_parts import Training
from recbench.settings import digest


@dataclass(frozen=True)
class TrainingSource:
    """
    What a model learns from.

    Attributes
    ----------
    learnt
        Of the dataset that it is fitted on.
    asked
        Of the dataset that it is asked about: the same, or one to transfer it to.
    split
        Of the dataset that it is asked about, with the training users that it learns from.
    training
        Where both come from, for the record.
    """

    learnt: TrainingData
    asked: TrainingData
    split: Split
    training: Training

    @property
    def elsewhere(self) -> bool:
        """Whether what is learnt must be transferred."""
        return self.asked is not self.learnt

    @property
    def datasets(self) -> tuple[TrainingData, ...]:
        """All that a model is given: what it is fitted on, and what it is transferred to."""
        return (self.learnt, self.asked) if self.elsewhere else (self.learnt,)

    @property
    def digest(self) -> str:
        """SHA-256 of all data that decide what is learnt."""
        learnt, asked = self.learnt.digest, self.asked.digest
        return digest([learnt, asked]) if self.elsewhere else learnt


def own_training(card: Card, split: Split, fraction: float, model: System) -> TrainingSource:
    """
    Learn from a part of the training users of the dataset that is asked about.

    Parameters
    ----------
    card, split, fraction
        Of that dataset.
    model
        What learns: the words of prompts, and times, are part of it only where they are read.
    """
    part = with_fraction(split, fraction)
    data = training_data(card, part, model.reads_times)
    training = Training(fraction=fraction, words=_words(card) if reads_words(model) else None)
    return TrainingSource(data, data, part, training)


def loaded_with(asked: AskedModel, dataset: Dataset, split: Split) -> TrainingData:
    """
    Return what the model of a run is loaded with, which is what the run loaded it with.

    Parameters
    ----------
    asked
        The model.
    dataset, split
        Made again, with the test rows that the run asked about.

    Raises
    ------
    UserError
        If the data or their words are not those of the run.
    """
    learnt = asked.run.record.training
    fraction = 1.0 if learnt.dataset is not None else learnt.fraction
    source = own_training(dataset.card, split, fraction, asked.model)
    asked.check_data(dataset.digest, split.digest, source.training)
    return source.asked


def other_training(
    asked: tuple[Card, Split],
    learnt: tuple[Card, Split],
    protocol: str,
    fraction: float,
    model: Transferable,
) -> TrainingSource:
    """
    Learn from a part of the training users of another dataset.

    Parameters
    ----------
    asked, learnt
        The two datasets.
    protocol
        Name of the one that split `learnt`.
    fraction
        Of the training users of `learnt`.
    model
        What learns; what it refits learns from the whole training part of `asked` nevertheless.
    """
    card, split = learnt
    training = Training(
        fraction=fraction,
        dataset=card.name,
        protocol=protocol,
        split=split.training_digest,
        refitted=model.refitted,
        words=_words(card, asked[0]),
    )
    data = training_data(card, with_fraction(split, fraction), model.reads_times)
    return TrainingSource(data, training_data(*asked, model.reads_times), asked[1], training)


def training_data(card: Card, split: Split, timed: bool = False) -> TrainingData:
    """Return what a model may learn from: nothing of the test rows, and times if it reads them."""
    return TrainingData(
        catalogue=split.catalogue,
        noun=card.noun,
        verb=card.verb,
        sequences=split.sequences,
        sequence_users=split.sequence_users,
        train=split.train,
        validation=split.validation,
        digest=split.timed_training_digest if timed else split.training_digest,
        times=split.times if timed else None,
        users_known=split.users_known,
        left_out_users=split.left_out_users,
    )


def _words(*cards: Card) -> str | None:
    """
    Return the noun and verb of each card that a user may edit; None where recbench ships them all.

    No digest of the data knows these words, and those of recbench's own cards never change.
    """
    words = [f"{'/'.join(card.noun)}, {card.verb}" for card in cards if not ships(card.name)]
    return "; ".join(words) or None
