"""Runs as they would stand on disk, by the fixture of the room below."""

import importlib.util
from pathlib import Path

_BELOW = Path(__file__).parents[1] / "runs" / "conftest.py"
_SPEC = importlib.util.spec_from_file_location("fixtures_of_runs", _BELOW)
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)
made = _MODULE.made
