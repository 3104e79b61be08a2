"""
Loading a language model by name.

Weights are read from safetensors or GGUF only, and no code that comes with a model is run.
"""

import re
from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from recbench.errors import UserError
from recbench.llm.cards import LANGUAGE_MODEL, Kind, card_of
from recbench.llm.weights.dequantised import dequantised
from recbench.llm.weights.fingerprint import commit
from recbench.llm.weights.hub import cached_model, check_reachable, folder_of
from recbench.llm.weights.placed import check_placed
from recbench.llm.weights.places import ADAPTER, InFolder, OnHub, Place, place_of
from recbench.llm.weights.quantised import Bits, check_quantised, check_scaled, quantisation
from recbench.llm.weights.reading import check_whole, reading
from recbench.llm.weights.tokenizer import read_tokenizer

_TEXT_PART = {
    r"^(model\.)?(language_model|text_model)\.(model\.)?(?!lm_head)": "model.",
    r"^language_model\.lm_head\.": "lm_head.",
}
"""What a weight is called in a model that sees or hears besides, and in one that only reads."""

_CAUSAL = ("CausalLM", "LMHead", "GenerationDecoder")
"""In the names of classes that go on with a text; whether they do so is found by trying."""


def caption(llm: str) -> str:
    """Return what a table must say under the figures of a language model; empty for nothing."""
    card = card_of(llm)
    return card.caption if card is not None else ""


def load_backbone(
    llm: str,
    device: str,
    weights: torch.dtype = torch.float32,
    load_in: Bits | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """
    Load a causal language model and its tokenizer.

    Parameters
    ----------
    llm
        As for `recbench.llm.weights.places.place_of`. Of the hub it is the commit that
        `recbench.llm.weights.fingerprint.fingerprint` returns; a GGUF file is made into plain
        weights once.
    device
        ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
    weights
        Type of the weights (`recbench.neural.precision.Precision`).
    load_in
        Bits of the frozen weights on a GPU (`recbench.llm.weights.quantised`); None for those of
        `weights`.
    report
        Told one line before what takes long.

    Raises
    ------
    UserError
        If the model does not exist, is gated, is not a causal language model, needs a package, does
        not fit the device's memory, or has weights that transformers would read as other numbers.
    RecbenchError
        If the hub cannot be reached or the files cannot be read.
    """
    check_quantised(load_in, device)
    place, card = place_of(llm), card_of(llm)
    if card is not None and not isinstance(place, InFolder):  # others' work, under their terms
        report(f"{llm} is {card.title}, licence: {card.licence}, {card.terms}")
    where = files_of(llm, place, report)
    how: dict[str, Any] = {"dtype": weights, **quantisation(load_in, weights)}
    if device != "cpu":  # straight to the GPU, never whole in the host's memory
        how["device_map"] = {"": device}
    config, tokenizer = described(llm, where)
    with reading(llm, "config.json and the weights (*.safetensors)"):
        model, told = AutoModelForCausalLM.from_pretrained(
            **where,
            **how,
            config=config,
            key_mapping=_TEXT_PART,
            use_safetensors=True,
            output_loading_info=True,
        )
        if getattr(model, "_hf_peft_config_loaded", False):  # of the hub: no folder has one
            raise UserError(
                f"'{llm}' holds an adapter beside its weights, which would be asked with it; "
                f"download it into a folder, move {ADAPTER} and adapter_model.* out of it, and "
                "name it with --set adapter=FOLDER"
            )
        folder, unexpected = folder_of(where), told["unexpected_keys"]
        check_scaled(llm, config, model, unexpected, folder)
        check_whole(told["missing_keys"])
        check_placed(model, unexpected, folder)
    return model.eval(), tokenizer


def load_outline(
    llm: str, report: Callable[[str], None] = lambda _: None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """
    Load a language model without its weights, which are on torch's meta device, and its tokenizer.

    It takes no memory and little time: for checks before anything is trained. Parameters and errors
    are those of `load_backbone`.
    """
    config, tokenizer = described(llm, files_of(llm, place_of(llm), report))
    with reading(llm, "config.json"), torch.device("meta"):
        return AutoModelForCausalLM.from_config(config), tokenizer


def files_of(
    llm: str, place: Place, report: Callable[[str], None], kind: Kind = LANGUAGE_MODEL
) -> dict[str, Any]:
    """Return how transformers finds a model, as keywords."""
    # Without a word on code that comes with a model, transformers asks whether to run it.
    if isinstance(place, OnHub):
        found = _on_hub(OnHub(place.id, commit(place, kind)), kind)
    elif isinstance(place, InFolder):
        found = {"pretrained_model_name_or_path": str(place.path)}
    else:
        found = {"pretrained_model_name_or_path": str(dequantised(llm, place, report))}
    return {**found, "trust_remote_code": False}


def _on_hub(place: OnHub, kind: Kind) -> dict[str, Any]:
    """Find a model of the hub: on this machine if it is all here, else where it is fetched."""
    if (folder := cached_model(place)) is not None:
        return {"pretrained_model_name_or_path": str(folder)}
    with reading(place.id, "its files", kind):
        check_reachable()
    return {"pretrained_model_name_or_path": place.id, "revision": place.revision}


def described(llm: str, where: dict[str, Any]) -> tuple[PretrainedConfig, PreTrainedTokenizerBase]:
    """Return the configuration and the tokenizer of a model, as `files_of` says where it is."""
    with reading(llm, "config.json"):
        config = unscaled(_text_part(AutoConfig.from_pretrained(**where)))
        _check_causal(llm, config)
    with reading(llm, "the tokenizer's files"):
        return config, read_tokenizer(where)


def unscaled(config: Any) -> Any:
    """
    Return a configuration of a model that is the same function in training and when it is asked.

    RWKV halves what it has computed after every few blocks when it is asked, lest float16 overflow,
    and divides the weights that add to it. What an adapter adds to these weights is not divided: it
    would count twice, then four times, as much as when it was learnt.
    """
    if hasattr(config, "rescale_every"):
        config.rescale_every = 0
    return config


def _text_part(config: Any) -> Any:
    """Return what is a causal model in one that sees or hears besides; else `config`."""
    text: Any = getattr(config, "text_config", None)
    if config.is_encoder_decoder or type(text) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        return config
    text.architectures = [MODEL_FOR_CAUSAL_LM_MAPPING[type(text)].__name__]
    text.tie_word_embeddings = config.tie_word_embeddings  # the whole model says it of its parts
    if (quantised := getattr(config, "quantization_config", None)) is not None:
        text.quantization_config = _of_text_part(quantised)
    return text


def _of_text_part(quantised: dict[str, Any]) -> dict[str, Any]:
    """Say how weights are quantised, with the modules that are not by their names in that part."""
    return {
        key: [_called(one) if isinstance(one, str) else one for one in value]
        if isinstance(value, list)
        else value
        for key, value in quantised.items()
    }


def _called(module: str) -> str:
    """Return what a module of a model that sees or hears is called in one that only reads."""
    name = f"{module}."
    for pattern, new in _TEXT_PART.items():
        name = re.sub(pattern, new, name)
    return name.removesuffix(".")


def _check_causal(llm: str, config: Any) -> None:
    names = config.architectures or ["CausalLM"]
    causal = any(word in name for name in names for word in _CAUSAL)
    if config.is_encoder_decoder or not causal:
        raise UserError(
            f"'{llm}' is not a causal language model but {' and '.join(names)}; "
            "choose a decoder such as 'Qwen/Qwen2.5-0.5B'"
        )
    if getattr(config, "hidden_size_per_layer_input", None):
        raise UserError(
            f"'{llm}' reads an embedding of each token in every layer, which a vector in a token's "
            "place does not have; choose a model without, such as 'google/gemma-3-1b-it'"
        )
    masked = config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    if masked and not (getattr(config, "is_decoder", False) or getattr(config, "causal", False)):
        # Its head may be called one of a causal model, yet a token sees the answers behind it.
        raise UserError(
            f"'{llm}' is a {config.model_type} model that reads its text in both directions; "
            "choose a decoder such as 'Qwen/Qwen2.5-0.5B'"
        )
