"""
What a bundle holds, member by member.

A run lies in ``results/<dataset>/<protocol>/<model>/<run id>/`` as on disk; beside the record of
one whose answers came from outside, the file of them (``answers``) and what is said of it
(``about.toml``). ``search.csv`` holds the settings that were tried. ``manifest.json`` names every
other member with its SHA-256, and the command that makes each run again.
"""

import json
from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

from recbench.runs.command import command
from recbench.runs.evidence import RECORD
from recbench.runs.examples import EXAMPLES
from recbench.runs.record import RunRecord

MANIFEST, SEARCH = "manifest.json", "search.csv"
RESULTS, ANSWERS, ABOUT = "results", "answers", "about.toml"

VERSION: Literal[1] = 1
"""Of bundles."""

ANEW = "anew"
"""Folder of results that the commands of a bundle write into."""

Division = Literal["open", "closed"]


class Manifest(BaseModel):
    """
    The table of contents.

    Attributes
    ----------
    format, version
        Of bundles.
    division
        In which the runs are submitted, see `recbench.submission.division`.
    runs
        Folder of each run to the command that makes it again, in the folder of the bundle, below
        `ANEW`.
    files
        Every other member to its SHA-256.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["recbench bundle"] = "recbench bundle"
    version: Literal[1] = VERSION
    division: Division
    runs: dict[str, str]
    files: dict[str, str]

    @classmethod
    def of(
        cls, records: Iterable[RunRecord], division: Division, files: dict[str, str]
    ) -> "Manifest":
        """Write the contents of a bundle."""
        runs = {place_of(record): command_of(record) for record in records}
        return cls(
            division=division,
            runs=dict(sorted(runs.items())),
            files=dict(sorted(files.items())),
        )

    @property
    def text(self) -> str:
        """The manifest as it is written."""
        return json.dumps(self.model_dump(), indent=2, ensure_ascii=False) + "\n"


def place_of(record: RunRecord) -> str:
    """Return the folder of a run in a bundle."""
    return "/".join([RESULTS, *record.place])


def command_of(record: RunRecord) -> str:
    """Return the command that makes a run again, in a folder of its own: it would else be found."""
    return f"{former_command_of(record)} --results {ANEW}"


def former_command_of(record: RunRecord) -> str:
    """Return the command that bundles of before have."""
    place = place_of(record)
    return command(record, f"{place}/{ANSWERS}", f"{place}/{ABOUT}")


def members_of(record: RunRecord) -> dict[str, str]:
    """Return what a run brings, by the names that its own folder has for them."""
    from_outside = (ANSWERS, ABOUT) if record.kind == "external" else ()
    place = place_of(record)
    return {name: f"{place}/{name}" for name in (RECORD, EXAMPLES, *from_outside)}


def about_text(record: RunRecord) -> str:
    """Write what the maker says of answers from outside, as ``--about`` reads it (TOML)."""
    outside = record.outside
    assert outside is not None  # nobody asks of another
    said = {name: value for name, value in outside.about if value}
    words = said | {"seed": record.seed, "random_training": record.random_training}
    # What JSON writes of one line of text, a whole number or a truth is TOML.
    return "".join(f"{k} = {json.dumps(v, ensure_ascii=False)}\n" for k, v in words.items())
