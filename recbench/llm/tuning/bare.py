"""
The language model without its adapter, where something is asked of it, has to be what it was.

peft puts an adapter aside, not what it has done to the model on its way: some begin with a part of
the model's own weights, repeat its layers, bring embeddings, or learn its biases.
"""

from collections.abc import Callable

import torch
from peft import PeftModel
from torch import Tensor
from transformers import PreTrainedModel

from recbench.errors import UserError
from recbench.llm.tolerance import TOLERANCE

_TEXT = 8
"""Tokens that are read with and without."""


def adapted_over_bare(
    lm: PreTrainedModel, adapt: Callable[[PreTrainedModel], PeftModel], asker: str
) -> PeftModel:
    """
    Give a language model an adapter that leaves it as it is.

    Parameters
    ----------
    lm
        The language model.
    adapt
        Gives it the adapter.
    asker
        What asks the model without it, for an error.

    Raises
    ------
    UserError
        If the model is another one with the adapter put aside, or would be once it is tuned.
    """
    own, before = list(lm.parameters()), _logits(lm)
    model = adapt(lm)
    learns_own = any(weight.requires_grad for weight in own)  # biases, as a rule
    if learns_own or not _is_still(model, before):
        raise UserError(
            f"{asker} asks the language model without its adapter, and this adapter changes it for "
            "good (bias, layer_replication, init_lora_weights or embeddings of its own): leave "
            "these out of the file of --set peft, or merge the adapter into its model "
            "(merge_and_unload of peft) and name that with --llm"
        )
    return model


def _is_still(model: PeftModel, before: Tensor) -> bool:
    """Tell whether a model says what it said before, its adapter put aside."""
    with model.disable_adapter():
        after = _logits(model)
    most = TOLERANCE[model.get_input_embeddings().weight.dtype] * (1 + before.abs())
    return bool(((after - before).abs() <= most).all())


@torch.no_grad()
def _logits(lm: PreTrainedModel | PeftModel) -> Tensor:
    """Return the logits of a short text, as they are when the model is asked."""
    training = lm.training
    lm.eval()
    embeddings = lm.get_input_embeddings().weight
    ids = torch.arange(1, 1 + _TEXT, device=embeddings.device)[None] % len(embeddings)
    logits: Tensor = lm(input_ids=ids, use_cache=False).logits.float()
    lm.train(training)
    return logits
