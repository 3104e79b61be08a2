"""`recbench report`: one page to look at, made from records."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recbench_cli.options import (
    Cache,
    Candidates,
    DataDir,
    Debug,
    History,
    Negatives,
    left_out_are_said,
    put,
    say,
)

if TYPE_CHECKING:
    from recbench.runs.leaderboard import Table
    from recbench.runs.remade_question import Questions

Out = Annotated[Path, typer.Option("--out", help="File to write, *.html.")]
Results = Annotated[
    list[Path] | None,
    typer.Option("--results", help="Folder of run records; repeatable.", show_default="./results"),
]
Models = Annotated[str | None, typer.Option("--models", help="These alone, parted by commas.")]
Datasets = Annotated[str | None, typer.Option("--datasets", help="These alone, parted by commas.")]
Protocol = Annotated[str | None, typer.Option("--protocol", help="This one alone.")]
Draws = Annotated[int | None, typer.Option("--draws", min=1, help="So many alone.")]
PackSeed = Annotated[int | None, typer.Option("--pack-seed", help="This one alone.")]
Examples = Annotated[
    int, typer.Option("--examples", min=0, help="Single examples shown of each table, at most.")
]
NoTitles = Annotated[
    bool,
    typer.Option(
        "--no-titles",
        help="Leave titles out, for a page that is passed on: a dataset's licence may forbid it.",
    ),
]


def report(
    out: Out,
    models: Models = None,
    datasets: Datasets = None,
    protocol: Protocol = None,
    candidates: Candidates = None,
    negatives: Negatives = None,
    history: History = None,
    draws: Draws = None,
    pack_seed: PackSeed = None,
    examples: Examples = 100,
    no_titles: NoTitles = False,
    data_dir: DataDir = None,
    results: Results = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Write what the records below --results say as one HTML file that needs no network."""
    from recbench.errors import UserError
    from recbench.report.page import check_installed
    from recbench.runs.leaderboard import leaderboard
    from recbench.runs.places import cache_folder, results_folder
    from recbench.runs.remade_question import Questions
    from recbench_cli.records import (
        chosen_records,
        dataset_names,
        found_runs,
        model_names,
        protocol_name,
    )

    if out.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--out names a page to write, and {out} does not end in .html")
    check_installed()
    roots = [results_folder(one) for one in results] if results else [results_folder()]
    folders = list({one.resolve(): one for one in roots}.values())  # one named twice counts once
    place = cache_folder(cache)
    named = model_names(models, folders), dataset_names(datasets, place, folders)
    rule = protocol_name(protocol, candidates=candidates, negatives=negatives, history=history)
    chosen = chosen_records(*named, rule, draws, pack_seed)
    with left_out_are_said() as broken:
        runs, there = found_runs(folders, chosen, place, broken.append, _refuse)
        _write(
            out,
            leaderboard(runs, there=there),
            examples,
            None if no_titles else Questions(place, data_dir, say),
        )


def _refuse(why: str) -> None:
    from recbench.errors import UserError

    raise UserError(f"there is nothing to report: {why}")


def _write(out: Path, tables: "list[Table]", examples: int, questions: "Questions | None") -> None:
    """Write the page of these tables, with titles if there are `questions`."""
    from recbench.atomic_write import atomic_file
    from recbench.report.contents import contents
    from recbench.report.page import page

    sections = contents(tables, questions, examples, say)
    text = page(sections)
    with atomic_file(out) as partial:
        partial.write_text(text, encoding="utf-8")
    size = out.stat().st_size / 2**20
    runs = sum(section.runs for section in sections)
    put(f"{out}: runs: {runs}, tables: {len(sections)}, {size:.1f} MiB")
