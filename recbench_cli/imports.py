"""`recbench data import-splits` and `import-llara`: splits that others have released."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from recbench_cli.options import Cache, Debug, Noun, Results, Verb, put, say

Source = Annotated[Path, typer.Argument(metavar="FOLDER", help="With the files of the release.")]
Name = Annotated[str, typer.Option("--name", help="What --dataset will call it.")]

PLAIN = """
Import a split: train.jsonl, validation.jsonl, test.jsonl and items.tsv, or RecBole's files.

The first are as recbench data export writes them; rows that bring "candidates" are asked about
these. RecBole's are NAME.part1.inter to NAME.part3.inter (or train, valid, test) with a column
item_id_list, and NAME.item. Without a test file the second half of the validation rows is the test
part.
"""
LLARA = """
Import a split as LLaRA and iLoRA release it: pickled tables and a list of items.

The folder holds train_data.df, Val_data.df, Test_data.df and id2name.txt or u.item. Nothing in the
pickles is run. Rows with fewer than three items of history are left out, as there.
"""


def importer(format_name: str | None) -> Callable[..., None]:
    """Make the command that imports splits of one raw format; None: plain rows or RecBole's."""

    def command(
        folder: Source,
        name: Name,
        noun: Noun = "item/items",
        verb: Verb = "interacted with",
        _results: Results = None,
        cache: Cache = None,
        _debug: Debug = False,
    ) -> None:
        from recbench.data.imported import import_split
        from recbench.runs.places import cache_folder
        from recbench_cli.parsing import nouns_of, verb_of

        place, nouns = cache_folder(cache), nouns_of(noun)
        made = import_split(name, folder, format_name, place, say, noun=nouns, verb=verb_of(verb))
        rows = made.rows
        assert rows is not None
        counts = (
            f"{len(rows.train)} train, {len(rows.validation)} validation, {len(rows.test)} test"
        )
        put(f"{name}: {counts} rows, {len(made.catalogue)} items")
        if rows.candidates is not None:
            put(f"each test row brings its {rows.candidates} candidates, which are asked")
        put(f"digest {made.digest}")

    return command
