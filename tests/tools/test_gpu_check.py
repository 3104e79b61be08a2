"""The check for a GPU runs on a CPU in small; what it finds there is no figure of a GPU."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from recbench.neural.precision import FLOAT32


@pytest.fixture(scope="module")
def check(load) -> ModuleType:
    return load("gpu/check")


@pytest.fixture(scope="module")
def found(check: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("check") / "cpu.json"
    assert check.main(["--device", "cpu", "--small", "--out", str(out)]) == 0
    read: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return read


def test_it_says_of_what_machine_and_code_its_figures_are(found: dict[str, Any]) -> None:
    assert found["device"]["name"] == "cpu"
    assert found["small"]
    assert found["versions"]["torch"] == torch.__version__
    assert set(found) == {"date", "small", "device", "versions", "commit", "parts"}


def test_every_part_is_there(found: dict[str, Any]) -> None:
    parts = found["parts"]
    assert list(parts) == ["peak", "adapter", "step toy", "ranks sasrec", "ranks ilora"]
    assert not [name for name, one in parts.items() if "failed" in one]
    for name in ("sasrec", "ilora"):
        assert parts[f"ranks {name}"]["same_ranks_when_loaded"] == 1
    step = parts["step toy"]
    assert step["layers"] == step["layers_of_the_real_model"] == 2
    assert step["ilora_over_lora"] == step["seconds"]["ilora"] / step["seconds"]["lora"]
    assert step["tokens"] == 2 * (40 + 7)  # the last token of an answer predicts nothing
    assert step["peak_memory"] == {"lora": None, "ilora": None}
    kept = parts["adapter"]["bytes_kept"]
    assert parts["adapter"]["times_less_memory"] == kept["per_expert"] / kept["ilora"] > 2


def test_a_part_that_fails_is_named_and_the_others_are_kept(
    check: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> dict[str, Any]:
        raise ValueError("first line\nsecond line")

    monkeypatch.setattr(check, "parts", lambda *_: {"broken": broken, "whole": lambda: {"x": 1}})
    out = tmp_path / "cpu.json"
    assert check.main(["--device", "cpu", "--small", "--out", str(out)]) == 1
    parts = json.loads(out.read_text(encoding="utf-8"))["parts"]
    assert parts["broken"]["failed"] == "ValueError: first line"
    assert parts["whole"]["x"] == 1
    assert "no time left" in check._guarded(broken, used=1000.0)["failed"]


def test_a_cpu_is_not_asked_for_a_model_of_seven_billion_weights(check: ModuleType) -> None:
    with pytest.raises(SystemExit, match="with --small only"):
        check.main(["--device", "cpu"])


def test_forms_that_compute_other_numbers_are_not_compared(
    check: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = check.adapter
    right = adapter.PerExpert.forward
    monkeypatch.setattr(
        adapter.PerExpert, "forward", lambda self, x, weights: 2 * right(self, x, weights)
    )
    with pytest.raises(AssertionError, match="not close"):
        adapter.compare(adapter.SMALL, torch.device("cpu"), FLOAT32)


def test_the_real_sizes_are_those_of_the_models(check: ModuleType) -> None:
    sizes = {name: one.config for name, one in check.steps.shapes(small=False).items()}
    for name, millions in (("llama2-7b", 6738), ("smollm2-135m", 135)):
        with torch.device("meta"):
            model = check.steps.AutoModelForCausalLM.from_config(sizes[name])
        assert round(sum(p.numel() for p in model.parameters()) / 1e6) == pytest.approx(
            millions, abs=1
        )
