"""Fixtures for more than one room; and plug-ins that happen to be installed are not tested."""

import gc
import os
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import (
    EntryPoints,
    PackageNotFoundError,
    distribution,
    entry_points,
    version,
)
from pathlib import Path
from typing import Any

import forked_copies
import numpy as np
import pytest
from chat_server import ChatServer
from hypothesis import HealthCheck, settings

from recbench import registry
from recbench.data.dataset import Dataset
from recbench.data.prepare import prepare
from recbench.runs import environment, provenance

FIRST_DAY = 874_724_710

LONG_FILES = (
    "tests/cells/test_cluster.py",
    "tests/hardware/test_launched.py",
    "tests/recbench_cli/test_launched.py",
    "tests/studies/test_looking.py",
    "tests/test_interruption.py",
    "tests/test_readme.py",
)
"""
Files that take long for the number of their tests.

Workers are given whole files: one of these that came last would have the other workers wait for it.
"""
assert all((Path(__file__).parents[1] / one).is_file() for one in LONG_FILES)

# No test asserts a time: on a busy machine an example takes as long as it takes.
settings.register_profile("recbench", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", settings.get_profile("recbench"), max_examples=2_000)
settings.load_profile("recbench")


@cache
def ours(group: str) -> EntryPoints:
    """Return what recbench itself registers."""
    points = entry_points(group=group)
    return EntryPoints(
        one for one in points if one.dist is not None and one.dist.name == "recbench"
    )


pytest.MonkeyPatch().setattr(registry, "entry_points", ours)  # for good, and before tests are found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort files: the long ones first, the others by how many tests they have, most first."""

    def file(item: pytest.Item) -> str:
        return item.nodeid.partition("::")[0]

    tests = Counter(map(file, items))
    items.sort(key=lambda item: (file(item) not in LONG_FILES, -tests[file(item)]))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Freeze what imports and collection left: each of hundreds of audits would look through it."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked gpu where there is none."""
    if item.get_closest_marker("gpu") is not None:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("there is no GPU")


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """What tests write may be lost with the power: they would wait for the disk for minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _what_is_installed_stays() -> Iterator[None]:
    """Commit and versions are looked up once, not in each of hundreds of runs: six gits a run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provenance, "commit", cache(provenance.commit))
        patch.setattr(environment, "version", cache(version))
        yield


@pytest.fixture(scope="module", autouse=True)
def _copies_are_forked(request: pytest.FixtureRequest) -> Iterator[None]:
    """Copies that are asked again are forks, but where a fresh process itself is looked at."""
    from recbench.evaluation import fresh_process

    with pytest.MonkeyPatch.context() as patch:
        if request.module.__name__.rpartition(".")[2] != "test_fresh_process":
            patch.setattr(fresh_process, "subprocess", forked_copies)
        yield


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a fresh process import what stands in tests/plugins."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "plugins"))


@pytest.fixture
def chat_server(monkeypatch) -> Iterator[ChatServer]:
    """A local server of chats, no key for it, and no proxy before it."""
    pytest.importorskip("openai")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ChatServer().running() as server:
        yield server


@pytest.fixture(scope="session")
def raw_folder(tmp_path_factory) -> Path:
    """A small data folder in GroupLens' layout: 60 users, 80 items, made up."""
    folder = tmp_path_factory.mktemp("raw")
    random = np.random.default_rng(0)
    rows = []
    for user in range(1, 61):
        items = random.choice(np.arange(1, 81), size=random.integers(12, 25), replace=False)
        times = FIRST_DAY + 86_400 * user + np.sort(random.integers(0, 600, size=len(items)))
        ratings = random.integers(2, 6, size=len(items))
        rows += [f"{user}\t{i}\t{r}\t{t}\n" for i, r, t in zip(items, ratings, times, strict=True)]
    random.shuffle(rows)
    (folder / "u.data").write_text("".join(rows), encoding="latin-1")
    flags = "|".join("0" * 19)
    items = [f"{i}|Film {i} (1990)|01-Jan-1990||http://x|{flags}\n" for i in range(1, 81)]
    (folder / "u.item").write_text("".join(items), encoding="latin-1")
    return folder


@pytest.fixture(scope="session")
def atomic_folder() -> Path:
    """The copy of MovieLens-100K inside RecBole's wheel."""
    try:
        files = distribution("recbole")
    except PackageNotFoundError:
        pytest.skip("recbole, which brings MovieLens-100K, is not installed")
    return Path(str(files.locate_file("recbole/dataset_example/ml-100k")))


@pytest.fixture(scope="session")
def movielens(atomic_folder: Path, tmp_path_factory) -> Dataset:
    return prepare("movielens", tmp_path_factory.mktemp("cache"), None, lambda _: None)


@pytest.fixture
def command_line(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process; return exit code, standard output, standard error."""
    from recbench_cli import main as cli

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            cli.main(list(arguments))
        shown = capsys.readouterr()
        return int(left.value.code or 0), shown.out, shown.err

    return run


@pytest.fixture
def call(
    command_line: Callable[..., tuple[int, str, str]],
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line, as `command_line`; some tests have a `call` of their own."""
    return command_line


@pytest.fixture
def svg_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are saved as SVG alone: a PNG shows no more, and takes as long again."""
    from matplotlib.figure import Figure

    real = Figure.savefig

    def savefig(figure: Figure, file: Path, **how: Any) -> None:
        if file.suffix == ".svg":
            real(figure, file, **how)

    monkeypatch.setattr(Figure, "savefig", savefig)


@pytest.fixture
def rounded_products() -> Iterator[list[str]]:
    """Let torch multiply float32 in fewer bits, and list what is multiplied while it may."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    found: list[str] = []

    class Watching(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, _: Any, given: Any = (), named: Any = None):  # type: ignore[no-untyped-def]
            name = str(function)
            multiplies = any(part in name for part in ("mm.", "linear", "conv", "matmul"))
            if multiplies and torch.get_float32_matmul_precision() != "highest":
                found.append(name)
            return function(*given, **(named or {}))

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        with Watching():
            yield found
    finally:
        torch.set_float32_matmul_precision(before)
