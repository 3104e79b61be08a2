import pytest
import torch
from peft import PeftModel

from recbench.errors import RecbenchError, UserError
from recbench.llm.tuning.adapter import checkpoint_activations
from recbench.llm.tuning.router import TokenRouter

IDS = torch.arange(20).view(2, 10) + 5


def logits(model: PeftModel, ids: torch.Tensor) -> torch.Tensor:
    return model(input_ids=ids, use_cache=False).logits


def router_for(model: PeftModel, ranks: tuple[int, ...] = (2, 2, 2, 2)) -> TokenRouter:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return TokenRouter(model, ranks)


def test_a_uniform_router_is_stock_lora(any_lm: PeftModel) -> None:
    stock = logits(any_lm, IDS)
    router = router_for(any_lm)
    router.attach(any_lm)
    assert not torch.allclose(logits(any_lm, IDS), stock, atol=1e-3)
    for one in router.routers:
        torch.nn.init.zeros_(one.weight)
        torch.nn.init.zeros_(one.bias)
    torch.testing.assert_close(logits(any_lm, IDS), stock)


def test_one_expert_is_one_lora(any_lm: PeftModel) -> None:
    stock = logits(any_lm, IDS)
    router_for(any_lm, (8,)).attach(any_lm)
    torch.testing.assert_close(logits(any_lm, IDS), stock)


def test_every_token_has_its_own_weights(projection: PeftModel) -> None:
    router = router_for(projection, (4, 2, 1, 1))
    router.attach(projection)
    x = torch.randn(2, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    got = projection(x)
    layer = projection.base_model.model.layer
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    linear = router.routers[0]
    expected = layer.base_layer(x)
    start = 0
    for k, rank in enumerate((4, 2, 1, 1)):
        part = slice(start, start + rank)
        weight = linear(x.float()).softmax(dim=-1)[..., k : k + 1]
        expected = expected + 32 / (8 / 4) * weight * (x @ a[part].T @ b[:, part].T)
        start += rank
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(projection(x.flatten(0, 1)), got.flatten(0, 1))


def test_gradients_are_the_same_under_checkpointing(toy_lora: tuple[PeftModel, object]) -> None:
    model, _ = toy_lora
    router = router_for(model)
    router.attach(model)
    assert len(router.routers) == sum("lora_A" in name for name, _ in model.named_parameters())
    trained = [p for p in [*model.parameters(), *router.parameters()] if p.requires_grad]

    def gradients() -> list[torch.Tensor]:
        for parameter in trained:
            parameter.grad = None
        logits(model.train(), torch.arange(10).repeat(2, 1) + 5).square().mean().backward()
        return [parameter.grad.clone() for parameter in trained]

    plain = gradients()
    checkpoint_activations(model)
    for first, second in zip(plain, gradients(), strict=True):
        torch.testing.assert_close(first, second)


def test_what_a_gate_refuses_a_router_refuses(projection: PeftModel) -> None:
    with pytest.raises(UserError, match=r"rank 8, .*these add up to 8, or .* of rank 4"):
        TokenRouter(projection, (2, 2))
    with pytest.raises(UserError, match="there are none"):
        TokenRouter(torch.nn.Linear(2, 2), (2, 2))
    router_for(projection).attach(projection)
    with pytest.raises(RecbenchError, match="cannot be merged"):
        projection.merge_and_unload()
