"""
Encoders that guide toy language models are trained once: each test would train its own anew.

Models compute with two threads here, in which order sums could change from run to run; the other
tests have one each.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from recbench.llm import guided
from recbench.llm.encoders import fitted_encoder
from recbench.recommender import Encoder, Runtime, TrainingData


@pytest.fixture(scope="module", autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of encoders: the name of one says of what data and seed it is."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module", autouse=True)
def _encoders_are_kept(kept: Path) -> Iterator[None]:
    """What is in one cache is in all, as long as the tests of a file of this room run."""

    def found(name: str, data: TrainingData, runtime: Runtime) -> Encoder:
        own = Path(runtime.cache, "encoders")
        shutil.copytree(kept, own, dirs_exist_ok=True)
        encoder = fitted_encoder(name, data, runtime)
        shutil.copytree(own, kept, dirs_exist_ok=True)
        return encoder

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guided, "fitted_encoder", found)
        yield
