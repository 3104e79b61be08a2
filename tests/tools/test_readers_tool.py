"""The tables of what readers accept are what the readers do."""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_tables_in_the_docs_are_what_the_readers_accept(monkeypatch):
    """If not: python tools/readers.py."""
    spec = importlib.util.spec_from_file_location("readers", ROOT / "tools" / "readers.py")
    tool = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "readers", tool)  # dataclasses look there
    spec.loader.exec_module(tool)
    page = tool.PAGE.read_text(encoding="utf-8")
    assert tool.BLOCK.search(page)[0] == tool.tables()
