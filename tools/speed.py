"""
How fast language models are trained and asked here, against the plain way of doing the same.

Every case does the same in both ways, checks first that the numbers are the same, and then times
them in turn, with one thread. Times are those of the processor, so that other work on the machine
counts less; what is kept is the median of the pairs.

    python tools/speed.py --llm smollm2 --out results/performance/cpu-smollm2.json
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recbench_baselines.ilora import ILoRA
from recbench_baselines.llara import LLaRA
from torch import Tensor
from torch.nn.functional import cross_entropy

from recbench.experiment import Experiment, ask, choose_training_source
from recbench.llm.guided import GuidedLanguageModel
from recbench.llm.inference.abilities import Abilities
from recbench.llm.inference.batching import plain_attention
from recbench.llm.inference.hybrid import Guide, HybridLM
from recbench.llm.inference.probe import randomised
from recbench.llm.inference.reader import Batch
from recbench.llm.inference.scoring import log_likelihoods, pack
from recbench.llm.prompts.writer import Prompt
from recbench.llm.tuning.finetuning import TrainingQuestions
from recbench.neural.plan import Step
from recbench.neural.precision import FLOAT32, computes_bfloat16
from recbench.neural.randomness import seeded
from recbench.recommender import Runtime
from recbench.runs import environment

sys.path.insert(0, str(Path(__file__).parent / "gpu"))
from adapter import LARGE, compare

ROWS = 16
LATE = Step(99, 100)
"""Of a curriculum: nearly all prompts are hybrid."""
CPU = torch.device("cpu")

Work = Callable[[], Any]


@dataclass(frozen=True)
class Lesson:
    """Real prompts of training rows, the target's title behind each, and users for the gate."""

    prompts: list[Prompt]
    answers: list[list[list[int]]]
    users: Tensor


class Lab:
    """iLoRA and LLaRA on one language model, with a guide that knows nothing, and real prompts."""

    def __init__(self, llm: str) -> None:
        experiment = Experiment(model="ilora", settings={"llm": llm})
        question = ask(experiment, print)
        self.ilora, self.llara = (
            kind(kind.settings_class.build({"llm": llm})) for kind in (ILoRA, LLaRA)
        )
        source = choose_training_source(experiment, self.ilora, question, print)
        data, runtime = source.learnt, Runtime(0, "cpu", Path(), Path())
        guide = Guide.random(len(data.catalogue), 64)
        for model in (self.ilora, self.llara):
            with seeded(0):
                lm = model._load_lm(data, runtime)
                model.module = randomised(model._assemble(model._adapted(lm), guide))
        settings = self.ilora.settings.model_copy(update={"examples": ROWS, "curriculum": False})
        questions = TrainingQuestions(data.train, len(data.catalogue), settings, 0)
        rows = np.arange(ROWS)
        shown = questions.candidates(rows, LATE)
        prompts = self.ilora.writer.prompts(questions.histories, shown, np.ones(ROWS, dtype=bool))
        answers = self.ilora.writer.answers
        self.lesson = Lesson(
            prompts,
            [[answers[item]] for item in questions.targets],
            torch.from_numpy(guide.users[:ROWS]),
        )
        self.listed = [[answers[item] for item in row] for row in shown]


def pairs(first: Work, second: Work, count: int) -> tuple[float, float]:
    """Return the medians of the seconds of two works that take turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(count):
        for work, spent in zip((first, second), times, strict=True):
            began = time.process_time()
            work()
            spent.append(time.process_time() - began)
    return statistics.median(times[0]), statistics.median(times[1])


def peak(dtype: torch.dtype) -> float:
    """Return operations a second of a large matrix product."""
    left, right = (torch.randn(2048, 2048).to(dtype) for _ in range(2))
    seconds, _ = pairs(lambda: left @ right, lambda: left @ right, 9)
    return float(2 * 2048**3 / seconds)


def ours(model: HybridLM, lesson: Lesson, bfloat16: bool) -> Tensor:
    """Make one step of training as a run does; return the loss."""
    model.zero_grad()
    if model.gate is not None:
        model.gate.hold(lesson.users)
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        packed = pack(lesson.prompts, lesson.answers, CPU)
        loss = -log_likelihoods(model, packed).mean()
    loss.backward()
    if model.gate is not None:
        model.gate.release()
    return loss.detach()


def plain(model: HybridLM, lesson: Lesson, bfloat16: bool) -> Tensor:
    """Make the same step as a loop of a few lines does: padded, the logits of all tokens."""
    model.zero_grad()
    if model.gate is not None:
        model.gate.hold(lesson.users)
    texts = [p.ids + own[0] for p, own in zip(lesson.prompts, lesson.answers, strict=True)]
    longest = max(map(len, texts))
    ids, labels = torch.zeros(len(texts), longest, dtype=torch.long), None
    labels = torch.full_like(ids, -100)
    mask = torch.zeros_like(ids)
    for row, (text, prompt) in enumerate(zip(texts, lesson.prompts, strict=True)):
        ids[row, : len(text)], mask[row, : len(text)] = torch.tensor(text), 1
        labels[row, len(prompt.ids) : len(text)] = torch.tensor(text[len(prompt.ids) :])
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        items = [item for prompt in lesson.prompts for item in prompt.items]
        vectors = model.embed(ids, items)
        logits = model.lm.get_base_model()(inputs_embeds=vectors, attention_mask=mask).logits
        loss = cross_entropy(
            logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten(), reduction="sum"
        )
    (loss / len(texts)).backward()
    if model.gate is not None:
        model.gate.release()
    return loss.detach() / len(texts)


def operations(model: HybridLM, lesson: Lesson) -> float:
    """Return those of a training step: four a frozen weight and token, the head's on few."""
    head = model.lm.get_output_embeddings().weight.numel()
    tied = model.lm.get_input_embeddings().weight is model.lm.get_output_embeddings().weight
    embeddings = head if tied else 2 * head
    frozen = sum(p.numel() for p in model.lm.parameters() if not p.requires_grad)
    body = frozen - embeddings
    answers = sum(len(own[0]) for own in lesson.answers)
    tokens = sum(len(prompt.ids) for prompt in lesson.prompts) + answers
    return 4.0 * (body * tokens + head * answers)


def training(lab: Lab, count: int) -> list[dict[str, Any]]:
    """Time a training step of iLoRA against a plain loop, the machine's peak, and LLaRA's."""
    ilora, llara, lesson = lab.ilora.module, lab.llara.module, lab.lesson
    same(ours(ilora, lesson, False), plain(ilora, lesson, False), bfloat16=False)
    fast, slow = pairs(
        lambda: ours(ilora, lesson, False), lambda: plain(ilora, lesson, False), count
    )
    step = f"iLoRA, a training step of {ROWS} rows"
    cases = [case(f"{step}, float32", "a plain loop on peft", fast, slow)]
    share = operations(ilora, lesson) / fast / peak(torch.float32)
    cases[0]["share_of_float32_peak"] = share
    if computes_bfloat16(CPU):  # what a run does there, unless it is told otherwise
        same(ours(ilora, lesson, True), plain(ilora, lesson, True), bfloat16=True)
        with plain_attention(ilora.lm):
            quick, _ = pairs(lambda: ours(ilora, lesson, True), lambda: None, count)
        cases.append(case(f"{step}, bfloat16", "the plain loop, float32", quick, slow))
    gated, stock = pairs(
        lambda: ours(ilora, lesson, False), lambda: ours(llara, lesson, False), count
    )
    return [*cases, case(f"{step}, float32", "one LoRA for all", gated, stock)]


def objectives(lab: Lab, count: int) -> list[dict[str, Any]]:
    """Time a step that reads every candidate's title against one that reads the target's alone."""
    model, lesson = lab.ilora.module, lab.lesson
    every = replace(lesson, answers=lab.listed)
    bfloat16 = computes_bfloat16(CPU)
    with plain_attention(model.lm) if bfloat16 else nullcontext():
        listwise, title = pairs(
            lambda: ours(model, every, bfloat16), lambda: ours(model, lesson, bfloat16), count
        )
    kind = "bfloat16" if bfloat16 else "float32"
    what = f"iLoRA, a training step of {ROWS} rows, {kind}, objective=listwise"
    return [case(what, "objective=title", listwise, title)]


def adapters() -> list[dict[str, Any]]:
    """Time iLoRA's adapter on a layer of Llama2-7B against one LoRA an expert."""
    found = compare(LARGE, CPU, FLOAT32, rounds=5)
    taken, kept = found["seconds"], found["bytes_kept"]
    what = "the adapter alone, 4096 to 11008, 8 x 300 tokens, 4 experts, rank 16"
    one = case(what, "one LoRA an expert", taken["ilora"], taken["per_expert"])
    return [one | {"times_less_memory": kept["per_expert"] / kept["ilora"]}]


def reading(lab: Lab, count: int) -> list[dict[str, Any]]:
    """Time the likelihoods of 20 candidates, and the written answer beside them."""
    model, lesson = lab.ilora, lab.lesson
    few = slice(0, 4)
    prompts, users, listed = lesson.prompts[few], lesson.users[few], lab.listed[few]
    limits = [max(map(len, own)) + 4 for own in listed]
    scored = Batch(prompts, users, listed)
    written = Batch(prompts, users, limits=limits)
    both = Batch(prompts, users, listed, limits)
    quick = reader(model)
    plainly = reader(model, reads="plain", writes="plain")
    found, wanted = quick.answer(scored)[0], plainly.answer(scored)[0]
    assert found is not None
    assert wanted is not None
    same(found, wanted, bfloat16=False)
    fast, slow = pairs(lambda: quick.answer(scored), lambda: plainly.answer(scored), count)
    cases = [case("likelihoods of 20 candidates", "20 full sequences", fast, slow)]

    def apart() -> None:
        quick.answer(scored)
        quick.answer(written)

    fast, slow = pairs(lambda: quick.answer(both), apart, count)
    return [*cases, case("likelihoods and answer of a query", "one after the other", fast, slow)]


def reader(model: GuidedLanguageModel, **changed: Any) -> Any:
    """Return the model's reader with the abilities of full attention, some of them changed."""
    model.abilities = Abilities(tokens=1 << 20, **changed)
    return model._reader()


def same(one: Tensor, other: Tensor, bfloat16: bool) -> None:
    """Refuse to time two works that do not give the same."""
    tolerance = 3e-2 if bfloat16 else 1e-3
    torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def case(what: str, against: str, ours: float, theirs: float) -> dict[str, Any]:
    """Return a line of the table."""
    return {"what": what, "against": against, "seconds": ours, "other_seconds": theirs}


def main() -> int:
    """Time everything and write it down."""
    words = argparse.ArgumentParser(description="Time language models against the plain way.")
    words.add_argument("--llm", default="tiny")
    words.add_argument("--pairs", type=int, default=5)
    words.add_argument("--out", type=Path, required=True)
    given = words.parse_args()
    torch.set_num_threads(1)
    lab = Lab(given.llm)
    works = (training, objectives, reading)
    cases = [*adapters(), *(one for work in works for one in work(lab, given.pairs))]
    page = {
        "date": datetime.now(UTC).date().isoformat(),
        "llm": given.llm,
        "device": environment.device("cpu").model_dump(),
        "versions": environment.versions(),
        "cases": cases,
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(page, indent=1) + "\n", encoding="utf-8")
    for one in cases:
        ratio = one["other_seconds"] / one["seconds"]
        print(
            f"{one['what']}: {one['seconds']:.3f} s, {ratio:.2f} times as fast as {one['against']}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
