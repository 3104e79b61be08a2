"""
Copy finished runs into `results/`, as they may be committed: no weights, no written answers.

    recbench leaderboard --run --models ... --datasets movielens --results build/results
    python tools/publish.py build/results

Every run is checked before one is copied. A second folder takes the place of `results/`.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from recbench.errors import RecbenchError
from recbench.runs.store import check_whole, publish, runs

ROOT = Path(__file__).resolve().parents[1]


def main(source: Path, target: Annotated[Path, typer.Argument()] = ROOT / "results") -> None:
    """Publish all runs below a folder, or none where one is not to be trusted, or no result."""
    try:
        found = runs(source)
        for run in found:
            check_whole(run)
    except RecbenchError as error:
        sys.exit(f"error: {error}")
    for run in found:
        print(publish(run, target))


if __name__ == "__main__":
    typer.run(main)
