"""The benchmark of language models on a CPU times what a run does, and only what gives the same."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from recbench.llm.inference.reader import Reader
from recbench.testing.toy import toy_training_data
from recbench.testing.toy_lm import toy_llm


@pytest.fixture(scope="module")
def speed(load) -> ModuleType:
    return load("speed")


@pytest.fixture(scope="module")
def lab(speed: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return speed.Lab(str(toy_llm(tmp_path_factory.mktemp("toy"))), toy_training_data())


def test_everything_is_timed(speed: ModuleType, lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "peak", lambda _: 1e12)
    cases = [
        one for work in (speed.training, speed.objectives, speed.reading) for one in work(lab, 1)
    ]
    against = [one["against"] for one in cases if one["against"] != "the plain loop, float32"]
    assert against == [
        *("a plain loop on peft", "one LoRA for all", "objective=title"),
        *("20 full sequences", "one after the other"),
    ]
    assert cases[0]["what"] == "iLoRA, a training step of 16 rows, 16 at once, float32"
    assert all(one["seconds"] > 0 and one["other_seconds"] > 0 for one in cases)
    assert 0 < cases[0]["share_of_float32_peak"] < 1


def test_a_step_is_a_runs_and_has_the_numbers_of_the_plain_loop(
    speed: ModuleType, lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few rows at once, those of like size together; and it learns."""
    step = lab.step(lab.ilora, precision="float32", micro_batch_size=6)
    plain = speed.PlainStep(lab.ilora.module, lab.lesson, rate=1e-3)
    found, wanted = step.gradients(), plain.gradients()
    speed.same_gradients(found, wanted)
    with pytest.raises(AssertionError):
        speed.same_gradients(found, (wanted[0], 1.01 * wanted[1]))
    parts: list[list[int]] = []
    task = step.run.task
    noted = replace(task, loss=lambda rows, at: parts.append(rows.tolist()) or task.loss(rows, at))
    monkeypatch.setattr(step.run, "task", noted)
    step()
    questions = lab.questions(step.model)
    shown = questions.histories[speed.ROWS], questions.candidates(speed.ROWS, speed.FIRST)
    of_rows = lab.ilora.writer.sizes(*shown)
    sizes = [[of_rows[row] for row in part] for part in parts]
    assert [len(part) for part in parts] == [6, 6, 4]
    assert sorted(row for part in parts for row in part) == list(range(16))
    assert min(sizes[0]) >= max(sizes[1]) >= min(sizes[1]) >= max(sizes[2])
    plain()
    assert not torch.allclose(step.gradients()[1], wanted[1])


@pytest.mark.parametrize(("threads", "taken"), [(1, 1.0), (2, 10.0)])
def test_several_threads_are_timed_by_the_wall(
    speed: ModuleType, monkeypatch: pytest.MonkeyPatch, threads: int, taken: float
) -> None:
    """On the processor their times add up."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    clocks = {"process_time": 1.0, "perf_counter": 10.0}
    ticking = {name: itertools.count(0.0, tick).__next__ for name, tick in clocks.items()}
    monkeypatch.setattr(speed, "time", SimpleNamespace(**ticking))
    assert speed.pairs(lambda: None, lambda: None, 3) == (taken, taken)


@pytest.mark.parametrize(("said", "threads"), [([], 1), (["--threads", "2"], 2)])
def test_the_page_says_how_many_threads_computed(
    speed: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: list[str],
    threads: int,
) -> None:
    counted: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", counted.append)
    monkeypatch.setattr(torch, "get_num_threads", lambda: counted[-1])
    monkeypatch.setattr(speed, "training_data", lambda _: None)
    monkeypatch.setattr(speed, "Lab", lambda *_: None)
    for work in ("training", "objectives", "reading"):
        monkeypatch.setattr(speed, work, lambda *_: [])
    monkeypatch.setattr(speed, "adapters", lambda: [speed.case("it", "another", 1.0, 2.0)])
    assert speed.main([*said, "--out", str(tmp_path / "found.json")]) == 0
    page = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert page["device"]["threads"] == threads
    assert counted == [threads]


def test_no_threads_are_refused(speed: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        speed.main(["--threads", "0", "--out", "nowhere.json"])
    assert "--threads is at least 1, not 0" in capsys.readouterr().err


def test_what_writes_other_words_beside_likelihoods_is_not_timed(
    speed: ModuleType, lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Reader.answer

    def wrong(self: Reader, batch: Any) -> Any:
        likely, words = answer(self, batch)
        return likely, [[0]] * len(words) if likely is None else words

    monkeypatch.setattr(Reader, "answer", wrong)
    with pytest.raises(SystemExit, match="is not what is written alone"):
        speed.reading(lab, 1)
