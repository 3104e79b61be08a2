import importlib.util
import itertools
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest

from recbench import registry

_BELOW = Path(__file__).parents[1] / "runs" / "conftest.py"
_SPEC = importlib.util.spec_from_file_location("fixtures_of_runs", _BELOW)
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)
made = _MODULE.made

NUMBERS = itertools.count()


@pytest.fixture
def call_here(call, tmp_path):
    """Run the command line on folders of this test; return as `call` does."""
    places = ["--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache")]
    return lambda *arguments: call(*arguments, *places)


@pytest.fixture
def call_inside(command_line, tmp_path, monkeypatch):
    """Run the command line in the empty folder of this test; return as `call` does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECBENCH_CACHE", str(tmp_path / "cache"))
    return command_line


@pytest.fixture
def install(monkeypatch, tmp_path):
    """Write a package of one module, install it as a plug-in, return its folder."""
    real, there = registry.entry_points, {}

    def installed(source, group="models", name="acme", target=":Acme", owner="acme-plugin"):
        package = f"acme_{next(NUMBERS)}"  # a module that was imported is not imported again
        folder = tmp_path / "site" / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(source)
        value = package + target
        point = EntryPoint(name, value, f"recbench.{group}")
        vars(point)["dist"] = SimpleNamespace(name=owner, version="1")

        there[owner, group, name] = point  # in the place of an earlier version

        def points(group):
            return [*real(group=group), *(one for one in there.values() if group == one.group)]

        monkeypatch.setattr(registry, "entry_points", points)
        monkeypatch.syspath_prepend(tmp_path / "site")
        here = registry.__file__.rpartition("/recbench/")[0]
        paths = [tmp_path / "site", f"{here}/tests/plugins"]
        monkeypatch.setenv("PYTHONPATH", ":".join(map(str, paths)))  # of a fresh process
        return folder

    return installed
