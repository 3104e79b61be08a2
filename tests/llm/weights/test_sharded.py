"""Layers that are whole only while they run: the numbers are those of a model that always is."""

import weakref
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, LlamaModel

from recbench.errors import UserError
from recbench.llm.tuning.adapter import checkpoint_activations
from recbench.llm.weights.sharded import check_can_be_sharded, layers_of, shard
from recbench.processes import ALONE, OnHost
from recbench.questions.queries import Queries
from recbench.recommender import Runtime, TrainingData
from recbench.registry import load


class Watched(OnHost):
    """Remembers the layers that were gathered, of which it keeps none."""

    def __init__(self) -> None:
        super().__init__()
        self.gathered: list[weakref.ref[np.ndarray]] = []

    def whole(self, layer: int, device: str) -> Tensor:
        memory = super().whole(layer, device).numpy().copy()
        self.gathered.append(weakref.ref(memory))  # lives as long as any tensor that looks at it
        return torch.from_numpy(memory)


def small_llama(layers: int = 2) -> LlamaForCausalLM:
    config = LlamaConfig(
        **{"vocab_size": 12, "hidden_size": 8, "intermediate_size": 20},
        **{"num_hidden_layers": layers, "num_attention_heads": 2},
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LlamaForCausalLM(config).requires_grad_(False)


def sharded(lm: PeftModel, processes: OnHost) -> PeftModel:
    own = [one for name, one in lm.named_parameters() if "lora_" not in name]
    assert shard(lm.get_base_model(), own, processes, "cpu") == 2
    return lm


def step(lm: PeftModel) -> tuple[Tensor, list[Tensor]]:
    """Return the logits of some text, and the gradients of what is trained."""
    trained = [one for one in lm.parameters() if one.requires_grad]
    with torch.random.fork_rng():  # GPT-2 has dropout
        torch.manual_seed(0)
        logits = lm(torch.arange(24).view(2, 12), use_cache=False).logits
        return logits, list(torch.autograd.grad(logits.square().mean(), trained))


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_step_is_that_of_a_whole_model(any_lm: PeftModel, checkpointing: bool) -> None:
    if checkpointing:
        checkpoint_activations(any_lm.get_base_model())
    any_lm.train()
    expected, gradients = step(any_lm)
    processes = Watched()
    found, own = step(sharded(any_lm, processes))
    assert torch.equal(found, expected)
    for one, other in zip(own, gradients, strict=True):
        assert torch.equal(one, other)
    assert len(processes.gathered) >= 4  # the two layers, there and back


def test_between_two_steps_a_layer_holds_nothing(any_lm: PeftModel) -> None:
    kept = deepcopy(any_lm)
    sharded(any_lm, Watched())
    step(any_lm)
    for layer, whole in zip(
        *(layers_of(lm.get_base_model()) for lm in (any_lm, kept)), strict=True
    ):
        for (name, one), other in zip(layer.named_parameters(), whole.parameters(), strict=True):
            assert (one.shape, one.dtype) == (other.shape, other.dtype)
            if "lora_" in name:
                assert torch.equal(one, other)
            else:
                assert one.isnan().all()
                assert one.untyped_storage().nbytes() == one.itemsize


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_backward_pass_waits_with_no_layer_in_memory(
    any_lm: PeftModel, checkpointing: bool
) -> None:
    if checkpointing:
        checkpoint_activations(any_lm.get_base_model())
    processes = Watched()
    sharded(any_lm.train(), processes)
    loss = any_lm(torch.arange(12)[None], use_cache=False).logits.sum()
    assert len(processes.gathered) == 2
    assert not any(layer() is not None for layer in processes.gathered)
    loss.backward()
    assert not any(layer() is not None for layer in processes.gathered)


def test_a_layer_lets_go_where_it_fails(any_lm: PeftModel) -> None:
    sharded(any_lm, Watched())
    layer = layers_of(any_lm.get_base_model())[0]
    with pytest.raises(Exception):  # noqa: B017
        layer(None)
    assert all(one.isnan().all() for n, one in layer.named_parameters() if "lora_" not in n)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_shards_are_parts_of_a_layer(count: int) -> None:
    def held(rank: int, count: int) -> Tensor:
        lm = small_llama(layers=1)
        processes = OnHost()
        processes.rank, processes.count = rank, count
        shard(lm, list(lm.parameters()), processes, "cpu")
        found: Tensor = processes.whole(0, "cpu")
        return found

    alone, parts = held(0, 1), [held(rank, count) for rank in range(count)]
    assert len({len(part) for part in parts}) == 1
    assert torch.equal(torch.cat(parts)[: len(alone)], alone)
    assert not torch.cat(parts)[len(alone) :].any()


def test_what_is_met_in_two_layers_stays_whole() -> None:
    lm = small_llama()
    first, second = lm.model.layers
    second.mlp = first.mlp
    expected = lm(torch.arange(12)[None]).logits
    shard(lm, list(lm.parameters()), Watched(), "cpu")
    assert torch.equal(lm(torch.arange(12)[None]).logits, expected)
    assert not first.mlp.up_proj.weight.isnan().any()
    assert first.self_attn.q_proj.weight.isnan().all()


@pytest.mark.parametrize(
    "name",
    [
        *("tallrec", "bigrec"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("ilora", "prefixrec")),
        pytest.param("zero-shot", marks=pytest.mark.slow),
    ],
)
def test_a_model_learns_and_answers_as_if_it_were_whole(
    name: str, toy_folder: Path, data: TrainingData, tmp_path: Path
) -> None:
    kind = load("models", name)
    settings = {"llm": str(toy_folder), "precision": "float32"}
    if name != "zero-shot":
        settings |= {"examples": 6, "batch_size": 3, "micro_batch_size": 3, "curve_rows": 2}
    queries = Queries(data.validation.histories[:3], np.arange(12, dtype=np.int32).reshape(3, 4))

    def made(processes: OnHost | None) -> tuple[dict[str, object], np.ndarray]:
        model = kind(kind.settings_class.build(settings))
        runtime = Runtime(0, "cpu", tmp_path / "x", tmp_path, processes=processes or ALONE)
        report = model.fit(data, runtime)
        scores = model.score(queries, runtime)
        folder = tmp_path / f"{processes is None}"
        folder.mkdir()
        model.save(folder)
        again = kind(kind.settings_class.build(settings))
        again.load(folder, data, runtime)
        np.testing.assert_array_equal(again.score(queries, runtime), scores)
        return {key: report.get(key) for key in ("losses", "curve")}, scores

    whole, parted = made(None), made(OnHost())
    assert whole[0] == parted[0]
    np.testing.assert_array_equal(whole[1], parted[1])


def test_a_model_that_reads_its_layers_from_outside_is_refused(
    toy_folder: Path, data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(model: LlamaModel, *args: object, **kwargs: object) -> object:
        output = usual(model, *args, **kwargs)
        output.last_hidden_state *= model.layers[0].input_layernorm.weight
        return output

    usual = LlamaModel.forward
    monkeypatch.setattr(LlamaModel, "forward", forward)
    kind = load("models", "zero-shot")
    model = kind(kind.settings_class.build({"llm": str(toy_folder), "precision": "float32"}))
    runtime = Runtime(0, "cpu", tmp_path, tmp_path)
    model.rehearse(data, 5, runtime)
    with pytest.raises(UserError, match=r"answers NaN.*; or launch with --multi_gpu in the place"):
        model.rehearse(data, 5, replace(runtime, processes=OnHost()))


def test_few_bits_are_refused(toy_folder: Path) -> None:
    check_can_be_sharded(str(toy_folder), None)
    with pytest.raises(UserError, match=r"'load_in': weights in 4bit cannot be sharded; leave it"):
        check_can_be_sharded(str(toy_folder), "4bit")


def test_a_model_without_known_layers_is_refused() -> None:
    lm = small_llama()
    lm._no_split_modules = None
    with pytest.raises(UserError, match=r"kind 'llama' cannot be sharded.*--multi_gpu"):
        layers_of(lm)
