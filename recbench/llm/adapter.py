"""Adapters by peft, stock LoRA (Hu et al., ICLR 2022) as a rule: added, written and read."""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import save_file
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from recbench.errors import UserError
from recbench.llm.fingerprint import hashed
from recbench.llm.settings import LanguageModelSettings
from recbench.llm.targets import resolve

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
"""Names that peft gives the files of an adapter; weights in other formats are not read."""


def add_lora(lm: PreTrainedModel, settings: LanguageModelSettings) -> PeftModel:
    """
    Freeze a language model and give it LoRA.

    Raises
    ------
    UserError
        As `recbench.llm.targets.resolve`.
    """
    targets = resolve(settings, lm)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=list(targets),
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in lm.modules()),
    )
    return add_adapter(lm, config)


def add_adapter(lm: PreTrainedModel, config: PeftConfig) -> PeftModel:
    """
    Freeze a language model and give it an adapter of any kind that peft knows.

    Raises
    ------
    UserError
        If the model cannot have it.
    """
    with _older_peft():
        try:
            return get_peft_model(lm, config)
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"peft cannot give this language model {config.peft_type.value} as configured "
                f"({_first_line(error)})"
            ) from error


def read_config(file: str) -> PeftConfig:
    """
    Read a configuration of peft, a JSON file with its ``peft_type``.

    Raises
    ------
    UserError
        If there is no such file, or it is none.
    """
    try:
        page = json.loads(Path(file).read_text(encoding="utf-8"))
        page["peft_type"]  # without one, peft would make a configuration of nothing
        return PeftConfig.from_peft_type(**{**page, "task_type": "CAUSAL_LM"})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"setting 'peft': '{file}' is no configuration of peft, such as the "
            f"adapter_config.json beside an adapter ({type(error).__name__}: {_first_line(error)})"
        ) from error


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "")


def checkpoint_activations(lm: PreTrainedModel) -> None:
    """Compute activations again in the backward pass, in the way that a gate can be part of."""
    # The method was called gradient_checkpointing_enable in earlier releases of transformers 5.
    enable = getattr(lm, "activation_checkpointing_enable", None)
    (enable or lm.gradient_checkpointing_enable)({"use_reentrant": False})


def write_lora(lm: PeftModel, folder: Path, llm: str) -> None:
    """Write ``adapter_config.json`` and ``adapter_model.safetensors``, naming `llm` as the base."""
    folder.mkdir()
    tensors = get_peft_model_state_dict(lm, save_embedding_layers=False)
    save_file(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
        folder / WEIGHTS,
    )
    config = lm.peft_config["default"]
    config.base_model_name_or_path = llm  # not the folder that it was read from
    config.inference_mode = True
    config.save_pretrained(str(folder))


def read_lora(lm: PreTrainedModel, folder: Path, *, trainable: bool = False) -> PeftModel:
    """
    Read an adapter in peft's own layout, as `write_lora` writes it.

    Raises
    ------
    UserError
        If it is not an adapter of such a language model.
    """
    with _older_peft():
        try:
            return PeftModel.from_pretrained(lm, str(folder), is_trainable=trainable)
        except (RuntimeError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise UserError(
                f"the adapter in '{folder}' does not fit this language model "
                f"({_first_line(error)}); name the one that it was made for, with --llm"
            ) from error


def adapter_digest(folder: str) -> str:
    """
    Return the SHA-256 of an adapter's files.

    Raises
    ------
    UserError
        If there is none in the folder.
    """
    for name in (CONFIG, WEIGHTS):
        if not (Path(folder) / name).is_file():
            raise UserError(
                f"setting 'adapter': no {name} in '{folder}'; name a folder that peft has saved an "
                "adapter in"
            )
    return hashed(Path(folder), (CONFIG, WEIGHTS))


@contextmanager
def _older_peft() -> Iterator[None]:
    """Silence transformers where it tells peft, not us, that a name has changed."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=".*is_gradient_checkpointing", category=FutureWarning
        )
        yield
