"""`recbench study`: one step of an argument, from its cells to a table and a figure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recbench.defaults import DRAWS
from recbench.plain_text import printable_json
from recbench_cli.crew import Crew, Fetch, raise_for
from recbench_cli.options import (
    Cache,
    Debug,
    Results,
    TableForm,
    in_words,
    left_out_are_said,
    put,
    put_json,
    say,
)
from recbench_cli.parsing import devices_of, names_of, settings_of
from recbench_cli.records import earlier_records

if TYPE_CHECKING:
    from recbench.runs.record import RunRecord
    from recbench.runs.store import Run
    from recbench.runs.text import Format
    from recbench.studies.folder import Written
    from recbench.studies.study import Asked, Reading, Study

LLM = "tiny"
"""What a study is of unless the user names another."""

Name = Annotated[
    str | None, typer.Argument(metavar="[STUDY]", help="Its name; without one all are listed.")
]
Dataset = Annotated[str, typer.Option("--dataset", help="See: recbench data list.")]
Llm = Annotated[
    str | None,
    typer.Option(
        "--llm",
        help="Language model, as for: recbench run; the study backbone takes several, parted by "
        "commas, each with settings of its own, if any: smollm2:prompt_style=plain.",
        show_default=LLM,
    ),
]
Models = Annotated[
    str | None,
    typer.Option("--models", help="In the place of the study's, parted by commas."),
]
Seeds = Annotated[
    int | None, typer.Option("--seeds", min=1, help="Seeds 0 to N-1.", show_default="the study's")
]
Quick = Annotated[bool, typer.Option("--quick", help="One seed, and a part of the cells.")]
NoRun = Annotated[
    bool, typer.Option("--no-run", help="Of the cells that are there; run none that is missing.")
]
Draws = Annotated[
    int | None,
    typer.Option(
        "--draws",
        min=1,
        help="Draws of each example's negatives; order: of sampled rows of so many draws alone.",
        show_default=str(DRAWS),
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Set one of every language model."),
]
With = Annotated[
    str | None,
    typer.Option("--with", help="More datasets, parted by commas, for: cross-domain."),
]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder with the raw files of --dataset.")
]
Device = Annotated[
    str | None, typer.Option("--device", help="Devices parted by commas.", show_default="auto")
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        metavar="N",
        help="Cells at a time on this machine, whose cores they share.",
        show_default="one a device",
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="Hand the cells to the workers of this Dask scheduler.",
    ),
]


def study(
    name: Name = None,
    dataset: Dataset = "movielens",
    llm: Llm = None,
    models: Models = None,
    seeds: Seeds = None,
    quick: Quick = False,
    no_run: NoRun = False,
    draws: Draws = None,
    changes: Changes = None,
    others: With = None,
    data_dir: DataDir = None,
    device: Device = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    fetch: Fetch = False,
    form: TableForm = "table",
    results: Results = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Run what a study lacks and write its table and figure; without a name, list all studies."""
    from recbench.errors import UserError
    from recbench.runs.places import cache_folder, results_folder
    from recbench.studies.study import Asked, Reading

    given = {
        "--llm": llm,
        "--models": models,
        "--seeds": seeds,
        "--quick": quick or None,
        "--no-run": no_run or None,
        "--set": changes or None,
        "--with": others,
        "--data-dir": data_dir,
        "--device": device,
        "--workers": workers,
        "--scheduler": scheduler,
        "--fetch": fetch or None,
    }
    root, place = results_folder(results), cache_folder(cache)
    crew = Crew(device or "auto", workers, scheduler, fetch, root, place, data_dir)
    asked = Asked(
        dataset=dataset,
        llms=tuple(names_of(llm or LLM, "--llm")),
        models=tuple(names_of(models, "--models")) if models is not None else (),
        seeds=seeds or 0,
        draws=draws or DRAWS,
        quick=quick,
        settings=settings_of(changes or [], None),
        others=tuple(names_of(others, "--with")) if others is not None else (),
        data_dir=data_dir,
        results=root,
        cache=place,
        device=devices_of(device or "auto")[0],
        report=say,
    )
    if name is None:
        _refuse(given | {"--draws": draws}, "is of one study; name it")
        _list(asked, form)
        return
    found = _study(name)
    if isinstance(found, Reading):
        _refuse(given, f"changes nothing in {name}, which reads what is there; leave it out")
        _read(name, found, asked, draws, form)
        return
    if quick and seeds is not None:
        raise UserError("--quick has one seed; leave out --quick or --seeds")
    if no_run:
        hands = {"--workers": workers, "--scheduler": scheduler, "--fetch": fetch or None}
        _refuse(hands, "is of cells that are run; leave out --no-run, or it")
    crew.check()
    _carry_out(name, found, asked, None if no_run else crew, form)


def _refuse(options: Mapping[str, Any], why: str) -> None:
    from recbench.errors import UserError

    if given := [option for option, value in options.items() if value is not None]:
        raise UserError(f"{given[0]} {why}")


def _study(name: str) -> "Study | Reading":
    """
    Make the study of that name.

    Raises
    ------
    UserError
        If nothing has that name.
    RecbenchError
        If it cannot be imported, or is no study.
    """
    from recbench.errors import PluginError
    from recbench.registry import blamed, find, load
    from recbench.studies.returned import check_text
    from recbench.studies.study import Reading, Study

    kind = load("studies", name)
    with blamed(find("studies", name)):
        if not (isinstance(kind, type) and issubclass(kind, Study | Reading)):
            raise PluginError("it is no class made from recbench's Study or Reading")
        lacking = {"question", "place"} - set(dir(kind)) | kind.__abstractmethods__
        if lacking:
            raise PluginError(f"it lacks {', '.join(sorted(lacking))}")
        for said in ("question", "place"):
            check_text(getattr(kind, said), said)
        made: Study | Reading = kind()
        return made


def _list(asked: "Asked", form: str) -> None:
    """Print name, question, place and time of all studies; one that is broken stops no other."""
    from recbench.data.card import card
    from recbench.errors import RecbenchError
    from recbench.registry import if_usable, listed
    from recbench.runs.text import DASH, as_csv
    from recbench.studies.study import Study

    assert asked.results is not None
    # Else every study would be of a dataset that nobody has.
    if_usable(partial(card, asked.dataset, asked.cache))
    records = earlier_records(asked.results)
    lines = list[tuple[str, str, str, float | None]]()
    alone = list[str]()
    for name in listed("studies"):
        try:
            found = _study(name)
            if isinstance(found, Study) and found.compares == "datasets":
                alone.append(name)
            lines.append((name, found.question, found.place, _time(name, found, asked, records)))
        except RecbenchError as error:
            say(f"left out: {error}")
    if form == "json":
        keys = ("study", "question", "place", "seconds")
        page = [dict(zip(keys, line, strict=True)) for line in lines]
        put_json(page)
    elif form == "csv":
        put(as_csv(("study", "question", "place", "seconds"), lines))
    else:
        for name, question, place, seconds in lines:
            put(f"{name}: {question}\n  {place}")
            put(f"  time: {DASH if seconds is None else _in_words(seconds)}")
        of_one = f"of {', '.join(alone)} those of {asked.dataset} alone; " if alone else ""
        put(
            f"\nTime: of the cells that have no record below {asked.results}, for {asked.dataset} "
            f"and {asked.llms[0]}, by earlier records of their models; {of_one}'{DASH}' where a "
            "model has none, or a study needs more options."
        )


def _time(
    name: str, found: "Study | Reading", asked: "Asked", records: "Sequence[RunRecord]"
) -> float | None:
    """Estimate how long a study would take; None where records do not say."""
    from recbench.errors import UserError
    from recbench.registry import blamed, find
    from recbench.studies.forecast import seconds
    from recbench.studies.study import Reading

    if isinstance(found, Reading):
        return 0.0
    if not records:
        return None
    with blamed(find("studies", name)):
        try:
            counted = replace(_completed(name, found, asked), listing=True)
            return seconds(found.cells(counted), records)
        except UserError:  # a study of another package may need more options than there are
            return None


def _in_words(seconds: float) -> str:
    return "nothing to run" if seconds == 0 else in_words(seconds)


def _completed(name: str, found: "Study", asked: "Asked") -> "Asked":
    """Put the study's own models and seeds where the user names none."""
    from recbench.errors import UserError
    from recbench.registry import check_known
    from recbench.studies.study import language_model

    if asked.models and not found.models:
        raise UserError(f"the models of {name} are its own; leave out --models")
    its = [one for llm in asked.llms for one in language_model(llm)[1]]
    if its and found.compares != "llms":
        raise UserError(f"{name} takes one language model; set {its[0]} with --set")
    if len(asked.llms) > 1 and found.compares != "llms":
        raise UserError(f"{name} takes one language model: name one with --llm")
    if asked.others and found.compares != "datasets":
        raise UserError(f"{name} takes one dataset; leave out --with")
    if taken := [one for one in asked.settings if one in found.varies]:
        raise UserError(f"{name} sets {taken[0]} itself; leave out --set {taken[0]}")
    if "llm" in (*asked.settings, *its):
        raise UserError("language models of a study are named with --llm; leave out --set llm")
    models = asked.models or found.models
    for model in models:
        check_known("models", model)
    seeds = 1 if asked.quick else asked.seeds or found.seeds
    return replace(asked, models=models, seeds=seeds)


def _read(
    name: str,
    found: "Reading",
    asked: "Asked",
    draws: int | None,
    form: "Format",
) -> None:
    """Print what a study reads from all runs on the dataset; say at the end which were left out."""
    from recbench.registry import blamed, find
    from recbench.runs.store import runs
    from recbench.studies.returned import check_text

    assert asked.results is not None
    with left_out_are_said() as broken:
        there = [
            run
            for run in runs(asked.results, broken.append, asked.cache)
            if run.record.dataset == asked.dataset and _has(run, draws)
        ]
        with blamed(find("studies", name)):
            printed = check_text(found.printed(there, asked.dataset, form), "printed()")
        put(printed)


def _has(run: "Run", draws: int | None) -> bool:
    wanted = draws is None or run.record.full_ranking or run.record.draws == draws
    return wanted and not run.record.no_result


def _carry_out(
    name: str,
    found: "Study",
    asked: "Asked",
    crew: Crew | None,
    form: "Format",
) -> None:
    """Have the missing cells run, if by anybody, write the folder and print what is in it."""
    from recbench.errors import UserError
    from recbench.models import class_at_hand
    from recbench.registry import blamed_if_at_fault
    from recbench.runs.store import apart, finished
    from recbench.studies import cells, folder
    from recbench.studies.returned import check_cells

    with blamed_if_at_fault("studies", name):
        asked = _completed(name, found, asked)
        named = check_cells(found.cells(asked))
        is_set = any("llm" in cell.settings for cell in named)
        if asked.settings and not is_set and all(map(class_at_hand, asked.models)):
            raise UserError(f"--set is of language models, and {name} has none here; leave it out")
        wanted, broken = cells.located(named, say)
        lacking = [place for at, place in wanted.items() if finished(at) is None]
        missing = [*(place.cell for place in lacking), *broken]
        there, every = len(wanted) - len(lacking), len(wanted) + len(broken)
        say(f"{name}: {every} cells, {there} of them {'is' if there == 1 else 'are'} there")
        handed = missing
        if crew is not None and crew.scheduler is not None:  # of what is broken here, the settings
            handed = [place.cell for place in lacking]  # that a study would give are not known
        if handed and crew is not None:
            crew.check_apart(lacking)
            raise_for(crew.run(handed), ", and with --no-run it shows what is there")
            wanted, missing = cells.located(named, lambda _: None)
        runs = apart([run for at in wanted if (run := finished(at)) is not None])
        if crew is None:
            _check_llms(asked, runs)
        if not runs:
            if missing:
                say(folder.lacking(missing))
            remedy = "leave out --no-run" if crew is None else "it has none with these options"
            raise UserError(f"none of the cells of {name} is there; {remedy}")
        written = folder.write(name, found, asked, runs, missing)
        _print(written, form)
    if missing:
        say(folder.lacking(missing))
    say(f"wrote {written.folder}")


def _check_llms(asked: "Asked", runs: "Sequence[Run]") -> None:
    """Refuse a language model that no run has, and that is nearly a card's name."""
    from recbench.errors import nearest, unknown
    from recbench.registry import listed
    from recbench.studies.study import language_model

    known = listed("language_models")
    there = {*known, *(run.record.settings.get("llm") for run in runs)}
    for llm in asked.llms:
        name, _ = language_model(llm)
        a_path = "/" in name or Path(name).exists()
        if not a_path and name not in there and nearest(name, known):
            raise unknown("language model", name, known)


def _print(written: "Written", form: "Format") -> None:
    """Print the table and what must be known of it; as CSV and JSON the points alone."""
    from recbench.runs.text import as_csv

    data = written.data
    say("")
    if form == "json":
        put(printable_json(data.to_json(orient="records", indent=2, force_ascii=False)))
    elif form == "csv":
        cells = data.astype(object).where(data.notna(), "")
        put(as_csv(list(data.columns), cells.itertuples(index=False)))
    else:
        put(written.page(form))
