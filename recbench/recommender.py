"""
The contract between recbench and a model.

A model is a `System`: it is fitted on a `TrainingData` and answers `Queries`. A query holds a
history and candidates and, for a model that learns something of each user, who asks; no target, no
position of the target, so a model cannot see what it is asked for. There are two ways to answer. A
`Recommender` ranks the candidates; an `Answerer` is shown them and writes which one it means, as a
chat endpoint does; a `RankingAnswerer` does both.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeGuard, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recbench.data.catalogue import Catalogue
from recbench.data.ragged import Ragged
from recbench.errors import UserError
from recbench.processes import ALONE, Processes
from recbench.questions.controls import Control
from recbench.questions.queries import Queries
from recbench.questions.split import Examples, nobody
from recbench.settings import Settings


@dataclass(frozen=True)
class TrainingData:
    """
    What a model may learn from.

    Its arrays cannot be written to: they are those of the split, of which questions and records are
    made as well. A model that changes them in place fails, and copies them first.

    Attributes
    ----------
    catalogue
        All items.
    noun
        What one item is called in a prompt, singular and plural: ``("movie", "movies")``.
    verb
        What a user did with an item, in the past tense: ``"watched"``.
    sequences
        Whole training sequences, one a training user.
    sequence_users
        int32 [sequences], whose they are: the user's number in the dataset.
    train
        The protocol's training rows.
    validation
        Rows for early stopping and the choice of settings.
    digest
        Of all of this (`recbench.questions.split.Split.training_digest`): with a model's settings
        and seed it names what was learnt, so that a cache can key on it.
    times
        int64 [len(sequences.values)], when each interaction of `sequences` was, in whole seconds
        since 1970; None where the data have an order alone, and for every model that does not say
        `System.reads_times`.
    users_known
        Whether the users' numbers tell who is who (`recbench.questions.split.Split.users_known`):
        where not, a validation row may be of somebody who trained, whatever its number.
    left_out_users
        int32 [users], who would train and whose rows were left out, of those who validate
        (`recbench.questions.split.Split.left_out_users`).
    """

    catalogue: Catalogue
    noun: tuple[str, str]
    verb: str
    sequences: Ragged
    sequence_users: NDArray[np.int32]
    train: Examples
    validation: Examples
    digest: str
    times: NDArray[np.int64] | None = None
    users_known: bool = True
    left_out_users: NDArray[np.int32] = field(default_factory=nobody)

    def __post_init__(self) -> None:
        """Show the arrays as views that cannot be written to."""
        for name, given in tuple(vars(self).items()):
            object.__setattr__(self, name, _read_only(given))


def _read_only(given: Any) -> Any:
    """Return an array, or what is made of arrays, as a view; anything else as it is."""
    if isinstance(given, np.ndarray):
        shown = given.view()
        shown.flags.writeable = False
        return shown
    if isinstance(given, Ragged | Examples):
        return replace(given, **{name: _read_only(part) for name, part in vars(given).items()})
    return given


def _silent(_: str) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class Runtime:
    """
    Where and how a model runs; never part of what it computes.

    Attributes
    ----------
    seed
        Seed of training (`recbench.seeding.derived_seed` names its uses).
    device
        ``"cpu"``, ``"cuda"`` or ``"cuda:N"``, already resolved and checked.
    checkpoints
        Folder for whatever is needed to go on after a kill; emptied when that is complete.
    cache
        The user's cache folder, for what runs can share (fitted encoders).
    report
        Called with one line to show to the user on standard error.
    show_progress
        Whether to draw progress bars on standard error.
    processes
        Those that share the work; what is written, the main one writes.
    fresh
        Whether all is made anew (``--fresh``): what is shared in `cache` and may have been made by
        other code under one name is not taken from there.
    """

    seed: int
    device: str
    checkpoints: Path
    cache: Path
    report: Callable[[str], None] = field(default=_silent)
    show_progress: bool = False
    processes: Processes = ALONE
    fresh: bool = False

    def alone(self) -> "Runtime":
        """Return the same for what one process does by itself."""
        return replace(self, processes=ALONE)

    def at(self, checkpoints: Path) -> "Runtime":
        """Return the same with another folder of checkpoints, which is made."""
        checkpoints.mkdir(parents=True, exist_ok=True)
        return replace(self, checkpoints=checkpoints)


class System(ABC):
    """
    What every model is, however it answers.

    Attributes
    ----------
    settings_class
        Its pydantic settings; a model is built as ``Model(settings)``.
    summary
        One line, for ``recbench models NAME``.
    reference
        Paper, venue, year, identifier, for the same.
    lists_candidates
        Whether its candidates must be listed to it, as in a prompt: then it cannot be asked to rank
        the whole catalogue.
    reads_words
        Whether it reads the noun and the verb of a dataset, as prompts do: what it learnt is then
        named after them, too, where a user may edit them. What has candidates listed counts as one.
    reads_times
        Whether it learns from when things happened: then it is given `TrainingData.times`, and what
        it learnt is named after them, too.
    knows_users
        Whether it learns something of each user and must be told who asks
        (`recbench.questions.queries.Queries.users`): then it can be asked only where all users
        who are asked about have trained.
    random_training
        Whether another seed trains another model. Where not (popularity), one run says all. Where
        its settings decide, it is set when the model is built.
    auditable
        Whether a copy of it, loaded from disk, answers the same rows the same. Where not (an
        endpoint that draws its words), no copy is asked, and tables say "not audited".
    trains_together
        Whether `fit` may be called in several processes at once, with a runtime that says so
        (`Runtime.processes`): it then trains by `recbench.neural.training.train` and lets the main
        process alone write. Where not, that one fits by itself, and the others load what it kept.
    uses_gpu
        Whether it computes on `Runtime.device`: on a cluster it is handed to a worker that has a
        GPU, and what does not is run by any. It changes no figure.
    caption
        One line, shown under every table that has this model's figures, for example "mechanism
        test"; empty for none.
    """

    settings_class: ClassVar[type[Settings]]
    summary: ClassVar[str] = ""
    reference: ClassVar[str] = ""
    lists_candidates: ClassVar[bool] = False
    reads_words: ClassVar[bool] = False
    reads_times: ClassVar[bool] = False
    knows_users: bool = False
    random_training: bool = True
    auditable: ClassVar[bool] = True
    trains_together: ClassVar[bool] = False
    uses_gpu: ClassVar[bool] = False

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def caption(self) -> str:
        """What a reader must know before comparing this model's figures; empty for nothing."""
        return ""

    @property
    def scores_in(self) -> str:
        """
        Precision in which it answers, once fitted or loaded: ``"float32"``, ``"bfloat16"``, ...

        In ``"bfloat16"`` and ``"float16"`` what a copy of it answers may differ by as much.
        """
        return "float32"

    @property
    def controls(self) -> frozenset[Control]:
        """
        Which controls say something of it; a run refuses the others before anything is trained.

        What goes by nothing but the items of a history, whatever their order, has none.
        """
        return frozenset({"shuffled-history"})

    def begin(self, control: Control) -> None:  # noqa: B027
        """
        See something else from now on; called once, after `load`.

        Histories and titles come changed already: only what a system itself reads besides, such as
        an encoder's vectors, is its own to change.
        """

    def ingredients(self) -> dict[str, Any]:
        """
        Return what decides what is learnt besides settings, data and seed, as JSON values.

        Digests of files that a setting only names, settings of other models that are fitted on the
        way. They are part of a row of the leaderboard: a run with other ingredients is another run.
        What is named wrongly fails here, before anything is computed.
        """
        return {}

    def prompt(self, data: TrainingData, queries: Queries) -> str | None:  # noqa: ARG002
        """
        Return the prompt of the first query as it will be read; None of what reads none.

        ``recbench run --show-prompt`` asks, before anything is trained.

        Parameters
        ----------
        data
            As for `load`.
        queries
            At least one row.
        """
        return None

    def rehearse(self, data: TrainingData, candidates: int, runtime: Runtime) -> None:  # noqa: B027
        """
        Try what training and evaluation will do, before anything is trained.

        Called only when a training is about to be made; of a model that will be transferred once
        with each dataset. Nothing is tried unless a model overrides it.

        Parameters
        ----------
        data
            What `fit` or `transfer` will be given. There is no test row in it.
        candidates
            Items of each query that will be asked.
        runtime
            As for `fit`.

        Raises
        ------
        UserError
            For what cannot be done right with this model, these settings and prompts so long.
        """

    @abstractmethod
    def fit(self, data: TrainingData, runtime: Runtime) -> dict[str, Any]:
        """
        Learn from the training rows; validation rows may only stop training or choose.

        Returns
        -------
        dict
            JSON values for the run record: at least ``parameters_trained`` (int); what else is
            worth keeping (epochs run, best validation figure, batch size).
        """

    def explain(self, queries: Queries, runtime: Runtime) -> dict[str, Any]:  # noqa: ARG002
        """
        Return what is worth showing of how one question is answered, as JSON values.

        ``prompt`` is what a language model reads, ``experts`` the weights of its experts; other
        names are shown as they are. ``recbench recommend --explain`` asks, once the model is fitted
        or loaded; no figure is made of it.

        Parameters
        ----------
        queries
            One row.
        runtime
            As for `fit`.
        """
        return {}

    @abstractmethod
    def save(self, folder: Path) -> None:
        """
        Write what was learnt into an existing empty folder, weights as safetensors.

        What was fitted by itself, such as an encoder, goes into a folder of its own: its digest
        tells which rows share it.
        """

    @abstractmethod
    def load(self, folder: Path, data: TrainingData, runtime: Runtime) -> None:
        """
        Read back what `save` wrote; the answers are then the same as before.

        Parameters
        ----------
        folder
            What `save` was given.
        data
            What `fit` was given; of a model that was transferred, what `transfer` was.
        runtime
            As for `fit`.
        """


class Recommender(System):
    """
    A model that ranks candidates, by whatever means.

    One that writes without having them listed is one, too: it ranks them by what it wrote.
    """

    @abstractmethod
    def score(self, queries: Queries, runtime: Runtime) -> NDArray[np.float32]:
        """
        Return float32 [rows, C]: the higher, the sooner recommended; must be finite.

        A row's scores depend on that row alone: not on the rows it came with, nor on what was asked
        before. A copy that is loaded from disk is asked some rows again, singly, and a run whose
        scores differ is refused (`recbench.evaluation.audit`). A row's candidates may be more than
        those of one draw, and the score of one does not depend on the others, unless
        `lists_candidates`.
        """


class Answerer(System):
    """A model that writes its answer as text; its candidates are listed to it."""

    lists_candidates = True

    @property
    def controls(self) -> frozenset[Control]:
        """Add that of titles, which it reads."""
        return super().controls | {"anonymised-titles"}

    @abstractmethod
    def answer(self, queries: Queries, runtime: Runtime) -> list[str]:
        """
        Return one line of text a row, as written: what was meant is judged elsewhere.

        An answer depends on its row alone, as a score does (`Recommender.score`).
        """

    def announce(self, rows: int, candidates: int, runtime: Runtime) -> None:
        """
        Tell the user what is about to be asked, and what it may cost.

        Called by a run before its first question, unless none is left to ask.

        Parameters
        ----------
        rows
            How many will be asked.
        candidates
            Items of each.
        runtime
            As for `answer`.
        """

    def reword(self, words: Any) -> None:  # noqa: ARG002
        """
        Ask in other words from now on, those of a `recbench.llm.prompts.wording.Question`.

        ``recbench inspect --templates`` looks at what the wording does; no figure is made of it.

        Raises
        ------
        UserError
            Of a model whose prompts have one wording, as they do unless it overrides this.
        """
        raise UserError("its prompts have one wording, so that --templates shows nothing of it")

    def account(self, runtime: Runtime) -> dict[str, Any]:  # noqa: ARG002
        """
        Return what is worth keeping of how the whole run was answered, as JSON values.

        Tokens that were paid for, what a server says it is. Called once, when all is answered,
        whatever part of it a process before this one has asked; of what that one knew only
        `runtime.checkpoints` can tell.
        """
        return {}


class RankingAnswerer(Recommender, Answerer):
    """
    A model that writes its answer, and ranks the candidates by the likelihood of their titles.

    One that was made from `Answerer` alone and has `score` and `title_lengths` counts as one.
    """

    @abstractmethod
    def title_lengths(self) -> NDArray[np.int32]:
        """
        Return int32 [items]: tokens of each title with its line end, at least 1.

        `score` is a sum of log-likelihoods over these tokens; divided by them it gives the mean per
        token, which is reported as a diagnostic.
        """

    def score_and_answer(
        self, queries: Queries, runtime: Runtime
    ) -> tuple[NDArray[np.float32], list[str]]:
        """
        Return what `score` and `answer` return, which is how a run asks.

        Override it where one reading of a prompt serves both.
        """
        return self.score(queries, runtime), self.answer(queries, runtime)


def ranks(system: System) -> TypeGuard[Recommender]:
    """Tell whether a model ranks candidates: what only writes has no scores."""
    needed = ("score", "title_lengths") if writes(system) else ("score",)
    return all(callable(getattr(system, name, None)) for name in needed)


def writes(system: System) -> TypeGuard[Answerer]:
    """Tell whether a model answers in text."""
    return isinstance(system, Answerer)


def reads_candidates(system: System) -> bool:
    """Tell whether the candidates must be listed to a model: it says so, or it writes."""
    return system.lists_candidates or writes(system)


def reads_words(system: System) -> bool:
    """Tell whether a model reads a dataset's noun and verb: it says so, or has a list to read."""
    return system.reads_words or reads_candidates(system)


class Encoder(Recommender):
    """A recommender whose vectors can guide another."""

    @abstractmethod
    def item_vectors(self) -> NDArray[np.float32]:
        """Return float32 [items, d], one row a catalogue code."""

    @abstractmethod
    def user_vectors(self, histories: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return float32 [rows, d], what the model sees in each history (padded with PAD)."""


class Transferable(System):
    """
    A model that can be fitted on one dataset and asked about another.

    It knows items by what is the same in every catalogue, their titles. One that knows them by
    their codes alone is none: a code means another item elsewhere.
    """

    @abstractmethod
    def transfer(self, data: TrainingData, runtime: Runtime) -> None:
        """
        Turn a fitted model to another dataset, as which it is then asked, saved and loaded.

        What was learnt stays. Parts that know items by their codes, `refitted`, are fitted on the
        training rows of `data`.
        """

    @property
    def refitted(self) -> tuple[str, ...]:
        """What `transfer` fits on the new data, in words; nothing, as a rule."""
        return ()


@runtime_checkable
class WeighsExperts(Protocol):
    """A model with experts that a gate weighs, such as ``ilora``: its weights are recorded."""

    @property
    def weighs_users(self) -> bool:
        """Whether a row's weights follow from its history and its user alone."""

    def expert_weights(self, queries: Queries) -> NDArray[np.float32]:
        """
        Return the experts' weights of each row, [rows, K], at least 0; a row's add up to 1.

        Where it `weighs_users` no candidates need be given.
        """
