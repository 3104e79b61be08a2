"""Fixtures of the data room."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from recbench.data.dataset import Dataset
from recbench.data.prepare import prepare


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
