import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

import recbench
from recbench.runs.provenance import commit, plugin, provenance
from recbench.runs.record import FIGURE_VERSION


@pytest.fixture
def checkout(tmp_path):
    """A repository of one package, committed."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    for arguments in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "first")):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True)
    return package


def test_the_commit_of_a_checkout(checkout):
    found = commit(checkout)
    assert found is not None
    assert len(found) == 40


@pytest.mark.parametrize("name", ["__init__.py", "another.py"])
def test_a_changed_checkout_says_so(checkout, name):
    clean = commit(checkout)
    (checkout.parent / "notes.txt").write_text("of no account")
    assert commit(checkout) == clean
    (checkout / name).write_text("changed = True")
    assert commit(checkout) == f"{clean}+"


def test_what_only_lies_in_a_checkout_has_no_commit(checkout, tmp_path):
    installed = checkout.parent / "venv/lib/recbench"
    installed.mkdir(parents=True)
    (installed / "__init__.py").touch()
    assert commit(installed) is None


def test_without_git_there_is_no_commit(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert commit(checkout) is None


def test_the_plugin_of_our_own_models():
    assert plugin("popularity") == f"recbench {version('recbench')}"
    assert plugin("popularty") == "unknown"


def test_all_of_it():
    found = provenance("popularity", "cpu", "float32")
    assert (found.figure_version, found.precision) == (FIGURE_VERSION, "float32")
    assert (found.device.name, found.plugin) == ("cpu", plugin("popularity"))
    assert {"python", "recbench", "numpy"} <= found.versions.keys()
    checkout = Path(recbench.__file__).parents[1]
    assert (found.commit is not None) == (checkout / ".git").exists()
