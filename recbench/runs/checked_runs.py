"""Which runs have been checked, so that a table of many is not worked out again and again."""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

from recbench import __version__
from recbench.atomic_write import atomic_file
from recbench.errors import DataError
from recbench.registry import claims, owner
from recbench.runs.evidence import RECORD, check_run
from recbench.runs.examples import sha256
from recbench.runs.record import FIGURE_VERSION, RunRecord

FILE = "checked-runs.json"

_VERSION = 4
"""Of what is checked; raise it when more is."""


class CheckedRuns:
    """
    The runs that were found to be as they say, by place and digests of their files.

    A disk that loses a byte changes neither size nor time of a file, so that each is read again.

    Another recbench, or other metrics installed, know of none.

    Parameters
    ----------
    cache
        The folder of the file that keeps them; None keeps nothing and checks every run.
    """

    def __init__(self, cache: Path | None) -> None:
        self._file = None if cache is None else cache / FILE
        self._by = [__version__, _VERSION, FIGURE_VERSION, *_metrics()]
        self._known: dict[str, list[str]] = {}
        self._changed = False
        if self._file is not None and self._file.is_file():
            try:
                kept = json.loads(self._file.read_text(encoding="utf-8"))
                self._known = dict(kept["runs"]) if kept["by"] == self._by else {}
            except (ValueError, LookupError, TypeError):  # what cannot be read is made anew
                self._changed = True

    def check(self, folder: Path, record: RunRecord) -> None:
        """Check a run unless it is known; raises as `check_run`."""
        place, now = os.path.abspath(folder), _state(folder)
        if now is None or self._known.get(place) != now:
            check_run(folder, record)
            if now is not None:
                self._known[place], self._changed = now, True

    def write(self) -> None:
        """Keep what was learnt, where that may be written."""
        if self._file is not None and self._changed:
            with suppress(OSError), atomic_file(self._file) as partial:
                text = json.dumps({"by": self._by, "runs": self._known})
                partial.write_text(text, encoding="utf-8")


def _state(folder: Path) -> list[str] | None:
    """Say how a run's files stand; None where one is missing."""
    try:
        text = (folder / RECORD).read_bytes()
        return [sha256(folder), hashlib.sha256(text).hexdigest()]
    except (OSError, DataError):
        return None


def _metrics() -> list[str]:
    points = claims("metrics")
    versions = {owner(one): one.dist.version if one.dist is not None else "" for one in points}
    return [f"{name} {version}" for name, version in sorted(versions.items())]
