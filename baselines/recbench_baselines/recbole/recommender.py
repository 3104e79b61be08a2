"""The models of RecBole as recommenders of recbench."""

from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from recbench.errors import DataError, PluginError, UserError
from recbench.file_digests import file_digest
from recbench.neural.checkpoint import learnt, restore
from recbench.neural.loop import Task
from recbench.neural.plan import Plan, Step
from recbench.neural.precision import FLOAT32, computing
from recbench.neural.randomness import one_thread, seeded
from recbench.neural.ranking import mean_ndcg, validation_steps
from recbench.neural.reach import cut, said_of
from recbench.neural.recommender import check_settings, write_settings
from recbench.neural.training import train
from recbench.questions.queries import Queries
from recbench.questions.split import PAD, Examples
from recbench.questions.windows import windows
from recbench.recommender import Recommender, Runtime, TrainingData
from recbench.seeding import derived_seed, generator
from recbench_baselines.recbole import checkpoint
from recbench_baselines.recbole.installed import package
from recbench_baselines.recbole.members import MEMBERS
from recbench_baselines.recbole.network import Network, Tables
from recbench_baselines.recbole.settings import RecBoleSettings, settings_class

_WEIGHTS = "weights/"
"""Begins the names of RecBole's tensors in a saved model."""


@cache
def model_class(name: str) -> "type[RecBoleRecommender]":
    """
    Make the recommender of one model; RecBole itself is not imported.

    Parameters
    ----------
    name
        A key of `MEMBERS`.

    Raises
    ------
    UserError
        If RecBole is not installed.
    """
    member = MEMBERS[name]
    return type(
        name,
        (RecBoleRecommender,),
        {
            "__module__": __package__,  # where it is found by its name
            "__doc__": f"RecBole's {name}: {member.summary}.",
            "settings_class": settings_class(name),
            "summary": f"{member.summary} (RecBole's {name})",
            "reference": member.reference,
            "knows_users": member.knows_users,
        },
    )


class RecBoleRecommender(Recommender):
    """
    A model of RecBole, trained on every position of the sequences by `recbench.neural`.

    The loss and the scores are RecBole's own; negatives are drawn uniformly from the other items.
    """

    uses_gpu = True

    settings_class: ClassVar[type[RecBoleSettings]]
    settings: RecBoleSettings
    network: Network

    def __init__(self, settings: RecBoleSettings) -> None:
        super().__init__(settings)
        self.random_training = settings.checkpoint is None

    @property
    def name(self) -> str:
        """Its name in RecBole."""
        return type(self).__name__

    @property
    def caption(self) -> str:
        """Say of a checkpoint that nobody here knows what it has seen."""
        if self.settings.checkpoint is None:
            return ""
        return "weights of a RecBole checkpoint: what it was trained on is not known here"

    def ingredients(self) -> dict[str, Any]:
        """Return RecBole's version, and digests of a checkpoint and its items."""
        version, settings = {"recbole": package().version}, self.settings
        if settings.checkpoint is None and settings.item_tokens is None:
            return version
        file, tokens = self._named_files()
        return version | {"checkpoint": _digest(file), "item_tokens": _digest(tokens)}

    def _named_files(self) -> tuple[Path, Path]:
        """Return the checkpoint and its items; refuse one without the other."""
        file, tokens = self.settings.checkpoint, self.settings.item_tokens
        if self.knows_users:
            raise UserError(
                f"RecBole's {self.name} has a row for each user, and nothing tells which is whose; "
                "leave out checkpoint and item_tokens, and train it here"
            )
        if file is None:
            raise UserError("item_tokens belongs to a checkpoint: add --set checkpoint=FILE")
        if tokens is None:
            raise UserError(
                f"{file} does not say which item has which row; add --set item_tokens=FILE, which "
                "numpy.savetxt(FILE, dataset.field2id_token['item_id'], '%s') writes beside "
                "RecBole's dataset"
            )
        return file, tokens

    def rehearse(self, data: TrainingData, candidates: int, runtime: Runtime) -> None:  # noqa: ARG002
        """Build it, and try a loss and scores; say how much `max_length` lets it read of more."""
        self._begin(data, runtime)
        self._check_negatives(data)
        if (found := cut(self._items_read, data)) and self._reads is None:
            free = self.settings.checkpoint is None  # a checkpoint has a length of its own
            longer = self.settings.max_length + found["items_shown"] - found["items_read"]
            more = f"--set max_length={longer} reads them all" if free else ""
            runtime.report(said_of(found, f"RecBole's {self.name}", more))
        if untrained := self._untrained(data).get("users_untrained"):
            runtime.report(
                f"{untrained} of {len(data.sequence_users)} users have no two items to learn from: "
                f"RecBole's {self.name} ranks for them by a vector as it was drawn"
            )

    def fit(self, data: TrainingData, runtime: Runtime) -> dict[str, Any]:
        """Learn from the training users' sequences, or take over a checkpoint's weights."""
        self._begin(data, runtime)
        if self.settings.checkpoint is not None:
            return {"parameters_trained": 0} | cut(self._items_read, data)
        self._check_negatives(data)
        settings = self.settings
        rows = windows(data.sequences, data.sequence_users, settings.max_length, min_history=1)
        if not len(rows):
            raise UserError("no training sequence has two items; there is nothing to learn from")
        steps = validation_steps(data)
        # The CPR models scatter into one place: on more threads a seed would train another model.
        with one_thread():
            report = train(
                self.network.module,
                Task(
                    lambda chosen, step: self._loss(rows, chosen, step, runtime),
                    rows=len(rows),
                    weights=lambda chosen, step: self._counts(rows[chosen], step, runtime),
                ),
                Plan(
                    batch_size=settings.batch_size,
                    epochs=settings.epochs,
                    learning_rate=settings.learning_rate,
                    weight_decay=settings.weight_decay,
                    patience=settings.patience,
                    averaged_epochs=settings.averaged_epochs or None,
                ),
                runtime,
                name=self.name.lower(),
                identity=[settings.decisive(), self.ingredients(), data.digest],
                watch=lambda: mean_ndcg(self._full_scores, steps, len(data.catalogue)),
            )
        return report.record() | cut(self._items_read, data) | self._untrained(data)

    @property
    def _items_read(self) -> int:
        """Of a history, at most."""
        room = self.settings.max_length - MEMBERS[self.name].makes_room
        return room if self._reads is None else self._reads

    @property
    def _reads(self) -> int | None:
        """Of a history, whatever `max_length` is."""
        return MEMBERS[self.name].reads(self.settings.hyperparameters())

    def _untrained(self, data: TrainingData) -> dict[str, int]:
        """Return for the record how many of the users whom it knows it learns nothing about."""
        alone = int((np.diff(data.sequences.offsets) < 2).sum()) if self.knows_users else 0
        return {"users_untrained": alone} if alone else {}

    def _check_negatives(self, data: TrainingData) -> None:
        """Refuse a history of all items where RecBole draws one that is not in it, to compare."""
        items, most = len(data.catalogue), self.settings.max_length
        if self.settings.checkpoint is not None or not MEMBERS[self.name].masks or items > most:
            return
        if self.settings.hyperparameters()["loss_type"] != "BPR":
            return
        rows = windows(data.sequences, data.sequence_users, most, min_history=1)
        if any(len(np.setdiff1d(history, PAD)) == items for history in rows.histories):
            raise UserError(
                f"a history holds all {items} items, so that RecBole's {self.name} has none to "
                "compare with under loss_type=BPR; take --set loss_type=CE"
            )

    def _begin(self, data: TrainingData, runtime: Runtime) -> None:
        """Build the network, with random weights or those of the checkpoint."""
        tables = Tables.of_catalogue(len(data.catalogue), data.sequence_users)
        if self.settings.checkpoint is None:
            self._build(tables, runtime)
            return
        file, tokens = self._named_files()
        saved = checkpoint.read(file)
        checkpoint.check_settings(file, saved, self.name, self.settings)
        places, rows = checkpoint.item_places(tokens, data.catalogue)
        self._build(Tables(places, rows, tables.users), runtime)
        checkpoint.put(file, saved, self.network.module)
        try:
            self.network.try_out()
        except ValueError as error:
            raise DataError(f"{file}: expected weights that rank, found others: {error}") from error

    def _build(self, tables: Tables, runtime: Runtime) -> None:
        with seeded(derived_seed(runtime.seed, "weights"), runtime.device):
            self.network = Network(self.name, self.settings, tables, runtime.device)

    def _loss(
        self, rows: Examples, chosen: NDArray[np.int64], step: Step, runtime: Runtime
    ) -> Tensor:
        """Return the loss of the chosen rows; what is drawn is drawn for all of their batch."""
        every, own = step.share(chosen)
        batch, items = rows[every], len(self.network.tables.places)
        if not own.all() and self._needs_whole_batch:
            raise UserError(
                f"the memory of {runtime.device} does not suffice for {len(batch)} rows at once, "
                f"and the loss of RecBole's {self.name} is of a whole batch and cannot be computed "
                f"in parts; give --set batch_size={max(1, len(batch) // 2)} or less"
            )
        random = generator(runtime.seed, "negatives", step.index)
        others = (batch.targets + random.integers(1, items, size=len(batch))) % items
        asked = batch.histories, batch.users, batch.targets, others, _drawn(step, runtime)
        return self.network.loss(*asked, own)

    @property
    def _needs_whole_batch(self) -> bool:
        return MEMBERS[self.name].needs_whole_batch(self.settings.hyperparameters())

    def _counts(self, batch: Examples, step: Step, runtime: Runtime) -> NDArray[np.int64]:
        """Return how much each row counts in the mean of a batch, where it is computed in parts."""
        return self.network.counts(batch.histories, batch.users, _drawn(step, runtime))

    def _full_scores(self, examples: Examples) -> NDArray[np.float32]:
        with computing(FLOAT32, self.network.device):
            return self.network.scores(examples.histories, examples.users)

    def score(self, queries: Queries, runtime: Runtime) -> NDArray[np.float32]:  # noqa: ARG002
        """Return what RecBole's `full_sort_predict` gives for the candidates, float32 [rows, C]."""
        users = queries.users
        if users is None:
            if self.knows_users:
                raise PluginError(f"RecBole's {self.name} must be told who asks (Queries.users)")
            users = np.zeros(len(queries), dtype=np.int32)
        with computing(FLOAT32, self.network.device):
            scores = self.network.scores(queries.histories, users)
        if (shared := queries.shared) is not None:
            return scores[:, shared]
        return np.take_along_axis(scores, queries.candidates.astype(np.intp), axis=1)

    def save(self, folder: Path) -> None:
        """Write ``model.safetensors`` and ``settings.json``."""
        tables = self.network.tables
        weights = learnt(self.network.module)
        save_file(
            {_WEIGHTS + name: tensor.cpu().contiguous() for name, tensor in weights.items()}
            | {"places": torch.from_numpy(tables.places), "rows": torch.tensor(tables.rows)},
            folder / "model.safetensors",
        )
        write_settings(self.settings, folder)

    def load(self, folder: Path, data: TrainingData, runtime: Runtime) -> None:
        """Read back what `save` wrote; UserError if it is of other settings."""
        check_settings(self.settings, folder)
        tensors = load_file(folder / "model.safetensors")
        places, rows = tensors.pop("places").numpy(), int(tensors.pop("rows"))
        tables = Tables(places, rows, np.unique(data.sequence_users))
        self._build(tables, runtime)
        weights = {name.removeprefix(_WEIGHTS): tensor for name, tensor in tensors.items()}
        restore(learnt(self.network.module), weights)
        self.network.module.eval()


def _drawn(step: Step, runtime: Runtime) -> int:
    """Return the seed of what RecBole draws itself in a step."""
    return derived_seed(runtime.seed, "recbole", step.index)


def _digest(file: Path) -> str:
    """Return the SHA-256 of a file that a setting names."""
    if not file.is_file():
        raise UserError(f"{file}: expected a file, found none")
    return file_digest(file)
