import csv
import json

import pytest

from recbench.runs.leaderboard import leaderboard
from recbench.studies.curves import looks, render_curves

POINTS = [
    {"rows": 512, "HitRatio@1": 0.125, "ValidRatio": 0.5},
    {"rows": 600, "HitRatio@1": 0.25, "ValidRatio": 1.0},
]


def told(run, curve):
    """Return a run whose training reported this curve."""
    trained = run.record.trained
    more = trained.model_copy(update={"fit": {**trained.fit, "curve": curve}})
    return type(run)(run.folder, run.record.model_copy(update={"trained": more}))


@pytest.fixture
def found(made):
    """Of three runs one has a curve."""
    one, two, three = (made([1, 0, 1, 0], model=name) for name in ("a", "b", "c"))
    return looks(leaderboard([one, told(two, POINTS), three]))


def test_every_point_of_every_run_is_a_line(found):
    assert [(one.system, one.seed, one.rows) for one in found] == [("b", 0, 512), ("b", 0, 600)]
    assert found[1].figures == {"HitRatio@1": 0.25, "ValidRatio": 1.0}


def test_they_are_written_in_all_forms(found):
    table = render_curves(found, "table")
    assert "0.125" in table
    assert "not who is better" in table
    assert render_curves(found, "markdown").startswith("| dataset ")
    (first, _) = json.loads(render_curves(found, "json"))
    assert (first["rows"], first["HitRatio@1"]) == (512, 0.125)
    (read, _) = csv.DictReader(render_curves(found, "csv").splitlines())
    assert (read["system"], read["ValidRatio"]) == ("b", "0.5")
