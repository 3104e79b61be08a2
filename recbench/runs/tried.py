"""The settings that were tried for a model before its own were chosen, as a search writes them."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recbench.errors import DataError
from recbench.runs.record import RunRecord
from recbench.settings import Settings

SEARCH = "search"
"""Folder of the files of searches, below the results."""

Tried = Mapping[str, Sequence[dict[str, Any]]]
"""Model to the settings that were tried for it, each once."""


def read_tried(file: Path) -> Tried:
    """
    Read the settings that were tried, as ``tools/search.py`` writes them.

    Raises
    ------
    DataError
        For a file without the columns ``model`` and ``settings``, or a line whose settings are no
        JSON object.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            for number, line in enumerate(csv.DictReader(stream, strict=True), start=2):
                model, settings = line["model"], json.loads(line["settings"])
                if not model or not isinstance(settings, dict):
                    raise ValueError(f"line {number} has no model, or settings that are no object")
                of_model = found.setdefault(model, [])
                if settings not in of_model:  # another seed of what was tried before
                    of_model.append(settings)
    except (csv.Error, ValueError, KeyError, TypeError, RecursionError) as error:
        words = " ".join(str(error).split())[:200]
        raise DataError(
            f"{file}: expected the columns model and settings (JSON), as tools/search.py writes "
            f"them, found {ascii(words)[1:-1]}"
        ) from None
    return found


def compared(kind: type[Settings], settings: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what tells settings that were tried from others, whichever version wrote them down.

    Parameters
    ----------
    kind
        Of the model.
    settings
        By name. Those that were added since have their defaults; what only says how something is
        computed is left out.
    """
    whole = kind.completed(settings)
    return {name: value for name, value in whole.items() if name not in kind.runtime}


def trials_of(record: RunRecord, results: Path) -> int | None:
    """
    Count the settings that were tried for a run's model, with its language model.

    Parameters
    ----------
    record
        Of the run.
    results
        The folder with `SEARCH`, whose files are named ``<dataset>-<protocol>*.csv``.

    Returns
    -------
    int or None
        Each setting once, however many seeds it had; None where no file tells of the model: that
        nothing was tried is not known.

    Raises
    ------
    DataError
        As `read_tried`.
    """
    protocol = record.protocol.partition(",")[0]
    files = sorted((results / SEARCH).glob(f"{record.dataset}-{protocol}*.csv"))
    found: list[dict[str, Any]] = []
    for file in files:
        for settings in read_tried(file).get(record.model, []):
            if settings.get("llm") == record.settings.get("llm") and settings not in found:
                found.append(settings)
    return len(found) or None
