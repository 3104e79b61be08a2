"""
Dataset cards: everything about a dataset that is not code, one TOML file each.

To add a dataset:

1. write ``<name>.toml`` with the fields of `Card` into a package folder that has no code to import;
2. in your package's ``pyproject.toml``, under ``[project.entry-points."recbench.datasets"]``,
   write ``name = "your_package_of_cards:name.toml"`` (no hyphen to the right of the equals sign);
3. ``pip install`` your package: ``recbench data list`` shows it.

The cards of a user's own data (`recbench.data.own`) lie in the cache, as
``own/<name>/card.toml``, and are found by the same functions.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from recbench.data.toml_cards import Inside, Line, NamedCard, inside, read_card, read_cards
from recbench.data.written import TO_BE_FOUND, Written
from recbench.errors import unknown
from recbench.registry import Clash, Registered, listed
from recbench.settings import digest

SHORTEST = 10
"""Characters to which a title may be cut: "unknown" must fit in."""

CARD = "card.toml"
"""The card's name in the folder of a user's own dataset."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


_WRITTEN = ("written", "items_written")


class RawFiles(_Frozen):
    """
    The files of one raw format, relative to their folder.

    Attributes
    ----------
    interactions, items
        The two files; a format may do without the second.
    columns
        What columns are called, where the format leaves that open
        (`recbench.data.readers.columns.Columns`).
    written, items_written
        How the two are written, where the format leaves that open and it is known.
    """

    interactions: str
    items: str | None = None
    columns: dict[str, str] = Field(default={})
    written: Written = TO_BE_FOUND
    items_written: Written = TO_BE_FOUND

    @model_serializer(mode="wrap")
    def _of_what_is_known(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is not: cards from before it could be said keep their fingerprint."""
        fields: dict[str, Any] = dump(self)
        left = {name for name in _WRITTEN if getattr(self, name) == TO_BE_FOUND}
        return {name: value for name, value in fields.items() if name not in left}

    @property
    def options(self) -> dict[str, Any]:
        """What the reader of the format takes besides the files."""
        written = {name: getattr(self, name) for name in _WRITTEN}
        return {**self.columns, **{k: v for k, v in written.items() if v != TO_BE_FOUND}}

    @property
    def files(self) -> list[str]:
        """Those that there are."""
        return [name for name in (self.interactions, self.items) if name is not None]


class InstalledCopy(_Frozen):
    """A copy inside an installed distribution, which is looked into but not imported."""

    kind: Literal["installed"]
    distribution: str
    folder: Inside
    format: str


def _web_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError("expected an address as https://host/file, without user or password")
    if (name := _file_name(url)) in ("", ".", "..") or not name.isprintable():
        raise ValueError("expected an address that ends in the name of a file")
    return url


def _file_name(url: str) -> str:
    return unquote(urlsplit(url).path).rpartition("/")[2]


class WebFile(_Frozen):
    """
    One file on the web.

    Attributes
    ----------
    url
        Of http or https; its last part is the file's name.
    checksum
        As its publisher gives it, ``"md5:..."`` or ``"sha256:..."``. Where there is none, the first
        download's SHA-256 is kept and later ones must be equal to it; of plain http, where
        anybody on the way may put in another file, there must be one.
    """

    url: Annotated[str, AfterValidator(_web_address)]
    checksum: str = Field(default="", pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})?$")

    @property
    def name(self) -> str:
        """The file's name."""
        return _file_name(self.url)

    @model_validator(mode="after")
    def _is_checked(self) -> Self:
        if not self.checksum and urlsplit(self.url).scheme != "https":
            raise ValueError("expected a checksum, since the address is not of https")
        return self


class Folder(_Frozen):
    """A folder of the user's own."""

    kind: Literal["folder"]
    path: str
    format: str


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
    folder: Inside = ""
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
    note: Line = ""

    @property
    def decisive(self) -> "Rules":
        """What of them decides a split: all but the note."""
        return self.model_copy(update={"note": ""})


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
    title_length
        Characters of a title; longer ones are cut (`recbench.data.titles.shortened`). None keeps
        all.
    formats
        Raw format (a key of `recbench.data.readers.READERS`) to its files.
    sources
        Where the data are looked for, in order, if the user names no folder.
    digest
        Of the dataset as published, or as first read (`recbench.data.dataset.Dataset.digest`);
        every source must give it. "" where nobody has measured it yet.
    catalogue_digest
        Of its catalogue alone, likewise.
    rules
        What every protocol goes by.
    protocols
        What single protocols go by instead, field by field (`rules_for`), that of the default
        protocol first (see `default_protocol`). A published protocol must be named here.
    finished
        Whether the data are a finished split: then no protocol can be asked that is not named.
    candidates
        Candidates that each test row of a finished split brings: they are asked, and none drawn.
        None where rows bring none.
    test_rows
        Protocol to test rows of the published data, measured: what a run would take is reckoned by
        them before anybody has had the data.
    known_flaws
        One sentence each.
    """

    title: Line
    description: Line
    licence: Line
    citation: Line
    homepage: Line
    noun: tuple[Line, Line]
    verb: Line
    titles: Literal["film", "plain", "web"]
    title_fixes: dict[str, str] = Field(default={})
    title_length: int | None = Field(default=None, ge=SHORTEST)
    formats: dict[str, RawFiles]
    sources: tuple[
        Annotated[InstalledCopy | Folder | Download, Field(discriminator="kind")], ...
    ] = ()
    digest: str = ""
    catalogue_digest: str = ""
    rules: Rules = Rules()
    protocols: dict[str, Rules] = Field(default={})
    finished: bool = False
    candidates: int | None = Field(default=None, ge=2)
    test_rows: dict[str, int] = Field(default={})
    known_flaws: tuple[Line, ...]

    @model_validator(mode="after")
    def _names_its_own_files(self) -> Self:
        """Refuse files elsewhere on the disk, unless a user has said where they lie."""
        if not self.is_users_own:
            for files in self.formats.values():
                list(map(inside, files.files))
        return self

    @property
    def is_users_own(self) -> bool:
        """Whether a user has added the data, whose files lie where they did then."""
        return bool(self.sources) and all(isinstance(one, Folder) for one in self.sources)

    def rules_for(self, protocol: str) -> Rules:
        """Return what a protocol goes by: what is said of it, and of what is not, `rules`."""
        said = self.protocols.get(protocol, Rules())
        dumped = (part.model_dump(exclude_unset=True) for part in (self.rules, said))
        return Rules.model_validate(
            {name: value for part in dumped for name, value in part.items()}
        )

    def under(self, protocol: str, rules: Rules) -> "Card":
        """Return the card as it would be if a protocol went by these rules of it."""
        return self.model_copy(update={"protocols": {**self.protocols, protocol: rules}})

    def fingerprint(self) -> str:
        """Return a digest of all that decides how the data are prepared."""
        kept = {"titles", "title_fixes", "formats", "digest", "catalogue_digest"}
        if self.title_length is not None:  # cards are older than this field
            kept.add("title_length")
        return digest(self.model_dump(mode="json", include=kept))


def card(name: str, cache: Path | None = None) -> Card:
    """
    Read the card of one dataset, a registered one or one of the user's own.

    Parameters
    ----------
    name
        Of the dataset.
    cache
        The user's cache folder; None to look at registered datasets only.

    Raises
    ------
    UserError
        If no dataset has that name; the message holds the nearest one.
    RecbenchError
        If its card cannot be read.
    """
    places = _places(cache)
    if name not in places:
        raise unknown("dataset", name, places)
    return read_card(places[name], Card)


def ships(name: str) -> bool:
    """Tell whether the card of that name is one of recbench's own."""
    point = listed("datasets").get(name)
    if point is None or isinstance(point, Clash):
        return False
    return point.value.startswith("recbench_datasets:")


def cards(
    report: Callable[[str], None] | None = None, cache: Path | None = None
) -> dict[str, Card]:
    """
    Read every card, registered or the user's own.

    Parameters
    ----------
    report
        Told one line about each card that cannot be read, which is then left out. Without it
        the first such card raises RecbenchError.
    cache
        The user's cache folder; None to look at registered datasets only.

    Returns
    -------
    dict of str to Card
        Sorted by name.
    """
    return read_cards(_places(cache), Card, report)


def own_folder(cache: Path, name: str) -> Path:
    """Return the folder of a user's own dataset, which need not exist."""
    return cache / "own" / name


def _places(cache: Path | None) -> dict[str, Registered | Path]:
    """Return where each card is, by name; a registered name wins over one of the user's own."""
    own = () if cache is None else own_folder(cache, "").glob(f"*/{CARD}")
    places: dict[str, Registered | Path] = {file.parent.name: file for file in own}
    return dict(sorted({**places, **listed("datasets")}.items()))
