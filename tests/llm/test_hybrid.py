from collections.abc import Callable

import numpy as np
import pytest
import torch
from peft import PeftModel

from recbench.llm.hybrid import HybridLM, ItemProjector, embedding_rms, unit_rms


def test_vectors_are_scaled_by_one_factor() -> None:
    vectors = np.array([[3.0, 0.0], [0.0, 4.0]], dtype=np.float32)
    scaled, factor = unit_rms(vectors)
    assert factor == pytest.approx(1 / 2.5)  # sqrt((9 + 16) / 4) = 2.5
    np.testing.assert_allclose(scaled, vectors / 2.5, rtol=1e-6)
    zeros, one = unit_rms(np.zeros((2, 3), dtype=np.float32))
    assert one == 1.0
    assert not zeros.any()


def test_item_tokens_start_as_large_as_words() -> None:
    vectors, _ = unit_rms(np.random.default_rng(0).normal(size=(50, 64)).astype(np.float32))
    projector = ItemProjector(vectors, 48, rms=0.07)
    tokens = projector(torch.arange(50))
    assert tokens.shape == (50, 48)
    assert float(tokens.detach().square().mean().sqrt()) == pytest.approx(0.07, rel=1e-4)
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


def test_the_size_of_words(any_lm: PeftModel) -> None:
    expected = float(any_lm.get_input_embeddings()(torch.arange(280)).square().mean().sqrt())
    assert embedding_rms(any_lm) == pytest.approx(expected, rel=1e-4)
