"""
Measure how long it takes to read and check many runs: `docs/records.md` has the figures.

Copies of one finished run are written into a new folder, each as a row of its own by a setting that
no model has, and read twice: with nothing known of them, and when all have been checked before.

    python tools/many_runs.py results/movielens/paper/popularity/<run id> build/many
"""

import argparse
import time
from pathlib import Path

from recbench.runs.identity import row_of, run_id, training_id_of
from recbench.runs.record import RunRecord
from recbench.runs.store import Run, publish, read_record, run_folder, runs


def another(record: RunRecord, number: int) -> RunRecord:
    """Return the record of another row, whose names are those that belong to it."""
    one = record.model_copy(update={"settings": {**record.settings, "copy": number}})
    one = one.model_copy(update={"row": row_of(one)})
    trained = one.trained.model_copy(update={"training_id": training_id_of(one)})
    return one.model_copy(update={"run_id": run_id(one.row, one.seed), "trained": trained})


def seconds(results: Path, cache: Path, expected: int) -> float:
    """Return how long it takes to read all runs; all must pass."""
    began = time.perf_counter()
    found = len(runs(results, cache=cache))
    taken = time.perf_counter() - began
    assert found == expected, found
    return taken


def main() -> None:
    """Write the copies, and print what reading them takes."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n")[0])
    parser.add_argument("run", type=Path, help="a finished run's folder")
    parser.add_argument("folder", type=Path, help="new; for results and cache")
    parser.add_argument("--copies", type=int, default=2_000)
    arguments = parser.parse_args()
    results, cache = arguments.folder / "results", arguments.folder / "cache"
    record = read_record(arguments.run)
    for number in range(arguments.copies):
        copy = another(record, number)
        assert not run_folder(results, copy).exists()
        publish(Run(arguments.run, copy), results)
    for known in ("nothing known", "all checked before"):
        taken = seconds(results, cache, arguments.copies)
        rows = record.examples * record.draws
        print(f"{arguments.copies} runs of {rows} rows, {known}: {taken:.2f} s")


if __name__ == "__main__":
    main()
