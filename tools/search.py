"""
The search that chose the defaults: random search, the same number of trials for every model.

Each trial draws settings from a space of the model in a file of spaces, fits on the training rows
and is judged by HitRatio@1 over the validation rows; no test row is looked at. Where negatives are
uniform from all that the visible history does not hold (`paper`), a model that ranks is judged over
all sets of candidates at once (`expected_hit_ratio`) and at every step of the validation rows.
Under other protocols it is asked as a model is that has its candidates listed: the validation rows
alone, over sets that the protocol draws for this search alone, or those that the rows bring.
The rows are few, so a second round fits the best settings of the first with more seeds, and the
best mean wins. Every fit is one line of the results file; fits that are already there are not
repeated, and the one that was under way goes on from its checkpoints beside that file, so a search
that was stopped goes on. A fit is known by a digest of all that decides its figure: of other data,
draws or code it is another one. Lines from before there was a digest count for data that recbench
ships, which nobody can add anew, and where negatives are uniform from what was not seen: of a model
that ranks, which is judged over all sets at once, and of one that has its candidates listed at the
draws that the file was made with (`UNDIGESTED_DRAWS`).

    python tools/search.py --models gru4rec,sasrec,caser --trials 27 --finalists 2 --seeds 2
"""

import csv
import json
import shutil
import time
import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeGuard

import numpy as np
import typer

from recbench.atomic_write import atomic_file
from recbench.data.card import ships
from recbench.evaluation.evaluator import evaluate
from recbench.hardware.devices import resolve
from recbench.models import ingredients_of
from recbench.neural.ranking import expected_hit_ratio, validation_steps
from recbench.questions.candidates import Pack, draw
from recbench.questions.protocols import Protocol
from recbench.questions.queries import Queries
from recbench.recommender import Recommender, Runtime, System, reads_candidates
from recbench.registry import foreign_package
from recbench.request import Experiment
from recbench.runs.identity import training_digest
from recbench.runs.places import cache_folder
from recbench.runs.question import Question
from recbench.runs.tried import compared
from recbench.seeding import generator
from recbench.settings import digest
from recbench.stages import ask, build
from recbench.training_source import own_training, training_data

HERE = Path(__file__).parent
SPACES = HERE / "search_spaces.toml"
COLUMNS = ("model", "seed", "hit_ratio", "valid_ratio", "seconds", "settings", "digest")
PACK_SEED = 2**32 - 1
"""Of the candidate sets that are drawn: a seed that no run has by default."""
DRAWS_OF_A_TRIAL = 100
"""Settings drawn before a space counts as used up."""

UNDIGESTED_DRAWS = {"movielens-paper.csv": 5, "movielens-paper-smollm2.csv": 2}
"""Candidate sets a row behind the lines of a file that have no digest, where some were drawn."""

Judged = tuple[float, float]
"""HitRatio@1 and ValidRatio."""


def main(
    models: Annotated[str, typer.Option(help="Names, separated by commas.")],
    dataset: str = "movielens",
    protocol: str = "paper",
    trials: Annotated[int, typer.Option(help="Settings of each model to try with seed 0.")] = 8,
    finalists: Annotated[int, typer.Option(help="How many of them to try with more seeds.")] = 2,
    seeds: Annotated[int, typer.Option(help="Seeds of each finalist, 0 included.")] = 3,
    draws: Annotated[int, typer.Option(help="Candidate sets a row, where some are drawn.")] = 5,
    spaces: Annotated[Path, typer.Option(help="What is drawn from (TOML).")] = SPACES,
    device: str = "auto",
    out: Annotated[Path | None, typer.Option(help="Results file (CSV).")] = None,
) -> None:
    """Search settings on validation rows; print each model's finalists, the best first."""
    out = out or HERE.parent / "results" / "search" / f"{dataset}-{protocol}.csv"
    names = models.split(",")
    asked = {"model": names[0], "dataset": dataset, "protocol": protocol, "draws": 1}
    question = ask(Experiment.build(asked), print)
    check_draws(question.protocol)
    for name in names:  # what cannot be asked is refused before another model is fitted
        built(name, dataset, protocol, {})
    search = Search(question, resolve(device), draws, out)
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
        self.done = self.lines()

    def lines(self) -> list[dict[str, str]]:
        """Read what the file has by now."""
        if not self.path.exists():
            return []
        with self.path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def figure(self, name: str, values: dict[str, Any], seed: int) -> float:
        """Return the HitRatio@1 of a fit, from the file if it is there."""
        about = self.question.dataset.card.name, self.question.protocol.name
        model = built(name, *about, values)
        made_of = self.digest_of(name, model)
        if (known := self.known(name, model, seed, made_of)) is not None:
            return known
        started = time.monotonic()
        under_way = self.under_way(made_of, seed)
        hit, valid = judged(model, self.question, seed, self.device, self.draws, under_way)
        seconds = time.monotonic() - started
        settings = json.dumps(model.settings.record(), sort_keys=True)
        figures = f"{hit:.6f}", f"{valid:.6f}", f"{seconds:.0f}"
        self.append((name, str(seed), *figures, settings, made_of))
        print(f"{name} seed {seed}: {hit:.4f} in {seconds:.0f} s {values}", flush=True)
        shutil.rmtree(under_way, ignore_errors=True)
        return hit

    def digest_of(self, name: str, model: System) -> str:
        """Return SHA-256 over all that decides a figure, except the seed."""
        question = self.question
        source = own_training(question.dataset.card, question.split, 1.0, model)
        learnt = training_digest(
            model=name,
            settings=model.settings.identity(),
            ingredients=ingredients_of(model),
            data=source.digest,
            training=source.training,
            plugin=foreign_package("models", name) or "recbench",  # whose version is of figures
        )
        drawn_so = [] if over_all_sets(model, question.protocol) else [self.draws, PACK_SEED]
        return digest([learnt, question.split.digest, question.protocol.digest, *drawn_so])

    def under_way(self, made_of: str, seed: int) -> Path:
        """Return the folder of a fit that is not in the file yet."""
        return self.path.with_suffix(".under-way") / digest([made_of, seed])[:16]

    def known(self, name: str, model: System, seed: int, made_of: str) -> float | None:
        """Return the figure of a fit in the file; it may be from before some settings were."""
        settings = model.settings
        wanted = compared(type(settings), settings.record())
        for row in self.done:
            if (row["model"], int(row["seed"])) != (name, seed):
                continue
            if row.get("digest"):
                same = row["digest"] == made_of
            else:
                earlier = compared(type(settings), json.loads(row["settings"]))
                same = earlier == wanted and self.knows_undigested(model)
            if same:
                return float(row["hit_ratio"])
        return None

    def knows_undigested(self, model: System) -> bool:
        """Whether a line without a digest is of these data and was judged by this rule."""
        question = self.question
        if not (ships(question.dataset.card.name) and excludes_what_is_seen(question.protocol)):
            return False
        at_once = over_all_sets(model, question.protocol)
        return at_once or UNDIGESTED_DRAWS.get(self.path.name) == self.draws

    def append(self, row: tuple[str, ...]) -> None:
        """Add a line to the file, with its header; killed at any moment, as a whole or not."""
        lines = [*self.lines(), dict(zip(COLUMNS, row, strict=True))]
        with (
            atomic_file(self.path) as partial,
            partial.open("w", encoding="utf-8", newline="") as file,
        ):
            # A file from before there was a digest gets the column, empty in the lines that it has.
            writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(lines)
        self.done = lines


def built(name: str, dataset: str, protocol: str, values: dict[str, Any]) -> System:
    """Make a model, untrained; refuse one that cannot be asked about the dataset so."""
    asked = {"model": name, "dataset": dataset, "protocol": protocol, "settings": values}
    return build(Experiment.build(asked))


def check_draws(asked: Protocol) -> None:
    """Refuse, before anything is fitted, to judge by HitRatio@1 where no candidates are drawn."""
    if asked.full:
        raise SystemExit(
            f"{asked.name} draws no candidates, among which a search judges by HitRatio@1; "
            "leave out candidates=all"
        )


def excludes_what_is_seen(asked: Protocol) -> bool:
    """Whether negatives are uniform from all items but the target and the visible history."""
    rule = asked.negatives, asked.exclude, asked.distinct_titles
    return rule == ("uniform", "history", False)


def over_all_sets(model: System, asked: Protocol) -> TypeGuard[Recommender]:
    """Whether a model is judged over all sets of candidates at once, and none are drawn for it."""
    return not reads_candidates(model) and excludes_what_is_seen(asked)


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
    if over_all_sets(model, question.protocol):
        model.fit(data, runtime)
        return ranked(model, question, runtime)
    # What cannot be drawn is refused before hours of fitting.
    pack = draw(question.split, question.protocol, "validation", draws, PACK_SEED)
    model.fit(data, runtime)
    return asked_about(model, question, pack, runtime)


def ranked(model: Recommender, question: Question, runtime: Runtime) -> Judged:
    """Judge a model that ranks the whole catalogue."""
    data = training_data(question.dataset.card, question.split)
    steps = validation_steps(data)
    items = len(data.catalogue)
    users = steps.users if model.knows_users else None
    scores = model.score(Queries.of_all(steps.histories, items).by(users), runtime)
    return expected_hit_ratio(scores, steps, question.protocol.candidates), 1.0


def asked_about(model: System, question: Question, pack: Pack, runtime: Runtime) -> Judged:
    """Judge a model by its answers about the validation rows, as a run judges those of the test."""
    asked = question.split.validation, question.split.catalogue, pack, runtime
    finished = runtime.checkpoints / "answers"
    metrics = evaluate(model, *asked, finished=finished).metrics
    return metrics["HitRatio@1"].value, metrics["ValidRatio"].value


if __name__ == "__main__":
    typer.run(main)
