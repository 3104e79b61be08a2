"""The house: who may import whom, what stays torch-free, what is where."""

import ast
import subprocess
import sys
import tomllib
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
    "defaults": set(),
    "seeding": set(),
    "atomic_write": set(),
    "folder_digest": set(),
    "processes": {"errors"},
    "settings": {"errors"},
    "registry": {"errors", "settings", "seeding"},
    "statistics": {"errors"},
}
BELOW["data"] = {"registry", "progress", "atomic_write", "folder_digest", *BELOW["registry"]}
BELOW["questions"] = {"statistics", "data", "defaults", *BELOW["data"]}
BELOW["recommender"] = {"questions", "processes", *BELOW["questions"]}
BELOW["evaluation"] = {"recommender", "neural.devices", *BELOW["recommender"]}
BELOW["runs"] = {"evaluation", *BELOW["evaluation"]}
BELOW["inspection"] = {
    *{"training_source", "neural.devices", "llm.prompts.wording", "runs"},
    *BELOW["runs"],
}
BELOW["submission"] = {"runs", *BELOW["runs"]}
BELOW["outside"] = {"runs", "llm.prompts.wording", *BELOW["runs"]}
BELOW["training_source"] = {"runs", *BELOW["runs"]}
BELOW["trained_model"] = {"training_source", *BELOW["training_source"]}
BELOW["experiment"] = {
    "trained_model",
    "defaults",
    "neural.launched",
    *BELOW["trained_model"],
}
BELOW["studies"] = {"experiment", *BELOW["experiment"]}
BELOW["by_hand"] = {"experiment", *BELOW["experiment"]}
BELOW["reproduction"] = {"studies", *BELOW["studies"]}
BELOW["report"] = {"studies", *BELOW["studies"]}
BELOW["neural"] = {"recommender", *BELOW["recommender"]}
BELOW["llm"] = {"neural", *BELOW["neural"]}
BELOW["memory"] = {"llm", "runs", *BELOW["llm"], *BELOW["runs"]}
BELOW["endpoint"] = {"errors", "settings", "atomic_write"}
BELOW["recbench_baselines"] = {"llm", "endpoint", *BELOW["llm"]}
BELOW["testing"] = {"evaluation", *BELOW["evaluation"]}

# The same inside the room of language models, whose own modules come after its folders.
BELOW_IN_LLM: dict[str, set[str]] = {"cards": set(), "folder_hash": set(), "settings": {"cards"}}
BELOW_IN_LLM["weights"] = {"cards", "folder_hash"}
BELOW_IN_LLM["prompts"] = {"cards", "folder_hash"}
BELOW_IN_LLM["tuning"] = {"settings", "folder_hash"}
BELOW_IN_LLM["inference"] = {"prompts", "tuning"}
BELOW_IN_LLM["text_encoder"] = {"checks", "cards", "prompts", "weights"}

HEAVY = {"torch", "transformers", "peft", "accelerate", "recbole"}
TORCH_ROOMS = {"neural", "llm", "recbench_baselines"}


def modules() -> list[tuple[str, Path]]:
    found = []
    for package, folder in SOURCES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            room = parts[0] if package == "recbench" else package
            found.append((room, path))
    return found


def imports(path: Path, body_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if body_only else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize(
    ("room", "path"), modules(), ids=lambda value: getattr(value, "name", value)
)
def test_a_room_imports_only_the_rooms_below_it(room, path):
    if room in {"__init__", "recbench_cli"}:
        return
    allowed = {room, *BELOW[room], "__version__"}
    for name in imports(path):
        package, _, rest = name.partition(".")
        if package == "recbench":
            used = rest.split(".")[0]
            assert used in allowed or any(
                rest == one or rest.startswith(f"{one}.") for one in allowed
            ), name
        elif package in {"recbench_cli", "recbench_baselines"}:
            assert package == room, name


@pytest.mark.parametrize("room", BELOW_IN_LLM)
def test_a_folder_of_language_models_imports_only_those_below_it(room):
    place = ROOT / "recbench/llm" / room
    for path in place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]:
        used = {name.split(".")[2] for name in imports(path) if name.startswith("recbench.llm.")}
        assert used <= {room, *BELOW_IN_LLM[room]}, path


@pytest.mark.parametrize(
    ("room", "path"), modules(), ids=lambda value: getattr(value, "name", value)
)
def test_the_core_is_torch_free(room, path):
    if room in TORCH_ROOMS or path.name == "toy_lm.py":
        return
    assert not {name.split(".")[0] for name in imports(path)} & HEAVY


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


def test_nobody_reads_pickles_or_evaluates_text():
    banned = ("import pickle", "torch.load(", "torch.save(", "read_pickle", "allow_pickle=True")
    for _, path in modules():
        text = path.read_text(encoding="utf-8")
        assert not [word for word in banned if word in text], path


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
