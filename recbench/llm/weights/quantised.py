"""Frozen weights in 4 or 8 bits, by bitsandbytes: LoRA and the gate on top stay float32."""

import logging
from importlib.util import find_spec
from typing import Any, Literal

import torch
from transformers import BitsAndBytesConfig

from recbench.errors import UserError

Bits = Literal["4bit", "8bit"]


def check_quantised(bits: Bits | None, device: str) -> None:
    """
    Refuse what cannot be loaded, before anything is trained.

    Raises
    ------
    UserError
        If weights are asked for in few bits on a CPU, or without the package that it takes.
    """
    if bits is None:
        return
    if device == "cpu":
        raise UserError(
            f"setting 'load_in': {bits} needs a GPU, and the device is cpu; leave the setting out"
        )
    if find_spec("bitsandbytes") is None:
        raise UserError(
            f"setting 'load_in': {bits} needs a package: pip install 'recbench[quantised]'"
        )


def quantisation(bits: Bits | None, weights: torch.dtype) -> dict[str, Any]:
    """
    Return what transformers must be told to load weights in so few bits; nothing for None.

    Four bits are NormalFloat with doubly quantised scales (QLoRA, Dettmers et al., NeurIPS 2023),
    multiplied in the type `weights`; eight are LLM.int8 (Dettmers et al., NeurIPS 2022).
    """
    if bits is None:
        return {}
    if bits == "8bit":
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it remarks on every product
        return {"quantization_config": BitsAndBytesConfig(load_in_8bit=True)}
    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=weights,
        )
    }
