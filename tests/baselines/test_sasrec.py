from typing import ClassVar

import numpy as np
import pytest
import torch
from recbench_baselines.sasrec import Block, SASRec, SASRecModule, SASRecSettings

from recbench.testing.contract import EncoderContract


class TestSASRec(EncoderContract):
    model_class = SASRec
    settings: ClassVar = {"epochs": 1}


@pytest.mark.gpu
class TestSASRecOnAGpu(TestSASRec):
    device = "cuda"
    tolerance = 1e-3


def test_a_position_does_not_see_what_follows() -> None:
    module = SASRecModule(9, SASRecSettings.build({"embedding_dim": 8, "heads": 2})).eval()
    outputs = module(torch.tensor([[1, 2, 3, 4], [1, 2, 8, 7]]))
    torch.testing.assert_close(outputs[0, :2], outputs[1, :2])
    assert not torch.allclose(outputs[0, 2], outputs[1, 2])


def test_attention_against_the_formula() -> None:
    block = Block(width=4, heads=2, dropout=0.5).double().eval()
    x = torch.randn(1, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    q, kv = block.query(x)[0], block.key_value(x)[0]
    k, v = kv[:, :4], kv[:, 4:]
    expected = torch.zeros(3, 4, dtype=torch.float64)
    for head in (slice(0, 2), slice(2, 4)):
        for t in range(3):
            weights = torch.softmax(k[: t + 1, head] @ q[t, head] / 2**0.5, dim=0)
            expected[t, head] = weights @ v[: t + 1, head]
    torch.testing.assert_close(block.attended(x, x)[0], expected)


def test_a_history_longer_than_the_positions_is_cut_to_its_latest_items() -> None:
    module = SASRecModule(9, SASRecSettings.build({"embedding_dim": 8, "max_length": 3})).eval()
    long = np.array([[5, 6, 1, 2, 3]], dtype=np.int32)
    torch.testing.assert_close(module.user_vectors(long), module.user_vectors(long[:, -3:]))


def test_a_block_adds_up_as_the_reference_code_does() -> None:
    block = Block(width=4, heads=2, dropout=0.5).double().eval()
    x = torch.randn(1, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    queries = block.attention_norm(x)
    after = block.network_norm(queries + block.attended(queries, x))
    torch.testing.assert_close(block(x), after + block.network(after))
