"""Weights for which a model has no place: transformers leaves them out without a word."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from safetensors import safe_open
from torch import nn
from transformers import PreTrainedModel

from recbench.llm.weights.snapshot import weight_files

_COMPUTED = re.compile(
    r"(^|\.)((attn|attention|self_attn|self_attention)\.(masked_)?bias|causal_mask|inv_freq"
    r"|(cos|sin)_cached|position_ids|embed_positions(\.weights)?|norm_factor|version|_extra_state"
    r"|(input|output|[qkv]|kv|prob)_scale)$"
)
"""
What older files hold besides, and a model computes: masks, positions, angles. The scales are those
of activations, which are not stored in few bits here.
"""


def check_placed(model: PreTrainedModel, unexpected: Collection[str], folder: Path) -> None:
    """
    Refuse weights of a model's own that stand nowhere in it: it would be another function.

    Parameters
    ----------
    model, folder
        The model, and where its files are.
    unexpected
        Weights of the files for which it has no place. Of a model that sees or hears besides there
        are many, and those of its other parts are not looked at.
    """
    left = {
        name
        for name in unexpected
        if is_inside(model, name) and not (_COMPUTED.search(name) or _looks_ahead(model, name))
    }
    if left:
        check_none(left.difference(_empty(folder, left)))


def check_none(left: Collection[str]) -> None:
    """Refuse weights that stand nowhere."""
    if left:
        raise ValueError(
            f"{len(left)} weights have no place in the model that is configured: {min(left)}, ..."
        )


def is_inside(model: PreTrainedModel, name: str) -> bool:
    """Tell whether a weight would stand in a part of the model, with or without its head."""
    parts = name.split(".")[:-1][:2]
    if parts and parts[-1].isdecimal():  # of a layer that the model may lack
        parts.pop()
    return bool(parts) and any(_has(whole, ".".join(parts)) for whole in (model, model.base_model))


def _has(model: nn.Module, part: str) -> bool:
    try:
        model.get_submodule(part)
    except AttributeError:
        return False
    return True


def _looks_ahead(model: PreTrainedModel, name: str) -> bool:
    """Tell whether a weight is of a layer behind the last one, which guesses tokens to come."""
    config = model.config.get_text_config()
    more = getattr(config, "num_nextn_predict_layers", None) or 0
    found = re.search(r"(^|\.)layers\.(\d+)\.", name)
    layers = config.num_hidden_layers
    return found is not None and layers <= int(found[2]) < layers + more


def _empty(folder: Path, names: Collection[str]) -> Iterator[str]:
    """Yield the biases among some weights that add nothing: GPTQ writes one to every layer."""
    for path in weight_files(folder):
        with safe_open(path, "pt") as file:
            for name in {one for one in names if one.endswith(".bias")}.intersection(file.keys()):
                if not file.get_tensor(name).any():
                    yield name
