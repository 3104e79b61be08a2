"""The house: who may import whom, what stays torch-free, what is where."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = {
    "recbench": ROOT / "recbench",
    "recbench_cli": ROOT / "recbench_cli",
    "recbench_baselines": ROOT / "baselines/recbench_baselines",
}

# Each room may import the rooms to its right, and its own.
BELOW: dict[str, set[str]] = {
    "errors": set(),
    "progress": set(),
    "plain_text": set(),
    "defaults": set(),
    "seeding": set(),
    "atomic_write": set(),
    "out_of_memory": set(),
    "file_digests": set(),
    "leash": set(),
    "locks": {"errors", "atomic_write"},
    "processes": {"errors"},
    "secret": {"errors"},
    "settings": {"errors", "secret"},
    "sealed": {"errors", "secret", "settings"},
    "registry": {"errors", "secret", "settings", "seeding"},
    "statistics": {"errors"},
}
BELOW["data"] = {
    *{"registry", "progress", "plain_text", "atomic_write", "file_digests", "sealed"},
    "out_of_memory",
    *BELOW["registry"],
}
BELOW["hardware"] = {"processes", "out_of_memory", "sealed", "atomic_write", *BELOW["sealed"]}
BELOW["questions"] = {"statistics", "data", "defaults", *BELOW["data"]}
BELOW["recommender"] = {"questions", "processes", *BELOW["questions"]}
BELOW["models"] = {"recommender", *BELOW["recommender"]}
BELOW["evaluation"] = {"recommender", "hardware", "leash", *BELOW["recommender"]}
BELOW["evaluation"] |= BELOW["hardware"]
BELOW["sent_files"] = {"errors", "atomic_write", "data.toml_cards"}
BELOW["cells"] = {"sent_files", "errors", "atomic_write", "secret", "plain_text", "leash"}
BELOW["cells"] |= {"hardware", *BELOW["hardware"]}
BELOW["runs"] = {"models", "evaluation", "locks", *BELOW["evaluation"]}
BELOW["inspection"] = {
    *{"training_source", "llm.prompts.wording", "runs"},
    *BELOW["runs"],
}
BELOW["submission"] = {"runs", "sent_files", *BELOW["runs"]}
BELOW["outside"] = {"runs", "llm.prompts.wording", *BELOW["runs"]}
BELOW["training_source"] = {"runs", *BELOW["runs"]}
BELOW["trained_model"] = {
    *{"training_source", "llm.encoders"},
    *BELOW["training_source"],
}
BELOW["request"] = {"evaluation", *BELOW["evaluation"]}
BELOW["stages"] = {"request", "training_source", *BELOW["training_source"]}
BELOW["experiment"] = {
    *{"stages", "trained_model"},
    *BELOW["stages"],
    *BELOW["trained_model"],
}
BELOW["studies"] = {"experiment", "cells", "llm.cards", *BELOW["experiment"]}
BELOW["by_hand"] = {"models", "training_source", *BELOW["training_source"]}
BELOW["reproduction"] = {"studies", *BELOW["studies"]}
BELOW["report"] = {"inspection", "studies", *BELOW["inspection"], *BELOW["studies"]}
BELOW["neural"] = {"recommender", "hardware", *BELOW["recommender"], *BELOW["hardware"]}
BELOW["llm"] = {"neural", "models", "locks", *BELOW["neural"]}
BELOW["memory"] = {"llm", "runs", *BELOW["llm"], *BELOW["runs"]}
BELOW["endpoint"] = {"errors", "secret", "settings", "atomic_write", "sealed"}
BELOW["recbench_baselines"] = {"llm", "endpoint", *BELOW["llm"]}
BELOW["testing"] = {"evaluation", "models", *BELOW["evaluation"]}

# The same inside the room of language models, whose own modules come after its folders.
BELOW_IN_LLM: dict[str, set[str]] = {"cards": set(), "folder_hash": set(), "settings": {"cards"}}
BELOW_IN_LLM |= {"silence": set(), "tolerance": set()}
BELOW_IN_LLM["weights"] = {"cards", "folder_hash", "silence"}
BELOW_IN_LLM["prompts"] = {"cards", "folder_hash", "silence"}
BELOW_IN_LLM["tuning"] = {"settings", "folder_hash", "tolerance"}
BELOW_IN_LLM["inference"] = {"prompts", "tuning", "tolerance"}
BELOW_IN_LLM["text_encoder"] = {"checks", "cards", "prompts", "weights"}

HEAVY = {"torch", "transformers", "peft", "accelerate", "recbole"}
TORCH_ROOMS = {"hardware", "neural", "llm", "recbench_baselines"}


def modules() -> list[tuple[str, Path]]:
    found = []
    for package, folder in SOURCES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            room = parts[0] if package == "recbench" else package
            found.append((room, path))
    assert {room for room, _ in found} >= TORCH_ROOMS  # else nothing would be looked at
    return found


@cache
def imports(path: Path) -> frozenset[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def from_above(room: str, path: Path) -> Iterator[str]:
    """Name what a module imports from rooms that are not below its own."""
    if room in {"__init__", "recbench_cli"}:
        return
    allowed = {room, *BELOW[room], "__version__"}
    for name in imports(path):
        package, _, rest = name.partition(".")
        if package == "recbench":
            if not any(rest == one or rest.startswith(f"{one}.") for one in allowed):
                yield name
        elif package in {"recbench_cli", "recbench_baselines"} and package != room:
            yield name


def test_a_room_imports_only_the_rooms_below_it():
    found = [(path, name) for room, path in modules() for name in from_above(room, path)]
    assert found == []


def test_what_a_room_may_not_import_is_found(tmp_path):
    module = tmp_path / "module.py"
    module.write_text("import recbench.llm\nfrom recbench import errors\nimport recbench_cli.main")
    assert set(from_above("runs", module)) == {"recbench.llm", "recbench_cli.main"}


@pytest.mark.parametrize("room", BELOW_IN_LLM)
def test_a_folder_of_language_models_imports_only_those_below_it(room):
    place = ROOT / "recbench/llm" / room
    for path in place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]:
        used = {name.split(".")[2] for name in imports(path) if name.startswith("recbench.llm.")}
        assert used <= {room, *BELOW_IN_LLM[room]}, path


def rooms() -> list[str]:
    """Return the lines of the table in docs/architecture.md, each room behind all it stands on."""
    above: dict[str, set[str]] = {
        room: {one.partition(".")[0] for one in below} for room, below in BELOW.items()
    }
    lines = []
    for room in sorted(BELOW, key=lambda one: (len(above[one]), one)):
        package = ROOT / "recbench" / room
        folder = SOURCES.get(room, package)
        file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
        said = (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").splitlines()
        through = {far for near in BELOW[room] for far in BELOW.get(near, set())}
        stands = ", ".join(f"`{one}`" for one in sorted(BELOW[room] - through))
        lines.append(f"| `{room}` | {said[0]} | {stands} |")
    return lines


def test_the_page_of_rooms_is_what_is_checked_here():
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = [line for line in page.splitlines() if line.startswith("| `")]
    assert table == rooms()


def test_the_core_is_torch_free():
    found = [
        (path, name)
        for room, path in modules()
        if room not in TORCH_ROOMS and path.name != "toy_lm.py"
        for name in imports(path)
        if name.split(".")[0] in HEAVY
    ]
    assert found == []


def test_every_package_is_in_the_wheel():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {
        ".".join([name, *path.parent.relative_to(folder).parts])
        for name, folder in SOURCES.items()
        for path in folder.rglob("__init__.py")
    }
    assert packages | {"recbench_datasets"} == set(settings["tool"]["setuptools"]["packages"])


def test_every_file_that_is_no_code_is_in_the_wheel():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    named = {
        path
        for package, patterns in settings["tool"]["setuptools"]["package-data"].items()
        for pattern in patterns
        for path in (SOURCES | {"recbench_datasets": ROOT / "datasets"})[package.split(".")[0]]
        .joinpath(*package.split(".")[1:])
        .glob(pattern)
    }
    there = {
        path
        for folder in SOURCES.values()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }
    assert there - named == set()


RUNS_CODE = {
    *("eval", "exec", "compile", "__import__", "builtins.eval", "builtins.exec", "os.system"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.load", "marshal.loads"),
    *("shelve.open", "dill.load", "dill.loads", "cloudpickle.load", "cloudpickle.loads"),
    *("joblib.load", "torch.load", "torch.save", "torch.hub.load", "pandas.read_pickle"),
    *("yaml.load", "yaml.unsafe_load", "yaml.full_load", "code.interact", "runpy.run_path"),
    *("os.popen", "subprocess.getoutput", "importlib.util.spec_from_file_location"),
}
"""Calls that would run what a file holds (law 14)."""

SAYS_SO = {"allow_pickle": False, "trust_remote_code": False, "weights_only": True, "shell": False}
"""Arguments that may have this value alone."""

UNPICKLES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}


def run_from_data(path: Path) -> list[str]:
    """Name what a module calls, imports or passes that would run what a file holds."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            above = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for one in node.names:
                names[one.asname or one.name] = above + one.name
    found = [name for name in imports(path) if name.split(".")[0] in UNPICKLES]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            head, _, rest = ast.unparse(node.func).partition(".")
            called = ".".join(filter(None, [names.get(head, head), rest]))
            found += [called] if called in RUNS_CODE or rest == "read_pickle" else []
            pairs = [(one.arg, one.value) for one in node.keywords]
        elif isinstance(node, ast.Dict):
            pairs = [
                (getattr(key, "value", None), value)
                for key, value in zip(node.keys, node.values, strict=True)
            ]
        else:
            continue
        for name, value in pairs:
            if name in SAYS_SO and getattr(value, "value", None) is not SAYS_SO[name]:
                found.append(f"{name}={ast.unparse(value)}")
    return found


def test_nothing_is_executed_from_data():
    for _, path in modules():
        assert run_from_data(path) == [], path


@pytest.mark.parametrize(
    "code",
    [
        *("import pickle", "from pickle import loads", "import joblib as j", "eval('1')"),
        *("import torch as t\nt.load(f)", "from torch import load\nload(f)", "exec(code)"),
        *("import numpy as np\nnp.load(f, allow_pickle=True)", "f(trust_remote_code=True)"),
        *("x = {'trust_remote_code': flag}", "subprocess.run(c, shell=True)", "pd.read_pickle(f)"),
        *("import yaml\nyaml.load(f)", "f(weights_only=False)", "import os\nos.system(c)"),
    ],
)
def test_what_would_be_is_found(tmp_path, code):
    (tmp_path / "module.py").write_text(code)
    assert run_from_data(tmp_path / "module.py")


def test_arrays_are_read_without_pickle_and_archives_by_those_who_look():
    """`np.load` says so each time; archives are opened in the rooms that check their members."""
    opens = set()
    for _, path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in (one for one in ast.walk(tree) if isinstance(one, ast.Call)):
            called = ast.unparse(node.func)
            if called in ("np.load", "numpy.load"):
                assert "allow_pickle" in {one.arg for one in node.keywords}, path
            if called in ("zipfile.ZipFile", "ZipFile", "tarfile.open", "shutil.unpack_archive"):
                opens.add(path.relative_to(ROOT).as_posix())
            assert not called.endswith((".extract", ".extractall")), path
    assert opens == {
        "recbench/data/archive.py",
        "recbench/submission/archive.py",
        "recbench/submission/writing.py",
        "recbench/testing/pickles.py",
        "baselines/recbench_baselines/recbole/checkpoint.py",
    }


def test_commands_print_what_steers_no_terminal():
    """By `put` and `say` alone, which let no control sign and no key through."""
    for room, path in modules():
        if room == "recbench_cli" and path.name != "options.py":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            called = {ast.unparse(one.func) for one in ast.walk(tree) if isinstance(one, ast.Call)}
            assert not {"print", "typer.echo", "click.echo", "typer.secho"} & called, path


def test_nothing_installs_or_shadows_the_package_datasets():
    assert not list((ROOT / "datasets").rglob("*.py"))
    code = (
        "import importlib.util as u, transformers.utils as t;"
        "print(t.is_datasets_available(), u.find_spec('datasets') is not None)"
    )
    elsewhere = subprocess.check_output([sys.executable, "-c", code], text=True, cwd="/")
    here = subprocess.check_output([sys.executable, "-I", "-c", code], text=True, cwd=ROOT)
    assert here == elsewhere
    from transformers.utils import is_datasets_available

    assert str(is_datasets_available()) == elsewhere.split()[0]
