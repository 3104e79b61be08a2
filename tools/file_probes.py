"""What `tools/readers.py` tries of each kind of file, topic by topic."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from file_kinds import Case, Number, Row

from recbench.data.dataset import Dataset


@dataclass(frozen=True)
class Probe:
    """
    One column of a table.

    Attributes
    ----------
    name
        What is tried.
    case
        The files.
    right
        Whether what was read is what was meant.
    options
        Of `written_by`, for where the files alone do not say enough.
    of
        The families of files that can be so.
    """

    name: str
    case: Case
    right: Callable[[Dataset], bool]
    options: Mapping[str, str] = field(default_factory=dict)
    of: str = "text json parquet atomic split presplit"


def items_are(*ids: Any) -> Callable[[Dataset], bool]:
    """Tell whether the catalogue has these ids, of this type."""
    return lambda made: set(map(repr, made.catalogue.raw_ids.tolist())) == set(map(repr, ids))


def times_are(*times: int) -> Callable[[Dataset], bool]:
    """Tell whether these are the times."""
    return lambda made: made.timed and made.times.tolist() == list(times)


def ratings_are(*ratings: float) -> Callable[[Dataset], bool]:
    """Tell whether these are the ratings."""
    return lambda made: made.ratings is not None and made.ratings.tolist() == list(ratings)


def titles_are(*titles: str) -> Callable[[Dataset], bool]:
    """Tell whether the catalogue has these titles."""
    return lambda made: sorted(made.catalogue.titles) == sorted(titles)


USERS, ITEMS = ("ann", "bob"), ("lamp", "dish")


def events(items: tuple[Any, Any] = ITEMS, **columns: tuple[Any, Any]) -> tuple[Row, ...]:
    """Make two interactions."""
    columns = {"user": USERS, "item": items, **columns}
    return tuple(
        dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
    )


def goods(items: tuple[Any, Any] = ITEMS, **columns: tuple[Any, Any]) -> tuple[Row, ...]:
    """Make the two items."""
    return tuple(
        {name: value for name, value in row.items() if name != "user"}
        for row in events(items, **columns)
    )


LISTED = goods(title=("Lämp", "Dish"))
PLAIN = Case(events(), goods(title=("Lamp", "Dish")))
UMLAUT = Case(events(), LISTED)
SOUND, UMLAUT_SOUND = titles_are("Lamp", "Dish"), titles_are("Lämp", "Dish")


def separators() -> Iterator[Probe]:
    """Try what stands between fields."""
    names = {",": "comma", "\t": "tab", ";": "semicolon", "|": "pipe", " ": "space"}
    names["   "] = "many spaces"
    for separator in (",", "\t", ";", "|", "::", " ", "   ", "^", "<>"):
        name = names.get(separator, f"`{separator}`")
        case = replace(PLAIN, separator=separator)
        named = "spaces" if separator == "   " else separator
        yield Probe(name, case, SOUND, {"separator": named}, of="text atomic")


def encodings() -> Iterator[Probe]:
    """Try how characters are written."""
    for name, encoding in (
        ("UTF-8", "utf-8"),
        ("with a mark", "utf-8-sig"),
        ("UTF-16 with a mark", "utf-16"),
        ("UTF-16 without", "utf-16-le"),
        ("Latin-1", "latin-1"),
        ("code page 1252", "cp1252"),
    ):
        case = replace(UMLAUT, encoding=encoding)
        yield Probe(
            name, case, UMLAUT_SOUND, {"encoding": encoding}, "text json atomic split presplit"
        )
    packed = replace(UMLAUT, packed=True)
    yield Probe("gzipped", packed, UMLAUT_SOUND, of="text json parquet atomic split presplit")


def lines() -> Iterator[Probe]:
    """Try how lines are written."""
    of = "text json atomic split presplit"
    yield Probe("line ends `\\r\\n`", replace(PLAIN, line_end="\r\n"), SOUND, of=of)
    yield Probe("blank last lines", replace(PLAIN, end="\n  \r\n\n"), SOUND, of=of)
    yield Probe("blank line between", replace(PLAIN, between="\n"), SOUND, of=of)
    named = {"columns": "user,item", "item_columns": "item,title"}
    yield Probe("no line of names", replace(PLAIN, header=False), SOUND, named, "text atomic")
    excel = Case(events(), PLAIN.goods, above="sep={}")
    yield Probe("first line `sep=;`", excel, SOUND, of="text")
    odd = goods(title=('Lamp, "red"', "Dish"))
    yield Probe("quoted fields", Case(events(), odd), titles_are('Lamp, "red"', "Dish"), of="text")


def times() -> Iterator[Probe]:
    """Try columns of times."""
    of = "text json parquet atomic"
    numbers = Number("1.2839e9"), Number("1283900001")
    for name, column, expected in (
        ("integers", (1283900000, 1283900001), (1283900000, 1283900001)),
        ("`1.2839e9`", numbers, (1283900000, 1283900001)),
        ("`.5` of a second", (1.5, 2.0), (1_500_000, 2_000_000)),
        ("integers, then `1.2839e9`", (5, Number("1.2839e9")), (5, 1283900000)),
        ("dates", ("1970-01-01", "1970-01-01 00:00:05"), (0, 5)),
        ("dates with a zone", ("1970-01-01T00:00:00Z", "1970-01-01T02:00:05+02:00"), (0, 5)),
        ("a date, then a number", ("1970-01-01", "5"), (0, 5)),
        ("one missing", (5, None), (5,)),
    ):
        yield Probe(name, Case(events(time=column), None), times_are(*expected), of=of)
    yield Probe("no column", Case(events(), None), lambda made: not made.timed, of=of)


def ids() -> Iterator[Probe]:
    """Try columns of ids."""
    for name, items, expected in (
        ("integers", (7, -8), (7, -8)),
        ("texts", ("lamp", "é1"), ("lamp", "é1")),
        ("`07`", ("07", "7"), ("07", "7")),
        ("beyond 64 bits", (2**63, 5), (str(2**63), "5")),
        ("spaces around", (" a ", "a"), (" a ", "a")),
        ("a line break", ("a\nb", "c"), ("a\nb", "c")),
        ("`1.5`", (1.5, 2.5), ("1.5", "2.5")),
        ("one missing", ("lamp", None), ("lamp",)),
    ):
        yield Probe(name, Case(events(items), goods(items, title=ITEMS)), items_are(*expected))


def ratings() -> Iterator[Probe]:
    """Try columns of ratings."""
    for name, column, expected in (
        ("integers", (3, 4), (3, 4)),
        ("`4.5`", (3.0, 4.5), (3, 4.5)),
        ("`4e0`", (Number("4e0"), Number("3E+00")), (4, 3)),
        ("one missing", (4, None), (4,)),
        ("words", ("good", "bad"), ()),
    ):
        case = Case(events(rating=column), None)
        yield Probe(name, case, ratings_are(*expected), of="text json parquet atomic")


def titles() -> Iterator[Probe]:
    """Try titles, and items without one."""
    of = "text json parquet atomic"
    yield Probe(
        "an empty one", Case(events(), goods(title=("Lamp", ""))), titles_are("Lamp", "unknown")
    )
    missing = Case(events(), goods(title=("Lamp", None)))
    yield Probe("one missing", missing, titles_are("Lamp", "unknown"), of="json parquet")
    untitled = Case(events(), goods(size=(1, 2)))
    yield Probe("no column", untitled, titles_are("lamp", "dish"), of=f"{of} presplit")
    unlisted = Case(events(), goods(title=("Lamp", "Dish"))[:1])
    yield Probe("an item not listed", unlisted, titles_are("Lamp", "dish"))
    yield Probe(
        "no items file", Case(events(), None), titles_are("lamp", "dish"), of=f"{of} presplit"
    )


TOPICS = {
    "separator": separators,
    "encoding": encodings,
    "lines": lines,
    "times": times,
    "ids": ids,
    "ratings": ratings,
    "titles": titles,
}
