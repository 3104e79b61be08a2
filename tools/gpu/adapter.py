"""
What iLoRA's adapter costs on one layer: one gated LoRA, against one LoRA an expert.

The released code keeps K pairs A_k, B_k of rank r / K and adds up w_k B_k A_k x, which makes K
outputs of the layer's width; ours is B (s g * (A x)), see `recbench.llm.tuning.gate` and
`recbench.llm.tuning.narrow_scale`. Either is added to what the frozen layer gives, here nothing.
"""

from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from timing import interleaved, kept_for_backward
from torch import Tensor, nn

from recbench.llm.tuning.gate import InstanceGate, equal_ranks
from recbench.llm.tuning.narrow_scale import NarrowScale
from recbench.neural.precision import Precision, computing


@dataclass(frozen=True)
class Shape:
    """Of the layer, of its input [rows, tokens, incoming], and of the adapter."""

    incoming: int
    outgoing: int
    rows: int
    tokens: int
    rank: int
    experts: int


LARGE = Shape(4096, 11008, rows=8, tokens=300, rank=16, experts=4)
"""A layer of Llama2-7B; the published comparison."""

SMALL = Shape(64, 172, rows=4, tokens=30, rank=16, experts=4)


class PerExpert(nn.Module):
    """K LoRAs, weighed and added up; made from one LoRA by cutting its rank."""

    def __init__(self, down: nn.Linear, up: nn.Linear, experts: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.downs = nn.ModuleList(_linear(part) for part in down.weight.chunk(experts, dim=0))
        self.ups = nn.ModuleList(_linear(part) for part in up.weight.chunk(experts, dim=1))

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """Return [B, T, outgoing] of inputs [B, T, incoming] and expert weights [B, K]."""
        total = torch.zeros((), device=x.device)  # what the frozen layer gives
        scaled = (weights * self.scale)[:, :, None, None]  # [B, K, 1, 1]
        for number, (down, up) in enumerate(zip(self.downs, self.ups, strict=True)):
            one = up(down(x))
            total = total + scaled[:, number].to(one.dtype) * one
        return total


def _linear(weight: Tensor) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device=weight.device)
    made.weight.data.copy_(weight)
    return made


class Layer(nn.Module):
    """One linear layer, to be given LoRA."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.layer = nn.Linear(shape.incoming, shape.outgoing, bias=False)


def compare(
    shape: Shape, device: torch.device, precision: Precision, rounds: int = 20
) -> dict[str, Any]:
    """
    Time both forms, forward and backward, without the frozen layer, once their numbers agree.

    Returns
    -------
    dict
        Of each the seconds, and the bytes of its output and of what is kept for the backward pass;
        and how many times ours is better.
    """
    torch.manual_seed(0)
    config = LoraConfig(r=shape.rank, lora_alpha=2 * shape.rank, target_modules=["layer"])
    lora = get_peft_model(Layer(shape).to(device, precision.weights), config)
    gate = InstanceGate(8, equal_ranks(shape.rank, shape.experts)).to(device)
    gate.attach(lora)
    layer = lora.base_model.model.layer
    down, up, scale = layer.lora_A["default"], layer.lora_B["default"], layer.scaling["default"]
    nn.init.normal_(up.weight, std=0.02)
    # The experts' scale is alpha / (r / K), the paper's.
    released = PerExpert(down, up, shape.experts, shape.experts * scale)
    users = torch.randn(shape.rows, 8, device=device)
    x = torch.randn(shape.rows, shape.tokens, shape.incoming, device=device).requires_grad_()

    def ours() -> Tensor:
        gate.hold(users)
        return NarrowScale.forward(layer, "default", x, torch.zeros((), device=device))

    forms = {"ilora": ours, "per_expert": lambda: released(x, gate(users))}
    made = {name: _in(form, precision, device) for name, form in forms.items()}
    torch.testing.assert_close(
        *(form().float() for form in made.values()),
        **({"rtol": 0.05, "atol": 0.05} if precision.autocast else {"rtol": 1e-4, "atol": 1e-5}),
    )
    own = {one.untyped_storage().data_ptr() for one in (x, *lora.parameters(), *gate.parameters())}
    own |= {one.untyped_storage().data_ptr() for one in (users, *released.parameters())}
    # As dense as what comes back from the layers above; that of a sum is one number, expanded.
    above = torch.randn(shape.rows, shape.tokens, shape.outgoing, device=device)
    taken = interleaved(
        {name: lambda form=form: form().float().backward(above) for name, form in made.items()},
        *(device, rounds),
    )
    kept: dict[str, int] = {}
    for name, form in made.items():
        with kept_for_backward(own) as noted:
            output = form().untyped_storage()
        kept[name] = sum((noted | {output.data_ptr(): output.nbytes()}).values())
    return {
        "shape": vars(shape),
        "seconds": taken,
        "bytes_kept": kept,
        "times_faster": taken["per_expert"] / taken["ilora"],
        "times_less_memory": kept["per_expert"] / kept["ilora"],
    }


def _in(form: Any, precision: Precision, device: torch.device) -> Any:
    def computed() -> Tensor:
        with computing(precision, device):
            made: Tensor = form()
        return made

    return computed
