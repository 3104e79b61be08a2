"""`recbench data add` and `remove`: the user's own datasets."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from recbench_cli.options import Cache, Debug, Noun, Results, Verb, say

Name = Annotated[str, typer.Argument(help="What --dataset will call it.")]


def _column(role: str) -> typer.models.OptionInfo:
    return typer.Option(
        f"--{role}-column", metavar="COLUMN", show_default="by its usual names", help=f"The {role}."
    )


Interactions = Annotated[
    Path | None, typer.Option(help="CSV, TSV, Parquet or JSON Lines: one row an interaction.")
]
Items = Annotated[
    Path | None,
    typer.Option(help="The same kinds: one row an item, with its title.", show_default="none"),
]
Recbole = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="RecBole's atomic files, in place of these two."),
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

    CSV and TSV have one header line. Times are whole numbers, which stay as they are (seconds by
    custom), or dates as 2024-01-31 or 2024-01-31T18:30:00Z; without a time column the order of the
    file counts. Without --items the ids of the items are their titles.
    """
    from recbench.data import own
    from recbench.data.card import Rules
    from recbench.data.readers.columns import Columns
    from recbench.errors import UserError
    from recbench.runs.places import cache_folder
    from recbench_cli.parsing import nouns_of, verb_of

    if (interactions is None) == (recbole is None) or (recbole and items):
        raise UserError("give either --interactions (and --items) or --recbole")
    columns = Columns(user=user, item=item, time=time, rating=rating, title=title)
    if recbole is not None:
        files = own.Files("atomic", *own.atomic_files(recbole), columns)
    else:
        assert interactions is not None
        files = own.Files("table", interactions, items, columns)
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
    typer.echo(f"{name}: {len(made)} interactions, {len(made.catalogue)} items")
    typer.echo(f"digest {made.digest}")


def remove(
    name: Name, _results: Results = None, cache: Cache = None, _debug: Debug = False
) -> None:
    """Forget data of your own: what was prepared, never your files."""
    from recbench.data import own
    from recbench.runs.places import cache_folder

    own.remove(name, cache_folder(cache))
    typer.echo(f"{name} is forgotten")
