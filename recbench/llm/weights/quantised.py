"""
Frozen weights in 4 or 8 bits, by bitsandbytes: LoRA and the gate on top stay float32.

What is in few bits by its own files transformers reads as they say, or takes for plain numbers.
"""

import logging
import re
from collections.abc import Collection, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import safe_open
from transformers import BitsAndBytesConfig, PretrainedConfig, PreTrainedModel
from transformers.quantizers import AutoHfQuantizer

from recbench.errors import UserError
from recbench.llm.weights.placed import is_inside
from recbench.llm.weights.snapshot import weight_files

Bits = Literal["4bit", "8bit"]

_SCALES = re.compile(
    r"(weight_scale(_2)?|weight_(packed|zero_point)|proj_scale|scale_inv|scales|_blocks|\.scale"
    r"|qweight|qzeros|qscale_weight|SCB|absmax|quant_map)$|\.quant_state\."
)
"""What stands beside a quantised weight, or in its place: without it, it is another number."""

_NARROW = ("F4", "F6", "F8", "I8")
"""What safetensors calls numbers that are no weights by themselves."""


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
    multiplied in the type `weights`; eight are LLM.int8 (Dettmers et al., NeurIPS 2022), but for
    its columns of large numbers, which it multiplies in 16 bits: which columns these are, all rows
    and tokens of a call decide together, so that a token's numbers would depend on the rows beside
    it and on the tokens behind it.
    """
    if bits is None:
        return {}
    if bits == "8bit":
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it remarks on every product
        return {
            "quantization_config": BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=0.0)
        }
    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=weights,
        )
    }


def check_scaled(
    llm: str,
    config: PretrainedConfig,
    model: PreTrainedModel,
    unexpected: Collection[str],
    folder: Path,
) -> None:
    """
    Refuse quantised weights that were read without their scales, as transformers does in silence.

    Parameters
    ----------
    llm
        Named in the error.
    config
        By which the model was read.
    model, folder
        The model, and where its files are.
    unexpected
        Weights of the files for which the model has no place: of one that sees or hears besides
        there are many, and those of its other parts are not looked at.

    Raises
    ------
    UserError
        If such a scale is among them, or weights are stored in few bits and ``config.json`` does
        not say how, or in a way that transformers does not know.
    """
    left = [name for name in unexpected if _SCALES.search(name) and is_inside(model, name)]
    if not (left or _is_known(config)):
        left = list(_narrow(folder))
    if left:
        raise UserError(
            f"'{llm}' holds quantised weights that transformers would read as other numbers "
            f"({min(left)}, ...): choose the model in plain weights, or quantised in another way"
        )


def _is_known(config: PretrainedConfig) -> bool:
    how = getattr(config, "quantization_config", None)
    return how is not None and bool(AutoHfQuantizer.supports_quant_method(how))


def _narrow(folder: Path) -> Iterator[str]:
    """Yield the names of weights that are stored in so few bits that they need scales."""
    for path in weight_files(folder):
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                if file.get_slice(name).get_dtype().startswith(_NARROW):
                    yield name
