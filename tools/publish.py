"""
Copy finished runs into `results/`, as they may be committed: no weights, no written answers.

    recbench leaderboard --run --models ... --datasets movielens --results build/results
    python tools/publish.py build/results
"""

import sys
from pathlib import Path

from recbench.runs.store import publish, runs

ROOT = Path(__file__).resolve().parents[1]

if __name__ == "__main__":
    for run in runs(Path(sys.argv[1])):
        print(publish(run, ROOT / "results"))
