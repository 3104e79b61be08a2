import pytest
import torch

from recbench.errors import UserError
from recbench.neural.transformer import TransformerSettings, attended

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
