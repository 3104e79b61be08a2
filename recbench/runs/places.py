"""Where things lie when the user does not say: the cache and the results."""

import os
from pathlib import Path

from recbench.data.own import check_place
from recbench.errors import UserError

CACHE_VARIABLE = "RECBENCH_CACHE"

TRAININGS = "trainings"
"""Folder of a dataset's trained models, beside those of its protocols."""

LOOKS = "looks"
"""Folder in the cache of what looks at runs have paid for that were not done to their end."""


def cache_folder(given: Path | None = None) -> Path:
    """
    Choose the cache folder, which need not exist.

    Returns
    -------
    Path
        `given`, else the environment variable ``RECBENCH_CACHE``, else the user's cache folder of
        the operating system.

    Raises
    ------
    UserError
        If something that is no folder stands there, or the path is not UTF-8, as records are.
    """
    from platformdirs import user_cache_path

    named = given or os.environ.get(CACHE_VARIABLE)
    chosen = Path(named) if named else user_cache_path("recbench", appauthor=False)
    return _free_for_a_folder(chosen, f"--cache or {CACHE_VARIABLE}")


def as_folder(model: str) -> str:
    """
    Return the name of a model's folders: ``recbole.NARM`` of ``recbole:NARM``.

    No file of Windows may hold a colon in its name: results that are kept in a repository, as those
    here are, could not be checked out there, nor a bundle unpacked.
    """
    return model.replace(":", ".")


def folder_of(parent: Path, model: str) -> Path:
    """Return a model's folder, which need not exist; one of before, with a colon, stays in use."""
    former = parent / model
    return former if former.is_dir() else parent / as_folder(model)


def training_place(results: Path, dataset: str, model: str, training: str) -> Path:
    """Return the folder of a training below a results folder, which need not exist."""
    return folder_of(results / dataset / TRAININGS, model) / training


def results_folder(given: Path | None = None) -> Path:
    """Return `given`, else ``results`` in the current folder; as `cache_folder` otherwise."""
    return _free_for_a_folder(given or Path("results"), "--results")


def _free_for_a_folder(path: Path, option: str) -> Path:
    """Refuse such a place now, not when hours of training are to be written below it."""
    path = path.expanduser()
    check_place(path)
    if path.exists() and not path.is_dir():
        raise UserError(f"{path}: a file stands where a folder belongs; name another by {option}")
    return path
