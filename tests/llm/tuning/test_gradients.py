import pytest
import torch
from peft import PeftModel

from recbench.errors import UserError
from recbench.llm.tuning.gradients import Sketch, watched


def some(seed: int, size: int = 30_000) -> list[torch.Tensor]:
    drawn = torch.randn(size, generator=torch.Generator().manual_seed(seed))
    return [drawn[: size // 3].view(100, -1), drawn[size // 3 :]]


def test_a_sketch_with_room_is_the_gradient_itself() -> None:
    gradients = some(0, 300)
    sketch = Sketch(gradients, 400)(gradients)
    torch.testing.assert_close(sketch[:300], torch.cat([one.flatten() for one in gradients]))
    assert not sketch[300:].any()


def test_products_of_sketches_are_those_of_gradients() -> None:
    a, b = some(1), some(2)
    b = [one + other for one, other in zip(a, b, strict=True)]  # a cosine of about .7
    sketch = Sketch(a, 8_192)
    whole = torch.stack([torch.cat([part.flatten() for part in one]) for one in (a, b)])
    small = torch.stack([sketch(a), sketch(b)])
    torch.testing.assert_close(Sketch(a, 8_192)(a), small[0])
    for one in (whole, small):
        one /= one.norm(dim=1, keepdim=True)
    assert float(small[0] @ small[1]) == pytest.approx(float(whole[0] @ whole[1]), abs=0.05)
    both = [one + other for one, other in zip(a, b, strict=True)]
    torch.testing.assert_close(sketch(both), sketch(a) + sketch(b), rtol=1e-4, atol=1e-3)


def test_what_is_watched_is_afterwards_as_it_was(toy_lora: tuple[PeftModel, object]) -> None:
    model, _ = toy_lora
    model.train()
    model.get_input_embeddings().weight.requires_grad_(True)  # learnt, too, and not LoRA's
    before = [(name, weight.requires_grad) for name, weight in model.named_parameters()]
    with watched(model) as weights:
        assert not model.training
        learnt = {id(one) for name, one in model.named_parameters() if "lora_" in name}
        assert {id(one) for one in weights} == learnt
        assert {id(one) for one in model.parameters() if one.requires_grad} == learnt
    assert model.training
    assert [(name, weight.requires_grad) for name, weight in model.named_parameters()] == before


def test_there_must_be_lora() -> None:
    with (
        pytest.raises(UserError, match="gradients are those of LoRA"),
        watched(torch.nn.Linear(2, 2)),
    ):
        pass
