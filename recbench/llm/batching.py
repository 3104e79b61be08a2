"""What a device can do at once: rows that fit its memory, and whether it computes in bfloat16."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from peft import PeftModel
from transformers import PretrainedConfig

_CPU_TRAINING_ROWS = 16
_CPU_READING_ROWS = 16
_MOST_ROWS = 128
_SHARE = 0.7
"""Of the free memory of a GPU; the rest is for fragments and the head's logits."""


def rows_at_once(config: PretrainedConfig, tokens: int, device: torch.device, kind: str) -> int:
    """
    Estimate how many rows fit.

    On a GPU the estimate is by activations: about 80 bytes a layer, token and unit of width when
    training (Korthikanti et al., MLSys 2023, eq. 2 without attention scores, plus LoRA's inputs in
    float32), 4 with checkpointing, and the cache of keys and values plus one layer when reading.

    Parameters
    ----------
    config
        Of the language model.
    tokens
        Of the longest row.
    device
        The weights are already there.
    kind
        ``"training"``, ``"checkpointing"`` or ``"reading"``.

    Returns
    -------
    int
        At least 1.
    """
    if device.type == "cpu":
        return _CPU_READING_ROWS if kind == "reading" else _CPU_TRAINING_ROWS
    layers, width = config.num_hidden_layers, config.hidden_size
    units = {
        "training": 80 * layers,
        "checkpointing": 4 * layers + 80,
        "reading": 4 * layers + 80,
    }[kind]
    free, _ = torch.cuda.mem_get_info(device)
    return int(min(max(1, _SHARE * free // (tokens * width * units)), _MOST_ROWS))


def computes_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 matrices natively: faster than float32, not slower."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # The only question torch offers for a CPU; absent in builds for other processors.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return bool(supported())


def autocast(device: torch.device, bfloat16: bool) -> AbstractContextManager[object]:
    """Compute in bfloat16 inside the block, or as the tensors are."""
    return torch.autocast(device.type, torch.bfloat16) if bfloat16 else nullcontext()


@contextmanager
def plain_attention(lm: PeftModel) -> Iterator[None]:
    """
    Attend by plain matrix products inside the block, not by torch's fused kernel.

    To train in bfloat16 on a CPU: there 16 rows of 260 tokens took 1.45 times as long with the
    fused kernel, which is the faster one for everything else.
    """
    model = lm.get_base_model()
    usual = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(usual)
