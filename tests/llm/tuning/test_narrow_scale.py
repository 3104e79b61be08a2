import copy

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn

from recbench.llm.tuning.narrow_scale import NarrowScale, scale_where_narrow


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.layer = nn.Embedding(9, 6), nn.Linear(6, 5)

    def forward(self, ids: Tensor) -> Tensor:
        return self.layer(self.words(ids))


IDS = torch.tensor([[1, 2, 3], [4, 5, 6]])


def adapted(**config: object) -> PeftModel:
    torch.manual_seed(0)
    model = get_peft_model(Net(), LoraConfig(target_modules=["layer"], **{"r": 4, **config}))
    for name, weight in model.named_parameters():
        if "lora_" in name:
            nn.init.normal_(weight, std=0.3)
    return model


def learnt(model: PeftModel) -> list[Tensor]:
    """Return what the model gives and the gradients by its adapter."""
    torch.manual_seed(1)  # of the dropout
    output = model(IDS)
    output.square().sum().backward()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    return [output, *grads]


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("alpha", [2, 4, 8, 16, 32])
def test_where_the_scale_is_a_power_of_two_every_bit_is_pefts(alpha: int, dropout: float) -> None:
    stock = adapted(lora_alpha=alpha, lora_dropout=dropout)
    ours = copy.deepcopy(stock)
    scale_where_narrow(ours)
    assert isinstance(ours.base_model.model.layer.lora_variant["default"], NarrowScale)
    pairs = list(zip(learnt(ours), learnt(stock), strict=True))
    assert len(pairs) == 3
    for one, other in pairs:
        assert torch.equal(one, other)


def test_any_other_scale_is_the_same_but_for_rounding() -> None:
    stock = adapted(lora_alpha=7)
    ours = copy.deepcopy(stock)
    scale_where_narrow(ours)
    for one, other in zip(learnt(ours), learnt(stock), strict=True):
        torch.testing.assert_close(one, other)


def test_no_more_is_kept_for_the_backward_pass_than_the_narrow_numbers() -> None:
    """A product of B A x by the scale would be as wide as the layer."""
    ours = adapted(lora_alpha=7)
    scale_where_narrow(ours)
    multiplied: list[int] = []

    class Watched(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            if func is Tensor.mul:
                multiplied.append(args[0].shape[-1])
            return func(*args, **(kwargs or {}))

    with Watched():
        ours(IDS)
    assert multiplied == [4]


@pytest.mark.parametrize("safe", [True, False])
def test_it_is_merged_and_taken_out_as_pefts_is(safe: bool) -> None:
    model = adapted(lora_alpha=8)
    scale_where_narrow(model)
    with_it, layer = model(IDS), model.base_model.model.layer
    before = layer.base_layer.weight.clone()
    model.merge_adapter(safe_merge=safe)
    assert not torch.equal(layer.base_layer.weight, before)
    torch.testing.assert_close(model(IDS), with_it)
    model.unmerge_adapter()
    torch.testing.assert_close(layer.base_layer.weight, before)
    torch.testing.assert_close(model(IDS), with_it)


@pytest.mark.parametrize(
    "config",
    [{"use_dora": True}, {"lora_bias": True}, {"target_modules": ["words"]}],
    ids=["DoRA", "a bias in B", "words"],
)
def test_what_is_no_plain_lora_on_a_layer_stays_pefts(config: dict[str, object]) -> None:
    torch.manual_seed(0)
    model = get_peft_model(Net(), LoraConfig(**{"r": 4, "target_modules": ["layer"], **config}))
    scale_where_narrow(model)
    for module in model.modules():
        variants = getattr(module, "lora_variant", {}).values()
        assert not any(isinstance(one, NarrowScale) for one in variants)


def test_another_adapter_is_left_alone() -> None:
    model = adapted()
    scale_where_narrow(model, "other")
    assert not model.base_model.model.layer.lora_variant
