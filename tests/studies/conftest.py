"""Runs as they would stand on disk, by the fixture of the room below; and quicker figures."""

import importlib.util
from pathlib import Path

import pytest
from matplotlib.figure import Figure

_BELOW = Path(__file__).parents[1] / "runs" / "conftest.py"
_SPEC = importlib.util.spec_from_file_location("fixtures_of_runs", _BELOW)
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)
made = _MODULE.made


@pytest.fixture
def svg_alone(monkeypatch):
    """Figures are saved as SVG alone: a PNG shows no more, and takes as long again."""
    real = Figure.savefig

    def savefig(figure, file, **how):
        if file.suffix == ".svg":
            real(figure, file, **how)

    monkeypatch.setattr(Figure, "savefig", savefig)
