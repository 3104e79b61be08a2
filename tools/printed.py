"""
Fill in what commands print, in the README and the docs.

A block begins with ``<!-- printed by: recbench ... -->`` and ends with ``<!-- end of print -->``;
what stands between them is what the command prints in the repository's root.

    python tools/printed.py
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import typer

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", *(ROOT / "docs" / one for one in ("results.md", "reproduction.md")))
BEGIN, END = r"(<!-- printed by: (?P<command>recbench [^\n]*) -->\n)", "(<!-- end of print -->)"
BLOCK = re.compile(f"{BEGIN}(?P<printed>.*?){END}", re.DOTALL)


def blocks(page: str) -> list[tuple[str, str]]:
    """Return each command of a page and what stands there as printed by it."""
    return [(found["command"], found["printed"].strip()) for found in BLOCK.finditer(page)]


@cache
def printed(command: str) -> str:
    """Return what a command prints in the root of the repository; pages repeat some."""
    words = shlex.split(command)[1:]
    call = [sys.executable, "-P", "-m", "recbench_cli", *words]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {command}: {done.stderr.strip()}")
    return done.stdout.strip()


def filled(page: str, run: Callable[[str], str] = printed) -> str:
    """Return a page with every block as its command prints it now; what lies between stays."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{run(found['command'])}\n\n{found[4]}", page)


def main() -> None:
    """Fill in what commands print, in the README and the docs."""
    for path in PAGES:
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
