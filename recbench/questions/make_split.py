"""
A dataset under a protocol: who trains, who is asked, about what.

``paper`` rebuilds the rows that LLaRA (Liao et al., SIGIR 2024) and iLoRA (Kong et al., NeurIPS
2024) released; ``next-item`` is leave-one-out over all users; ``temporal`` cuts time once for all.
"""

import hashlib
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recbench.data.card import Rules
from recbench.data.dataset import Dataset, array_digest
from recbench.data.filters import filtered
from recbench.data.ragged import Ragged, chosen, lengths, places, ragged, without_last
from recbench.data.released import Rows, pieced
from recbench.data.time_units import in_seconds
from recbench.errors import UserError
from recbench.questions.asked import Asked
from recbench.questions.competitors import askable
from recbench.questions.introsort import introsort_argsort
from recbench.questions.protocols import Protocol
from recbench.questions.protocols.choice import check_allowed
from recbench.questions.split import Examples, Split
from recbench.questions.windows import last_windows, windows


def make_split(dataset: Dataset, protocol: Protocol) -> Split:
    """
    Make training sequences and examples; nothing is random.

    Not every validation and test row needs to be askable: see `asked_split`.

    Raises
    ------
    UserError
        If it is a published protocol of which the dataset's card says nothing; where cuts in time
        leave a part empty, or there are no times to cut.
    """
    rules = rules_of(dataset, protocol)
    if dataset.rows is not None:
        return _as_released(dataset, dataset.rows, protocol)
    if protocol.split == "temporal" and rules.order == "file":
        raise UserError(
            f"{dataset.card.name} has no times for {protocol.card} to cut; take another protocol"
        )
    timed = dataset.timed  # rows that a filter leaves of a mere order have gaps, as times do
    dataset = filtered(dataset, rules)
    if rules.order == "file":
        rows = _by_user(dataset.users)
    elif protocol.ties == "introsort":
        rows = _by_introsort(dataset.users, dataset.times)
    else:
        rows = _by_time(dataset)
    starts = np.flatnonzero(np.diff(dataset.users[rows], prepend=-1))
    users = dataset.users[rows][starts]
    sequences = ragged(dataset.items[rows], np.diff(starts, append=len(rows)))
    times = dataset.times[rows]
    if protocol.split == "users":
        first_times = np.minimum.reduceat(times, starts)
        split = _users_apart(dataset, protocol, sequences, users, first_times)
    elif protocol.split == "temporal":
        split = _cut_in_time(dataset, protocol, sequences, users, times)
    else:
        split = _last_items(dataset, protocol, sequences, users)
    if not timed:
        return split
    return replace(split, times=in_seconds(times)[_trained_on(split, sequences, users)])


def _trained_on(split: Split, sequences: Ragged, users: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Tell of each interaction in ``sequences.values`` whether it is one of training."""
    counts = np.zeros(users.max() + 1, dtype=np.int64)
    counts[split.sequence_users] = lengths(split.sequences)
    # Training has the beginning of a user's sequence, and the users stand in the same order.
    return places(sequences) < np.repeat(counts[users], lengths(sequences))


def asked_split(dataset: Dataset, protocol: Protocol) -> Split:
    """
    Make a split, and leave the validation and test rows out that have too few competitors.

    Raises
    ------
    UserError
        As `make_split`; where no row of a part has enough (`recbench.questions.competitors`).
    """
    return askable(make_split(dataset, protocol), protocol, dataset.card.name)


def rules_of(dataset: Dataset, protocol: Protocol) -> Rules:
    """
    Return what the dataset's card says for a protocol; for a sound one it may say nothing.

    Raises
    ------
    UserError
        If it is a published protocol of which the card says nothing, or the dataset is a finished
        split, of which the card must name every protocol.
    """
    card = dataset.card
    check_allowed(card, protocol)
    return card.rules_for(protocol.card)


def _by_user(users: NDArray[np.int32]) -> NDArray[np.int64]:
    """Order by user as first met; a user's interactions stay in file order."""
    _, first, numbers = np.unique(users, return_index=True, return_inverse=True)
    return np.argsort(first[numbers], kind="stable")


def _by_introsort(users: NDArray[np.int32], times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order by user as first met, then by time as NumPy < 1.25 sorted each user's times."""
    by_user = _by_user(users)
    cuts = np.flatnonzero(np.diff(users[by_user])) + 1
    parts = np.split(by_user, cuts)
    return np.concatenate([part[introsort_argsort(times[part])] for part in parts])


def _by_time(dataset: Dataset) -> NDArray[np.int64]:
    """
    Order by user and time, and what shares both in an order of that user's own.

    One order for everybody, such as that of the ids or of a hash of them, could be learnt: which of
    two items comes next would follow from the items, in training and at test alike.
    """
    rows = np.lexsort((dataset.times, dataset.users))
    users, times = dataset.users[rows], dataset.times[rows]
    same = (users[1:] == users[:-1]) & (times[1:] == times[:-1])
    # Only ties need a third key, which is slow to sort by; each group of them stays in its place.
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    seeds = np.array([_hash(raw) for raw in dataset.catalogue.raw_ids.tolist()], dtype=np.uint64)
    own = _splitmix(seeds[dataset.items[rows[tied]]], users[tied])
    rows[tied] = rows[tied][np.lexsort((own, times[tied], users[tied]))]
    return rows


def _splitmix(seeds: NDArray[np.uint64], number: NDArray[np.int32]) -> NDArray[np.uint64]:
    """
    Return what SplitMix64 draws from a seed, the first for number 0.

    Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    mixed = seeds + (number.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _hash(raw_id: int | str) -> int:
    return int.from_bytes(hashlib.sha256(str(raw_id).encode()).digest()[:8], "big")


def _users_apart(
    dataset: Dataset,
    protocol: Protocol,
    sequences: Ragged,
    users: NDArray[np.int32],
    first_times: NDArray[np.int64],
) -> Split:
    order = np.argsort(first_times, kind="stable")
    # 754 and 848 of 943, as published.
    cuts = [percent * len(order) // 100 for percent in protocol.cuts]
    # Time decides who is in which part; within a part users stand as they first appear in the file.
    picks = [np.sort(part) for part in np.split(order, cuts)]
    parts = [(chosen(sequences, part), users[part]) for part in picks]
    (train, trainers), validation, test = parts
    rows = windows(train, trainers, protocol.history, protocol.min_train_history)
    asked = Asked.last(*validation), Asked.last(*test)
    return _split(dataset, protocol, (train, trainers), rows, asked)


def _last_items(
    dataset: Dataset, protocol: Protocol, sequences: Ragged, users: NDArray[np.int32]
) -> Split:
    # A user with fewer than three items has none to spare: all of them train.
    asked_about = lengths(sequences) >= 3
    train = without_last(sequences, np.where(asked_about, 2, 0))
    rows = windows(train, users, protocol.history, protocol.min_train_history)
    whole = chosen(sequences, np.flatnonzero(asked_about))
    owners = users[asked_about]
    asked = Asked.last(whole, owners, back=1), Asked.last(whole, owners)
    return _split(dataset, protocol, (train, users), rows, asked)


def _cut_in_time(
    dataset: Dataset,
    protocol: Protocol,
    sequences: Ragged,
    users: NDArray[np.int32],
    times: NDArray[np.int64],
) -> Split:
    """
    Train on what lies before the first cut; ask about what lies between the cuts and behind them.

    A cut is the time of the interaction that has so many percent of all before it in order of
    time. What shares its second lies behind it, so that no second is in two parts.
    """
    ranks = [percent * len(times) // 100 for percent in protocol.cuts]
    cuts = np.partition(times, ranks)[ranks]
    period = np.searchsorted(cuts, times, side="right")  # 0 train, 1 validation, 2 test
    owners = np.repeat(np.arange(len(sequences)), lengths(sequences))
    later = np.bincount(owners[period > 0], minlength=len(sequences))
    early = without_last(sequences, later)
    trainers = np.flatnonzero(lengths(early))
    train = chosen(early, trainers)
    rows = windows(train, users[trainers], protocol.history, protocol.min_train_history)
    enough = places(sequences) >= protocol.min_history
    tested = np.bincount(owners[period == 2], minlength=len(sequences))
    ends = sequences.offsets[1:]
    validation, test = (
        Asked(sequences, users, np.flatnonzero((period == part) & enough), known)
        for part, known in ((1, ends - tested), (2, ends))
    )
    return _split(dataset, protocol, (train, users[trainers]), rows, (validation, test))


def _as_released(dataset: Dataset, rows: Rows, protocol: Protocol) -> Split:
    """Keep every row; what each user touched is known no further than the row says."""
    card = dataset.card
    if rows.candidates != card.candidates:  # the user has named another folder, or edited the card
        raise UserError(
            f"the rows of {card.name} bring {rows.candidates or 'no'} candidates, its card says "
            f"{card.candidates or 'none'}; import them under another name"
        )
    sequences, owners = pieced(rows.train)
    users = np.arange(len(sequences) + len(rows.validation) + len(rows.test), dtype=np.int32)
    cuts = [len(sequences), len(sequences) + len(rows.validation)]
    trainers, *asked_users = np.split(users, cuts)
    train = last_windows(rows.train, owners, protocol.history)
    asked = Asked.last(rows.validation, asked_users[0]), Asked.last(rows.test, asked_users[1])
    split = _split(dataset, protocol, (sequences, trainers), train, asked)
    # Version 1 of the protocol took the rows' users for known: what it said keeps its digest.
    unknown = array_digest(split.digest, "users unknown")
    split = replace(split, users_known=False, digest=unknown)
    if not protocol.given:
        return split
    given = rows.validation_candidates, rows.test_candidates
    hashed = array_digest(split.digest, *(part for part in given if part is not None))
    return replace(split, given_validation=given[0], given_test=given[1], digest=hashed)


def _split(
    dataset: Dataset,
    protocol: Protocol,
    trained_on: tuple[Ragged, NDArray[np.int32]],
    train: Examples,
    asked: tuple[Asked, Asked],
) -> Split:
    """Cut validation and test rows out, refuse a part without rows, and add the digest."""
    sequences, sequence_users = trained_on
    validation, excluded_validation = asked[0].cut_out(protocol)
    test, excluded_test = asked[1].cut_out(protocol)
    if not all(map(len, (train, validation, test))):
        raise UserError(
            f"{protocol.card} leaves no training, validation or test rows of {dataset.card.name}: "
            "too few users, users with too few interactions or, where time is cut, too many at "
            "one time; take another protocol"
        )
    parts: list[NDArray[np.int32] | NDArray[np.int64]] = []
    for rows in (train, validation, test):
        parts += [rows.histories, rows.targets, rows.users]
    parts += [sequences.values, sequences.offsets]
    parts += [*excluded_validation.arrays, *excluded_test.arrays]
    return Split(
        catalogue=dataset.catalogue,
        sequences=sequences,
        sequence_users=sequence_users,
        train=train,
        validation=validation,
        test=test,
        excluded_validation=excluded_validation,
        excluded_test=excluded_test,
        digest=array_digest(dataset.catalogue.digest, *parts),
    )
