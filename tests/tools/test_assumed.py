"""What the doctor assumes is what runs show."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from recbench.statistics.values import SystemValues

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool(load) -> ModuleType:
    return load("assumed")


def made(random, alike, users=2_000, rows=4, draws=3, seeds=4, seed_sd=0.05):
    """A system whose chance of a hit is a user's own, for a part of what it differs by."""
    of_user = random.normal(size=(1, users, 1, 1)) * np.sqrt(alike)
    of_draw = random.normal(size=(seeds, users, rows, draws)) * np.sqrt(1 - alike)
    of_seed = random.normal(0, seed_sd, size=(seeds, 1, 1, 1))
    right = (of_user + of_draw + of_seed > 0).astype(float)
    values = right.reshape(seeds, -1)
    return SystemValues(values, draws, np.repeat(np.arange(users), rows), tuple(range(seeds)))


def test_what_was_put_in_is_measured(tool):
    random = np.random.default_rng(0)
    pair = [made(random, alike=0.0) for _ in range(2)]
    found = tool.measured(pair)
    assert found.discordance == pytest.approx(0.5, abs=0.01)
    assert found.draws_share == pytest.approx(1.0, abs=0.02)
    assert found.alike == pytest.approx(0.0, abs=0.02)
    figures = np.stack([one.crossed.by_seed for one in pair])
    assert found.seed_sd == pytest.approx(np.sqrt(figures.var(axis=1, ddof=1).mean()))


def test_what_is_the_users_is_no_chance_of_the_draw(tool):
    random = np.random.default_rng(1)
    found = tool.measured([made(random, alike=0.5, seed_sd=0.0) for _ in range(2)])
    # Signs of normal variables of correlation .5 agree in 2 of 3 cases.
    assert found.discordance == pytest.approx(0.5, abs=0.01)
    assert found.draws_share == pytest.approx(2 / 3, abs=0.02)
    assert found.alike == pytest.approx(1 / 3, abs=0.02)


def test_one_draw_one_row_and_one_seed_say_nothing_of_them(tool):
    random = np.random.default_rng(2)
    found = tool.measured([made(random, 0.2, rows=1, draws=1, seeds=1) for _ in range(2)])
    assert found.discordance > 0
    assert np.isnan(found[1:]).all()


@pytest.mark.honesty
def test_the_doctor_assumes_what_the_published_runs_show(tool, tmp_path, monkeypatch):
    monkeypatch.setenv("RECBENCH_CACHE", str(tmp_path))
    found = [tool.measured(systems) for _, systems in tool.asked(ROOT / "results", tool.MODELS)]
    shown = tool.Measured(*np.nanmean(found, axis=0))
    rows = tool.rows
    assert pytest.approx(shown.discordance, rel=0.25) == rows.DISCORDANCE
    assert pytest.approx(shown.draws_share, rel=0.1) == rows.DRAWS_SHARE
    assert pytest.approx(max(one.seed_sd for one in found), rel=0.5) == rows.SEED_SD
    assert shown.alike < 5 * rows.ALIKE
