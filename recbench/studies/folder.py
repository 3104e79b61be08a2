"""The folder of a study: table, figure, data, and what they were made from."""

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from recbench.atomic_write import atomic_folder
from recbench.experiment import Experiment
from recbench.plain_text import as_markdown
from recbench.runs.environment import versions
from recbench.runs.leaderboard import leaderboard
from recbench.runs.notes import notes
from recbench.runs.places import results_folder
from recbench.runs.store import Run
from recbench.studies import cells
from recbench.studies.drawing import doubt, drawn, save, styled
from recbench.studies.study import Asked, Study

if TYPE_CHECKING:
    from pandas import DataFrame

STUDIES = "studies"
NAMED = 4
"""Cells that are named where some are missing; ``study.json`` names all of them."""

TABLE, DATA, ABOUT = "table.md", "data.parquet", "study.json"


def place(name: str, asked: Asked) -> Path:
    """Return the folder of a study; a quick one never takes the place of a whole one."""
    own = "-".join([asked.dataset, *asked.others, *asked.llms, *(["quick"] if asked.quick else [])])
    return results_folder(asked.results) / STUDIES / name / own.replace("/", "_")


def write(
    name: str,
    study: Study,
    asked: Asked,
    runs: Sequence[Run],
    missing: Sequence[Experiment],
) -> tuple[Path, "DataFrame"]:
    """
    Work a study out and write it; the same runs give the same bytes.

    Parameters
    ----------
    name
        Of the study.
    study, asked
        What is asked of which.
    runs
        Those of its cells that are finished.
    missing
        The other cells, which are named.

    Returns
    -------
    Path
        The folder, which holds all files or was not touched.
    DataFrame
        The data.
    """
    data = study.data(runs, asked)
    said = [*_told(study, asked, data, missing), *_notes(runs)]
    folder = place(name, asked)
    with atomic_folder(folder) as partial:
        data.to_parquet(partial / DATA, index=False)
        text = "\n\n".join([f"# {study.question}", study.table(data), *map(as_markdown, said)])
        (partial / TABLE).write_text(f"{text}\n", encoding="utf-8")
        with styled():
            save(drawn(study, data), partial)
        about = _about(name, study, asked, runs, missing)
        (partial / ABOUT).write_text(
            json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    return folder, data


def lacking(missing: Sequence[Experiment]) -> str:
    """Say which cells a study goes without."""
    first = "; ".join(cells.name(cell) for cell in missing[:NAMED])
    more = f"; and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    count = "1 cell is" if len(missing) == 1 else f"{len(missing)} cells are"
    return f"{count} not run, and left out: {first}{more}"


def _told(
    study: Study, asked: Asked, data: "DataFrame", missing: Sequence[Experiment]
) -> list[str]:
    """Say what a table is of, a paragraph each."""
    cut = f", without {study.cut}" if study.cut else ""
    quick = f"Quick: one seed{cut}." if asked.quick else ""
    lacks = f"{lacking(missing)}." if missing else ""
    return [one for one in (doubt(data), quick, lacks, f"Place: {study.place}.") if one]


def _notes(runs: Sequence[Run]) -> list[str]:
    rows = [row for table in leaderboard(runs) for row in table.rows]
    return list(dict.fromkeys(notes(rows)))


def _about(
    name: str, study: Study, asked: Asked, runs: Sequence[Run], missing: Sequence[Experiment]
) -> dict[str, object]:
    root = results_folder(asked.results)
    return {
        "study": name,
        "question": study.question,
        "place": study.place,
        "asked": {
            "dataset": asked.dataset,
            "llms": list(asked.llms),
            "models": list(asked.models),
            "seeds": asked.seeds,
            "draws": asked.draws,
            "quick": asked.quick,
            "settings": dict(asked.settings),
            "others": list(asked.others),
        },
        "runs": [
            {
                "run": run.folder.relative_to(root).as_posix(),
                "record_sha256": run.record.record_sha256,
            }
            for run in runs
        ],
        "not_run": [cells.name(cell) for cell in missing],
        "versions": {**versions(), "matplotlib": version("matplotlib")},
    }
