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

from recbench.errors import UserError
from recbench.hardware.devices import deterministic
from recbench.llm import prompted
from recbench.llm.inference.abilities import Abilities
from recbench.llm.inference.hybrid import HybridLM
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


IN_BFLOAT16 = precision.Precision("bfloat16", torch.bfloat16, torch.bfloat16)


STEPPED = {"reads": "stepped", "lists": False}


def failing(error: Exception) -> UserError:
    """As what a model's own code has raised is told."""
    told = UserError("its code wants bfloat16")
    told.__cause__ = error
    return told


class Tried:
    """Probes that find something else in bfloat16, and in float32."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, narrow: Any, exactly: Any) -> None:
        self.met: list[tuple[torch.dtype, bool]] = []
        self.changes = {torch.bfloat16: narrow, torch.float32: exactly}
        self.real = prompted.probe
        if exactly == "no room":
            monkeypatch.setattr(HybridLM, "float", self.has_no_room)
        for name in ("reading_precision", "training_precision"):
            monkeypatch.setattr(prompted, name, lambda *_: IN_BFLOAT16)
        monkeypatch.setattr(prompted, "probe", self)

    def __call__(self, module: HybridLM, *given: Any, trains: bool) -> Abilities:
        weights = module.lm.get_input_embeddings().weight.dtype
        self.met.append((weights, trains))
        found, change = self.real(module, *given, trains=trains), self.changes[weights]
        if isinstance(change, Exception):
            raise change
        return found.model_copy(update=change)

    @staticmethod
    def has_no_room(_: HybridLM) -> None:
        raise torch.OutOfMemoryError


@pytest.mark.parametrize(
    ("narrow", "exactly", "reads", "lists"),
    [
        ({}, {}, "packed", True),
        ({}, STEPPED, "stepped", False),
        (STEPPED, {}, "stepped", False),
        ({}, failing(TypeError()), "packed", True),
        ({}, torch.OutOfMemoryError(), "packed", True),  # memory does not suffice to try it
        ({}, "no room", "packed", True),  # nor for its weights
    ],
)
def test_what_few_bits_hide_is_looked_for_in_float32(
    build: Build,
    data: TrainingData,
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
    narrow: Any,
    exactly: Any,
    reads: str,
    lists: bool,
) -> None:
    tried, lines, model = Tried(monkeypatch, narrow, exactly), list[str](), build()
    model.rehearse(data, 8, replace(runtime, report=lines.append))
    in_float32 = [] if exactly == "no room" else [(torch.float32, False)]
    assert tried.met == [(torch.bfloat16, True), *in_float32]
    assert model.abilities is not None
    assert (model.abilities.reads, model.abilities.lists) == (reads, lists)
    untried = [line for line in lines if "cannot be tried in float32 here" in line]
    assert len(untried) == (not isinstance(exactly, dict))


def test_what_is_of_no_use_in_float32_is_refused_though_rounding_hides_it(
    build: Build, data: TrainingData, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    Tried(monkeypatch, {}, UserError("is of no use"))
    with pytest.raises(UserError, match="is of no use"):
        build().rehearse(data, 8, runtime)


def test_a_model_that_is_asked_stays_in_its_bits_and_spares_no_rehearsal(
    build: Build, data: TrainingData, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, queries, lines = build(), toy_queries(toy_split()), list[str]()
    model.fit(data, runtime)
    shutil.rmtree(runtime.cache / "abilities")
    tried = Tried(monkeypatch, {}, {})
    model.module.lm.to(torch.bfloat16)
    model.abilities = None
    model.score(queries, replace(runtime, report=lines.append))
    assert tried.met == [(torch.bfloat16, False)]
    assert any("cannot be tried in float32 here" in line for line in lines)
    assert not (runtime.cache / "abilities").exists()


def test_what_was_once_found_wrong_stays_so_for_longer_prompts(
    build: Build, data: TrainingData, runtime: Runtime
) -> None:
    model, queries = build(), toy_queries(toy_split())
    model.fit(data, runtime)
    assert model.abilities is not None
    model.abilities = model.abilities.model_copy(update={"tokens": 1, "reads": "stepped"})
    model.score(queries, runtime)
    assert model.abilities.tokens > 1
    assert model.abilities.reads == "stepped"
