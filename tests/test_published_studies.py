"""The published studies are those of the code and the runs beside them."""

import json
import re
from base64 import b64decode
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from numpy.typing import NDArray

from recbench.registry import load
from recbench.runs.evidence import RECORD
from recbench.runs.store import read_record
from recbench.statistics.values import ENOUGH_TRAININGS
from recbench.studies.drawing import drawn, save, styled
from recbench.studies.folder import ABOUT, DATA, STUDIES, TABLE

RESULTS = Path(__file__).parents[1] / "results"
FOLDERS = sorted(one.parent for one in (RESULTS / STUDIES).glob(f"*/*/{ABOUT}"))
FILES = {TABLE, DATA, ABOUT, "figure.svg", "figure.png"}

pytestmark = [
    pytest.mark.honesty,
    pytest.mark.parametrize("folder", FOLDERS, ids=lambda one: f"{one.parent.name}-{one.name}"),
]


def about(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    return found


def test_its_table_is_that_of_its_data(folder: Path) -> None:
    assert {one.name for one in folder.iterdir()} == FILES
    assert about(folder)["study"] == folder.parent.name
    study = load("studies", folder.parent.name)()
    text = (folder / TABLE).read_text(encoding="utf-8")
    data = pd.read_parquet(folder / DATA)
    assert {"effective_users", "asked"} <= set(data)  # what the notes below the table go by
    assert text.startswith(f"# {study.question}\n\n{study.table(data)}\n\n")
    assert not set(study.titles) & set(data)


def test_of_few_trainings_it_tests_nothing(folder: Path) -> None:
    data = pd.read_parquet(folder / DATA)
    count = data["seeds"].astype(str).str.extract(r"^(?:\d+ or )?(\d+)$")[0].astype(float)
    assert not (count < ENOUGH_TRAININGS).any()  # else it says "(these trainings)"
    few = data["seeds"].astype(str).str.contains("this|these")
    tested = data["kind"].eq("difference") if "kind" in data else few
    assert data.loc[few & tested, ["low", "high", "p"]].isna().all(axis=None)


@pytest.mark.usefixtures("svg_alone")
def test_its_figure_is_drawn_from_its_data(folder: Path, tmp_path: Path) -> None:
    study = load("studies", folder.parent.name)()
    with styled():
        figure = drawn(study, pd.read_parquet(folder / DATA))
        save(figure, tmp_path)
    assert any(axes.has_data() for axes in figure.axes)
    if about(folder)["versions"]["matplotlib"] != version("matplotlib"):
        pytest.skip("another matplotlib draws otherwise")
    shapes, numbers, images = parted(tmp_path / "figure.svg")
    published_shapes, published_numbers, published_images = parted(folder / "figure.svg")
    assert shapes == published_shapes
    # Of a page of 500 points; another processor rounds the last digit otherwise.
    np.testing.assert_allclose(numbers, published_numbers, atol=0.01)
    for image, other in zip(images, published_images, strict=True):
        np.testing.assert_allclose(image, other, atol=2 / 255)


def parted(file: Path) -> tuple[list[str], list[float], list[NDArray[np.float32]]]:
    """Part a drawing into words, numbers and images, without the names that are made from them."""
    text = file.read_text(encoding="utf-8")
    images = [imread(BytesIO(b64decode(one))) for one in re.findall(r'base64,([^"]*)', text)]
    text = re.sub(r"#?\b(?:image|[a-z])?[0-9a-f]{10}\b|base64,[^\"]*", "", text)
    number = r"-?\d+\.?\d*(?:e-?\d+)?"
    return re.split(number, text), [float(one) for one in re.findall(number, text)], images


def test_its_runs_that_are_published_are_the_published_ones(folder: Path) -> None:
    """Another training of the same row, whose record is not here, cannot be checked by anybody."""
    named = {one["run"]: one["record_sha256"] for one in about(folder)["runs"]}
    assert named
    published = [run for run in named if (RESULTS / run / RECORD).is_file()]
    found = {run: read_record(RESULTS / run).record_sha256 for run in published}
    assert found == {run: named[run] for run in published}
