"""How many rows a device computes at once, and how it attends to them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from transformers import PretrainedConfig

from recbench.errors import RecbenchError
from recbench.hardware.memory import free_memory, if_it_fits
from recbench.neural.precision import Precision

_CPU_ROWS, _CPU_MEMORY = 16, 3 << 30
"""On a CPU more rows at once are no faster; and a laptop has other things to do."""
_MOST_ROWS = 128
_SHARE = 0.7
"""Of the free memory of a GPU; the rest is for fragments and what the estimate leaves out."""

TOO_LARGE = (
    "the memory of the device does not suffice for one question; ask with fewer --candidates or a "
    "shorter --history, or take a smaller model or --device cpu"
)

Kind = Literal["training", "checkpointing", "reading"]
Rows = NDArray[np.int64]
Result = TypeVar("Result")


def rows_at_once(
    config: PretrainedConfig,
    tokens: int,
    places: int,
    device: torch.device,
    kind: Kind,
    precision: Precision,
) -> int:
    """
    Estimate how many rows fit, at least 1: `rows_that_fit` of a GPU's free memory, a few on a CPU.

    Parameters
    ----------
    config, tokens, places, kind, precision
        As for `bytes_a_row`.
    device
        The weights are already there.
    """
    row = bytes_a_row(config, tokens, places, kind, precision)
    if device.type == "cpu":
        scores = _bytes_of_scores(config, tokens) if precision.autocast is not None else 0
        return min(_CPU_ROWS, rows_that_fit(_CPU_MEMORY, row + scores))
    return rows_that_fit(free_memory(device), row)


def _bytes_of_scores(config: PretrainedConfig, tokens: int) -> int:
    """Return what `plain_attention` keeps of a row: its scores, before and after the softmax."""
    config = config.get_text_config()
    heads = _largest(config, "num_attention_heads", 0)  # a state space has none
    return 16 * config.num_hidden_layers * heads * tokens**2


def rows_that_fit(free: int, row: int) -> int:
    """Return how many rows of so many bytes fit into free memory, 1 to 128."""
    return max(1, min(int(_SHARE * free) // row, _MOST_ROWS))


def bytes_a_row(
    config: PretrainedConfig, tokens: int, places: int, kind: Kind, precision: Precision
) -> int:
    """
    Estimate the memory that one row takes, in bytes.

    A layer's activations were measured on small Llamas with LoRA and dropout on every linear layer:
    at most 24 bytes a token and unit of width and inner width in bfloat16, 34 in float32.
    Checkpointing keeps the inputs of all layers and the activations of one; reading the keys and
    values of all layers, twice, since answers go on from a copy, and at most as much of one layer;
    its mask has an entry for every two tokens.
    Logits are in float32: with their softmax when reading, with its two gradients in training.

    Parameters
    ----------
    config
        Of the language model.
    tokens
        Of the row, item tokens and answers counted in.
    places
        Tokens of the row at which the output head is computed.
    kind
        ``"training"``, ``"checkpointing"`` or ``"reading"``.
    precision
        In which it is computed.
    """
    config = config.get_text_config()
    layers, width, size = config.num_hidden_layers, config.hidden_size, precision.weights.itemsize
    inner = _largest(config, "intermediate_size", 4 * width)
    one_layer = (34 if precision.autocast is None else 24) * (width + inner)
    a_token = {
        "training": layers * one_layer,
        "checkpointing": layers * size * width + one_layer,
        "reading": 2 * layers * size * _width_of_cache(config) + one_layer,
    }[kind]
    a_place = config.vocab_size * (8 if kind == "reading" else 12)
    mask = tokens**2 * (size + 4) if kind == "reading" else 0
    return tokens * a_token + places * a_place + mask


def _width_of_cache(config: PretrainedConfig) -> int:
    """Return how many numbers a layer keeps of one token, at most: its keys and its values."""
    width = int(config.hidden_size)
    heads = _largest(config, "num_attention_heads", 1)
    keys = _largest(config, "num_key_value_heads", heads)
    return 2 * keys * _largest(config, "head_dim", width // heads)


def _largest(config: PretrainedConfig, name: str, usual: int) -> int:
    """Return a number of a configuration, of all layers where they differ; `usual` without one."""
    try:
        value = getattr(config, name, None) or usual
    except RuntimeError:  # it differs from layer to layer, so that transformers names none
        layers = (config.per_layer_config[number] for number in range(config.num_hidden_layers))
        value = [getattr(layer, name, None) or usual for layer in layers]
    return max(value) if isinstance(value, list | tuple) else int(value)


def in_batches(
    order: Rows,
    size_at: Callable[[int], int],
    compute: Callable[[Rows], Result],
    report: Callable[[str], None],
) -> Iterator[tuple[Rows, Result]]:
    """
    Compute rows batch after batch; where memory runs out, go on with half as many at once.

    Parameters
    ----------
    order
        int64 [n], the rows in the order to be computed.
    size_at
        Rows that are estimated to fit from a place in `order` on.
    compute
        Called with the rows of a batch, again with fewer of them where it ran out of memory.
    report
        Told one line at every halving.

    Yields
    ------
    rows, result
        Of one batch.

    Raises
    ------
    RecbenchError
        If the memory does not suffice for one row.
    """
    start, most = 0, _MOST_ROWS
    while start < len(order):
        rows = order[start : start + min(most, size_at(start))]
        result = if_it_fits(partial(compute, rows))
        if result is not None:
            yield rows, result
            start += len(rows)
        elif len(rows) > 1:
            most = len(rows) // 2
            report(f"out of memory: going on with {most} questions at once")
        else:
            raise RecbenchError(TOO_LARGE)


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
