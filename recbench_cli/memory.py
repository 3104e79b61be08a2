"""`recbench memory`: whether a language model recites a dataset."""

from typing import Annotated

import typer

from recbench.plain_text import printable_json
from recbench_cli.options import Cache, DataDir, Dataset, Debug, Form, put, say

Llm = Annotated[str, typer.Option("--llm", help="Language model, as for: recbench run.")]
Rows = Annotated[int, typer.Option("--rows", min=1, help="Items, and users, at most.")]
Lines = Annotated[int, typer.Option("--lines", min=1, help="Lines that are shown of each.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]


def memory(
    llm: Llm,
    dataset: Dataset,
    rows: Rows = 100,
    lines: Lines = 10,
    device: Device = "auto",
    form: Form = "text",
    data_dir: DataDir = None,
    cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """Ask a language model, as it is, to go on behind lines of a dataset's files."""
    from functools import partial

    from recbench.data.prepare import prepare
    from recbench.hardware.devices import resolve
    from recbench.llm.continuation import Continuation
    from recbench.memory.probes import of_items, of_users
    from recbench.memory.recital import Memory, recital
    from recbench.memory.rendering import render
    from recbench.runs.places import cache_folder

    there = resolve(device)
    data = prepare(dataset, cache_folder(cache), data_dir, say)
    asked = of_items(data, rows, lines), of_users(data, rows, lines)
    reader = Continuation(llm, there, say, show_progress=True)
    found = []
    for probes in asked:
        say(f"{probes.what}: {len(probes.real)} and as many controls")
        most = reader.tokens([one.expected for one in probes.real + probes.control])
        found.append(recital(probes, data, partial(reader.lines, tokens=most)))
    whole = Memory(llm=llm, dataset=dataset, recitals=found)
    put(printable_json(whole.model_dump_json(indent=2)) if form == "json" else render(whole))
