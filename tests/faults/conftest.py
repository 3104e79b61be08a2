"""A small run of an ID model and of a language model, to be harmed at every stage."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from killed_at_work import small_encoders

from recbench.request import Experiment
from recbench.runs.record import RunRecord
from recbench.testing.toy_lm import toy_llm

Toy = Callable[..., Experiment]


@pytest.fixture(scope="module", autouse=True)
def _encoders_are_small() -> Iterator[None]:
    """Those that guide iLoRA are trained anew for each file of theirs that is damaged."""
    with small_encoders():
        yield


@pytest.fixture(scope="session")
def toy(raw_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """Return a function that makes an experiment of a few seconds, below a folder."""
    llm = str(toy_llm(tmp_path_factory.mktemp("toy") / "llm"))
    settings: dict[str, dict[str, Any]] = {
        "popularity": {},
        "sasrec": {"epochs": 2, "embedding_dim": 8},
        "ilora": {
            **{"llm": llm, "examples": 8, "epochs": 1, "rank": 4, "batch_size": 4},
            **{"candidates": 5, "curve_rows": 0},
        },
    }

    def build(model: str, place: Path, **changes: Any) -> Experiment:
        values = {
            "model": model,
            "draws": 2,
            "settings": settings[model],
            "data_dir": raw_folder,
            "results": place / "results",
            "cache": place / "cache",
            "device": "cpu",
            "audit": False,  # its process takes longer than all the rest
        }
        return Experiment(**{**values, **changes})

    return build


def numbers(record: RunRecord) -> dict[str, Any]:
    """Return all of a record that must not depend on what happened on the way."""
    kept = record.model_dump(
        exclude={
            "finished": True,
            "times": True,
            "peak_memory": True,
            "provenance": True,
            "record_sha256": True,
            "audit": {"seed"},  # another one every time
            "trained": {"seconds", "peak_memory", "finished", "provenance", "fit"},
        }
    )
    assert record.trained is not None
    fit = record.trained.fit.items()
    return kept | {"fit": {name: value for name, value in fit if name != "seconds"}}
