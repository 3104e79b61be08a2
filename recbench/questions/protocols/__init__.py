"""
Protocols: how a dataset becomes questions. One TOML card a protocol; the code acts on its fields.

``paper`` asks the questions of the LLaRA and iLoRA releases (Liao et al., SIGIR 2024; Kong et
al., NeurIPS 2024); ``next-item`` is the usual leave-one-out (He et al., WWW 2017; Kang and
McAuley, ICDM 2018); ``temporal`` is one cut in time for all, which leaks nothing (Meng et al.,
RecSys 2020; Ji et al., ACM TOIS 41(3), 2023).

To add a protocol:

1. write ``<name>.toml`` with the fields of `Protocol` into a package folder;
2. in your package's ``pyproject.toml``, under ``[project.entry-points."recbench.protocols"]``,
   write ``name = "your_package.folder:name.toml"``;
3. ``pip install`` your package: ``recbench protocols list`` shows it.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from recbench.data.toml_cards import Line, NamedCard, read_card, read_cards
from recbench.errors import UserError, unknown
from recbench.registry import find, listed
from recbench.settings import digest

OPTIONS = {
    "candidates": "a number from 2 to 32767, or all",
    "negatives": "uniform, popular or given",
    "history": "a number from 1 to 1000",
}
"""What a user may change of any protocol, and what it may be."""


class Protocol(NamedCard):
    """
    One way to ask.

    Attributes
    ----------
    name
        Of the command line: the card's, and behind it what was changed, for example
        ``next-item,candidates=30``.
    summary
        Who trains and who is asked, in one line.
    why, limits
        Why it asks so, and what it cannot show: one sentence each.
    version
        How often its card has changed what is asked, counted from 1; see `label`.
    published
        Whether it asks published questions: then only of datasets whose card says how.
    split
        ``"users"``: users apart by their first interaction; ``"last-items"``: every user's last
        item is a test target, the one before a validation target; ``"temporal"``: interactions
        apart by their time; ``"released"``: as the rows of a finished split say, of which all are
        kept. Under each of them rows are left out that have too few competitors
        (`recbench.questions.competitors`).
    cuts
        Where validation and test begin, in percent of the users or of the interactions.
    ties
        What orders a user's interactions of one second: ``"introsort"`` (where NumPy before 1.25
        left them), ``"shuffled"`` (an order of that user's own, by a hash of user and item) or
        ``"released"`` (nothing: the rows are in order).
    history
        Items of a history at most.
    min_history
        Validation and test rows with fewer interactions of the user before them are left out, where
        interactions are cut by time; the other splits have one row a user.
    min_train_history
        Training rows with fewer history items are left out.
    candidates
        Items to choose from, the target included; ``"all"`` ranks the whole catalogue.
    negatives
        ``"uniform"``; ``"popular"``: in proportion to training counts, see
        `recbench.questions.negatives`; or ``"given"``: none are drawn, the rows of a finished split
        bring their candidates.
    exclude
        What is never a negative: ``"history"`` (the visible one), ``"earlier"`` (all that the user
        touched before the target, on whichever side of a cut) or ``"user"`` (all the user ever
        touched, at validation save what is asked at test); the target itself stays.
    distinct_titles
        Whether the candidates that are drawn for a row all have different titles.
    """

    summary: Line
    why: tuple[Line, ...] = ()
    limits: tuple[Line, ...] = ()
    version: int = Field(default=1, ge=1)
    published: bool = False
    split: Literal["users", "last-items", "temporal", "released"]
    cuts: tuple[int, int] = (80, 90)
    ties: Literal["introsort", "shuffled", "released"]
    history: int = Field(ge=1, le=1000)
    min_history: int = Field(default=0, ge=0)
    min_train_history: int = Field(ge=0)
    candidates: Annotated[int, Field(ge=2, le=32767)] | Literal["all"]
    negatives: Literal["uniform", "popular", "given"] = "uniform"
    exclude: Literal["history", "earlier", "user"]
    distinct_titles: bool

    @model_validator(mode="after")
    def _draws_or_ranks_all(self) -> Self:
        if self.full and self.negatives != "uniform":
            raise ValueError(
                f"candidates = all ranks every item, so no {self.negatives} negatives are shown"
            )
        return self

    @property
    def full(self) -> bool:
        """Whether all items are ranked and none are drawn."""
        return self.candidates == "all"

    @property
    def given(self) -> bool:
        """Whether the rows bring their candidates, so that there is one draw of each."""
        return self.negatives == "given"

    @property
    def drawn(self) -> int:
        """Negatives that stand beside each target; UserError where all items are ranked."""
        if self.candidates == "all":
            raise UserError(
                f"under {self.name} every item is ranked and none are drawn; "
                f"give --candidates N, for example 20, or as many as the rows bring"
            )
        return self.candidates - 1

    @property
    def card(self) -> str:
        """Name of its card: `name` without what was changed."""
        return self.name.partition(",")[0]

    @property
    def label(self) -> str:
        """
        Its name for tables: with the card's version behind its name, unless that is the first.

        ``temporal v2,candidates=all``; the command line and the folders go by `name`.
        """
        return label(self.name, self.version)

    @property
    def digest(self) -> str:
        """
        SHA-256 over everything that changes questions.

        A field that has its default is left out, so that a new field with a default that means
        what was done before changes no digest.
        """
        words = {"name", "summary", "why", "limits", "published"}
        return digest(self.model_dump(mode="json", exclude=words, exclude_defaults=True))


def label(name: str, version: int) -> str:
    """Name a protocol for tables, see `Protocol.label`."""
    card, comma, changes = name.partition(",")
    return f"{card} v{version}{comma}{changes}" if version > 1 else name


def protocol(name: str, **options: Any) -> Protocol:
    """
    Return a protocol, changed as its name and the options say.

    Parameters
    ----------
    name
        Of its card, with changes behind it or without: ``next-item,candidates=30``.
    **options
        Values of `OPTIONS`, which the name may say too; None changes nothing.

    Returns
    -------
    Protocol
        Named after its card and those options that differ from it, in the order of `OPTIONS`.

    Raises
    ------
    UserError
        For an unknown name or option (with the nearest one), one that the name gives twice or that
        is another beside it, or a value out of range.
    RecbenchError
        If its card cannot be read.
    """
    card_name, *changes = name.split(",")
    original = read_card(find("protocols", card_name.strip()), Protocol)
    named: dict[str, str] = {}
    for option, value in map(_change, changes):
        if option in named:
            raise UserError(
                f"protocol {name}: {option} is given twice: {named[option]} and {value}"
            )
        named[option] = value
    wanted = named | {k: v for k, v in options.items() if v is not None}
    for option in wanted:
        if option not in OPTIONS:
            raise unknown("option of a protocol", option, OPTIONS)
        if option in named and str(wanted[option]) != named[option]:
            raise UserError(
                f"protocol {name} and --{option} {wanted[option]} ask two things: give one of them"
            )
    try:
        made = Protocol.model_validate(original.model_dump() | wanted)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # what holds between several of them
            raise UserError(f"protocol {name}: {first['ctx']['error']}") from None
        option = str(first["loc"][0])
        raise UserError(f"{option} must be {OPTIONS[option]}, not {wanted[option]!r}") from None
    values = {option: getattr(made, option) for option in OPTIONS}
    shown = [f"{k}={value}" for k, value in values.items() if value != getattr(original, k)]
    return made.model_copy(update={"name": ",".join([original.name, *shown])})


def protocols(report: Callable[[str], None] | None = None) -> dict[str, Protocol]:
    """Read the card of every protocol, sorted by name; see `read_cards` for `report`."""
    return read_cards(listed("protocols"), Protocol, report)


def _change(text: str) -> tuple[str, str]:
    option, _, value = text.partition("=")
    return option.strip(), value.strip()
