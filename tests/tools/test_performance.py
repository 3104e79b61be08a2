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


ON_CPU: dict[str, Any] = {
    "date": "2026-02-03",
    "llm": "smollm2",
    "device": {"name": "cpu", "hardware": "Some CPU", "threads": 1},
    "versions": FOUND["versions"],
    "cases": [
        {
            **{"what": "a step", "against": "plain loop", "seconds": 2.0, "other_seconds": 5.0},
            "share_of_float32_peak": 0.456,
        },
        {"what": "reading", "against": "twice", "seconds": 0.5, "other_seconds": 0.75},
    ],
}


def written(results: Path, **files: dict[str, Any]) -> list[str]:
    (results / "performance").mkdir()
    for name, found in files.items():
        file = results / "performance" / f"{name}.json"
        file.write_text(json.dumps(found), encoding="utf-8")
    return ["--results", str(results)]


def test_every_figure_stands_with_its_machine_date_and_versions(
    performance: ModuleType, tmp_path: Path
) -> None:
    assert performance.main(written(tmp_path, a=FOUND, b=FOUND, c=ON_CPU)) == 0
    page = (tmp_path / "performance.md").read_text(encoding="utf-8")
    assert page.count("## Some GPU") == 2
    for line in (
        "2026-01-02; recbench 1, torch 2, transformers 5, peft 0.",
        "2026-02-03; recbench 1, torch 2, transformers 5, peft 0.",
        "`smollm2`, 1 thread(s).",
        "| a step | 2.000 | plain loop | 2.50 | 46% | - |",
        "| reading | 0.500 | twice | 1.50 | - | - |",
        "Matrix peak in bfloat16: 500 TFLOP/s.",
        "| llama2-7b | 16/32 | 8 | 2456 | lora | 12,280 | 50.0% | 16.0 | 1.000 |",
        "| llama2-7b | 16/32 | 8 | 2456 | ilora | 12,039 | 49.0% | - | 1.020 |",
        "Failed: step smollm2-135m: OutOfMemoryError: full",
    ):
        assert line in page.splitlines()
    assert "9.9 times less time and 4.3 times less memory" in page
    assert "99.6% of its ranks are the same" in page


def test_what_was_asked_and_is_missed_is_called_so(performance: ModuleType, tmp_path: Path) -> None:
    step = {"what": "a step", "against": "a plain loop on peft", "seconds": 2.0}
    slow = {**step, "other_seconds": 3.0, "share_of_float32_peak": 0.44}
    fast = {**step, "other_seconds": 4.0, "share_of_float32_peak": 0.45}
    arguments = written(tmp_path, cpu=ON_CPU | {"cases": [slow, fast]})
    for model, host in (("ilora", 5), ("tallrec", 3)):
        folder = tmp_path / "movielens/paper" / model / "0a-seed0"
        folder.mkdir(parents=True)
        taken = {"peak_memory": {"host": host << 30, "device": None}}
        record = {"model": model, "run_id": "0a-seed0", "settings": {"llm": "smollm2"}}
        about = {**record, "peak_memory": {"host": 1 << 30, "device": None}, "trained": taken}
        (folder / "record.json").write_text(json.dumps(about), encoding="utf-8")
    assert performance.main(arguments) == 0
    lines = (tmp_path / "performance.md").read_text(encoding="utf-8").splitlines()
    for line in (
        "| a step | 2.000 | a plain loop on peft | 1.50 (missed: 2.00) | 44% (missed: 45%) | - |",
        "| a step | 2.000 | a plain loop on peft | 2.00 | 45% | - |",
        "| ilora | 0a-seed0 | 5.0 (missed: 4.0) |",
        "| tallrec | 0a-seed0 | 3.0 |",
    ):
        assert line in lines


def test_what_a_gpu_misses_is_called_so(performance: ModuleType, tmp_path: Path) -> None:
    """Of a step in the shape of 7 B, of iLoRA over LoRA, and of the adapter against experts."""
    step = FOUND["parts"]["step llama2-7b"] | {
        "share_of_peak": {"lora": 0.4, "ilora": 0.386},
        "seconds": {"lora": 0.2, "ilora": 0.207},
    }
    adapter = FOUND["parts"]["adapter"] | {"times_faster": 7.94, "times_less_memory": 3.9}
    parts = {"step llama2-7b": step, "step smollm2-135m": step, "adapter": adapter}
    slow = FOUND | {"parts": FOUND["parts"] | parts}
    assert performance.main(written(tmp_path, slow=slow)) == 0
    page = (tmp_path / "performance.md").read_text(encoding="utf-8")
    head, over = "| 16/32 | 8 | 2456 |", "1.035 (missed: 1.030)"
    for line in (
        f"| llama2-7b {head} lora | 12,280 | 40.0% | 16.0 | 1.000 |",
        f"| llama2-7b {head} ilora | 12,039 | 38.6% (missed: 40.0%) | - | {over} |",
        f"| smollm2-135m {head} ilora | 12,039 | 38.6% | - | {over} |",
    ):
        assert line in page.splitlines()
    assert "takes 7.9 (missed: 8.0) times less time and 3.9 (missed: 4.0) times less" in page


def test_several_threads_are_said_with_their_clock(performance: ModuleType, tmp_path: Path) -> None:
    both = ON_CPU | {"device": ON_CPU["device"] | {"threads": 2}}
    assert performance.main(written(tmp_path, both=both)) == 0
    lines = (tmp_path / "performance.md").read_text(encoding="utf-8").splitlines()
    assert "`smollm2`, 2 thread(s), by the clock on the wall." in lines


def test_the_published_page_is_that_of_its_files(performance: ModuleType) -> None:
    """If not: ``python tools/performance.py`` makes it anew."""
    published = (performance.RESULTS / "performance.md").read_text(encoding="utf-8")
    assert published == performance.page(performance.RESULTS)


def test_toy_sizes_are_not_published(performance: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="not published"):
        performance.main(written(tmp_path, toy=FOUND | {"small": True}))
    assert not (tmp_path / "performance.md").exists()
