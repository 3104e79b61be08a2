"""
What RecBole computes in a slow way, computed equally in a quick one, for one module at a time.

The graphs of SRGNN and GCSAN are made of all rows at once, where RecBole makes them row by row: a
third of SRGNN's time. The GELU of transformers is one operation of torch, where RecBole's is six: a
fifth of SASRec's. Caser's filters are products with matrices, where RecBole's are convolutions:
three fifths of its time. RecBole's own classes stay as they are.
"""

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

_FEW_ITEMS = 50
"""Of a history: with 100 the matrices took 2 GB in a batch of 64."""


def graphs(
    sequences: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """
    Return what RecBole's `_get_slice` makes of sequences of items, without its loops.

    Parameters
    ----------
    sequences
        int64 [B, T], rows of RecBole's table, 0 on the right where there is none.

    Returns
    -------
    places
        int64 [B, T], which node each item is.
    edges
        float32 [B, T, 2 T]: of every node the weights of those before it, and of those behind it.
    nodes
        int64 [B, T], the items that occur in ascending order, 0 on the right.
    """
    rows, length = np.arange(len(sequences))[:, None], sequences.shape[1]
    ordered = np.sort(sequences, axis=1)
    is_new = np.diff(ordered, axis=1, prepend=-1) != 0
    nodes = np.zeros_like(sequences)
    nodes[rows, is_new.cumsum(axis=1) - 1] = ordered
    places = (sequences[:, :, None] == nodes[:, None]).argmax(axis=2)
    follows = np.logical_and.accumulate(sequences[:, 1:] != 0, axis=1)  # [B, T - 1]
    steps = np.zeros((len(sequences), length, length))  # from a node to the one that follows
    row, step = np.nonzero(follows)
    steps[row, places[row, step], places[row, step + 1]] = 1
    into = steps / np.maximum(steps.sum(axis=1, keepdims=True), 1)
    out = steps / np.maximum(steps.sum(axis=2, keepdims=True), 1)
    edges = np.concatenate([into.transpose(0, 2, 1), out], axis=2)
    return places, edges.astype(np.float32), nodes


def with_quick_gelu(module: Any) -> Any:
    """Have the layers of a module that use RecBole's GELU use torch's, of the same formula."""
    for layer in module.modules():
        own = getattr(layer, "gelu", None)
        if own is not None and getattr(layer, "intermediate_act_fn", None) == own:
            layer.intermediate_act_fn = functional.gelu
    return module


def with_quick_filters(module: Any) -> Any:
    """
    Have the filters of a module that slide along the items alone, Caser's, multiply instead.

    Unless histories are long: the matrices take memory as the cube of their length.
    """
    filters = getattr(module, "conv_h", ())
    if len(filters) <= _FEW_ITEMS:
        for one in filters:
            one.forward = partial(slid, one)
    return module


def slid(filters: nn.Conv2d, images: Tensor) -> Tensor:
    """
    Return what filters as wide as their images find at each place, as a convolution does.

    Parameters
    ----------
    filters
        F of them, of h rows and d columns.
    images
        float32 [B, 1, L, d]; L is at least h.

    Returns
    -------
    Tensor
        float32 [B, F, L - h + 1, 1].
    """
    weights, bias = filters.weight[:, 0], filters.bias  # [F, h, d], [F]
    assert bias is not None
    places = images.shape[2] - weights.shape[1] + 1
    placed = [functional.pad(weights, (0, 0, at, places - 1 - at)) for at in range(places)]
    matrix = torch.cat(placed).flatten(1)  # [places * F, L * d], mostly zeros
    found = functional.linear(images.flatten(1), matrix, bias.repeat(places))
    return found.unflatten(1, (places, -1)).transpose(1, 2)[..., None]


def with_quick_graphs(model_class: Any) -> Any:
    """Return a model's class, with the graphs of all rows made at once if it makes any."""
    if not hasattr(model_class, "_get_slice"):
        return model_class

    def get_slice(self: Any, item_seq: torch.Tensor) -> tuple[torch.Tensor, ...]:
        made = graphs(item_seq.cpu().numpy())
        places, edges, nodes = (torch.from_numpy(part).to(self.device) for part in made)
        # SRGNN wants to know where items are as well.
        masks = (item_seq.gt(0),) if model_class.__name__ == "SRGNN" else ()
        return places, edges, nodes, *masks

    return type(model_class.__name__, (model_class,), {"_get_slice": get_slice})
