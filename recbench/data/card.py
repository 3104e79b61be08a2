"""
Dataset cards: everything about a dataset that is not code, one TOML file each.

To add a dataset:

1. write ``<name>.toml`` with the fields of `Card` into a package folder that has no code to import;
2. in your package's ``pyproject.toml``, under ``[project.entry-points."recbench.datasets"]``,
   write ``name = "your_package_of_cards:name.toml"``;
3. ``pip install`` your package: ``recbench data list`` shows it.
"""

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field

from recbench.data.toml_cards import NamedCard, read_card, read_cards
from recbench.registry import find, listed
from recbench.settings import digest


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RawFiles(_Frozen):
    """The two files of one raw format, relative to their folder."""

    interactions: str
    items: str


class InstalledCopy(_Frozen):
    """A copy inside an installed distribution, which is looked into but not imported."""

    kind: Literal["installed"]
    distribution: str
    folder: str
    format: str


class WebFile(_Frozen):
    """
    One file on the web.

    Attributes
    ----------
    url
        Its last part is the file's name.
    checksum
        As its publisher gives it, ``"md5:..."`` or ``"sha256:..."``. Where there is none, the first
        download's SHA-256 is kept and later ones must be equal to it.
    """

    url: str
    checksum: str = Field(default="", pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})?$")

    @property
    def name(self) -> str:
        """The file's name."""
        return PurePosixPath(unquote(urlsplit(self.url).path)).name


class Download(_Frozen):
    """
    Raw files on the web, as they are or in one zip archive.

    Attributes
    ----------
    files
        An archive that holds both raw files, or the two files themselves.
    folder
        Inside the archive; "" is its top.
    format
        Of the raw files.
    """

    kind: Literal["download"]
    files: tuple[WebFile, ...] = Field(min_length=1)
    folder: str = ""
    format: str


class Rules(_Frozen):
    """
    What a protocol needs to know of this dataset.

    Attributes
    ----------
    skip_rows
        Interactions lost at the top of the file.
    min_rating
        Interactions rated lower are left out; None keeps all.
    pairs
        Of the interactions of one user with one item all are kept, the ``"first"`` in the file or
        the ``"earliest"`` in time.
    min_per_item, min_per_user
        Items, then users, with fewer interactions are left out.
    catalogue
        ``"kept"`` leaves out the items that have no interaction by then.
    order
        Of a user's sequence: ``"time"``, or that of the ``"file"``.
    note
        What a reader must know.
    """

    skip_rows: int = Field(default=0, ge=0)
    min_rating: float | None = None
    pairs: Literal["all", "first", "earliest"] = "all"
    min_per_item: int = Field(default=1, ge=1)
    min_per_user: int = Field(default=1, ge=1)
    catalogue: Literal["all", "kept"] = "all"
    order: Literal["time", "file"] = "time"
    note: str = ""


class Card(NamedCard):
    """
    One dataset.

    Attributes
    ----------
    name, title, description
        Short name of the command line, name of papers, one line.
    licence, citation, homepage
        Of the data.
    noun
        What one item is called in a prompt, singular and plural.
    verb
        What a user did with an item, in the past tense.
    titles
        How raw titles are repaired (`recbench.data.titles`).
    title_fixes
        Raw title to what it should have been, for misspellings of one source.
    formats
        Raw format (a key of `recbench.data.readers.READERS`) to its two files.
    sources
        Where the data are looked for, in order, if the user names no folder.
    digest
        Of the dataset as published (`recbench.data.dataset.Dataset.digest`); every source must
        give it. "" where nobody has measured it yet.
    catalogue_digest
        Of its catalogue alone, likewise.
    rules
        What every protocol goes by that `protocols` does not name.
    protocols
        Rules of single protocols, in place of `rules`. A published protocol must be named here.
    known_flaws
        One sentence each.
    """

    title: str
    description: str
    licence: str
    citation: str
    homepage: str
    noun: tuple[str, str]
    verb: str
    titles: Literal["film", "plain"]
    title_fixes: dict[str, str] = Field(default={})
    formats: dict[str, RawFiles]
    sources: tuple[InstalledCopy | Download, ...]
    digest: str = ""
    catalogue_digest: str = ""
    rules: Rules = Rules()
    protocols: dict[str, Rules] = Field(default={})
    known_flaws: tuple[str, ...]

    def fingerprint(self) -> str:
        """Return a digest of all that decides how the data are prepared."""
        kept = {"titles", "title_fixes", "formats", "digest", "catalogue_digest"}
        return digest(self.model_dump(mode="json", include=kept))


def card(name: str) -> Card:
    """
    Read the card of one dataset.

    Raises
    ------
    UserError
        If no dataset has that name; the message holds the nearest one.
    RecbenchError
        If its card cannot be read.
    """
    return read_card(find("datasets", name), Card)


def cards(report: Callable[[str], None] | None = None) -> dict[str, Card]:
    """
    Read every card.

    Parameters
    ----------
    report
        Told one line about each card that cannot be read, which is then left out. Without it
        the first such card raises RecbenchError.

    Returns
    -------
    dict of str to Card
        Sorted by name.
    """
    return read_cards(listed("datasets"), Card, report)
