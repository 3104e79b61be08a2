"""The page of measured speeds."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOUND: dict[str, Any] = {
    "date": "2026-01-02T03:04:05+00:00",
    "small": False,
    "device": {"name": "cuda:0", "hardware": "Some GPU"},
    "versions": {"recbench": "1", "torch": "2", "transformers": "5", "peft": "0"},
    "commit": "abc",
    "parts": {
        "peak": {"dtype": "bfloat16", "operations_a_second": 5e14},
        "adapter": {
            "shape": {
                **{"incoming": 4, "outgoing": 8, "rows": 2, "tokens": 3, "rank": 2, "experts": 2}
            },
            "times_faster": 9.87,
            "times_less_memory": 4.321,
        },
        "step llama2-7b": {
            "layers": 16,
            "layers_of_the_real_model": 32,
            "rows": 8,
            "tokens": 2456,
            "seconds": {"lora": 0.2, "ilora": 0.204},
            "tokens_a_second": {"lora": 12280.0, "ilora": 12039.2},
            "share_of_peak": {"lora": 0.5, "ilora": 0.49},
            "peak_memory": {"lora": 2**34, "ilora": None},
        },
        "step smollm2-135m": {"failed": "OutOfMemoryError: full"},
        "ranks sasrec": {
            "same_ranks_when_loaded": 0.996,
            "hit_ratio_trained": {"cpu": 0.5, "device": 0.51},
        },
    },
}


@pytest.fixture(scope="module")
def performance(load) -> ModuleType:
    return load("performance")


def written(file: Path, **changes: Any) -> str:
    file.write_text(json.dumps(FOUND | changes), encoding="utf-8")
    return str(file)


def test_every_figure_stands_with_its_machine_date_and_versions(
    performance: ModuleType, tmp_path: Path
) -> None:
    files = [written(tmp_path / "a.json"), written(tmp_path / "b.json", commit=None)]
    assert performance.main([*files, "--out", str(tmp_path / "page.md")]) == 0
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert page.count("## Some GPU") == 2
    for line in (
        "2026-01-02, commit abc; recbench 1, torch 2, transformers 5, peft 0.",
        "Matrix peak in bfloat16: 500 TFLOP/s.",
        "| llama2-7b | 16/32 | 8 | 2456 | lora | 12,280 | 50.0% | 16.0 | 1.000 |",
        "| llama2-7b | 16/32 | 8 | 2456 | ilora | 12,039 | 49.0% | - | 1.020 |",
        "Failed: step smollm2-135m: OutOfMemoryError: full",
    ):
        assert line in page.splitlines()
    assert "9.9 times less time and 4.3 times less memory" in page
    assert "99.6% of its ranks are the same" in page


def test_toy_sizes_are_not_published(performance: ModuleType, tmp_path: Path) -> None:
    file = written(tmp_path / "toy.json", small=True)
    with pytest.raises(SystemExit, match="not published"):
        performance.main([file, "--out", str(tmp_path / "page.md")])
    assert not (tmp_path / "page.md").exists()
