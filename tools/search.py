"""
The search that chose the defaults: random search, the same number of trials for every model.

Each trial draws settings from the model's table in ``search_spaces.toml``, fits on the training
rows and is judged by full-ranking NDCG@10 over the validation rows; neither a candidate pack nor a
test row is looked at. Those rows are few, so a second round fits the best settings of the first
with more seeds, and the best mean wins. Every fit is one line of the results file, which is
appended to; fits that are already there are not repeated, so a search that was stopped goes on.

    python tools/search.py --models gru4rec,sasrec,caser --trials 8 --finalists 2 --seeds 3
"""

import csv
import json
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from recbench.experiment import Experiment, ask, build
from recbench.neural.devices import resolve
from recbench.neural.ranking import full_ranking_ndcg
from recbench.recommender import Queries, Recommender, Runtime, TrainingData
from recbench.runs.places import cache_folder
from recbench.seeding import generator

HERE = Path(__file__).parent
COLUMNS = ("model", "seed", "ndcg", "seconds", "settings")


def main(
    models: Annotated[str, typer.Option(help="Names, separated by commas.")],
    dataset: str = "movielens",
    protocol: str = "paper",
    trials: Annotated[int, typer.Option(help="Settings of each model to try with seed 0.")] = 8,
    finalists: Annotated[int, typer.Option(help="How many of them to try with more seeds.")] = 2,
    seeds: Annotated[int, typer.Option(help="Seeds of each finalist, 0 included.")] = 3,
    device: str = "auto",
    out: Annotated[Path | None, typer.Option(help="Results file (CSV).")] = None,
) -> None:
    """Search settings on validation rows; print each model's finalists, the best first."""
    out = out or HERE.parent / "results" / "search" / f"{dataset}-{protocol}.csv"
    names = models.split(",")
    asked = {"model": names[0], "dataset": dataset, "protocol": protocol, "draws": 1}
    search = Search(ask(Experiment.build(asked), print).training_data, resolve(device), out)
    for trial in range(trials):
        for name in names:
            search.figure(name, drawn(name, trial), 0)
    for name in names:
        first_round = [drawn(name, trial) for trial in range(trials)]
        first_round.sort(key=lambda values: -search.figure(name, values, 0))
        figures = [
            (np.array([search.figure(name, values, seed) for seed in range(seeds)]), values)
            for values in first_round[:finalists]
        ]
        for found, values in sorted(figures, key=lambda pair: -pair[0].mean()):
            print(f"{name}: mean {found.mean():.4f}, SD {found.std():.4f} of {seeds}: {values}")


class Search:
    """Fits and their figures, kept in a file."""

    def __init__(self, data: TrainingData, device: str, path: Path) -> None:
        self.data, self.device, self.path = data, device, path
        self.done: dict[tuple[str, str, int], float] = {}
        if path.exists():
            with path.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    key = (row["model"], row["settings"], int(row["seed"]))
                    self.done[key] = float(row["ndcg"])

    def figure(self, name: str, values: dict[str, Any], seed: int) -> float:
        """Return the NDCG@10 of a fit, from the file if it is there."""
        model = build(Experiment.build({"model": name, "settings": values}))
        settings = json.dumps(model.settings.record(), sort_keys=True)
        key = (name, settings, seed)
        if key not in self.done:
            started = time.monotonic()
            self.done[key] = judged(model, self.data, seed, self.device)
            seconds = time.monotonic() - started
            self.append((name, seed, f"{self.done[key]:.6f}", f"{seconds:.0f}", settings))
            print(f"{name} seed {seed}: {self.done[key]:.4f} in {seconds:.0f} s {values}")
        return self.done[key]

    def append(self, row: tuple[object, ...]) -> None:
        """Add a line to the file, after its header."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = not self.path.exists()
        with self.path.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, row] if new else [row])


def drawn(model: str, trial: int) -> dict[str, Any]:
    """Draw the settings of one trial from the model's table; the trial's number is the seed."""
    spaces = tomllib.loads((HERE / "search_spaces.toml").read_text(encoding="utf-8"))
    random = generator(0, "search", model, trial)
    return {name: choices[random.integers(len(choices))] for name, choices in spaces[model].items()}


def judged(model: Recommender, data: TrainingData, seed: int, device: str) -> float:
    """Fit, rank the whole catalogue for every validation row, return the mean NDCG@10."""
    with tempfile.TemporaryDirectory() as folder:
        runtime = Runtime(
            seed=seed, device=device, checkpoints=Path(folder), cache=cache_folder(), report=print
        )
        model.fit(data, runtime)
        rows, items = len(data.validation), len(data.catalogue)
        everything = np.broadcast_to(np.arange(items, dtype=np.int32), (rows, items))
        scores = model.score(Queries(data.validation.histories, everything), runtime)
    return full_ranking_ndcg(scores, data.validation)


if __name__ == "__main__":
    typer.run(main)
