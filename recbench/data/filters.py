"""Which interactions of a dataset a protocol uses, by the rules of its card."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recbench.data.card import Rules
from recbench.data.catalogue import Catalogue, make_catalogue
from recbench.data.dataset import Dataset
from recbench.errors import UserError


def filtered(dataset: Dataset, rules: Rules) -> Dataset:
    """
    Return the dataset as a protocol sees it.

    The rules act in the order in which `Rules` lists them, each once. Interactions keep their
    order, users their numbers, and the digest stays that of the whole dataset.

    Raises
    ------
    UserError
        If nothing is left.
    """
    rows = _kept(dataset, rules)
    if not len(rows):
        raise UserError(f"the rules of {dataset.card.name} leave no interaction of these data")
    if len(rows) < len(dataset):
        dataset = replace(
            dataset,
            users=dataset.users[rows],
            items=dataset.items[rows],
            ratings=None if dataset.ratings is None else dataset.ratings[rows],
            times=dataset.times[rows],
        )
    return _without_untouched(dataset) if rules.catalogue == "kept" else dataset


def _kept(dataset: Dataset, rules: Rules) -> NDArray[np.int64]:
    """Return the kept interactions, in file order."""
    rows = np.arange(rules.skip_rows, len(dataset))
    if rules.min_rating is not None:
        if dataset.ratings is None:
            raise UserError(f"{dataset.card.name} has no ratings, so none can be too low")
        rows = rows[dataset.ratings[rows] >= rules.min_rating]
    if rules.pairs != "all":
        rows = rows[_one_a_pair(dataset, rows, by_time=rules.pairs == "earliest")]
    for codes, least in (
        (dataset.items, rules.min_per_item),
        (dataset.users, rules.min_per_user),
    ):
        if least > 1:
            rows = rows[_frequent(codes[rows], least)]
    return rows


def _one_a_pair(dataset: Dataset, rows: NDArray[np.int64], by_time: bool) -> NDArray[np.int64]:
    """Return where each pair of user and item stands first; of equal times the file's first."""
    pairs = dataset.users[rows].astype(np.int64) << 32 | dataset.items[rows]
    order = np.argsort(dataset.times[rows], kind="stable") if by_time else np.arange(len(rows))
    _, first = np.unique(pairs[order], return_index=True)
    return np.sort(order[first])


def _frequent(codes: NDArray[np.int32], least: int) -> NDArray[np.bool_]:
    return np.bincount(codes)[codes] >= least


def _without_untouched(dataset: Dataset) -> Dataset:
    """Leave out of the catalogue what no interaction names."""
    touched, items = np.unique(dataset.items, return_inverse=True)
    whole = dataset.catalogue
    titles = [whole.titles[i] for i in touched.tolist()]
    catalogue: Catalogue = make_catalogue(whole.raw_ids[touched], titles)
    return replace(dataset, catalogue=catalogue, items=items.astype(np.int32))
