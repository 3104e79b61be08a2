"""`recbench data add` and `remove`: the user's own datasets."""

import math
from pathlib import Path
from typing import Annotated, Literal

import typer

from recbench_cli.options import Cache, Debug, Noun, Results, Verb, put, say

Name = Annotated[str, typer.Argument(help="What --dataset will call it.")]


def _column(role: str) -> typer.models.OptionInfo:
    return typer.Option(
        f"--{role}-column", metavar="COLUMN", show_default="by its usual names", help=f"The {role}."
    )


Interactions = Annotated[
    Path | None, typer.Option(help="Delimited text, Parquet or JSON: one row an interaction.")
]
Items = Annotated[
    Path | None,
    typer.Option(help="The same kinds: one row an item, with its title.", show_default="none"),
]
Recbole = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="RecBole's atomic files, in place of these two."),
]
Separator = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="What stands between the fields of text files: comma, tab, semicolon, pipe, space, "
        "'::' or any other.",
        show_default="found",
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Of text and JSON files: latin-1, cp1252, ...; utf-8/latin-1 if that of the items is "
        "another.",
        show_default="UTF-8",
    ),
]
Quotes = Annotated[
    Literal["double", "none"] | None,
    typer.Option(
        help="Whether quotes may stand around fields (double) or are characters like any other.",
        show_default="double, unless that is doubtful",
    ),
]
ColumnNames = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="NAMES",
        help="Of interactions without a header line: user,item,...",
        show_default="line 1",
    ),
]
ItemColumnNames = Annotated[
    str | None,
    typer.Option(
        "--item-columns",
        metavar="NAMES",
        help="Of items without a header line: item,title,...",
        show_default="line 1",
    ),
]
MinRating = Annotated[
    float | None, typer.Option(help="Leave out what is rated lower.", show_default="keep all")
]
Pairs = Annotated[
    Literal["all", "first", "earliest"],
    typer.Option(
        help="Of a user's interactions with one item keep all, the first in the file or the "
        "earliest in time."
    ),
]
MinPerItem = Annotated[
    int, typer.Option(min=1, help="Leave out items with fewer interactions, once.")
]
MinPerUser = Annotated[
    int, typer.Option(min=1, help="Then leave out users with fewer interactions, once.")
]
Catalogue = Annotated[
    Literal["all", "kept"],
    typer.Option(help="Items to choose from: all, or those that are left with an interaction."),
]
TitleLength = Annotated[
    int | None,
    typer.Option(min=10, help="Cut titles to so many characters.", show_default="as they are"),
]


def add(
    name: Name,
    interactions: Interactions = None,
    items: Items = None,
    recbole: Recbole = None,
    user: Annotated[str | None, _column("user")] = None,
    item: Annotated[str | None, _column("item")] = None,
    time: Annotated[str | None, _column("time")] = None,
    rating: Annotated[str | None, _column("rating")] = None,
    title: Annotated[str | None, _column("title")] = None,
    separator: Separator = None,
    encoding: Encoding = None,
    quotes: Quotes = None,
    column_names: ColumnNames = None,
    item_column_names: ItemColumnNames = None,
    min_rating: MinRating = None,
    pairs: Pairs = "all",
    min_per_item: MinPerItem = 1,
    min_per_user: MinPerUser = 1,
    catalogue: Catalogue = "all",
    title_length: TitleLength = None,
    noun: Noun = "item/items",
    verb: Verb = "interacted with",
    _results: Results = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """
    Add data of your own, read once into the cache.

    Text files have one header line, unless --columns gives what stands in it. Times are whole
    numbers, which stay as they are (seconds by custom), or dates as 2024-01-31 or
    2024-01-31T18:30:00Z; without a time column the order of the file counts. Without --items the
    ids of the items are their titles.
    """
    from recbench.data import own
    from recbench.data.card import Rules
    from recbench.data.own_files import Files, atomic_files
    from recbench.data.readers.columns import Columns
    from recbench.data.written import written_by
    from recbench.errors import UserError
    from recbench.runs.places import cache_folder
    from recbench_cli.parsing import nouns_of, verb_of

    if (interactions is None) == (recbole is None) or (recbole and items):
        raise UserError("give either --interactions (and --items) or --recbole")
    columns = Columns(user=user, item=item, time=time, rating=rating, title=title)
    written = written_by(separator, encoding, column_names, item_column_names, quotes)
    if recbole is not None:
        files = Files("atomic", *atomic_files(recbole), columns, *written)
    else:
        assert interactions is not None
        files = Files("table", interactions, items, columns, *written)
    if min_rating is not None and not math.isfinite(min_rating):
        raise UserError(f"--min-rating must be a number, not {min_rating}")
    rules = Rules(
        min_rating=min_rating,
        pairs=pairs,
        min_per_item=min_per_item,
        min_per_user=min_per_user,
        catalogue=catalogue,
    )
    made = own.add(
        name,
        files,
        cache_folder(cache),
        say,
        noun=nouns_of(noun),
        verb=verb_of(verb),
        rules=rules,
        title_length=title_length,
    )
    put(f"{name}: {len(made)} interactions, {len(made.catalogue)} items")
    put(f"digest {made.digest}")


def remove(
    name: Name, _results: Results = None, cache: Cache = None, _debug: Debug = False
) -> None:
    """Forget data of your own: what was prepared, never your files."""
    from recbench.data import own
    from recbench.runs.places import cache_folder

    own.remove(name, cache_folder(cache))
    put(f"{name} is forgotten")
