from collections.abc import Callable

import numpy as np
import pytest
import torch
from peft import PeftModel

from recbench.llm.inference.hybrid import (
    HybridLM,
    ItemProjector,
    root_mean_square,
    standardised,
    word_statistics,
)


def test_vectors_are_moved_and_scaled_by_one_factor() -> None:
    vectors = np.array([[1.0, 5.0], [1.0, 1.0], [7.0, 0.0]], dtype=np.float32)
    moved = np.array([[-2, 3], [-2, -1], [4, -2]])  # mean (3, 2)
    rms = np.sqrt((4 + 9 + 4 + 1 + 16 + 4) / 6)
    np.testing.assert_allclose(standardised(vectors), moved / rms, rtol=1e-6)
    assert root_mean_square(standardised(vectors)) == pytest.approx(1)
    assert not standardised(np.ones((2, 3), dtype=np.float32)).any()


def test_item_tokens_start_with_the_mean_and_the_spread_of_words(
    rounded_products: list[str],
) -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 64)).astype(np.float32)
    mean = torch.linspace(-1, 1, 48)
    projector = ItemProjector(vectors, 48, (mean, 0.07))
    assert not rounded_products
    tokens = projector(torch.arange(50)).detach()
    assert tokens.shape == (50, 48)
    torch.testing.assert_close(tokens.mean(dim=0), mean, atol=1e-5, rtol=1e-5)
    assert float((tokens - mean).square().mean().sqrt()) == pytest.approx(0.07, rel=1e-3)
    kinds = [type(layer).__name__ for layer in projector.network]
    assert kinds == ["Linear", "GELU", "Linear"]
    assert [n for n, _ in projector.named_parameters() if "vectors" in n] == []


def test_item_vectors_stand_at_their_places(
    any_lm: PeftModel, make_hybrid: Callable[..., HybridLM]
) -> None:
    model = make_hybrid(any_lm, gated=False)
    ids = torch.tensor([[270, 5, 270], [6, 270, 7]])
    inputs = model.embed(ids, [2, 0, 3])
    words = any_lm.get_input_embeddings()(torch.arange(10))
    assert model.projector is not None
    items = model.projector(torch.tensor([2, 0, 3]))
    torch.testing.assert_close(inputs[0], torch.stack([items[0], words[5], items[1]]))
    torch.testing.assert_close(inputs[1], torch.stack([words[6], items[2], words[7]]))


def test_gradients_reach_the_projector(
    any_lm: PeftModel, make_hybrid: Callable[..., HybridLM]
) -> None:
    model = make_hybrid(any_lm, gated=False)
    model.lm(inputs_embeds=model.embed(torch.tensor([[5, 270]]), [1])).logits.sum().backward()
    assert model.projector is not None
    assert all(p.grad is not None and p.grad.any() for p in model.projector.parameters())


def test_reading_is_in_evaluation_mode_and_holds_the_gate(
    any_lm: PeftModel, make_hybrid: Callable[..., HybridLM]
) -> None:
    model = make_hybrid(any_lm).train()
    with model.reading(torch.zeros(1, 2)):
        assert not any_lm.training
        logits = model.lm(inputs_embeds=model.embed(torch.tensor([[5, 270]]), [1])).logits
        assert not logits.requires_grad
    assert any_lm.training


def test_logits_that_are_learnt_from_are_float32_too(
    any_lm: PeftModel, make_hybrid: Callable[..., HybridLM]
) -> None:
    model = make_hybrid(any_lm, gated=False).train()
    ids = torch.tensor([[5, 6, 7]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, logits = model.run(torch.ones_like(ids).bool(), positions=None, input_ids=ids)
    assert (logits.dtype, logits.requires_grad) == (torch.float32, True)


def test_random_users_have_the_size_of_those_that_the_gate_expects(
    any_lm: PeftModel, make_hybrid: Callable[..., HybridLM]
) -> None:
    model = make_hybrid(any_lm)
    assert model.user_gate is not None
    model.user_gate.scale.fill_(100)
    users = model.random_users(1000)
    assert users is not None
    assert (100 * users).std().item() == pytest.approx(1, rel=0.1)


def test_the_mean_and_the_spread_of_words(any_lm: PeftModel) -> None:
    words = any_lm.get_input_embeddings()(torch.arange(280)).detach()
    mean, spread = word_statistics(any_lm)
    torch.testing.assert_close(mean, words.mean(dim=0))
    assert spread == pytest.approx(float((words - mean).square().mean().sqrt()), rel=1e-4)
