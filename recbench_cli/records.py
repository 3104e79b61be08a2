"""Which records a command is about, as its options say."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbench_cli.parsing import names_of

if TYPE_CHECKING:
    from recbench.runs.record import RunRecord
    from recbench.runs.store import Run

Chosen = dict[str, list[Any]]
"""Field of a record to the values that were asked for; one that was not given is left out."""


def protocol_name(name: str | None, **options: str | None) -> str | None:
    """Name the protocol that is asked for, with what is changed; None where none is."""
    from recbench.errors import UserError
    from recbench.questions.protocols import protocol as named

    if name is not None:
        return named(name, **options).name
    if given := [f"--{option}" for option, value in options.items() if value is not None]:
        raise UserError(f"{' and '.join(given)} changes a protocol; name it with --protocol")
    return None


def chosen_records(
    models: list[str] | None,
    datasets: list[str] | None,
    protocol: str | None,
    draws: int | None,
    pack_seed: int | None,
) -> Chosen:
    """Say which records are asked for."""
    chosen = {
        "model": models,
        "dataset": datasets,
        "protocol": None if protocol is None else [protocol],
        "draws": None if draws is None else [draws],
        "pack_seed": None if pack_seed is None else [pack_seed],
    }
    return {field: values for field, values in chosen.items() if values is not None}


def model_names(names: str | None, roots: Sequence[Path]) -> list[str] | None:
    """
    Check names, parted by commas; what is not installed, or no model, may have records alone.

    A plug-in that is known and cannot be had is no mistake: its cells say so, where any are run.
    """
    from recbench.registry import check_known
    from recbench.runs.places import as_folder
    from recbench.runs.store import run_folders

    if names is None:
        return None
    there = {folder.parent.name for root in roots for folder in run_folders(root)}
    wanted = names_of(names, "--models")
    for name in wanted:
        if there.isdisjoint({name, as_folder(name)}):
            check_known("models", name)
    return wanted


def dataset_names(names: str | None, cache: Path, roots: Sequence[Path]) -> list[str] | None:
    """Check names as `model_names`; of own data, in the cache, those removed may have records."""
    from recbench.data.card import card
    from recbench.registry import if_usable

    if names is None:
        return None
    there = {folder.name for root in roots for folder in root.glob("*")}
    wanted = names_of(names, "--datasets")
    for name in wanted:
        if name not in there:
            if_usable(partial(card, name, cache))
    return wanted


def found_runs(
    roots: Sequence[Path],
    chosen: Chosen,
    cache: Path,
    broken: Callable[[str], None],
    none: Callable[[str], None],
) -> "tuple[list[Run], list[Run]]":
    """
    Read the runs that were asked for, and all that they were chosen from.

    `broken` is told of each record that cannot be read, `none` what to do where there is no run.
    """
    from recbench.runs.asked_for import asked_for
    from recbench.runs.store import apart, runs

    there = apart([run for root in roots for run in runs(root, broken, cache)])
    found = asked_for(there, chosen)
    if not found:
        places, why = " or ".join(map(str, roots)), " is what was asked for" if there else ""
        none(f"no finished run below {places}{why}; make one with: recbench run")
    return found, there


def earlier_records(results: Path) -> "list[RunRecord]":
    """Read what earlier runs say of themselves; one that cannot be read says nothing."""
    from recbench.errors import DataError
    from recbench.runs.store import read_record, run_folders

    found = []
    for folder in run_folders(results):
        with suppress(DataError):
            found.append(read_record(folder))
    return found
