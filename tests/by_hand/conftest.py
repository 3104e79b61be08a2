"""Small runs whose models are kept, made once."""

from pathlib import Path

import pytest

from recbench.experiment import run
from recbench.request import Experiment

SMALL = {
    "popularity": {},
    "sasrec": {"epochs": 1},
    "ilora": {"llm": "tiny", "examples": 16, "batch_size": 8, "curve_rows": 0},
}


@pytest.fixture(scope="session")
def places(tmp_path_factory) -> Path:
    """The folder of results and cache."""
    return tmp_path_factory.mktemp("by hand")


@pytest.fixture(scope="session")
def made(places, raw_folder):
    """Return a function that runs a model on the made-up data, once, and its folder."""

    def make(model, **fields):
        asked = Experiment(
            model=model,
            settings=SMALL[model],
            draws=2,
            device="cpu",
            audit=False,
            data_dir=raw_folder,
            results=places / "results",
            cache=places / "cache",
            **fields,
        )
        return run(asked, lambda _: None).folder

    return make


@pytest.fixture
def load(places, raw_folder):
    """Return a function that loads a run of these."""
    from recbench import load_run

    return lambda folder: load_run(folder, "cpu", raw_folder, places / "cache")
