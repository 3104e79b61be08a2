"""The growth of runs: small data, the same steps."""

import subprocess
import sys
from types import SimpleNamespace

import pandas as pd
import pytest

pytest.importorskip("matplotlib", reason="matplotlib comes with the extra studies")


def test_what_was_run_is_in_the_table_and_the_figure_and_is_not_run_again(
    load, tmp_path, monkeypatch, command_line
):
    growth, said = load("growth"), []

    def recbench(folder, *arguments):
        code, _, err = command_line(*arguments, "--cache", str(folder / "cache"))
        assert code == 0, err
        said.append(err)

    def few(command, check):
        subprocess.run([*command, "--users", "500", "--items", "300"], check=check)

    monkeypatch.setattr(growth, "recbench", recbench)
    monkeypatch.setattr(growth, "subprocess", SimpleNamespace(run=few))
    out = tmp_path / "out"
    asked = ["--out", str(out), "--models", "popularity", "--interactions", "20000"]
    monkeypatch.setattr(sys, "argv", ["growth.py", str(tmp_path), *asked])
    growth.main()
    assert "training popularity" in said.pop()
    found = pd.read_csv(out / "growth.csv")
    assert found[["model", "interactions"]].values.tolist() == [["popularity", 20000]]
    assert (found[["fit", "asked", "memory"]] > 0).all(axis=None)
    first = (out / "figure.svg").read_bytes()
    elsewhere = found.assign(model="itemknn", settings="neighbours=3")
    table = pd.concat([found.assign(fit=7.0), elsewhere])  # measured before
    table.to_csv(out / "growth.csv", index=False)
    growth.main()
    assert "training popularity" not in said.pop()
    expected = pd.concat([elsewhere, found], ignore_index=True).fillna("")
    assert pd.read_csv(out / "growth.csv").fillna("").to_dict() == expected.to_dict()
    assert (out / "figure.svg").read_bytes() != first
    assert [one.name for one in sorted(out.iterdir())] == ["figure.svg", "growth.csv"]
