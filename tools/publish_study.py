"""
Copy a study into `results/studies/`, as it may be committed: without titles of the dataset.

    recbench study gradient-similarity --results build/results
    python tools/publish_study.py build/results/studies/gradient-similarity/movielens-tiny

The columns that hold titles (`Study.titles`) go from the data and the table; the figure has none.
A run that was published, too, is named by the digest of its published copy.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from recbench.atomic_write import atomic_folder
from recbench.registry import load
from recbench.runs.evidence import RECORD
from recbench.runs.store import read_record
from recbench.studies.folder import ABOUT, DATA, STUDIES, TABLE
from recbench.studies.study import Study

ROOT = Path(__file__).resolve().parents[1]


def main(source: Path, target: Annotated[Path, typer.Argument()] = ROOT / "results") -> None:
    """Publish one study, in the place of an earlier copy of it."""
    results = source.resolve().parents[2]
    about = json.loads((source / ABOUT).read_text(encoding="utf-8"))
    name = about["study"]
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
        about["runs"] = [_published(run, results, target) for run in about["runs"]]
        (partial / ABOUT).write_text(
            json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    print(folder)


def _published(run: dict[str, Any], results: Path, target: Path) -> dict[str, Any]:
    """Name a run as its copy without answers is named, if it has one: all else is the same."""
    if not all((root / run["run"] / RECORD).is_file() for root in (results, target)):
        return run
    own, copy = read_record(results / run["run"]), read_record(target / run["run"])
    is_its = own.signed(copy.examples_sha256).record_sha256 == copy.record_sha256
    return {**run, "record_sha256": copy.record_sha256} if is_its else run


if __name__ == "__main__":
    typer.run(main)
