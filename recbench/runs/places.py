"""Where things lie when the user does not say: the cache and the results."""

import os
from pathlib import Path

CACHE_VARIABLE = "RECBENCH_CACHE"


def cache_folder(given: Path | None = None) -> Path:
    """
    Choose the cache folder, which need not exist.

    Returns
    -------
    Path
        `given`, else the environment variable ``RECBENCH_CACHE``, else the user's cache folder of
        the operating system.
    """
    from platformdirs import user_cache_path

    if given is not None:
        return given.expanduser()
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser() if named else user_cache_path("recbench", appauthor=False)


def results_folder(given: Path | None = None) -> Path:
    """Return `given`, else ``results`` in the current folder; it need not exist."""
    return Path("results") if given is None else given.expanduser()
