"""What the README says must be so: its commands, its table."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(?:bash|console)\n(.*?)```", README, flags=re.DOTALL)
LINES = [line.strip() for block in BLOCKS for line in block.replace("\\\n", " ").splitlines()]
COMMANDS = [line for line in LINES if line.startswith("recbench ")]
COMMANDS += [part.strip() for line in LINES for part in line.split("&&")[1:] if "recbench" in part]
QUICK = {"models", "data", "candidates", "leaderboard"}


def recbench(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "recbench_cli.main", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_there_are_commands():
    assert {shlex.split(command)[1] for command in COMMANDS} >= {"run", "leaderboard", "models"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_understood(command, tmp_path):
    """Its options are known; with --help after them, nothing is run."""
    arguments = shlex.split(command, comments=True)[1:]
    helped = recbench(*arguments, "--help", cwd=tmp_path)
    assert helped.returncode == 0, helped.stderr
    known = set(re.findall(r"--[a-z][a-z-]*", helped.stdout))
    assert {one for one in arguments if one.startswith("--")} <= known


@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if shlex.split(c)[1] in QUICK and "--run" not in c]
)
def test_the_quick_commands_run(command, tmp_path):
    pytest.importorskip("recbole", reason="MovieLens-100K comes with the extra recbole")
    arguments = shlex.split(command, comments=True)[1:]
    done = recbench(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_table_is_the_one_that_the_leaderboard_prints(tmp_path):
    printed = recbench(
        "leaderboard", "--results", str(ROOT / "results"), "--format", "markdown", cwd=tmp_path
    )
    assert printed.returncode == 0, printed.stderr
    assert "| sasrec" in printed.stdout
    assert printed.stdout.strip() in README
