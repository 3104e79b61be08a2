"""
The search that chose the defaults: random search, the same number of trials for every model.

Each trial draws settings from a space of the model in a file of spaces, fits on the training rows
and is judged by HitRatio@1 over the validation rows; no test row is looked at. A model that
ranks is judged over all sets of candidates at once (`expected_hit_ratio`) and at every step of the
validation rows; one that writes, by what it writes, over sets drawn for this search alone.
The rows are few, so a second round fits the best settings of the first with more seeds, and the
best mean wins. Every fit is one line of the results file; fits that are already there are not
repeated, and the one that was under way goes on from its checkpoints beside that file, so a search
that was stopped goes on.

    python tools/search.py --models gru4rec,sasrec,caser --trials 27 --finalists 2 --seeds 2
"""

import csv
import json
import shutil
import time
import tomllib
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from recbench.atomic_write import atomic_file
from recbench.evaluation.evaluator import evaluate
from recbench.experiment import Experiment, Question, ask, build
from recbench.neural.devices import resolve
from recbench.neural.ranking import expected_hit_ratio, validation_steps
from recbench.questions.candidates import draw
from recbench.questions.queries import Queries
from recbench.recommender import Recommender, Runtime, System, writes
from recbench.runs.places import cache_folder
from recbench.seeding import generator
from recbench.settings import Settings, digest
from recbench.training_source import training_data

HERE = Path(__file__).parent
SPACES = HERE / "search_spaces.toml"
COLUMNS = ("model", "seed", "hit_ratio", "valid_ratio", "seconds", "settings")
PACK_SEED = 2**32 - 1
"""Of the candidate sets for models that write: a seed that no run has by default."""
DRAWS_OF_A_TRIAL = 100
"""Settings drawn before a space counts as used up."""

Judged = tuple[float, float]
"""HitRatio@1 and ValidRatio."""


def main(
    models: Annotated[str, typer.Option(help="Names, separated by commas.")],
    dataset: str = "movielens",
    protocol: str = "paper",
    trials: Annotated[int, typer.Option(help="Settings of each model to try with seed 0.")] = 8,
    finalists: Annotated[int, typer.Option(help="How many of them to try with more seeds.")] = 2,
    seeds: Annotated[int, typer.Option(help="Seeds of each finalist, 0 included.")] = 3,
    draws: Annotated[int, typer.Option(help="Candidate sets a row for models that write.")] = 5,
    spaces: Annotated[Path, typer.Option(help="What is drawn from (TOML).")] = SPACES,
    device: str = "auto",
    out: Annotated[Path | None, typer.Option(help="Results file (CSV).")] = None,
) -> None:
    """Search settings on validation rows; print each model's finalists, the best first."""
    out = out or HERE.parent / "results" / "search" / f"{dataset}-{protocol}.csv"
    names = models.split(",")
    asked = {"model": names[0], "dataset": dataset, "protocol": protocol, "draws": 1}
    search = Search(ask(Experiment.build(asked), print), resolve(device), draws, out)
    all_spaces = tomllib.loads(spaces.read_text(encoding="utf-8"))
    for trial in range(trials):
        for name in names:
            search.figure(name, drawn(name, all_spaces[name], trial), 0)
    for name in names:
        first_round = [drawn(name, all_spaces[name], trial) for trial in range(trials)]
        first_round.sort(key=lambda values: -search.figure(name, values, 0))
        figures = [
            (np.array([search.figure(name, values, seed) for seed in range(seeds)]), values)
            for values in first_round[:finalists]
        ]
        for found, values in sorted(figures, key=lambda pair: -pair[0].mean()):
            print(f"{name}: mean {found.mean():.4f}, SD {found.std():.4f} of {seeds}: {values}")


class Search:
    """Fits and their figures, kept in a file."""

    def __init__(self, question: Question, device: str, draws: int, path: Path) -> None:
        self.question, self.device, self.draws, self.path = question, device, draws, path
        self.done: dict[tuple[str, str, int], float] = {}
        if path.exists():
            with path.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    key = (row["model"], row["settings"], int(row["seed"]))
                    self.done[key] = float(row["hit_ratio"])

    def figure(self, name: str, values: dict[str, Any], seed: int) -> float:
        """Return the HitRatio@1 of a fit, from the file if it is there."""
        model = build(Experiment.build({"model": name, "settings": values}))
        if (known := self.known(name, model.settings, seed)) is not None:
            return known
        settings = json.dumps(model.settings.record(), sort_keys=True)
        started = time.monotonic()
        under_way = self.under_way(name, settings, seed)
        hit, valid = judged(model, self.question, seed, self.device, self.draws, under_way)
        seconds = time.monotonic() - started
        self.append((name, seed, f"{hit:.6f}", f"{valid:.6f}", f"{seconds:.0f}", settings))
        print(f"{name} seed {seed}: {hit:.4f} in {seconds:.0f} s {values}", flush=True)
        self.done[name, settings, seed] = hit
        shutil.rmtree(under_way, ignore_errors=True)
        return hit

    def under_way(self, name: str, settings: str, seed: int) -> Path:
        """Return the folder of a fit that is not in the file yet."""
        return self.path.with_suffix(".under-way") / digest([name, settings, seed])[:16]

    def known(self, name: str, settings: Settings, seed: int) -> float | None:
        """Return the figure of a fit in the file; it may be from before some settings were."""
        for (model, text, of), figure in self.done.items():
            same = (model, of) == (name, seed)
            if same and settings.completed(json.loads(text)) == settings.record():
                return figure
        return None

    def append(self, row: tuple[object, ...]) -> None:
        """Add a line to the file, after its header; killed at any moment, as a whole or not."""
        before = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        with (
            atomic_file(self.path) as partial,
            partial.open("w", encoding="utf-8", newline="") as file,
        ):
            file.write(before)
            lines = [row] if before else [COLUMNS, row]
            csv.writer(file, lineterminator="\n").writerows(lines)


def drawn(model: str, spaces: list[dict[str, Any]], trial: int) -> dict[str, Any]:
    """Draw a trial's settings, none drawn for an earlier trial; its number is part of the seed."""
    # One space a trial, those of the first space before those of the second.
    of_trial = [space for space in spaces for _ in range(space["trials"])]
    if trial >= len(of_trial):
        raise SystemExit(f"there are spaces for {len(of_trial)} trials of {model}: add one")
    found: list[dict[str, Any]] = []
    for number, space in enumerate(of_trial[: trial + 1]):
        random = generator(0, "search", model, number)
        for _ in range(DRAWS_OF_A_TRIAL):
            values = {
                key: choices[random.integers(len(choices))]
                for key, choices in space.items()
                if key != "trials"
            }
            if values not in found:
                break
        else:
            raise SystemExit(f"trial {number} of {model}: its space has nothing new; widen it")
        found.append(values)
    return found[trial]


def judged(
    model: System, question: Question, seed: int, device: str, draws: int, under_way: Path
) -> Judged:
    """Fit, and ask about the validation rows; what has been done is kept in a folder meanwhile."""
    data = training_data(question.dataset.card, question.split, model.reads_times)
    runtime = Runtime(seed, device, under_way, cache_folder(), report=print).at(under_way)
    model.fit(data, runtime)
    if writes(model):
        return written(model, question, runtime, draws)
    return ranked(model, question, runtime)


def ranked(model: Recommender, question: Question, runtime: Runtime) -> Judged:
    """Judge a model that ranks the whole catalogue."""
    data = training_data(question.dataset.card, question.split)
    steps = validation_steps(data.validation, data.train)
    rows, items = len(steps), len(data.catalogue)
    everything = np.broadcast_to(np.arange(items, dtype=np.int32), (rows, items))
    scores = model.score(Queries(steps.histories, everything), runtime)
    return expected_hit_ratio(scores, steps, question.protocol.candidates), 1.0


def written(model: System, question: Question, runtime: Runtime, draws: int) -> Judged:
    """Judge a model by the answers that it writes."""
    split, protocol = question.split, question.protocol
    pack = draw(split, protocol, "validation", draws, PACK_SEED)
    asked = split.validation, split.catalogue, pack, runtime
    finished = runtime.checkpoints / "answers"
    metrics = evaluate(model, *asked, finished=finished).metrics
    return metrics["HitRatio@1"].value, metrics["ValidRatio"].value


if __name__ == "__main__":
    typer.run(main)
