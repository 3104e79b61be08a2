"""How a GGUF file says that rotary positions are scaled: transformers reads nothing of it."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PretrainedConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from recbench.errors import UserError

if TYPE_CHECKING:
    from gguf import GGUFReader

_OF_LLAMA_3 = {
    "rope_type": "llama3",
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
"""Of Llama 3.1, 3.2 and 3.3, whose files hold what comes of it; they differ in the factor."""
_READ_BY_TRANSFORMERS = {"gpt-oss"}


def scale_positions(llm: str, config: PretrainedConfig, file: "GGUFReader") -> None:
    """
    Write into a configuration how the file that it was read from scales rotary positions.

    Without, every position but the first would be another one than the model has learnt.

    Parameters
    ----------
    llm
        What the user calls the model; named in errors.
    config
        As transformers made it of `file`.
    file
        With a factor for all frequencies (``ARCHITECTURE.rope.scaling``), with one for each
        (``rope_freqs.weight``), as Llama 3.1 has them, or with neither, as most.

    Raises
    ------
    UserError
        If they are scaled otherwise (YaRN, LongRoPE).
    """
    architecture = _said(file, "general.architecture")
    if architecture in _READ_BY_TRANSFORMERS:
        return
    kind = _said(file, f"{architecture}.rope.scaling.type") or "none"
    factor = _said(file, f"{architecture}.rope.scaling.factor")
    own = {tensor.name: tensor.data for tensor in file.tensors if tensor.name.startswith("rope_")}
    if kind == "linear" and not own:
        _scale(config, {"rope_type": "linear", "factor": float(factor)})
    elif kind == "none" and own.keys() <= {"rope_freqs.weight"}:
        if own and not np.all(own["rope_freqs.weight"] == 1):
            _scale_as_llama_3(llm, config, own["rope_freqs.weight"])
    else:
        raise _unknown(llm, kind if kind != "none" else ", ".join(sorted(own)))


def _said(file: "GGUFReader", key: str) -> Any:
    field = file.get_field(key)
    return None if field is None else field.contents()


def _scale(config: PretrainedConfig, said: dict[str, Any]) -> None:
    """Say it of all layers, or of those that see the whole text where others see a window."""
    rope = config.rope_parameters
    some = rope.get("full_attention", rope)  # Gemma 3 scales these alone
    some.update(said)


def _scale_as_llama_3(llm: str, config: PretrainedConfig, divisors: NDArray[np.float32]) -> None:
    """Find the factor by which Llama 3 comes to what each frequency is divided by."""
    init, cpu = ROPE_INIT_FUNCTIONS["llama3"], torch.device("cpu")
    plain = dict(config.rope_parameters)
    _scale(config, _OF_LLAMA_3 | {"factor": 1.0})
    whole = init(config, cpu)[0]
    _scale(config, {"factor": float(divisors.max())})
    found = (whole / init(config, cpu)[0]).numpy()
    if found.shape != divisors.shape or not np.allclose(found, divisors, rtol=1e-3):
        config.rope_parameters = plain
        raise _unknown(llm, "rope_freqs.weight")


def _unknown(llm: str, what: str) -> UserError:
    return UserError(
        f"'{llm}' scales its positions ({what}) in a way that is not read from GGUF files; "
        "take the model in the layout of transformers (config.json and safetensors)"
    )
