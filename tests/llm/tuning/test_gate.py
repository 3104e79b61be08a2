from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file

from recbench.errors import RecbenchError, UserError
from recbench.llm.tuning.adapter import checkpoint_activations, read_lora, write_lora
from recbench.llm.tuning.gate import GateResNet, InstanceGate, equal_ranks

USERS = torch.tensor([[1.0, -2.0, 0.5], [-1.0, 3.0, 0.0]])


def gate_for(ranks: tuple[int, ...] = (2, 2, 2, 2), kind: str = "linear") -> InstanceGate:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return InstanceGate(3, ranks, kind).eval()


def uniform(gate: InstanceGate) -> InstanceGate:
    torch.nn.init.zeros_(gate.network.weight)
    torch.nn.init.zeros_(gate.network.bias)
    return gate


def logits(model: PeftModel, ids: torch.Tensor) -> torch.Tensor:
    return model(input_ids=ids, use_cache=False).logits


@pytest.mark.parametrize("ranks", [(2, 2, 2, 2), (4, 2, 1, 1), (8,)])
def test_it_is_the_formula_of_the_paper(projection: PeftModel, ranks: tuple[int, ...]) -> None:
    gate = gate_for(ranks)
    gate.attach(projection)
    x = torch.randn(2, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    with gate.held(USERS):
        got = projection(x)
    layer = projection.base_model.model.layer
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    weights = gate(USERS).double()
    # s = alpha / (r / K), W x + s sum_k w_k B_k A_k x
    scale = 32 / (8 / len(ranks))
    for row in range(2):
        expected = layer.base_layer(x[row])
        start = 0
        for k, rank in enumerate(ranks):
            a_k, b_k = a[start : start + rank], b[:, start : start + rank]
            expected = expected + scale * weights[row, k] * (x[row] @ a_k.T @ b_k.T)
            start += rank
        torch.testing.assert_close(got[row], expected, rtol=1e-12, atol=1e-12)


def test_a_uniform_gate_is_stock_lora(any_lm: PeftModel) -> None:
    ids = torch.arange(20).view(2, 10) + 5
    stock = logits(any_lm, ids)
    gate = uniform(gate_for())
    gate.attach(any_lm)
    with gate.held(USERS):
        torch.testing.assert_close(logits(any_lm, ids), stock)


def test_two_users_in_one_batch_get_different_weights(any_lm: PeftModel) -> None:
    gate = gate_for()
    gate.attach(any_lm)
    ids = torch.arange(10).repeat(2, 1) + 5
    with gate.held(USERS):
        both = logits(any_lm, ids)
    assert not torch.allclose(both[0], both[1], atol=1e-3)
    for row in range(2):
        with gate.held(USERS[row : row + 1]):
            alone = logits(any_lm, ids[row : row + 1])
        torch.testing.assert_close(alone[0], both[row], atol=1e-4, rtol=1e-4)


def test_every_layer_is_gated(any_lm: PeftModel) -> None:
    gate = gate_for()
    gate.attach(any_lm)
    seen = []
    layers = [m for n, m in any_lm.named_modules() if n.endswith("lora_A.default")]
    for layer in layers:
        layer.register_forward_hook(lambda own, inputs, out: seen.append((own, inputs[0], out)))
    with gate.held(USERS):
        logits(any_lm, torch.arange(10).repeat(2, 1) + 5)
        factors = 4 * gate(USERS).repeat_interleave(2, dim=1)[:, None, :]
    assert len(seen) == len(layers) > 4
    for layer, x, out in seen:
        torch.testing.assert_close(out, x @ layer.weight.T * factors)


def test_rows_are_repeated_for_beams_and_candidates(any_lm: PeftModel) -> None:
    gate = gate_for()
    gate.attach(any_lm)
    ids = torch.arange(10).repeat(2, 1) + 5
    with gate.held(USERS):
        once = logits(any_lm, ids)
    with gate.held(USERS, repeats=3):
        thrice = logits(any_lm, ids.repeat_interleave(3, dim=0))
    torch.testing.assert_close(thrice, once.repeat_interleave(3, dim=0), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["linear", "resnet"])
def test_gradients_are_the_same_under_checkpointing(
    toy_lora: tuple[PeftModel, object], kind: str
) -> None:
    model, _ = toy_lora
    gate = gate_for(kind=kind)
    gate.attach(model)
    trained = [p for p in [*model.parameters(), *gate.parameters()] if p.requires_grad]

    def gradients() -> list[torch.Tensor]:
        for parameter in trained:
            parameter.grad = None
        gate.hold(USERS)
        logits(model.train(), torch.arange(10).repeat(2, 1) + 5).square().mean().backward()
        gate.release()
        return [parameter.grad.clone() for parameter in trained]

    plain = gradients()
    checkpoint_activations(model)
    again = gradients()
    assert all(g.abs().sum() > 0 for g in plain[-2:])
    for first, second in zip(plain, again, strict=True):
        torch.testing.assert_close(first, second)


def test_a_missing_gate_is_an_error(projection: PeftModel) -> None:
    gate = gate_for()
    gate.attach(projection)
    x = torch.zeros(2, 4, 6, dtype=torch.float64)
    with pytest.raises(RecbenchError, match="not set"):
        projection(x)
    with gate.held(USERS):
        projection(x)
    with pytest.raises(RecbenchError, match="not set"):
        projection(x)


def test_other_rows_than_the_batch_are_an_error(projection: PeftModel) -> None:
    gate = gate_for()
    gate.attach(projection)
    with (
        gate.held(USERS),
        pytest.raises(RecbenchError, match="holds 2 users, and layer"),
    ):
        projection(torch.zeros(3, 4, 6, dtype=torch.float64))


def test_rows_folded_into_one_with_their_tokens_are_gated_as_users(projection: PeftModel) -> None:
    """As OPT's layers are given them."""
    gate = gate_for()
    gate.attach(projection)
    x = torch.randn(2, 4, 6, dtype=torch.float64)
    with gate.held(USERS):
        torch.testing.assert_close(projection(x.flatten(0, 1)), projection(x).flatten(0, 1))


def test_tokens_of_several_dimensions_are_gated_as_those_of_their_user(
    projection: PeftModel,
) -> None:
    """As latent attention (DeepSeek) gives a layer one head, [batch, 1, tokens, width]."""
    gate = gate_for()
    gate.attach(projection)
    x = torch.randn(2, 3, 4, 6, dtype=torch.float64)
    with gate.held(USERS):
        whole = projection(x)
        for head in range(3):
            torch.testing.assert_close(whole[:, head], projection(x[:, head]))


def test_rows_that_are_no_users_are_refused(projection: PeftModel) -> None:
    gate = gate_for()
    gate.attach(projection)
    with gate.held(USERS), pytest.raises(RecbenchError, match="mixture"):
        projection(torch.zeros(3, 6, dtype=torch.float64))


def test_merging_is_refused(any_lm: PeftModel) -> None:
    gate_for().attach(any_lm)
    for merge in (any_lm.merge_and_unload, any_lm.merge_adapter):
        with pytest.raises(RecbenchError, match="cannot be merged"):
            merge()


def test_other_layers_are_refused() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Embedding(10, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x)

    model = get_peft_model(Net(), LoraConfig(r=8, target_modules=["layer"]))
    with pytest.raises(RecbenchError, match=r"layer.*cannot be gated.*Embedding"):
        gate_for().attach(model)
    with pytest.raises(RecbenchError, match=r"there are none.*name one of LoRA"):
        gate_for().attach(Net())


def test_variants_of_lora_are_refused() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(6, 5)

    model = get_peft_model(Net(), LoraConfig(r=8, target_modules=["layer"], use_dora=True))
    with pytest.raises(RecbenchError, match=r"variant.*name one of plain LoRA"):
        gate_for().attach(model)


def test_ranks_must_add_up(projection: PeftModel) -> None:
    with pytest.raises(UserError, match=r"rank 8, .*these add up to 8, or .* of rank 4"):
        gate_for((2, 2)).attach(projection)
    assert equal_ranks(8, 4) == (2, 2, 2, 2)
    with pytest.raises(ValueError, match="rank 8 cannot be cut into 3"):
        equal_ranks(8, 3)


def test_the_saved_adapter_is_plain_lora_for_plain_peft(
    toy_lora: tuple[PeftModel, object], toy_folder: Path, tmp_path: Path
) -> None:
    from recbench.llm.weights.backbone import load_backbone

    model, _ = toy_lora
    ids = torch.arange(20).view(2, 10) + 5
    stock = logits(model, ids)
    gate = gate_for()
    gate.attach(model)
    write_lora(model, tmp_path / "adapter", "some/model")
    assert {p.name for p in (tmp_path / "adapter").iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    assert str(toy_folder) not in (tmp_path / "adapter" / "adapter_config.json").read_text()
    assert not [
        k for k in load_file(tmp_path / "adapter" / "adapter_model.safetensors") if "gate." in k
    ]
    lm, _ = load_backbone(str(toy_folder), "cpu")
    loaded = read_lora(lm, tmp_path / "adapter").eval()
    torch.testing.assert_close(logits(loaded, ids), stock)


def test_batch_statistics_are_frozen_when_scoring() -> None:
    gate = gate_for(kind="resnet")
    assert isinstance(gate.network, GateResNet)
    before = {name: tensor.clone() for name, tensor in gate.state_dict().items()}
    together = gate.eval()(USERS)
    torch.testing.assert_close(gate(USERS[:1]), together[:1])
    for name, tensor in gate.state_dict().items():
        torch.testing.assert_close(tensor, before[name])
    gate.train()(USERS)
    changed = [n for n, t in gate.state_dict().items() if not torch.equal(t, before[n])]
    assert changed
    assert all("running" in name or "num_batches" in name for name in changed)


def test_the_rows_of_a_step_are_weighed_alike_in_parts_and_statistics_follow_once() -> None:
    """In either of two processes, and where a step begins anew: its buffers are put back."""
    users = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    whole, main, other = (gate_for(kind="resnet").train() for _ in range(3))
    assert whole.mixes_rows
    assert not gate_for().mixes_rows
    before = [buffer.clone() for buffer in main.buffers()]
    for step in range(2):
        whole.hold(users)
        for begun in range(2):
            if not step and begun:  # memory ran out
                for buffer, kept in zip(main.buffers(), before, strict=True):
                    buffer.copy_(kept)
            for gate, parts in ((main, ([4, 5], [1])), (other, ([0, 2, 3],))):
                for rows in parts:
                    gate.hold_part(users, np.isin(np.arange(6), rows), step)
                    torch.testing.assert_close(gate._factors, whole._factors[sorted(rows)])
        for gate in (main, other):
            for own, expected in zip(gate.buffers(), whole.buffers(), strict=True):
                torch.testing.assert_close(own, expected)


def test_a_process_without_a_row_of_a_step_goes_on_with_the_next() -> None:
    users = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    behind = gate_for(kind="resnet").train()
    for _ in range(2):
        behind.hold_part(users, np.full(6, True), 1)
    counted = {int(tensor) for name, tensor in behind.state_dict().items() if "num_" in name}
    assert counted == {2}
    once = gate_for(kind="resnet").train()
    once.hold(users)
    for name, tensor in once.state_dict().items():
        if "running" in name:
            torch.testing.assert_close(behind.state_dict()[name], tensor)


@pytest.mark.parametrize("kind", ["linear", "resnet"])
def test_weights_are_a_distribution_and_users_are_scaled(kind: str) -> None:
    gate = gate_for(kind=kind)
    weights = gate(USERS)
    assert weights.shape == (2, 4)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2))
    scaled = InstanceGate(3, (2, 2, 2, 2), kind, scale=0.1).eval()
    scaled.network.load_state_dict(gate.network.state_dict())
    torch.testing.assert_close(scaled(10 * USERS), weights)
