"""
A run whose model can be asked by hand.

A question is put as an evaluation puts it, so a test row gets the very scores that it got there.
"""

import shutil
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from numbers import Integral

import numpy as np

from recbench.by_hand.explanation import explain as explained
from recbench.by_hand.lookup import Lookup
from recbench.by_hand.one_question import OneQuestion
from recbench.by_hand.recommendation import Item, Recommendation, answer_meant, answered
from recbench.errors import TooLongError, UserError
from recbench.recommender import Runtime, System, TrainingData, ranks, reads_candidates, writes
from recbench.registry import blamed_if_at_fault
from recbench.runs.asked_model import AskedModel
from recbench.runs.store import Run

Several = Sequence[str | int]
"""Titles, or ids."""


class LoadedRun:
    """
    What `recbench.by_hand.loading.load_run` makes of a run.

    Parameters
    ----------
    asked
        The run's model; loaded at the first question.
    data
        What it is loaded with.
    longest
        Items of a history that it is shown at most, as in the run.
    runtime
        Where it runs; its folder of checkpoints is removed in the end.
    """

    def __init__(
        self, asked: AskedModel, data: TrainingData, longest: int, runtime: Runtime
    ) -> None:
        self.run, self.longest = asked.run, longest
        self._asked, self._data, self._runtime = asked, data, runtime
        counts = np.bincount(data.sequences.values, minlength=len(data.catalogue))
        self._lookup = Lookup(data.catalogue, _listing(self.run), counts, runtime.report)
        weakref.finalize(self, shutil.rmtree, runtime.checkpoints, ignore_errors=True)

    @cached_property
    def _model(self) -> System:
        # Not sooner: a title that is written wrongly is told before a language model is read.
        return self._asked.load(self._data, self._runtime)

    def recommend(
        self,
        history: Several,
        top: int = 10,
        candidates: Several | None = None,
        repeats: bool = False,
        explain: bool = False,
    ) -> Recommendation:
        """
        Rank what a user with this history may take next.

        Parameters
        ----------
        history
            Titles, oldest first, or ids as ``"id:1"`` or 1 (`recbench.by_hand.lookup`); at least
            one. Of more than `longest` the last ones are read, as in the run.
        top
            How many are returned at most, at least 1.
        candidates
            Titles or ids of what is ranked, each once, in the order in which a prompt lists them;
            None for the whole catalogue.
        repeats
            Whether items of the history are ranked with the whole catalogue.
        explain
            Whether it is also told why (`recbench.by_hand.explanation`); the model is then asked
            again for each item of the history.

        Raises
        ------
        UserError
            For a title that means no item, or may mean several; where candidates must be listed to
            the model and there are none.
        RecbenchError
            If the model gives nothing that can be ranked.
        """
        if not isinstance(top, Integral) or top < 1:
            raise UserError(f"--top must be a whole number, at least 1, not {top}")
        question = self._question(history, candidates, repeats)
        with blamed_if_at_fault("models", self.run.record.model), _in_words_of_one_question():
            answer = answered(self._model, question, self._runtime)
            why = explained(self._model, question, answer, self._runtime) if explain else None
        record, catalogue = self.run.record, question.catalogue
        return Recommendation(
            run=str(self.run.folder),
            model=f"{record.model}, seed {record.seed}",
            dataset=record.dataset,
            protocol=record.protocol,
            history=[Item.of(catalogue, code) for code in question.history[question.read].tolist()],
            unread=question.unread,
            ranked=len(answer.codes),
            whole_catalogue=candidates is None,
            likelihood=ranks(self._model) and writes(self._model),
            items=answer.named(catalogue, int(top)),
            text=answer.text,
            answer=answer_meant(answer, catalogue, record.matching),
            explanation=why,
        )

    def _question(self, history: Several, candidates: Several | None, repeats: bool) -> OneQuestion:
        if candidates is None and reads_candidates(self._asked.model):
            raise UserError(
                f"{self.run.record.model} reads its candidates in a prompt, which cannot list the "
                "whole catalogue; give some titles by --candidates"
            )
        seen = self._lookup.items(_several(history))
        given = None if candidates is None else self._lookup.items(_several(candidates))
        return OneQuestion.of(self._data.catalogue, seen, given, self.longest, repeats)


def _several(titles: Several) -> Several:
    """Take one title for a list of it, not for its letters."""
    return [titles] if isinstance(titles, str | Integral) else titles


@contextmanager
def _in_words_of_one_question() -> Iterator[None]:
    """Say what helps where a prompt is too long: no setting of the run may be another."""
    try:
        yield
    except TooLongError as error:
        raise UserError(f"{error.what}; give fewer by --candidates") from error


def _listing(run: Run) -> str:
    """Say where all titles are found."""
    card, _, _ = run.record.protocol.partition(",")
    export = f"recbench data export --dataset {run.record.dataset} --protocol {card}"
    return f"{export} --out split lists all titles in split/items.tsv"
