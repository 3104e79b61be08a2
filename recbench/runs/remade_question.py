"""The question of a record, made again from the data, and what of the record can be held to it."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recbench.data.card import Card, Rules, cards, ships
from recbench.data.dataset import Dataset
from recbench.data.prepare import at_hand, prepare
from recbench.data.titles import TitleGroups
from recbench.errors import RecbenchError
from recbench.evaluation.answers import match
from recbench.evaluation.full_ranking import FullRanking
from recbench.evaluation.ranks import target_ranks
from recbench.questions.candidates import Pack, draw
from recbench.questions.cold_start import cold_start
from recbench.questions.competitors import competitors
from recbench.questions.fraction import with_fraction
from recbench.questions.make_split import asked_split, rules_of
from recbench.questions.protocols import Protocol
from recbench.questions.protocols.choice import protocol_of
from recbench.questions.split import Split, nobody
from recbench.runs.evidence import refused
from recbench.runs.examples import read_answers, read_cold_start, read_outcome
from recbench.runs.question import Question
from recbench.runs.record import RunRecord


class NotCheckedError(RecbenchError):
    """Why something cannot be checked, which is no fault of the run."""


Check = Callable[[Path, RunRecord, Question], None]
"""Raises DataError where a record is not of this question, NotCheckedError where none can tell."""


class Questions:
    """
    Makes questions again, each once.

    Parameters
    ----------
    cache
        The user's cache folder: prepared data are read from it, kept candidates are not.
    data_dir
        Raw files of the dataset; None for what is at hand. Nothing is downloaded.
    report
        Told one line at each step that takes time.
    """

    def __init__(self, cache: Path, data_dir: Path | None, report: Callable[[str], None]) -> None:
        self._cache, self._data_dir, self._report = cache, data_dir, report
        self._datasets: dict[str, Dataset] = {}
        self._splits: dict[tuple[str, str, Rules], Split] = {}
        self._made: dict[tuple[str, str, Rules | None, int, int], Question] = {}

    @cached_property
    def _cards(self) -> dict[str, Card]:
        return cards(lambda _: None, self._cache)

    def other_name(self, record: RunRecord) -> str:
        """Return what a record's data are called here; empty for as it says, or if unknown."""
        digest = record.digests.dataset
        named = [name for name, card in self._cards.items() if card.digest == digest]
        return "" if record.dataset in named else next(iter(named), "")

    def can_be_made(self, record: RunRecord) -> bool:
        """Tell whether the data of a record are at hand, and its protocol is installed."""
        try:
            self.of(record)
        except NotCheckedError:
            return False
        return True

    def of(self, record: RunRecord) -> Question:
        """
        Make the question of a record again.

        Raises
        ------
        NotCheckedError
            If the data are not at hand, or are others, or the protocol is not installed.
        """
        key = record.dataset, record.protocol, record.rules, record.draws, record.pack_seed
        if key not in self._made:
            try:
                self._made[key] = self._make(record)
            except NotCheckedError:
                raise
            except RecbenchError as error:
                raise NotCheckedError(str(error)) from None
        made = self._made[key]
        return made if record.limit is None else made.first(record.limit)

    def split_of(self, record: RunRecord) -> tuple[Dataset, Protocol, Split]:
        """
        Make the split of a record again, without its candidates.

        Of data that recbench does not ship it goes by the record's own rules: another user's card
        may have others.

        Raises
        ------
        NotCheckedError
            As `of`; other RecbenchErrors as they are.
        """
        name, rule = record.dataset, protocol_of(record.dataset, record.protocol, self._cache)
        if name not in self._datasets:
            if self._data_dir is None and not at_hand(name, self._cache):
                raise NotCheckedError(f"{name} is not at hand; name its folder with --data-dir")
            self._datasets[name] = prepare(name, self._cache, self._data_dir, self._report)
        dataset = self._datasets[name]
        if dataset.digest != record.digests.dataset and self._data_dir is None:
            raise NotCheckedError(
                f"the run is of data with the digest {record.digests.dataset[:12]}, at hand are "
                f"{dataset.digest[:12]}; name their folder with --data-dir"
            )
        if record.rules is not None and not ships(name):
            dataset = replace(dataset, card=dataset.card.under(rule.card, record.rules))
        key = name, rule.name, rules_of(dataset, rule)
        if key not in self._splits:
            self._splits[key] = asked_split(dataset, rule)
        return dataset, rule, self._splits[key]

    def _make(self, record: RunRecord) -> Question:
        dataset, rule, split = self.split_of(record)
        if rule.full:
            return Question(dataset, rule, split, FullRanking.of(split, "test"))
        pack = draw(split, rule, "test", record.draws, record.pack_seed)
        return Question(dataset, rule, split, pack)


def check_digests(folder: Path, record: RunRecord, made: Question) -> None:
    """
    Compare the data, the split, and the candidates that were drawn again from the pack seed.

    Raises
    ------
    DataError
        If the record is not of this question.
    NotCheckedError
        If its protocol's card has changed since, or it may be that of the user's own data has: an
        earlier record does not hold its rules. Its split is then another one, and so is its table.
    """
    is_other = record.digests.split != made.split.digest
    if is_other and record.protocol_version < (version := made.protocol.version):
        raise NotCheckedError(
            f"its protocol is of version {record.protocol_version}, installed is {version}, which "
            "asks something else; check it with the recbench that made it"
        )
    if record.protocol_version != (version := made.protocol.version):
        raise refused(
            folder,
            f"its protocol is of version {record.protocol_version}, installed is {version}",
        )
    found = {
        "dataset": made.dataset.digest,
        "catalogue": made.split.catalogue.digest,
        "split": made.split.digest,
        "pack": made.pack.hash,
    }
    for name, own in found.items():
        if (recorded := getattr(record.digests, name)) == own:
            continue
        differs = f"its {name} is {recorded[:12]}, made again it is {own[:12]}"
        if name == "split" and record.rules is None and not ships(record.dataset):
            raise NotCheckedError(
                f"{differs}, of the same data: the rules of its card may have been others; look at "
                f"recbench data show {record.dataset}"
            )
        raise refused(folder, differs)
    rules = rules_of(made.dataset, made.protocol)
    if record.rules is not None and record.rules.decisive != rules.decisive:
        raise refused(folder, f"its rules are not those of the card of {record.dataset}")
    shape = made.pack.draws, made.pack.size, len(made.pack)
    said = record.draws, record.candidates, record.examples, record.left_out
    if said != (*shape, made.split.left_out_test):
        raise refused(folder, "draws, candidates and examples are not those of its question")


def check_rows(folder: Path, record: RunRecord, made: Question) -> None:
    """Compare the users, the targets' places and the counts of every row."""
    outcome, counts = read_outcome(folder, record), read_cold_start(folder, record)
    _check_same(folder, "users", outcome.users, made.split.test.users)
    if isinstance(made.pack, Pack) and outcome.target_slot is not None:
        places = made.pack.target_position.reshape(-1)
        _check_same(folder, "targets' places", outcome.target_slot, places)
    for name, own in vars(cold_start(learnt_from(record, made))).items():
        _check_same(folder, name.replace("_", " "), getattr(counts, name), own)


def check_ranks(folder: Path, record: RunRecord, made: Question) -> None:
    """Work the ranks out again from the stored scores and the targets of the candidates drawn."""
    outcome, asked = read_outcome(folder, record), made.pack
    assert outcome.rank is not None  # nobody asks for those of what only writes
    if isinstance(asked, Pack) and outcome.scores is not None:
        own = target_ranks(outcome.scores, asked.target_position.reshape(-1))
        _check_same(folder, "ranks", outcome.rank, own)
    elif isinstance(asked, FullRanking):
        items = TitleGroups.apart(made.split.catalogue)
        wrong = competitors(items, asked.examples.targets, asked.excluded)
        if (outcome.rank > wrong + 1).any():
            raise refused(folder, "a rank is larger than the number of items ranked")
        if record.ranked not in (None, 1 + int(wrong.max())):
            raise refused(folder, "how many items were ranked is not what its question leaves")
        raise NotCheckedError(
            "a full ranking keeps no scores; that no rank is too large was checked"
        )


def check_answers(folder: Path, record: RunRecord, made: Question) -> None:
    """Match the texts again to the candidates drawn."""
    texts, slots = read_answers(folder), read_outcome(folder, record).answer_slot
    if texts is None or slots is None or not isinstance(made.pack, Pack):
        raise NotCheckedError("its texts are not kept, as in every published copy")
    shown = made.pack.candidates.reshape(-1, made.pack.size)
    own = match(texts, shown, made.seen(record.control).split.catalogue.titles, record.matching)
    _check_same(folder, "answers", slots, own)


def check_learnt(folder: Path, record: RunRecord, made: Question) -> None:
    """Compare the data that were learnt from."""
    if record.training.dataset is not None:
        raise NotCheckedError(f"it learnt from {record.training.dataset}")
    assert record.trained is not None  # nobody asks for that of what came from outside
    learnt = learnt_from(record, made)
    # Whether the model reads times is not in its record, and earlier ones do not know who of those
    # who validate was left out of training.
    may_be = learnt, replace(learnt, left_out_users=nobody())
    digests = [(one.training_digest, one.timed_training_digest) for one in may_be]
    if not any(record.trained.data in pair for pair in digests):
        raise refused(folder, "its training was of other data than this split gives")


QUESTION: dict[str, Check] = {
    "question": check_digests,
    "rows": check_rows,
    "ranks": check_ranks,
    "answers": check_answers,
    "learnt": check_learnt,
}
"""What takes the data."""


def checks_of(record: RunRecord) -> dict[str, Check]:
    """Return those of `QUESTION` that there is something to check for: ranks, texts, training."""
    there = {"ranks": record.ranks, "answers": record.writes, "learnt": record.trained is not None}
    return {name: check for name, check in QUESTION.items() if there.get(name, True)}


def learnt_from(record: RunRecord, made: Question) -> Split:
    """Return the split with the training users that were learnt from; all, if it was elsewhere."""
    if record.training.dataset is not None:
        return made.split
    return with_fraction(made.split, record.training.fraction)


def _check_same(
    folder: Path, what: str, recorded: NDArray[np.integer], own: NDArray[np.integer]
) -> None:
    if recorded.shape != own.shape or (recorded != own).any():
        raise refused(folder, f"its {what} are not those of its question")
