"""RecBole's own SASRec, trained by RecBole, becomes a row in the three commands of the docs."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from recbench_cli import main as cli

DOCS = Path(__file__).parents[1] / "docs"

# RecBole 1.2.1 trains under NumPy 1 and pandas 2, which recbench's own environment has not.
PYTHON = os.environ.get("RECBOLE_PYTHON")


@pytest.mark.skipif(PYTHON is None, reason="RECBOLE_PYTHON names no Python that has RecBole")
def test_recboles_sasrec_becomes_a_row(raw_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECBENCH_CACHE", str(tmp_path / "cache"))
    page = (DOCS / "outside.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```\n(.*?)```", page, re.DOTALL)
    export, asked, answered, scored = [
        shlex.split(line) for block in blocks[:2] for line in block.splitlines()
    ]
    for command in (export, asked):
        recbench(command, raw_folder)
    script = [str(PYTHON), str(DOCS / answered[1]), *answered[2:], "epochs=2"]
    subprocess.run(script, check=True)
    recbench(scored, raw_folder)
    capsys.readouterr()
    with pytest.raises(SystemExit):
        cli.main(["leaderboard", "--protocol", "next-item"])
    assert "external:recbole-sasrec" in capsys.readouterr().out


def recbench(command, raw_folder):
    with pytest.raises(SystemExit) as left:
        cli.main([*command[1:], "--data-dir", str(raw_folder)])
    assert not left.value.code
