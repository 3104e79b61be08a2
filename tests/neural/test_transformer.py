import pytest
import torch

from recbench.errors import UserError
from recbench.neural.randomness import seeded
from recbench.neural.transformer import (
    CausalTransformer,
    TransformerSettings,
    attended,
    draw_weights,
)

RANDOM = torch.Generator().manual_seed(0)
QUERIES, KEYS, VALUES = torch.randn(3, 2, 4, 6, dtype=torch.float64, generator=RANDOM)
SEEN = torch.tensor([[True, False, True, True], [False, False, False, True]])


@pytest.mark.parametrize("seen", [None, SEEN])
def test_attention_against_the_formula(seen: torch.Tensor | None) -> None:
    expected = torch.zeros(2, 4, 6, dtype=torch.float64)
    for row in range(2):
        for head in (slice(0, 3), slice(3, 6)):
            for t in range(4):
                keep = torch.arange(4) <= t if seen is None else seen[row]
                keys, values = KEYS[row, keep, head], VALUES[row, keep, head]
                weights = torch.softmax(keys @ QUERIES[row, t, head] / 3**0.5, dim=0)
                expected[row, t, head] = weights @ values
    torch.testing.assert_close(attended(QUERIES, KEYS, VALUES, 2, 0.0, seen), expected)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(UserError, match="heads"):
        TransformerSettings.build({"heads": 3})


def test_matrices_are_drawn_by_xaviers_rule_and_the_padding_stays_nought() -> None:
    with seeded(0):
        module = CausalTransformer(500, TransformerSettings(embedding_dim=64))
        draw_weights(module)
    for matrix in (module.items.weight[:-1], module.positions.weight):
        assert float(matrix.detach().std()) == pytest.approx(
            (2 / sum(matrix.shape)) ** 0.5, rel=0.1
        )
    assert not module.items.weight[-1].any()
