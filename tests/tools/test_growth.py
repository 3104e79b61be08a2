"""The growth of runs: small data, the same steps."""

import sys

import pandas as pd
import pytest

pytest.importorskip("matplotlib", reason="matplotlib comes with the extra studies")


def test_what_was_run_is_in_the_table_and_the_figure_and_is_not_run_again(
    load, tmp_path, monkeypatch, capfd
):
    growth = load("growth")
    out = tmp_path / "out"
    asked = ["--out", str(out), "--models", "popularity", "--interactions", "20000"]
    monkeypatch.setattr(sys, "argv", ["growth.py", str(tmp_path), *asked])
    growth.main()
    assert "training popularity" in capfd.readouterr().err
    found = pd.read_csv(out / "growth.csv")
    assert found[["model", "interactions"]].values.tolist() == [["popularity", 20000]]
    assert (found[["fit", "asked", "memory"]] > 0).all(axis=None)
    first = (out / "figure.svg").read_bytes()
    growth.main()
    assert "training popularity" not in capfd.readouterr().err
    assert (out / "figure.svg").read_bytes() == first
    assert [one.name for one in sorted(out.iterdir())] == ["figure.svg", "growth.csv"]
