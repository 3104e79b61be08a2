"""
How fast language models are trained and asked here, against the plain way of doing the same.

Every case does the same in both ways, checks first that the numbers are the same, and then times
them in turn. A training step is made as a run makes it: rows sorted by size, as many at once as the
model says, in the run's precision, with AdamW. Times are those of the processor, so that other work
on the machine counts less, or of the wall where `--threads` are several and for the adapter alone;
what is kept is the median of the pairs.

    python tools/speed.py --llm smollm2 --out results/performance/cpu-smollm2.json
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from copy import copy
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

from recbench.llm.guided import GuidedLanguageModel
from recbench.llm.inference.abilities import Abilities
from recbench.llm.inference.hybrid import Guide, HybridLM
from recbench.llm.inference.probe import randomised
from recbench.llm.inference.reader import Batch
from recbench.llm.prompts.writer import Prompt
from recbench.llm.tuning.finetuning import TrainingQuestions
from recbench.llm.tuning.objectives import Listwise
from recbench.neural.loop import TrainingRun
from recbench.neural.plan import Step
from recbench.neural.precision import FLOAT32, training_precision
from recbench.neural.randomness import seeded
from recbench.recommender import Runtime, TrainingData
from recbench.request import Experiment
from recbench.runs import environment
from recbench.stages import ask, build, choose_training_source

sys.path.insert(0, str(Path(__file__).parent / "gpu"))
from adapter import LARGE, compare

ROWS = np.arange(16)
"""Of the training rows, which stand in random order."""
FIRST = Step(0, 1)
CPU = torch.device("cpu")
HERE = Runtime(0, "cpu", Path(), Path())

Work = Callable[[], Any]


@dataclass(frozen=True)
class Lesson:
    """
    Real questions of training rows.

    Attributes
    ----------
    prompts
        Hybrid ones.
    answers
        The title of each candidate, the target's first.
    users
        What the gate sees of each.
    """

    prompts: list[Prompt]
    answers: list[list[list[int]]]
    users: Tensor


class Lab:
    """iLoRA and LLaRA on one language model, with a guide that knows nothing, and real prompts."""

    def __init__(self, llm: str, data: TrainingData) -> None:
        self.data, guide = data, Guide.random(len(data.catalogue), 64)
        self.ilora, self.llara = (_untrained(kind, llm, data, guide) for kind in (ILoRA, LLaRA))
        users = torch.from_numpy(guide.users)
        self.seen = lambda rows, _: users[rows]
        prompts, answers = self.ilora._lesson(self.questions(self.ilora), ROWS, FIRST, Listwise())
        self.lesson = Lesson(prompts, answers, users[ROWS])

    def questions(self, model: GuidedLanguageModel) -> TrainingQuestions:
        """Return those of a run with the model's settings."""
        return TrainingQuestions(self.data.train, len(self.data.catalogue), model.settings, 0)

    def step(self, model: GuidedLanguageModel, **said: Any) -> "OwnStep":
        """Return a step of the model's training where these settings are said."""
        own = copy(model)
        own.settings = model.settings.model_copy(update=said)
        questions, precision = self.questions(own), training_precision(own.settings.precision, CPU)
        task, plan = own._task(questions, self.seen), own._plan(questions, HERE)
        return OwnStep(own, TrainingRun(own.module, task, plan, HERE, precision))


def _untrained(
    kind: type[GuidedLanguageModel], llm: str, data: TrainingData, guide: Guide
) -> GuidedLanguageModel:
    """Return a model that is read in the ways of full attention, its adapter random."""
    settings = {"llm": llm, "batch_size": len(ROWS), "curriculum": False}
    model = kind(kind.settings_class.build(settings))
    model.abilities = Abilities(tokens=1 << 20)
    with seeded(0):
        lm = model._load_lm(data, HERE)
        model.module = randomised(model._assemble(model._adapted(lm), guide)).train()
    return model


@dataclass(frozen=True)
class OwnStep:
    """
    A training step as a run makes it.

    Attributes
    ----------
    model
        With the settings of the run.
    run
        At its beginning.
    """

    model: GuidedLanguageModel
    run: TrainingRun

    def __call__(self) -> None:
        """Make it."""
        with self.model._attending(self.run.precision):
            self.run._step(ROWS, 0)

    def gradients(self) -> tuple[Tensor, Tensor]:
        """Return the loss and its gradients, one behind the other, and leave the weights."""
        with self.model._attending(self.run.precision):
            loss = self.run._gradients(ROWS, Step(0, self.run.total, ROWS))
        return torch.tensor(loss), gradients(self.model.module)

    @property
    def name(self) -> str:
        """What is done, for a table."""
        at_once = f"{len(ROWS)} rows, {self.run.position.micro_batch_size} at once"
        return f"a training step of {at_once}, {self.run.precision.name}"


def gradients(model: HybridLM) -> Tensor:
    """Return the gradients of all that is trained, one behind the other, and forget them."""
    found = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    return torch.cat(found)


def pairs(first: Work, second: Work, count: int) -> tuple[float, float]:
    """Return the medians of the seconds of two works that take turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(count):
        for work, spent in zip((first, second), times, strict=True):
            began = seconds()
            work()
            spent.append(seconds() - began)
    return statistics.median(times[0]), statistics.median(times[1])


def seconds() -> float:
    """Return a time: the processor's, or the wall's, since threads add up on a processor."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def peak(dtype: torch.dtype) -> float:
    """Return operations a second of a large matrix product."""
    left, right = (torch.randn(2048, 2048).to(dtype) for _ in range(2))
    taken, _ = pairs(lambda: left @ right, lambda: left @ right, 9)
    return float(2 * 2048**3 / taken)


class PlainStep:
    """The same step as a loop of a few lines makes it: padded, the logits of all tokens."""

    def __init__(self, model: HybridLM, lesson: Lesson, rate: float) -> None:
        self.model, self.lesson = model, lesson
        trained = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=rate)

    def __call__(self) -> None:
        """Make it."""
        self._loss().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def gradients(self) -> tuple[Tensor, Tensor]:
        """Return the loss and its gradients, one behind the other, and leave the weights."""
        loss = self._loss()
        loss.backward()
        return loss.detach(), gradients(self.model)

    def _loss(self) -> Tensor:
        model, prompts = self.model, self.lesson.prompts
        assert model.user_gate is not None
        model.user_gate.hold(self.lesson.users)
        texts = [p.ids + own[0] for p, own in zip(prompts, self.lesson.answers, strict=True)]
        ids = torch.zeros(len(texts), max(map(len, texts)), dtype=torch.long)
        labels, mask = torch.full_like(ids, -100), torch.zeros_like(ids)
        for row, (text, prompt) in enumerate(zip(texts, prompts, strict=True)):
            ids[row, : len(text)], mask[row, : len(text)] = torch.tensor(text), 1
            labels[row, len(prompt.ids) : len(text)] = torch.tensor(text[len(prompt.ids) :])
        vectors = model.embed(ids, [item for prompt in prompts for item in prompt.items])
        logits = model.lm.get_base_model()(inputs_embeds=vectors, attention_mask=mask).logits
        told = logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten()
        return cross_entropy(*told, reduction="sum") / len(texts)


def operations(model: HybridLM, lesson: Lesson) -> float:
    """Return those of a training step: four a frozen weight and token, the head's on few."""
    head = model.lm.get_output_embeddings().weight.numel()
    tied = model.lm.get_input_embeddings().weight is model.lm.get_output_embeddings().weight
    embeddings = head if tied else 2 * head
    frozen = sum(p.numel() for p in model.lm.parameters() if not p.requires_grad)
    body = frozen - embeddings
    answers = sum(len(own[0]) for own in lesson.answers)  # the target's
    tokens = sum(len(prompt.ids) for prompt in lesson.prompts) + answers
    return 4.0 * (body * tokens + head * answers)


def training(lab: Lab, count: int) -> list[dict[str, Any]]:
    """Time a training step of iLoRA against a plain loop, the machine's peak, and LLaRA's."""
    whole = lab.step(lab.ilora, precision="float32")
    loop = PlainStep(lab.ilora.module, lab.lesson, rate=whole.run.plan.rate(0, whole.run.total))
    same_gradients(whole.gradients(), loop.gradients())
    fast, slow = pairs(whole, loop, count)
    cases = [case(f"iLoRA, {whole.name}", "a plain loop on peft", fast, slow)]
    share = operations(lab.ilora.module, lab.lesson) / fast / peak(torch.float32)
    cases[0]["share_of_float32_peak"] = share
    usual = lab.step(lab.ilora)  # what a run does here, unless it is told otherwise
    if usual.run.precision != FLOAT32:
        same(usual.gradients()[0], loop.gradients()[0], tolerance=3e-2)
        quick, slow = pairs(usual, loop, count)
        cases.append(case(f"iLoRA, {usual.name}", "the plain loop, float32", quick, slow))
    gated, stock = pairs(usual, lab.step(lab.llara), count)
    return [*cases, case(f"iLoRA, {usual.name}", "one LoRA for all", gated, stock)]


def objectives(lab: Lab, count: int) -> list[dict[str, Any]]:
    """Time a step that reads every candidate's title against one that reads the target's alone."""
    every, one = (lab.step(lab.ilora, objective=name) for name in ("listwise", "title"))
    what = f"iLoRA, {every.name}, objective=listwise"
    return [case(what, "objective=title", *pairs(every, one, count))]


def adapters() -> list[dict[str, Any]]:
    """Time iLoRA's adapter on a layer of Llama2-7B against one LoRA an expert."""
    found = compare(LARGE, CPU, FLOAT32, rounds=5)
    taken, kept = found["seconds"], found["bytes_kept"]
    what = "the adapter alone, 4096 to 11008, 8 x 300 tokens, 4 experts, rank 16"
    one = case(what, "one LoRA an expert", taken["ilora"], taken["per_expert"])
    return [one | {"times_less_memory": kept["per_expert"] / kept["ilora"]}]


def reading(lab: Lab, count: int) -> list[dict[str, Any]]:
    """Time the likelihoods of 20 candidates, and the written answer beside them."""
    few, lesson = slice(0, 4), lab.lesson
    prompts, users, listed = lesson.prompts[few], lesson.users[few], lesson.answers[few]
    limits = [max(map(len, own)) + 4 for own in listed]
    scored = Batch(prompts, users, listed)
    written = Batch(prompts, users, limits=limits)
    both = Batch(prompts, users, listed, limits)
    quick = lab.ilora._reader()
    plainly = replace(quick, abilities=Abilities(tokens=1 << 20, reads="plain", writes="plain"))

    def apart() -> tuple[Tensor | None, list[list[int]]]:
        return quick.answer(scored)[0], quick.answer(written)[1]

    (likely, words), (alone, alone_words) = quick.answer(both), apart()
    same(likely, plainly.answer(scored)[0])
    same(likely, alone)
    if words != alone_words:
        sys.exit("error: what is written beside likelihoods is not what is written alone")
    first = pairs(lambda: quick.answer(scored), lambda: plainly.answer(scored), count)
    second = pairs(lambda: quick.answer(both), apart, count)
    return [
        case("likelihoods of 20 candidates", "20 full sequences", *first),
        case("likelihoods and answer of a query", "one after the other", *second),
    ]


def same(one: Tensor | None, other: Tensor | None, tolerance: float = 1e-3) -> None:
    """Refuse to time two works that do not give the same."""
    torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def same_gradients(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> None:
    """Refuse to time two steps with other losses, or gradients, as a part of their length."""
    (loss, found), (other_loss, wanted) = one, other
    same(loss, other_loss)
    same((found - wanted).norm() / wanted.norm(), torch.tensor(0.0))


def case(what: str, against: str, ours: float, theirs: float) -> dict[str, Any]:
    """Return a line of the table."""
    return {"what": what, "against": against, "seconds": ours, "other_seconds": theirs}


def training_data(llm: str) -> TrainingData:
    """Return what a run of iLoRA on MovieLens learns from."""
    experiment = Experiment(model="ilora", settings={"llm": llm})
    question = ask(experiment, print)
    return choose_training_source(experiment, build(experiment), question, print).learnt


def main(arguments: list[str] | None = None) -> int:
    """Time everything and write it down."""
    words = argparse.ArgumentParser(description="Time language models against the plain way.")
    words.add_argument("--llm", default="tiny")
    words.add_argument("--pairs", type=int, default=5)
    words.add_argument("--threads", type=int, default=1, help="that compute, at least 1")
    words.add_argument("--out", type=Path, required=True)
    given = words.parse_args(arguments)
    if given.threads < 1:
        words.error(f"--threads is at least 1, not {given.threads}")
    torch.set_num_threads(given.threads)
    lab = Lab(given.llm, training_data(given.llm))
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
