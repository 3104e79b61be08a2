"""A whole run that is launched as a user would: its record and rows are those of one process."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recbench.testing.toy_lm import toy_llm

LAUNCH = [
    *(sys.executable, "-m", "accelerate.commands.launch"),
    *("--num_processes", "2", "--main_process_port", "0"),  # any that is free
]

ASKED = [
    *("--dataset", "movielens", "--protocol", "next-item,candidates=5", "--draws", "2"),
    *("--limit", "13", "--device", "cpu"),
]

TUNED = [
    *("examples=14", "batch_size=4", "micro_batch_size=2", "candidates=5", "curve_rows=3"),
    *("targets=q_proj", "rank=2", "precision=float32"),
]

SETTINGS = {
    "sasrec": ["epochs=2", "embedding_dim=8", "batch_size=50", "dropout=0"],
    "tallrec": [*TUNED, "gradient_checkpointing=true"],
    "ilora": [*TUNED, "experts=2"],
}

PASSING = {
    *("audit", "finished", "times", "seconds", "peak_memory", "processes", "threads"),
    *("weights", "parts", "examples_sha256", "record_sha256"),  # rounding moves last digits
}
"""What a record says of the run alone."""

Run = Callable[..., str]


@pytest.fixture
def command(raw_folder: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """Return a function that gives the arguments of a run with folders of its own."""

    def arguments(model: str, place: str, *more: str) -> list[str]:
        changes = SETTINGS[model]
        if model != "sasrec":
            changes = [*changes, f"llm={toy_llm(tmp_path / 'llm')}"]
        told = [word for one in changes for word in ("--set", one)]
        for name in ("results", "cache"):
            told += [f"--{name}", str(tmp_path / place / name)]
        return ["run", "--model", model, *ASKED, "--data-dir", str(raw_folder), *told, *more]

    return arguments


def launched(how: str, *arguments: str) -> str:
    """Have accelerate give a command to two processes; return what they said."""
    done = subprocess.run(
        [*LAUNCH, how, "-m", "recbench_cli", *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def agree(one: Any, other: Any) -> None:
    """Compare what two records say of anything."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one.keys() - PASSING:
            agree(one[key], other[key])
    elif isinstance(one, list):
        for mine, others in zip(one, other, strict=True):
            agree(mine, others)
    elif isinstance(one, float):
        assert one == pytest.approx(other, 1e-4, 1e-4)
    else:
        assert one == other


def same(folder: Path) -> None:
    """Compare the run of one process with that of two."""
    places = [next(folder.glob(f"{one}/results/*/*/*/*/record.json")) for one in ("one", "two")]
    records = [json.loads(place.read_text(encoding="utf-8")) for place in places]
    assert [record["trained"]["fit"]["processes"] for record in records] == [1, 2]
    agree(*records)
    rows = [pd.read_parquet(place.with_name("examples.parquet")) for place in places]
    scores = [np.stack(own.pop("scores").to_list()) for own in rows]
    pd.testing.assert_frame_equal(*rows)
    np.testing.assert_allclose(*scores, 1e-4, 1e-4)


@pytest.mark.parametrize(
    ("model", "how"),
    [
        ("sasrec", "--multi_gpu"),
        ("tallrec", "--use_fsdp"),
        pytest.param("ilora", "--multi_gpu", marks=pytest.mark.slow),
        pytest.param("ilora", "--use_fsdp", marks=pytest.mark.slow),
    ],
)
def test_two_processes_write_what_one_does(
    call: Run, command: Callable[..., list[str]], tmp_path: Path, model: str, how: str
) -> None:
    more = [] if model == "ilora" else ["--no-audit"]  # which takes as long as all the rest
    assert call(*command(model, "one", *more))[0] == 0
    said = launched(how, *command(model, "two", *more))
    told = "each of 2 processes holds a shard of 2 layers of"
    assert said.count(told) == (how == "--use_fsdp")
    same(tmp_path)
