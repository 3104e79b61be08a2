from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recbench.errors import RecbenchError, UserError
from recbench.llm import listed, prompted
from recbench.llm import recommender as room
from recbench.llm.inference import reader
from recbench.llm.prompts.writer import MARGIN, Prompt
from recbench.llm.recommender import LanguageModelRecommender
from recbench.llm.settings import LanguageModelSettings
from recbench.llm.tuning.finetuning import TrainingQuestions
from recbench.llm.tuning.objectives import Listwise, NextTitle, Stages
from recbench.llm.weights.backbone import load_backbone
from recbench.neural import precision
from recbench.neural.plan import Step
from recbench.neural.precision import Precision
from recbench.questions.queries import Queries
from recbench.recommender import Runtime, TrainingData
from recbench.testing.contract import toy_queries
from recbench.testing.toy import toy_split


class TextOnly(LanguageModelRecommender):
    settings_class = LanguageModelSettings
    summary, reference = "text-only", "none"


Build = Callable[..., TextOnly]


@pytest.fixture(scope="module")
def build(toy_folder: Path) -> Build:
    def made(**settings: Any) -> TextOnly:
        """Without a learning curve, unless `settings` ask for one."""
        values = {"llm": str(toy_folder), "examples": 64, "batch_size": 16, "curve_rows": 0}
        return TextOnly(LanguageModelSettings.build(values | settings))

    return made


@pytest.fixture(scope="module")
def fitted(build: Build, data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> TextOnly:
    """One for all tests that only ask it."""
    model, folder = build(learning_rate=1e-3), tmp_path_factory.mktemp("fitted")
    model.fit(data, Runtime(0, "cpu", folder, folder))
    return model


def test_a_killed_training_goes_on_and_ends_the_same(
    build: Build, data: TrainingData, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law 9, with dropout and candidates drawn on the way."""
    queries = toy_queries(toy_split())
    whole = build(curve_rows=64)
    whole.fit(data, replace(runtime, checkpoints=runtime.checkpoints / "whole"))

    killed, real, losses = build(curve_rows=64), room.log_likelihoods, []

    def dies(*arguments: Any) -> torch.Tensor:
        losses.append(1)
        if len(losses) == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    eager = lambda *args, **kwargs: train(*args, **kwargs, checkpoint_seconds=0.0)  # noqa: E731
    train = room.train
    monkeypatch.setattr(room, "train", eager)
    monkeypatch.setattr(room, "log_likelihoods", dies)
    with pytest.raises(KeyboardInterrupt):
        killed.fit(data, runtime)
    again = build(curve_rows=64)
    report = again.fit(data, runtime)
    assert len(losses) == 3 + 2  # of four steps two were done, and not done again
    assert report["steps"] == 4
    monkeypatch.setattr(room, "log_likelihoods", real)
    np.testing.assert_array_equal(again.score(queries, runtime), whole.score(queries, runtime))


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("then", "goes_on"),
    [
        ({"micro_batch_size": 4, "gradient_checkpointing": True}, True),
        ({"curve_rows": 4}, False),
    ],
)
def test_what_only_says_how_a_training_is_computed_goes_on_with_what_was_begun(
    build: Build,
    data: TrainingData,
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
    then: dict[str, Any],
    goes_on: bool,
) -> None:
    """As after a want of memory; and what does not go on with it says so."""
    real, losses, said = room.log_likelihoods, [], list[str]()

    def dies(*arguments: Any) -> torch.Tensor:
        losses.append(1)
        if len(losses) == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(room, "log_likelihoods", dies)
    train = room.train
    eager = lambda *args, **kwargs: train(*args, **kwargs, checkpoint_seconds=0.0)  # noqa: E731
    monkeypatch.setattr(room, "train", eager)
    with pytest.raises(KeyboardInterrupt):
        build(curve_rows=8).fit(data, runtime)
    report = build(**{"curve_rows": 8, **then}).fit(data, replace(runtime, report=said.append))
    assert report["steps"] == 4
    anew = [line for line in said if line.endswith("; this training begins anew")]
    assert (anew == []) is goes_on
    assert (len(losses) == 3 + 2) is goes_on  # of four steps two were done


@pytest.mark.honesty
def test_candidates_of_one_title_tie_and_the_others_keep_their_bits(
    build: Build, data: TrainingData, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sequence holds all titles, and rounding there depends on the place."""
    titles = tuple(data.catalogue.titles[item - item % 2] for item in range(40))
    twins = replace(data, catalogue=replace(data.catalogue, titles=titles))
    model = build()
    model.fit(twins, runtime)
    random = np.random.Generator(np.random.PCG64(0))
    items = random.permuted(np.tile(np.arange(40, dtype=np.int32), (8, 1)), axis=1)[:, :20]
    queries = Queries(toy_split().test.histories[:8], items)
    scores = model.score(queries, runtime)
    monkeypatch.setattr(listed, "scored_once", lambda found, *_: found)
    apart = model.score(queries, runtime)
    first = [[(row // 2).tolist().index(item // 2) for item in row] for row in items]
    np.testing.assert_array_equal(scores, np.take_along_axis(apart, np.array(first), axis=1))
    assert (scores != apart).any()  # rounding did part some


@pytest.mark.parametrize("objective", ["title", "text"])
def test_micro_batches_change_nothing_but_rounding(
    build: Build, data: TrainingData, runtime: Runtime, objective: str
) -> None:
    queries = toy_queries(toy_split())
    scores = []
    exactly = {"dropout": 0.0, "precision": "float32", "learning_rate": 1e-3}
    for size in (16, 5):
        model = build(micro_batch_size=size, objective=objective, **exactly)
        report = model.fit(data, replace(runtime, checkpoints=runtime.checkpoints / str(size)))
        assert report["micro_batch_size"] == size
        assert report["precision"] == "float32"
        scores.append(model.score(queries, runtime))
    np.testing.assert_allclose(scores[0], scores[1], atol=2e-3)


def test_candidates_that_are_learnt_from_apart_teach_the_same_and_are_counted_so(
    build: Build, data: TrainingData, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a prompt of its own each, where an architecture does not read many as one sequence."""
    losses: list[list[float]] = []
    counted: list[tuple[int, int]] = []
    real = room.rows_at_once

    def noted(config: Any, tokens: int, places: int, *how: Any) -> int:
        counted.append((tokens, places))
        return real(config, tokens, places, *how)

    monkeypatch.setattr(room, "rows_at_once", noted)
    values = {"objective": "listwise", "candidates": 4, "examples": 32, "epochs": 2}
    for lists in (True, False):
        model = build(**values, precision="float32")
        model.rehearse(data, 4, runtime)
        assert model.abilities is not None
        model.abilities = model.abilities.model_copy(update={"lists": lists})
        assert ("each candidate that is learnt from" in model.abilities.slow) != lists
        where = replace(runtime, checkpoints=runtime.checkpoints / str(lists))
        losses.append(model.fit(data, where)["losses"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    (together, places), (apart, same_places) = counted
    assert places == same_places
    # Four prompts in the place of one; the row that counts most may be another, by some tokens.
    assert apart == pytest.approx(4 * (together - places) + places, rel=0.02)


def test_no_training_ends_by_rows_that_are_not_there(
    build: Build, data: TrainingData, runtime: Runtime
) -> None:
    none = replace(data, validation=data.validation[:0])
    with pytest.raises(UserError, match=r"'patience': there are no validation rows .*leave it out"):
        build(patience=1, curve_rows=64).fit(none, runtime)


def test_it_learns(build: Build, data: TrainingData, runtime: Runtime) -> None:
    losses = build(learning_rate=1e-2, epochs=4).fit(data, runtime)["losses"]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize(
    "slower",
    [
        {"reads": "stepped"},
        {"reads": "plain", "writes": "plain"},
        {"together": False},
        {"reads": "plain", "together": False},
    ],
)
def test_slower_ways_of_reading_give_the_same(
    fitted: TextOnly, runtime: Runtime, monkeypatch: pytest.MonkeyPatch, slower: dict[str, Any]
) -> None:
    queries = toy_queries(toy_split())
    scores, texts = fitted.score_and_answer(queries, runtime)
    np.testing.assert_array_equal(scores, fitted.score(queries, runtime))
    assert texts == fitted.answer(queries, runtime)
    assert fitted.abilities is not None
    monkeypatch.setattr(fitted, "abilities", fitted.abilities.model_copy(update=slower))
    again, same_texts = fitted.score_and_answer(queries, runtime)
    np.testing.assert_allclose(again, scores, atol=1e-3, rtol=1e-5)
    assert same_texts == texts


def test_scores_are_sums_over_title_and_line_end(
    fitted: TextOnly, data: TrainingData, runtime: Runtime
) -> None:
    """Two ways: the method, and the plain model on the plain text."""
    queries = toy_queries(toy_split())
    row, column = 1, 3
    title = data.catalogue.titles[queries.candidates[row, column]]
    prompt = fitted.writer.text(queries.histories[row], queries.candidates[row], hybrid=False)
    encode = fitted.writer.tokenizer
    ids = torch.tensor([encode(f"{prompt}{title}\n").input_ids])
    with torch.no_grad():
        steps = fitted.module.lm(input_ids=ids).logits[0].log_softmax(-1)
    size = len(title.encode()) + 1  # one token a byte
    expected = steps[-size - 1 : -1].gather(1, ids[0, -size:, None]).sum()
    got = fitted.score(queries, runtime)[row, column]
    assert got == pytest.approx(float(expected), abs=1e-3)
    assert fitted.title_lengths()[queries.candidates[row, column]] == size


def test_an_answer_is_no_longer_than_the_longest_candidate_and_a_margin(
    fitted: TextOnly, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries, seen = toy_queries(toy_split()), []
    real = reader.greedy
    monkeypatch.setattr(reader, "greedy", lambda *args: seen.extend(args[1]) or real(*args))
    fitted.answer(queries, runtime)
    longest = fitted.title_lengths()[queries.candidates].max(axis=1) + MARGIN
    assert sorted(seen) == sorted(longest.tolist())


def test_an_unknown_layer_is_named(build: Build, data: TrainingData, runtime: Runtime) -> None:
    with pytest.raises(UserError, match=r"no layer 'query'; it has down_proj, gate_proj"):
        build(targets="query,value").fit(data, runtime)


def test_it_is_tried_on_prompts_as_long_as_those_of_training(
    build: Build, data: TrainingData, runtime: Runtime
) -> None:
    """The curve asks questions like those of training, which may show more than the test's."""
    lines: list[str] = []
    model = build(candidates=30, examples=16, curve_rows=8)
    model.rehearse(data, 2, replace(runtime, report=lines.append))
    model.fit(data, replace(runtime, report=lines.append))
    assert sum(line.startswith("trying how") for line in lines) == 1


def test_a_longer_question_is_tried_without_a_hand_in_training(
    build: Build, data: TrainingData, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, queries = build(examples=16), toy_queries(toy_split())
    model.fit(data, runtime)
    assert model.abilities is not None
    model.abilities = model.abilities.model_copy(update={"tokens": 1})
    trained = next(p for p in model.module.parameters() if p.requires_grad)
    trained.grad = torch.ones_like(trained)
    with torch.no_grad():  # as a learning curve is drawn
        model.score(queries, runtime)
    assert model.abilities.tokens > 1
    assert bool((trained.grad == 1).all())


def test_batch_sizes_are_reported(build: Build, data: TrainingData, runtime: Runtime) -> None:
    lines: list[str] = []
    build(micro_batch_size=8).fit(data, replace(runtime, report=lines.append))
    assert "batches of 16 rows, 8 computed at once" in lines


def test_float32_is_float32_on_a_gpu_as_well(
    build: Build, data: TrainingData, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its weights are loaded so, and what is asked of it is computed and recorded so."""
    loaded = []

    def load(llm: str, device: str, weights: torch.dtype, *_: Any) -> Any:
        loaded.append((device, weights))
        return load_backbone(llm, "cpu")

    monkeypatch.setattr(prompted, "load_backbone", load)
    monkeypatch.setattr(precision, "computes_bfloat16", lambda _: True)
    on_gpu = replace(runtime, device="cuda:1")
    for name in ("float32", "bfloat16", "auto"):
        build(precision=name)._load_lm(data, on_gpu)
    assert loaded == [("cuda:1", getattr(torch, d)) for d in ("float32", "bfloat16", "bfloat16")]
    monkeypatch.setattr(precision, "computes_bfloat16", lambda _: False)
    build()._load_lm(data, on_gpu)
    assert loaded[-1] == ("cuda:1", torch.float32)


@pytest.mark.parametrize("mixed", [True, False])
def test_likelihoods_and_answers_are_computed_alike(
    build: Build,
    data: TrainingData,
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
    mixed: bool,
) -> None:
    model, queries, seen = build(), toy_queries(toy_split()), []
    model.fit(data, runtime)
    chosen = Precision("any", torch.float32, torch.bfloat16 if mixed else None)
    monkeypatch.setattr(prompted, "reading_precision", lambda *_: chosen)
    model.module.lm.get_base_model().register_forward_hook(
        lambda *_: seen.append(torch.is_autocast_enabled("cpu"))
    )
    model.score(queries, runtime)
    scored = len(seen)
    model.answer(queries, runtime)
    assert len(seen) > scored > 0
    assert set(seen) == {mixed}
    assert model.scores_in == "any"


def test_out_of_memory_changes_no_answer(
    build: Build, fitted: TextOnly, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitted, "_halved", 0)  # others ask it, too
    queries, lines = toy_queries(toy_split()), []
    expected = fitted.score(queries, runtime), fitted.answer(queries, runtime)
    assert fitted.account(runtime) == {}

    def small(_: Any, arguments: Any, given: dict[str, Any]) -> None:
        if len(given["attention_mask"]) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")

    told = replace(runtime, report=lines.append)
    with fitted.module.lm.get_base_model().register_forward_pre_hook(small, with_kwargs=True):
        np.testing.assert_allclose(fitted.score(queries, told), expected[0], atol=1e-4, rtol=1e-5)
        assert fitted.answer(queries, told) == expected[1]
    assert set(lines) == {f"out of memory: going on with {n} questions at once" for n in (4, 2)}
    assert fitted.account(told) == {"halved": len(lines)}
    assert build().account(runtime) == {}


def test_a_model_that_does_not_fit_is_refused_before_it_is_trained(
    build: Build, data: TrainingData, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(prompted, "probe", full)
    with pytest.raises(RecbenchError, match="does not suffice for one question; ask with fewer"):
        build().fit(data, runtime)
    assert not (runtime.cache / "abilities").exists()


def test_rows_are_counted_by_the_longest_of_all_and_with_item_tokens(
    build: Build, data: TrainingData, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by the first 64, nor by the first prompts of a curriculum, which are text alone."""
    model, asked = build(examples=None), []

    def noted(*given: Any) -> Any:
        asked.append(given[1:3])
        raise KeyboardInterrupt  # what was counted is known

    monkeypatch.setattr(
        TextOnly, "_hybrid", lambda _, questions, rows, step: questions.hybrid(rows, step)
    )
    monkeypatch.setattr(room, "rows_at_once", noted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(data, runtime)
    questions = TrainingQuestions(data.train, len(data.catalogue), model.settings, runtime.seed)
    rows = np.arange(len(questions))
    shown = questions.candidates(rows, Step(1, 1))
    prompts = model.writer.prompts(questions.histories, shown, np.full(len(rows), True))
    ((tokens, places),) = asked
    assert len(rows) > 64
    assert tokens > max(len(prompt.ids) for prompt in prompts)
    assert places == max(len(model.writer.answers[item]) for item in questions.targets)


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 0)])
def test_rows_are_counted_so_that_they_fit_at_every_stage(
    build: Build,
    data: TrainingData,
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
    first: int,
    second: int,
) -> None:
    """A list of titles takes more memory than one, wherever in a training it is read."""
    aims, counted = (Listwise(), NextTitle()), []

    def at_once(_: Any, tokens: int, places: int, *how: Any) -> int:
        counted.append(places)
        return 1000 // places

    monkeypatch.setattr(room, "rows_at_once", at_once)
    stages = Stages(aims[first], aims[second], 0.5)
    monkeypatch.setattr(TextOnly, "objective", stages)
    model, lines = build(candidates=8), []
    model.fit(data, replace(runtime, report=lines.append))
    fewest, most = 1000 // max(counted), 1000 // min(counted)
    assert 1 <= fewest < 16 < most
    assert f"batches of 16 rows, {fewest} computed at once" in lines


def test_what_titles_lose_is_recorded_of_each_dataset(
    build: Build, data: TrainingData, runtime: Runtime
) -> None:
    """A run that learns from one and is asked about another rehearses with both."""
    titles = ("A very long title of a book", *data.catalogue.titles[1:])
    longer = replace(data.catalogue, titles=titles)
    learnt = replace(data, catalogue=longer, digest="learnt from")
    model = build(title_tokens=20, examples=16)
    for one in (learnt, data):
        model.rehearse(one, 8, runtime)
    report = model.fit(learnt, runtime)
    assert report["titles_shortened"] == 1
    assert "titles_shortened" not in report["transferred_to"]
    other_way = build(title_tokens=20, examples=16)
    for one in (data, learnt):
        other_way.rehearse(one, 8, runtime)
    report = other_way.fit(data, replace(runtime, checkpoints=runtime.cache / "other"))
    assert "titles_shortened" not in report
    assert report["transferred_to"]["titles_shortened"] == 1
    assert "transferred_to" not in build(examples=16).fit(data, runtime)


def test_prompts_longer_than_what_was_tried_are_tried_on_the_way(
    build: Build, data: TrainingData, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the midst of training too, where no gradients are kept when it is looked at."""
    real = TextOnly._longest

    def shorter(*given: Any) -> Any:
        prompt, answers = real(*given)
        return Prompt(prompt.ids[-20:], []), answers[:2]

    monkeypatch.setattr(TextOnly, "_longest", shorter)
    lines: list[str] = []
    model = build(curve_rows=64)
    model.fit(data, replace(runtime, report=lines.append))
    assert len([line for line in lines if line.startswith("trying how")]) > 1
    assert model.abilities is not None
    assert model.abilities.tokens > 400


def test_first_weights_are_drawn_by_the_seed_on_the_device_that_draws_them(
    build: Build, data: TrainingData, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some kinds of adapter draw theirs on a GPU, where its own stream must be seeded."""
    devices: list[str] = []

    def told(_: int, device: str = "none") -> Any:
        devices.append(device)
        raise InterruptedError

    monkeypatch.setattr(room, "seeded", told)
    with pytest.raises(InterruptedError):
        build().fit(data, runtime)
    assert devices == [runtime.device]
