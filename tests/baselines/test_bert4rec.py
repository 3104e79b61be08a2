import math
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from recbench_baselines.bert4rec import MASK, BERT4Rec, BERT4RecModule, BERT4RecSettings

from recbench.errors import UserError
from recbench.questions.split import PAD
from recbench.seeding import generator
from recbench.testing.contract import EncoderContract
from recbench.testing.toy import toy_training_data

SETTINGS = BERT4RecSettings.build(
    {"embedding_dim": 8, "max_length": 5, "layers": 2, "heads": 2, "masking": 0.4, "last_only": 0}
)
Array = NDArray[np.float64]


class TestBERT4Rec(EncoderContract):
    model_class = BERT4Rec
    settings: ClassVar = {"epochs": 1}


@pytest.mark.gpu
class TestBERT4RecOnAGpu(TestBERT4Rec):
    device = "cuda"
    tolerance = 1e-3


def scrambled(items: int) -> BERT4RecModule:
    """Return a module in which no weight is what it began as, zeros and ones included."""
    module = BERT4RecModule(items, SETTINGS).double().eval()
    random = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, dtype=torch.float64, generator=random) / 2
    module.items.weight.data[-1] = 0
    return module


def gelu(x: Array) -> Array:
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def normalised(x: Array, scale: Array, shift: Array) -> Array:
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5) * scale + shift


def test_scores_against_the_paper_s_equations() -> None:
    module = scrambled(items=9)
    w = {name: one.detach().numpy() for name, one in module.named_parameters()}
    history = [7, 2, 5]  # the fifth position from the end is empty
    # h0 = v + p; positions count from the newest, the mask being the newest
    shown = np.stack([*(w["items.weight"][item] for item in history), w["mask"]])
    h = shown + w["positions.weight"][[3, 2, 1, 0]]
    for layer in ("layers.0", "layers.1"):
        query, key, value = np.split(w[f"{layer}.attention.query_key_value.weight"], 3)  # [d, d]
        heads = []
        for head in (slice(0, 4), slice(4, 8)):  # equations 2 and 3
            q, k, v = h @ query[head].T, h @ key[head].T, h @ value[head].T
            weights = np.exp(q @ k.T / math.sqrt(4))
            heads.append(weights / weights.sum(axis=1, keepdims=True) @ v)
        attention = np.concatenate(heads, axis=1) @ w[f"{layer}.attention.output.weight"].T
        a = normalised(
            h + attention, w[f"{layer}.attention_norm.weight"], w[f"{layer}.attention_norm.bias"]
        )
        inside = gelu(a @ w[f"{layer}.network.0.weight"].T + w[f"{layer}.network.0.bias"])
        network = inside @ w[f"{layer}.network.2.weight"].T + w[f"{layer}.network.2.bias"]
        h = normalised(
            a + network, w[f"{layer}.network_norm.weight"], w[f"{layer}.network_norm.bias"]
        )
    projected = gelu(h[-1] @ w["projection.0.weight"].T + w["projection.0.bias"])
    expected = w["items.weight"][:-1] @ projected + w["bias"]  # equation 7, before the softmax
    users = module.user_vectors(np.array([[PAD, *history]], dtype=np.int32))
    scores = (module.item_vectors() @ users[0]).detach().numpy()
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_a_hidden_item_is_filled_in_from_both_sides() -> None:
    module = scrambled(items=9)
    rows = torch.tensor([[1, MASK, 3, 4], [2, MASK, 3, 4], [1, MASK, 3, 5]])
    first, before, after = module(rows)[:, 1]
    assert not torch.allclose(first, before)
    assert not torch.allclose(first, after)


def test_a_history_longer_than_the_positions_is_cut_to_its_latest_items() -> None:
    module = scrambled(items=9)
    long = np.array([[5, 6, 1, 2, 3, 4]], dtype=np.int32)
    torch.testing.assert_close(module.user_vectors(long), module.user_vectors(long[:, -4:]))


def shown(rows: Any, use: int = 0, **settings: Any) -> tuple[Any, Any]:
    model = BERT4Rec(SETTINGS.model_copy(update=settings))
    rows = np.array(rows, dtype=np.int32)
    return model.shown(rows, rows, generator(0, "shown", use))


def test_what_is_hidden_is_the_target_and_nothing_else() -> None:
    rows = np.array([[PAD, 4, 5, 6, 7]] * 500, dtype=np.int32)
    inputs, targets = shown(rows)
    hidden = inputs == MASK
    assert (inputs[~hidden] == rows[~hidden]).all()
    assert (targets[hidden] == rows[hidden]).all()
    assert (targets[~hidden] == PAD).all()
    assert not hidden[:, 0].any()
    # 4 items, each with probability .4, and one where there would be none (.6 ** 4)
    assert hidden.sum() / 500 == pytest.approx(4 * 0.4 + 0.6**4, abs=0.1)
    shares = hidden[:, 1:].mean(axis=0)
    np.testing.assert_allclose(shares, shares.mean(), atol=0.08)  # no place is preferred


def test_every_row_hides_something() -> None:
    inputs, _ = shown([[PAD, PAD, PAD, 1, 2], [1, 2, 3, 4, 5]] * 200, masking=1e-9)
    assert ((inputs == MASK).sum(axis=1) == 1).all()


def test_items_are_hidden_anew_in_every_step() -> None:
    rows = [[1, 2, 3, 4, 5]] * 20
    once, again, later = shown(rows)[0], shown(rows)[0], shown(rows, use=1)[0]
    assert (once == again).all()
    assert (once != later).any()


def test_the_last_item_alone_is_hidden_in_some_rows() -> None:
    rows = [[PAD, 2, 3, 4, 5]] * 400
    inputs, targets = shown(rows, masking=0.9, last_only=0.25)
    alone = (inputs == [PAD, 2, 3, 4, MASK]).all(axis=1)
    assert alone.mean() == pytest.approx(0.25, abs=0.06)
    assert (targets[alone] == [PAD, PAD, PAD, PAD, 5]).all()
    assert (shown(rows, last_only=1)[0][:, -1] == MASK).all()


def test_every_item_can_be_a_target() -> None:
    data = toy_training_data()
    inputs, targets = BERT4Rec(SETTINGS).training_rows(data)
    assert (inputs == targets).all()
    assert {*inputs[inputs != PAD]} == {*data.sequences.values}


def test_one_item_beside_the_place_that_is_asked_about_is_the_least() -> None:
    with pytest.raises(UserError, match="max_length"):
        BERT4RecSettings.build({"max_length": 1})
