"""
Language models by name: ``tiny``, a hub id, a local folder, or a GGUF file.

Weights are read from safetensors or GGUF only, and no code that comes with a model is run.
"""

import importlib.util
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import errors as hub
from huggingface_hub.utils import logging as hub_logging
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    modeling_gguf_pytorch_utils,
)
from transformers.utils import logging

from recbench.errors import RecbenchError, UserError

TINY = "tiny"
"""The built-in model: it shows that the system works, not that a method is better."""


def caption(llm: str) -> str:
    """Return what a table must say under the figures of a language model; empty for nothing."""
    return f"mechanism test: the built-in language model '{TINY}'" if llm == TINY else ""


def load_backbone(llm: str, device: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """
    Load a causal language model and its tokenizer.

    Parameters
    ----------
    llm
        ``"tiny"``, a hub id, a folder in the layout of transformers, or a ``.gguf`` file.
    device
        ``"cpu"`` (float32) or ``"cuda"``, ``"cuda:N"`` (bfloat16).

    Raises
    ------
    UserError
        If the model does not exist, is gated, is not a causal language model or needs a package.
    RecbenchError
        If the hub cannot be reached or the files cannot be read.
    """
    dtype = torch.float32 if torch.device(device).type == "cpu" else torch.bfloat16
    if llm == TINY:
        with as_file(files("recbench.llm") / TINY) as folder:
            return _load(llm, {"pretrained_model_name_or_path": str(folder)}, dtype, device)
    return _load(llm, source(llm), dtype, device)


def source(llm: str) -> dict[str, Any]:
    """Return where to read from, as arguments of `from_pretrained`."""
    path = Path(llm).expanduser()
    if path.suffix.lower() == ".gguf":
        if not path.is_file():
            raise UserError(f"no GGUF file '{llm}'")
        if importlib.util.find_spec("gguf") is None:
            raise UserError(f"reading '{path.name}' needs a package: pip install gguf")
        return {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise UserError(f"the folder '{llm}' holds no language model: no config.json in it")
        return {"pretrained_model_name_or_path": str(path)}
    if path.is_absolute() or llm.startswith((".", "~")) or llm.count("/") > 1:
        raise UserError(f"no folder '{llm}'; give '{TINY}', a folder, a .gguf file or a hub id")
    return {"pretrained_model_name_or_path": llm}


def _load(
    llm: str, arguments: dict[str, Any], dtype: torch.dtype, device: str
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    # Without a word on code that comes with a model, transformers asks whether to run it.
    arguments = {**arguments, "trust_remote_code": False}
    with quiet():
        try:
            part = "config.json"
            config = AutoConfig.from_pretrained(**arguments)
            _check_causal(llm, config)
            part = "the tokenizer's files"
            tokenizer = AutoTokenizer.from_pretrained(**arguments)
            part = "config.json and the weights (*.safetensors)"
            model, told = AutoModelForCausalLM.from_pretrained(
                **arguments,
                dtype=dtype,
                use_safetensors=None if "gguf_file" in arguments else True,
                output_loading_info=True,
            )
            _check_whole(told["missing_keys"])
        except RecbenchError:
            raise
        except Exception as error:  # a broken file can raise anything: KeyError, struct.error, ...
            raise explained(llm, error, arguments.get("gguf_file", part)) from error
    return model.to(device).eval(), tokenizer


def _check_whole(missing: Collection[str]) -> None:
    """Refuse weights that are not all there: transformers would make up the rest at random."""
    if missing:
        raise ValueError(f"{len(missing)} weights are not in the file: {min(missing)}, ...")


def _check_causal(llm: str, config: Any) -> None:
    names = config.architectures or ["CausalLM"]
    causal = any("CausalLM" in name or "LMHead" in name for name in names)
    if config.is_encoder_decoder or not causal:
        raise UserError(
            f"'{llm}' is not a causal language model but {' and '.join(names)}; "
            "choose a decoder such as 'Qwen/Qwen2.5-0.5B'"
        )


def explained(llm: str, error: BaseException, part: str = "config.json") -> RecbenchError:
    """Turn what was raised while `part` was read into one line with a remedy."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    text = " ".join(str(link) for link in chain)
    if any(isinstance(link, hub.GatedRepoError) for link in chain) or "gated repo" in text:
        return UserError(
            f"'{llm}' is gated: ask for access on its page, then log in with 'hf auth login'"
        )
    if any(isinstance(link, hub.RepositoryNotFoundError) for link in chain):
        return UserError(
            f"no model '{llm}' on the hub (or it is private: 'hf auth login'); "
            f"give '{TINY}', a folder, a .gguf file or a hub id"
        )
    if any(isinstance(link, hub.LocalEntryNotFoundError | ConnectionError) for link in chain) or (
        "couldn't connect" in text or "offline" in text.lower()
    ):
        return RecbenchError(
            f"the hub cannot be reached for '{llm}': check the connection, or give a local folder, "
            f"a .gguf file or '{TINY}', which needs no network"
        )
    if isinstance(error, hub.HFValidationError) or "not a valid model identifier" in text:
        return UserError(f"'{llm}' is no model: give '{TINY}', a folder, a .gguf file or a hub id")
    if "trust_remote_code" in text:
        return UserError(
            f"'{llm}' needs code that comes with it, and such code is never run: "
            "choose a model that transformers knows by itself"
        )
    first = next(iter(str(error).strip().splitlines()), "")
    if isinstance(error, ImportError):
        return UserError(f"reading '{llm}' needs a package: {first}")
    return RecbenchError(
        f"the language model '{llm}' cannot be read; download {part} again or choose another "
        f"model ({type(error).__name__}: {first})"
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the bars and remarks of transformers and of the hub while a model is read."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    hub_level = hub_logging.get_verbosity()
    logging.set_verbosity_error()
    hub_logging.set_verbosity_error()  # else a line for every try to reach the hub
    logging.disable_progress_bar()
    # The bar of GGUF files alone does not ask that switch by itself.
    gguf_bar, modeling_gguf_pytorch_utils.tqdm = modeling_gguf_pytorch_utils.tqdm, logging.tqdm
    try:
        yield
    finally:
        modeling_gguf_pytorch_utils.tqdm = gguf_bar
        logging.set_verbosity(level)
        hub_logging.set_verbosity(hub_level)
        if bars:
            logging.enable_progress_bar()
