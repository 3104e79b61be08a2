import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from recbench.data.readers import table

TOOL = Path(__file__).parents[2] / "tools" / "synthetic.py"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_same_skewed_interactions_come_out_of_every_call(tmp_path, kind):
    sizes = ["--interactions", "5000", "--users", "50", "--items", "200"]
    options = [*sizes, *(["--parquet"] if kind == "parquet" else [])]
    for folder in ("one", "two"):
        subprocess.run([sys.executable, TOOL, tmp_path / folder, *options], check=True)
    one, two = (
        table.read(tmp_path / folder / f"interactions.{kind}", tmp_path / folder / f"items.{kind}")
        for folder in ("one", "two")
    )
    for name in ("users", "items"):
        np.testing.assert_array_equal(getattr(one, name)[:], getattr(two, name)[:])
    assert len(one.users) == 5000
    assert len(one.users.ids) == 50
    assert len(one.item_ids) == 200
    assert (np.diff(one.times) >= 0).all()
    counts = np.sort(np.bincount(one.items.codes))[::-1]
    assert counts[:20].sum() > 5000 / 4
