"""The folder of a study: table, figure, data, and what they were made from."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from recbench.atomic_write import atomic_folder
from recbench.request import Experiment
from recbench.runs.environment import versions
from recbench.runs.leaderboard import leaderboard
from recbench.runs.notes import named_apart, notes_of_figures
from recbench.runs.places import results_folder
from recbench.runs.sheet import Sheet
from recbench.runs.store import Run
from recbench.runs.text import Layout, laid_out
from recbench.settings import digest
from recbench.studies import cells
from recbench.studies.drawing import doubt, drawn, save, styled
from recbench.studies.returned import check_data, check_text
from recbench.studies.study import Asked, Study

if TYPE_CHECKING:
    from pandas import DataFrame

STUDIES, QUICK = "studies", "-quick"
NAMED = 4
"""Cells that are named where some are missing; ``study.json`` names all of them."""

LONGEST = 200
"""
Bytes of a folder's name at most, of the 255 that file systems take: while the folder is written,
what `atomic_folder` adds stands behind it.
"""

TABLE, DATA, ABOUT = "table.md", "data.parquet", "study.json"


@dataclass(frozen=True)
class Written:
    """
    A study as it stands in its folder.

    Attributes
    ----------
    study
        What was written.
    folder
        Where.
    data
        Its points.
    said
        What must be known of them, a paragraph each.
    """

    study: Study
    folder: Path
    data: "DataFrame"
    said: tuple[str, ...]

    def page(self, layout: Layout) -> str:
        """Write the table, and below it what is said, without a last line end."""
        below = laid_out(Sheet(self.said), layout)
        return f"{check_text(self.study.table(self.data, layout), 'table()')}\n\n{below}"


def place(name: str, asked: Asked) -> Path:
    """
    Return the folder of a study; a quick one never takes the place of a whole one.

    Language models may be folders with long names: then the name is cut, and ends in a digest.
    """
    of = [asked.dataset, *asked.others, *asked.llms]
    own = _short("-".join(of).replace("/", "_"), digest(of)[:12])
    quick = QUICK if asked.quick else ""
    return results_folder(asked.results) / STUDIES / name / f"{own}{quick}"


def shown(name: str, asked: Asked) -> list[Path]:
    """Return the tables of a study that are there for a dataset, of whatever language models."""
    found = (results_folder(asked.results) / STUDIES / name).glob(f"{asked.dataset}-*/{ABOUT}")
    whole = (one for one in found if asked.quick or not one.parent.name.endswith(QUICK))
    return sorted(one.with_name(TABLE) for one in whole)


def _short(name: str, mark: str) -> str:
    """Return a name, or of one that is too long its beginning and a mark."""
    room = LONGEST - len(QUICK)
    if len(name.encode()) <= room:
        return name
    start = name.encode()[: room - len(mark) - 1].decode(errors="ignore")  # no half sign at the end
    return f"{start}-{mark}"


def write(
    name: str,
    study: Study,
    asked: Asked,
    runs: Sequence[Run],
    missing: Sequence[Experiment],
) -> Written:
    """
    Work a study out and write it; the same runs give the same bytes on the same processor.

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
    Written
        What stands in the folder, which holds all files or was not touched.
    """
    data = check_data(study.data(runs, asked))
    said = *_told(study, asked, data, missing), *_notes(study, data, runs)
    written = Written(study, place(name, asked), data, said)
    text = f"# {study.question}\n\n{written.page('markdown')}\n"
    about = _about(name, study, asked, runs, missing)
    with styled():
        figure = drawn(study, data)
        with atomic_folder(written.folder) as partial:
            data.to_parquet(partial / DATA, index=False)
            (partial / TABLE).write_text(text, encoding="utf-8")
            save(figure, partial)
            (partial / ABOUT).write_text(
                json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
            )
    return written


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


def _notes(study: Study, data: "DataFrame", runs: Sequence[Run]) -> list[str]:
    """Say what must be known of the systems, and of the figures that are shown of them."""
    rows = [row for table in leaderboard(runs) for row in table.rows]
    return notes_of_figures(named_apart(rows), _shown(study, data))


def _shown(study: Study, data: "DataFrame") -> Iterator[tuple[str, float, float]]:
    """Yield whose every figure with an interval over users is, its value and effective users."""
    with_interval = data[(data["low"] < data["high"]) & data["effective_users"].notna()]
    apart = with_interval["asked"].nunique() > 1
    for point in with_interval.to_dict("records"):
        question = f"on {point['asked']}" if apart else ""
        whose = " ".join(filter(None, (point["system"], study.part(point), question)))
        yield whose, point["value"], point["effective_users"]


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
