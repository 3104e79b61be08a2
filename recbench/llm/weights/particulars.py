"""
What some language models say of themselves that recbench did not heed at first.

Their runs from before are others: what was not heeded is an ingredient, of these models alone.
"""

from collections.abc import Collection
from functools import cache
from typing import Any

from transformers import GenerationConfig, PretrainedConfig, PreTrainedTokenizerBase

from recbench.llm.weights.backbone import described, files_of
from recbench.llm.weights.fingerprint import commit
from recbench.llm.weights.places import OnHub, place_of
from recbench.llm.weights.reading import reading
from recbench.llm.weights.tokenizer import is_mended


def closing_tokens(
    config: PretrainedConfig,
    generation: GenerationConfig | None,
    tokenizer: PreTrainedTokenizerBase,
) -> frozenset[int]:
    """
    Return the tokens with which a model ends what it writes, besides its tokenizer's own.

    Many have several: a chat's turn and a text end with different ones, and which of them the
    tokenizer names hangs on the model. What is no control token of the tokenizer is left out: it is
    a number that a class of transformers falls back on, and a word of this vocabulary.

    Parameters
    ----------
    config, generation
        Of the model; both name such tokens, and neither has to.
    tokenizer
        Of the same model.
    """
    rows = config.get_text_config().vocab_size
    named = {*_ends(config), *_ends(generation)} - {tokenizer.eos_token_id}
    control = {number for number, one in tokenizer.added_tokens_decoder.items() if one.special}
    return frozenset(number for number in named & control if number < rows)


_COMPUTED_ANEW: dict[str, dict[str, Any]] = {
    "rwkv": {"rescale_every": 0},
    **{family: {"lora": "without x_proj"} for family in ("mamba", "falcon_mamba")},
    **{family: {"lora": "without routers"} for family in ("afmoe", "jetmoe", "zaya")},
}
"""Of families that are read or tuned in another way than at first, by their `model_type`."""


@cache
def particulars(llm: str, fingerprint: str) -> dict[str, Any]:
    """
    Return the ingredients that a model has besides its fingerprint; mostly none.

    Parameters
    ----------
    llm
        As for `recbench.llm.weights.backbone.load_backbone`, which says what is refused.
    fingerprint
        `recbench.llm.weights.fingerprint.fingerprint` of it: what changes is read again.
    """
    del fingerprint
    place = place_of(llm)
    if isinstance(place, OnHub):  # not `files_of`, which reads all weights to check them
        where: dict[str, Any] = {"revision": commit(place), "trust_remote_code": False}
        where["pretrained_model_name_or_path"] = place.id
    else:
        where = files_of(llm, place, lambda _: None)
    config, tokenizer = described(llm, where)
    with reading(llm, "generation_config.json"):
        ends = closing_tokens(config, _generation(where), tokenizer)
    own: dict[str, Any] = {"ends": sorted(ends)} if ends else {}
    mended = {"tokenizer": "mended"} if is_mended(tokenizer) else {}
    return own | mended | _COMPUTED_ANEW.get(config.model_type, {})


def _ends(config: Any) -> Collection[int]:
    """Return the tokens that a configuration names: one, several or none."""
    named = getattr(config, "eos_token_id", None)
    if named is None:
        return ()
    return (named,) if isinstance(named, int) else tuple(named)


def _generation(where: dict[str, Any]) -> GenerationConfig:
    """Return how a model writes by its files, as transformers finds it when it loads the model."""
    name, revision = where["pretrained_model_name_or_path"], where.get("revision", "main")
    try:
        return GenerationConfig.from_pretrained(name, revision=revision)
    except OSError:  # many have no such file
        return GenerationConfig.from_pretrained(
            name, "config.json", revision=revision, _from_model_config=True
        )
