"""A module of RecBole with its way in and out: catalogue codes here, rows of its tables there."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recbench.errors import UserError
from recbench.hardware.devices import is_deterministic, lacks_deterministic_form
from recbench.neural.ranking import SCORES_AT_ONCE
from recbench.neural.sequences import Codes, flush_left, last_columns
from recbench.out_of_memory import lacks_memory
from recbench.questions.split import PAD
from recbench_baselines.recbole.installed import interaction, mask_transform, module_class
from recbench_baselines.recbole.members import MEMBERS
from recbench_baselines.recbole.quicker import (
    with_quick_filters,
    with_quick_gelu,
    with_quick_graphs,
)
from recbench_baselines.recbole.settings import RecBoleSettings
from recbench_baselines.recbole.stand_ins import (
    INVERSE,
    ITEM,
    ITEMS,
    LENGTH,
    NEGATIVE,
    USER,
    Sizes,
    another_item,
    configuration,
    contained,
)

_WIDTH = 64
"""Vectors' usual width: TransRec takes memory for so many numbers a score."""


@dataclass(frozen=True)
class Tables:
    """
    Which row of RecBole's tables stands for what; row 0 is its padding.

    Attributes
    ----------
    places
        int64 [items], the row of each catalogue code.
    rows
        Rows of the table of items.
    users
        int32 [users], ascending: the numbers of the users that have rows 1, 2, ...
    """

    places: NDArray[np.int64]
    rows: int
    users: NDArray[np.int32]

    @classmethod
    def of_catalogue(cls, items: int, users: NDArray[np.int32]) -> "Tables":
        """Give items and users rows in the order of their codes and numbers."""
        return cls(np.arange(1, items + 1), items + 1, np.unique(users))

    def user_rows(self, users: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return int64 [n]; a user who has not trained has the padding's row."""
        found = np.searchsorted(self.users, users)
        known = self.users[np.minimum(found, len(self.users) - 1)] == users
        return np.where(known, found + 1, 0)


class Network:
    """
    One module of RecBole, built and tried.

    Parameters
    ----------
    model
        Its name in RecBole.
    settings, tables
        What decides its shape.
    device
        Where it lives.

    Raises
    ------
    UserError
        If RecBole refuses the settings, or fails with them on two rows.
    """

    def __init__(self, model: str, settings: RecBoleSettings, tables: Tables, device: str) -> None:
        self.tables, self.length, self.device = tables, settings.max_length, torch.device(device)
        self.sizes = Sizes(tables.rows, len(tables.users) + 1, settings.max_length)
        given = settings.fixed | settings.hyperparameters()
        config = configuration(given, settings.max_length, settings.batch_size, device)
        masks = MEMBERS[model].masks
        self._left_padded = MEMBERS[model].left_padded
        self._makes_room = MEMBERS[model].makes_room
        try:
            _check(given, tables.rows, settings.max_length)
            with contained(torch.initial_seed()):
                self._masking = mask_transform(config) if masks else None
                if self._masking is not None:
                    self._masking._neg_sample = another_item
                made = with_quick_graphs(module_class(model))(config, self.sizes)
                self.module: Any = with_quick_filters(with_quick_gelu(made)).to(self.device)
            self.try_out()
        except (Exception, SystemExit) as error:  # RecBole's refusals are of any kind
            if lacks_memory(error) or (is_deterministic() and lacks_deterministic_form(error)):
                raise
            first = next(iter(str(error).strip().splitlines()), "")
            raise UserError(
                f"RecBole's {model} cannot be built with these settings and "
                f"{len(tables.places)} items (`recbench models recbole:{model}` explains them): "
                f"{type(error).__name__}: {first}"
            ) from error

    def try_out(self) -> None:
        """Compute a loss and scores of two rows; ValueError where they are no finite numbers."""
        histories = np.array([[PAD, 0], [0, 1]], dtype=np.int32)
        users, codes = self.tables.users[[0, -1]], histories[1]
        self.module.train()
        loss = self.loss(histories, users, codes, codes[::-1], 0, np.ones(2, dtype=bool))
        if not (torch.isfinite(loss).all() and np.isfinite(self.scores(histories, users)).all()):
            raise ValueError("its loss or its scores of two rows are no finite numbers")

    def loss(
        self,
        histories: Codes,
        users: NDArray[np.int32],
        targets: NDArray[np.int32],
        negatives: NDArray[np.integer[Any]],
        seed: int,
        own: NDArray[np.bool_],
    ) -> Tensor:
        """
        Return RecBole's loss of some rows of a batch, a scalar.

        Parameters
        ----------
        histories
            int32 [n, H], of the whole batch, padded on the left, none empty.
        users
            int32 [n], whose they are.
        targets, negatives
            [n], codes of what followed, and of another item.
        seed
            Of what RecBole draws from the global streams of Python and NumPy, for the whole batch.
        own
            bool [n], which of them it is the loss of.
        """
        batch = self._batch(histories, users)
        batch[ITEM] = self._tensor(self.tables.places[targets])
        batch[NEGATIVE] = self._tensor(self.tables.places[negatives])
        with contained(seed):
            whole = self._masked(batch)
            given = whole if own.all() else whole[np.flatnonzero(own)]
            if self._masking is not None and not _places(given).any():
                # RecBole's mean over no place is NaN.
                return torch.stack([p.sum() * 0 for p in self.module.parameters()]).sum()
            loss: Tensor = self.module.calculate_loss(given)
        return loss.mean()  # TransRec's has one dimension

    def counts(self, histories: Codes, users: NDArray[np.int32], seed: int) -> NDArray[np.int64]:
        """
        Return how much each row counts in the mean that `loss` is, int64 [n].

        So many of its items as are masked; one, where RecBole masks none.
        """
        with contained(seed):
            given = self._masked(self._batch(histories, users))
        ones = np.ones(len(histories), dtype=np.int64)
        if self._masking is None:
            return ones
        found: NDArray[np.int64] = _places(given).sum(dim=1).cpu().numpy()
        return found if found.any() else ones

    def _masked(self, batch: dict[str, Tensor]) -> Any:
        """Return a batch as RecBole's models read it, some items hidden where it masks any."""
        given = interaction(batch)
        return given if self._masking is None else self._masking(self.sizes, given)

    @torch.no_grad()
    def scores(self, histories: Codes, users: NDArray[np.int32]) -> NDArray[np.float32]:
        """
        Return float32 [n, items], what RecBole's `full_sort_predict` gives; 0 for empty histories.

        Parameters
        ----------
        histories, users
            As for `loss`, but for histories that are empty.
        """
        self.module.eval()
        size = max(1, SCORES_AT_ONCE // (_WIDTH * self.tables.rows))
        found = np.zeros((len(histories), len(self.tables.places)), dtype=np.float32)
        asked = np.flatnonzero((histories != PAD).any(axis=1))
        for start in range(0, len(asked), size):
            rows = asked[start : start + size]
            batch = self._batch(histories[rows], users[rows], self._makes_room)
            # Two models compute a loss as well, of no use here: any item will do.
            batch[ITEM] = torch.ones(len(rows), dtype=torch.long, device=self.device)
            if self._left_padded:  # as in training, and in `predict`; RecBole forgets it here
                batch[ITEMS] = batch[INVERSE]
            with contained(0):
                scores = self.module.full_sort_predict(interaction(batch))
            found[rows] = scores.cpu().numpy()[:, self.tables.places]
        return found

    def _batch(
        self, histories: Codes, users: NDArray[np.int32], room: bool = False
    ) -> dict[str, Tensor]:
        """Return what RecBole reads of a batch; `room` leaves the first place empty."""
        latest = last_columns(histories, self.length - room)
        moved, lengths = flush_left(latest)
        if room:
            moved = np.pad(moved, [(0, 0), (1, 0)], constant_values=PAD)
            lengths = lengths + 1
        return {
            ITEMS: self._items(moved),
            INVERSE: self._items(latest),
            LENGTH: self._tensor(lengths),
            USER: self._tensor(self.tables.user_rows(users)),
        }

    def _items(self, codes: Codes) -> Tensor:
        return self._tensor(np.where(codes == PAD, 0, self.tables.places[codes]))

    def _tensor(self, values: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(values).to(self.device)


def _places(masked: Any) -> Tensor:
    """Return which places of a masked batch RecBole takes its mean over, bool [n, most]."""
    found: Tensor = masked["MASK_INDEX"] > 0
    return found


def _check(given: dict[str, Any], rows: int, length: int) -> None:
    """Refuse what RecBole would fail at in words of its inside, or only for some batches."""
    if int(given.get("mask_ratio", 1) * length) < 1:
        raise ValueError("mask_ratio times max_length must be at least 1, an item to mask")
    if "n_facet" in given:
        _check_facets(given, rows)


def _check_facets(given: dict[str, Any], rows: int) -> None:
    """Refuse what the two CPR models refuse without a word: sizes of parts that do not fit."""
    sizes = [int(one) for one in given["reranker_CAN_NUM"].split(",")]
    if max(sizes) > rows:
        raise ValueError(f"reranker_CAN_NUM must be at most {rows}, all there is to rank")
    layers = "num_layers" if "num_layers" in given else "n_layers"
    if given["n_facet_hidden"] > given[layers]:
        raise ValueError(f"n_facet_hidden must be at most {layers}, which is {given[layers]}")
    if given["n_facet_emb"] not in {0, 2}:
        raise ValueError("n_facet_emb must be 0 or 2")
    parts = given["n_facet"] + given["n_facet_context"] + given["n_facet_emb"]
    if (facets := parts + given["n_facet_reranker"] * len(sizes)) != given["n_facet_all"]:
        raise ValueError(
            "n_facet_all must be n_facet + n_facet_context + n_facet_emb + n_facet_reranker times "
            f"the sizes in reranker_CAN_NUM, here {facets}"
        )
