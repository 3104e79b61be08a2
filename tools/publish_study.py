"""
Copy a study into `results/studies/`, as it may be committed: without titles of the dataset.

    recbench study gradient-similarity --results build/results
    python tools/publish_study.py build/results/studies/gradient-similarity/movielens-tiny

The columns that hold titles (`Study.titles`) go from the data and the table; the figure has none.
"""

import json
import shutil
import sys
from pathlib import Path

import pandas as pd

from recbench.atomic_write import atomic_folder
from recbench.registry import load
from recbench.studies.folder import ABOUT, DATA, STUDIES, TABLE
from recbench.studies.study import Study

ROOT = Path(__file__).resolve().parents[1]


def main(source: Path, target: Path = ROOT / "results") -> None:
    """Publish one study, in the place of an earlier copy of it."""
    name = json.loads((source / ABOUT).read_text(encoding="utf-8"))["study"]
    study: Study = load("studies", name)()
    whole = pd.read_parquet(source / DATA)
    bare = whole.drop(columns=[one for one in study.titles if one in whole])
    text = (source / TABLE).read_text(encoding="utf-8")
    table = study.table(whole)
    if table not in text:
        sys.exit(f"error: {source / TABLE} is not that of its data; run the study again")
    folder = target / STUDIES / name / source.resolve().name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(folder) as partial:
        shutil.copytree(source, partial, dirs_exist_ok=True)
        bare.to_parquet(partial / DATA, index=False)
        (partial / TABLE).write_text(text.replace(table, study.table(bare)), encoding="utf-8")
    print(folder)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
