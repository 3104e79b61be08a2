"""The tokenizer of a language model, which cuts a text where the model has learnt it."""

from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from recbench.llm.weights.hub import folder_of

_LARGE, _OF_MISTRAL = 100_000, "[INST]"
"""More tokens than this, and this one: a tokenizer of Mistral's newer kind (Tekken) alone."""


def read_tokenizer(where: dict[str, Any]) -> PreTrainedTokenizerBase:
    """
    Read the tokenizer of a model.

    Many files of Mistral's newer one cut a text elsewhere than its models have learnt it, such as a
    year into two numbers and not into four. Transformers mends this where it is asked to and
    ``config.json`` is of such a model from before; it takes any tokenizer of many tokens for that
    one, so that it is asked for no other.

    Parameters
    ----------
    where
        As of `recbench.llm.weights.backbone.files_of`.
    """
    # With mistral-common installed it might be of a class to which no token can be added.
    made = AutoTokenizer.from_pretrained(**where, mistral_format=False)
    if not _is_of_mistral(made):
        return made
    # From its folder: of a name, transformers asks the hub whose model it is, and may hear nothing.
    here = {"pretrained_model_name_or_path": str(folder_of(where)), "trust_remote_code": False}
    mended = AutoTokenizer.from_pretrained(**here, mistral_format=False, fix_mistral_regex=True)
    return made if _cuts(made) == _cuts(mended) else mended


def is_mended(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Tell whether a tokenizer was mended by `read_tokenizer`."""
    return tokenizer.init_kwargs.get("fix_mistral_regex") is True


def _is_of_mistral(tokenizer: PreTrainedTokenizerBase) -> bool:
    if not isinstance(tokenizer, PreTrainedTokenizerFast) or len(tokenizer) <= _LARGE:
        return False
    return _OF_MISTRAL in map(str, tokenizer.added_tokens_decoder.values())


def _cuts(tokenizer: PreTrainedTokenizerFast) -> str:
    """Return where it cuts a text before it looks for tokens, in its package's words."""
    return str(tokenizer.backend_tokenizer.pre_tokenizer)
