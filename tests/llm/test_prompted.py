"""What was found of a model is remembered for the very same circumstances, and for no others."""

import importlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig
from recbench_baselines.tallrec import TALLRec, TALLRecSettings

from recbench.hardware.devices import deterministic
from recbench.llm import prompted
from recbench.neural import precision
from recbench.recommender import Runtime, TrainingData
from recbench.testing.contract import toy_queries
from recbench.testing.toy import toy_split

Build = Callable[..., TALLRec]


@pytest.fixture
def build(toy_folder: Path) -> Build:
    def made(**settings: Any) -> TALLRec:
        values = {"llm": str(toy_folder), "examples": 16, "batch_size": 16, "curve_rows": 0}
        return TALLRec(TALLRecSettings.build({**values, **settings}))

    return made


def configured(folder: Path, rank: int) -> str:
    LoraConfig(r=rank, target_modules=["q_proj"]).save_pretrained(str(folder))
    return str(folder / "adapter_config.json")


def test_a_configuration_counts_by_what_is_in_the_file(build: Build, tmp_path: Path) -> None:
    def place(file: str) -> str:
        return build(peft=file)._circumstances(torch.device("cpu"))

    file = configured(tmp_path / "one", 4)
    known = place(file)
    assert place(configured(tmp_path / "another", 4)) == known
    configured(tmp_path / "one", 8)
    assert place(file) != known


def test_a_precision_counts_by_what_is_computed_in(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    def places(device: str) -> list[str]:
        choices = ("auto", "float32", "bfloat16")
        return [build(precision=one)._circumstances(torch.device(device)) for one in choices]

    monkeypatch.setattr(precision, "computes_bfloat16", lambda _: True)
    assert len(set(places("cpu"))) == 1  # on a CPU all of them are read in float32
    native, whole, narrow = places("cuda")
    assert native == narrow != whole
    monkeypatch.setattr(precision, "computes_bfloat16", lambda _: False)
    assert places("cuda") == [whole, whole, narrow]


def test_whether_it_is_deterministic_counts_on_a_gpu_alone(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "computes_bfloat16", lambda _: True)

    def places(device: str) -> set[str]:
        found = set()
        for asked in (False, True):
            with deterministic(asked):
                found.add(build()._circumstances(torch.device(device)))
        return found

    assert len(places("cpu")) == 1
    assert len(places("cuda:0")) == 2


def test_kernels_that_are_installed_count_with_their_versions(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With them transformers computes state spaces, and trains them, in other ways."""

    def place() -> str:
        return build()._circumstances(torch.device("cpu"))

    found = [place()]
    monkeypatch.syspath_prepend(tmp_path)
    for number in (1, 2):
        about = tmp_path / f"mamba_ssm-{number}.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Name: mamba_ssm\nVersion: {number}.0\n")
        importlib.invalidate_caches()
        found.append(place())
        shutil.rmtree(about)
    assert len(set(found)) == 3


@pytest.mark.parametrize("version", ["CODE", "PROBE"])
def test_what_other_code_has_found_is_found_anew(
    build: Build,
    data: TrainingData,
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
) -> None:
    lines: list[str] = []
    told = replace(runtime, report=lines.append)
    for _ in range(2):
        build().rehearse(data, 8, told)
    assert [line.startswith("trying how") for line in lines].count(True) == 1
    monkeypatch.setattr(prompted, version, getattr(prompted, version) + 1)
    build().rehearse(data, 8, told)
    assert [line.startswith("trying how") for line in lines].count(True) == 2


def test_a_model_that_other_code_has_kept_is_tried_anew_and_answers_the_same(
    build: Build,
    data: TrainingData,
    runtime: Runtime,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, queries, kept = build(), toy_queries(toy_split()), tmp_path / "kept"
    model.fit(data, runtime)
    kept.mkdir()
    model.save(kept)
    monkeypatch.setattr(prompted, "PROBE", prompted.PROBE + 1)
    again = build()
    again.load(kept, data, runtime)
    assert again.abilities is None
    np.testing.assert_array_equal(again.score(queries, runtime), model.score(queries, runtime))
