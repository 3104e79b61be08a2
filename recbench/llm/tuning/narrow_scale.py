"""
LoRA scaled where it is narrow.

peft multiplies B A x by s, which reads and writes as many numbers a token as the layer is wide, in
both passes, and keeps as many. B (s A x) is the same and touches r of them: on a layer of 4096 to
11008 that halves the adapter's time. Where s is a power of two, as every default here makes it, it
is the same to the last bit.
"""

from typing import Any

from peft.tuners.lora.layer import Linear, LoraLayer, LoraVariant
from torch import Tensor, nn


class NarrowScale(LoraVariant):
    """Plain LoRA for peft, W x + B (s A x)."""

    @staticmethod
    def init(module: LoraLayer, adapter_name: str, **_: Any) -> None:
        """Add nothing to a layer."""

    @staticmethod
    def forward(
        module: LoraLayer, active_adapter: str, x: Tensor, result: Tensor, **_: Any
    ) -> Tensor:
        """Return `result`, W x [..., d_out], and the adapter's part of inputs x [..., d_in]."""
        down, up = module.lora_A[active_adapter], module.lora_B[active_adapter]
        dropped = module.lora_dropout[active_adapter](x)
        scaled = down(dropped) * module.scaling[active_adapter]  # [..., r]
        return result + up(scaled)

    @staticmethod
    def merge_safe(module: LoraLayer, active_adapter: str, orig_weight: Tensor) -> Tensor:
        """Return the weight with the adapter in it."""
        return orig_weight + module.get_delta_weight(active_adapter).to(orig_weight.dtype)

    @staticmethod
    def merge_unsafe(module: LoraLayer, active_adapter: str, orig_weight: Tensor) -> None:
        """Add the adapter to the weight in place."""
        orig_weight.data += module.get_delta_weight(active_adapter).to(orig_weight.dtype)

    @staticmethod
    def unmerge(module: LoraLayer, active_adapter: str, orig_weight: Tensor) -> Tensor:
        """Return the weight without the adapter."""
        return orig_weight - module.get_delta_weight(active_adapter).to(orig_weight.dtype)


def scale_where_narrow(model: nn.Module, adapter: str = "default") -> None:
    """
    Let every plain LoRA on a linear layer of `model` scale A x.

    Others stay as peft has them: variants such as DoRA, LoRA whose B has a bias, which is scaled
    too, and LoRA on embeddings or quantised weights.
    """
    for layer in model.modules():
        if isinstance(layer, Linear) and _is_plain(layer, adapter):
            layer.lora_variant[adapter] = NarrowScale()


def _is_plain(layer: LoraLayer, adapter: str) -> bool:
    if adapter in layer.lora_variant or adapter not in layer.lora_B:
        return False
    return layer.lora_B[adapter].bias is None
