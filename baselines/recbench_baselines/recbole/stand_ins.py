"""What RecBole's models are given in the place of its configuration and its dataset."""

import io
import random
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

USER, ITEM, NEGATIVE = "user_id", "item_id", "neg_item_id"
ITEMS, LENGTH, INVERSE = "item_id_list", "item_length", "Inverse_item_id_list"
"""RecBole's names for what a batch holds."""


class Configuration(dict[str, Any]):
    """RecBole's configuration: what it has not is None, and no attribute."""

    def __missing__(self, key: str) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        """Return what it has: RecBole asks by `hasattr` whether ``ft_ratio`` is there."""
        if name not in self:
            raise AttributeError(name)
        return self[name]


def configuration(hyperparameters: dict[str, Any], length: int, batch: int, device: str) -> Any:
    """Return what a model reads: hyper-parameters, sizes, names of a batch's parts, the device."""
    return Configuration(
        hyperparameters,
        USER_ID_FIELD=USER,
        ITEM_ID_FIELD=ITEM,
        LIST_SUFFIX="_list",
        ITEM_LIST_LENGTH_FIELD=LENGTH,
        NEG_PREFIX="neg_",
        INVERSE_ITEM_SEQ=INVERSE,
        MAX_ITEM_LIST_LENGTH=length,
        train_batch_size=batch,
        device=torch.device(device),
    )


@dataclass(frozen=True)
class Sizes:
    """
    The parts of RecBole's dataset that its models look at.

    Attributes
    ----------
    item_num, user_num
        Rows of its tables, the padding's included.
    length
        Most items of a history.
    """

    item_num: int
    user_num: int
    length: int

    def num(self, field: str) -> int:
        """Return how many values a field has."""
        return self.user_num if field == USER else self.item_num

    @property
    def field2seqlen(self) -> dict[str, int]:
        """Return the length of the one field that is a sequence."""
        return {ITEMS: self.length}

    @cached_property
    def inter_feat(self) -> dict[str, Tensor]:
        """
        Return one row an item, which FEARec draws from for its contrastive losses.

        They are off, as in RecBole's property file, and what is drawn is thrown away.
        """
        return {
            ITEM: torch.arange(self.item_num),
            ITEMS: torch.zeros(self.item_num, self.length, dtype=torch.long),
            LENGTH: torch.ones(self.item_num, dtype=torch.long),
        }


def another_item(known: list[int], rows: int) -> int:
    """
    Draw an item that is not among some, as RecBole does, whose own way has no end where none is.

    Parameters
    ----------
    known
        Rows of the table of items; 0 is its padding.
    rows
        Of the table.

    Returns
    -------
    int
        1 to `rows` - 1; 0 where all of them are known.
    """
    if rows - 1 <= len(known) and len({*known} - {0}) == rows - 1:
        return 0
    while (item := random.randint(1, rows - 1)) in known:
        pass
    return item


@contextmanager
def contained(seed: int) -> Iterator[None]:
    """
    Let code run that draws from the global streams of Python and NumPy, and prints.

    Inside, both streams are seeded; afterwards they are as before. What is printed is dropped.
    """
    python, numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
