"""
Measure how runs grow with the data, and draw it: `docs/size.md` shows the figure.

    python tools/growth.py build/growth

Data of `tools/synthetic.py` are made below FOLDER, one dataset a number of interactions, and each
model is run on each as a user would, one after another; what was run before is there. Times and
peak memory are those of the records. Into ``results/growth/`` are written ``growth.csv``, where
what is not measured anew stays, and ``figure.svg``.
"""

import argparse
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.ticker import LogLocator

from recbench.runs.record import RunRecord
from recbench.runs.store import runs
from recbench.studies.drawing import legend, looks, save, sheet, styled

TOOLS = Path(__file__).parent
SIZES = (1_000_000, 5_000_000, 25_000_000)
QUESTION = ("--protocol", "next-item", "--draws", "1")

ITEMS = 60_000
FEWER_ITEMS = {"ease": 20_000}  # it refuses more than 30,000

MODELS: dict[str, Mapping[str, str]] = {
    "random": {},
    "last-id": {},
    "popularity": {},
    "recent-popularity": {},
    "cooccurrence": {},
    "itemknn": {},
    "ease": {},
    # One epoch of the softmax that is estimated, and large batches: the table of items is long.
    "sasrec": {"softmax_items": "1024", "batch_size": "256", "epochs": "1"},
}

COLUMNS = {
    "fit": "training, seconds",
    "asked": "asking, seconds",
    "memory": "most memory, GiB",
}


def recbench(folder: Path, *arguments: str) -> None:
    """Call the command line, with a cache and results below a folder."""
    given = [*arguments, "--cache", str(folder / "cache")]
    subprocess.run([sys.executable, "-m", "recbench_cli", *given], check=True)


def dataset_of(model: str, interactions: int) -> str:
    """Return what the dataset is called on which a model is run; `row_of` reads it."""
    return f"made-up-{interactions}-{FEWER_ITEMS.get(model, ITEMS)}"


def make(folder: Path, dataset: str) -> None:
    """Make a dataset and have recbench know it, once."""
    place = folder / dataset
    if place.exists():
        return
    _, interactions, items = dataset.rsplit("-", 2)
    partial = place.with_suffix(".partial")
    command = [sys.executable, str(TOOLS / "synthetic.py"), str(partial), "--parquet"]
    subprocess.run([*command, "--interactions", interactions, "--items", items], check=True)
    files = [f"--{name}={partial / name}.parquet" for name in ("interactions", "items")]
    recbench(folder, "data", "add", dataset, *files)
    recbench(folder, "data", "prepare", "--dataset", dataset)
    partial.rename(place)


def run(folder: Path, model: str, dataset: str) -> None:
    """Run a model on a dataset."""
    changes = [word for one in MODELS[model].items() for word in ("--set", "=".join(one))]
    asked = ["--model", model, "--dataset", dataset, *QUESTION, *changes]
    recbench(folder, "run", *asked, "--results", str(folder / "results"))


def shortened(figure: float) -> float:
    """Round to three digits; nothing becomes nought, which no logarithmic axis could show."""
    return float(f"{figure:.3g}")


def row_of(record: RunRecord) -> dict[str, object]:
    """Return what a run took, as a row of the table."""
    assert record.trained is not None  # nothing is only asked here
    _, interactions, items = record.dataset.rsplit("-", 2)
    memory = max(record.trained.peak_memory.host or 0, record.peak_memory.host or 0)
    return {
        "model": record.model,
        "interactions": int(interactions),
        "items": int(items),
        "test rows": record.examples,
        "settings": " ".join(f"{k}={v}" for k, v in MODELS[record.model].items()),
        "fit": shortened(record.trained.seconds),
        "asked": shortened(record.times.score),
        "memory": shortened(memory / 2**30),
        "hardware": record.provenance.device.hardware,
        "threads": record.provenance.device.threads,
        "finished": record.finished[:10],
    }


def beside_measured_before(found: pd.DataFrame, table: Path) -> pd.DataFrame:
    """Return rows with those of a table, perhaps of another machine, that are not among them."""
    before = pd.read_csv(table, keep_default_na=False) if table.exists() else found
    every = pd.concat([found, before])
    cell = ["model", "interactions"]
    return every.drop_duplicates(cell).sort_values(cell)


def draw(found: pd.DataFrame, out: Path) -> None:
    """Draw what each model took against the number of interactions."""
    with styled():
        figure, axes = sheet(columns=len(COLUMNS))
        for one, (column, label) in zip(axes, COLUMNS.items(), strict=True):
            for model, look in looks(list(MODELS)).items():
                rows = found[found["model"] == model].sort_values("interactions")
                one.plot(rows["interactions"] / 1e6, rows[column], label=model, **look)
            one.set(xscale="log", yscale="log", xlabel="million interactions", ylabel=label)
            one.set_xticks([size / 1e6 for size in SIZES], [f"{size // 10**6}" for size in SIZES])
            one.minorticks_off()
            wide = found[column].max() > 1000 * found[column].min()
            one.yaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
            one.yaxis.set_major_formatter("{x:g}")
        legend(figure, axes[0])
        save(figure, out)
    (out / "figure.png").unlink()


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=TOOLS.parent / "results" / "growth")
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=MODELS)
    parser.add_argument("--interactions", nargs="*", type=int, default=SIZES)
    asked = parser.parse_args()
    for interactions in asked.interactions:
        for model in asked.models:
            dataset = dataset_of(model, interactions)
            make(asked.folder, dataset)
            run(asked.folder, model, dataset)
    found = pd.DataFrame([row_of(one.record) for one in runs(asked.folder / "results")])
    asked.out.mkdir(parents=True, exist_ok=True)
    every = beside_measured_before(found, asked.out / "growth.csv")
    every.to_csv(asked.out / "growth.csv", index=False)
    draw(every, asked.out)


if __name__ == "__main__":
    main()
