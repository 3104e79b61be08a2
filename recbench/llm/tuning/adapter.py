"""Adapters by peft, stock LoRA (Hu et al., ICLR 2022) as a rule: added, written and read."""

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import fields
from pathlib import Path
from typing import Any

import peft
from peft import (
    LoraConfig,
    PeftConfig,
    PeftModel,
    PeftType,
    get_peft_model,
    get_peft_model_state_dict,
)
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from recbench.errors import UserError, unknown
from recbench.llm.folder_hash import hashed
from recbench.llm.settings import LanguageModelSettings
from recbench.llm.tuning.narrow_scale import scale_where_narrow
from recbench.llm.tuning.targets import resolve
from recbench.out_of_memory import lacks_memory

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
"""Names that peft gives the files of an adapter; weights in other formats are not read."""
PICKLED = "adapter_model.bin"
"""The weights' name in another format."""
KINDS = ("LORA", "IA3", "LOHA", "LOKR", "VERA")
"""
Of adapters that can be read, as peft calls them: DoRA is a LORA. They stand in layers; others put
tokens before a prompt, or act on the model as a whole, past the layers.
"""
PREFIX = "PREFIX_TUNING"
PREFIXES = (PREFIX, "CARTRIDGE")
"""Keys and values before a prompt, not tokens in it."""
LEARNT = (
    *KINDS,
    *("ADAMSS", "ADAPTION_PROMPT", "BEFT", "BOFT", "C3A", "DEFT", "DELORA", "FOURIERFT"),
    *("GLORA", "GRALORA", "HIRA", "HRA", "LILY", "LN_TUNING", "MISS", "OFT", "OSF", "PEANUT"),
    *("PSOFT", "PVERA", "RANDLORA", "ROAD", "SUPERTUNING", "TINYLORA"),
    *("TRAINABLE_TOKENS", "UNILORA", "VBLORA", "WAVEFT"),
    *PREFIXES,
)
"""Of adapters that can be learnt: tuned, saved, loaded and asked again, they answer the same."""
_IN_PROMPT = "it puts tokens into the prompt, and answers are read where a prompt has its own alone"
_SPARSE = "torch does not check the sparse tensors that it makes"
_OF_TASKS = "it must be told the task of each row, and here there is one"
NOT_LEARNT = {
    "ADALORA": "its ranks shrink by a call at every step that training here does not make",
    "CPT": _IN_PROMPT,
    "FROD": _SPARSE,
    "MULTITASK_PROMPT_TUNING": _OF_TASKS,
    "POLY": _OF_TASKS,
    "PROMPT_TUNING": _IN_PROMPT,
    "P_TUNING": _IN_PROMPT,
    "SHIRA": _SPARSE,
    "SHADOW": "no answer depends on what it learns behind its last block",
    "XLORA": "it weighs adapters that were learnt before",
}
"""Of those that cannot, and why."""
_REWRITING = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Beginnings of LoRA that take its part out of the language model's own weights, in place."""
_OF_PEFT = (
    *(RuntimeError, ValueError, KeyError, TypeError, AttributeError, IndexError),
    *(ImportError, re.error),
)
"""What peft raises at an adapter that a model cannot have, whatever is wrong with it."""
OF_MODEL = (
    *("base_model_name_or_path", "revision"),
    *("num_layers", "token_dim", "num_attention_heads", "num_transformer_submodules"),
)
"""Entries in which a saved adapter tells of its model; peft finds them where they are left out."""


def add_lora(lm: PreTrainedModel, settings: LanguageModelSettings) -> PeftModel:
    """
    Freeze a language model and give it LoRA.

    Raises
    ------
    UserError
        As `recbench.llm.tuning.targets.resolve`.
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
        If the model cannot have it, or nothing of it would be learnt.
    """
    with _quiet_peft():
        try:
            model = get_peft_model(lm, config)
        except _OF_PEFT as error:
            if lacks_memory(error):
                raise  # it says nothing of the adapter
            raise UserError(
                f"peft cannot give this language model {config.peft_type.value} as configured "
                f"({_first_line(error)})"
            ) from error
    if not any(weight.numel() for weight in model.parameters() if weight.requires_grad):
        raise UserError(
            f"{config.peft_type.value} as configured has nothing to learn in this language model; "
            "give it layers or tokens"
        )
    scale_where_narrow(model)
    return model


def read_config(file: str) -> PeftConfig:
    """
    Read a configuration of peft, a JSON file with its ``peft_type``, for an adapter to be learnt.

    It may lie beside an adapter that was saved: what it says of its model, and that nothing is
    learnt any more, is left out.

    Raises
    ------
    UserError
        If there is no such file, it is none, or it is of no kind that can be learnt.
    """
    try:
        page = json.loads(Path(file).read_text(encoding="utf-8"))
        _check_can_be_learnt(file, page["peft_type"], page)
        own = {name: value for name, value in page.items() if name not in OF_MODEL}
        learnt = {"task_type": "CAUSAL_LM", "inference_mode": False}
        return PeftConfig.from_peft_type(**{**own, **learnt})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"setting 'peft': '{file}' is no configuration of peft, such as the "
            f"adapter_config.json beside an adapter ({type(error).__name__}: {_first_line(error)})"
        ) from error


def _check_can_be_learnt(file: str, kind: Any, page: Mapping[str, Any]) -> None:
    if why := _why_not(kind):
        raise UserError(
            f"setting 'peft': '{file}' is of the kind {kind}, which is not learnt here: {why}; "
            f"name one of {', '.join(LEARNT)}"
        )
    tokens = page.get("num_virtual_tokens")
    if kind in PREFIXES and not (isinstance(tokens, int) and tokens > 0):
        raise UserError(
            f"setting 'peft': '{file}' has num_virtual_tokens={tokens!r}; write how many "
            "tokens the prefix has, a whole number from 1"
        )
    if said := _of_given_tokens(page):
        raise UserError(f"setting 'peft': '{file}' has {said}; leave it out")
    begin = page.get("init_lora_weights")
    if isinstance(begin, str) and begin.lower().startswith(_REWRITING):
        raise UserError(
            f"setting 'peft': '{file}' has init_lora_weights={begin}, which changes the language "
            "model's own weights, and these are not saved with an adapter; leave it out"
        )
    if isinstance(begin, str) and begin.lower() == "eva":
        raise UserError(
            f"setting 'peft': '{file}' has init_lora_weights={begin}, which begins from what "
            "layers read of the data, in a call that training here does not make; leave it out"
        )
    if nought := [name for name in ("lora_alpha", "alpha") if page.get(name) == 0]:
        raise UserError(
            f"setting 'peft': '{file}' has {nought[0]}=0, by which the adapter changes nothing; "
            "write a number above 0"
        )
    if strange := _strange(kind, page):
        raise UserError(
            f"setting 'peft': '{file}' has an {unknown('entry', strange, _entries(kind))}"
        )
    if page.get("use_asa"):
        raise UserError(
            f"setting 'peft': '{file}' has use_asa, by which {kind} drops parts in a call at every "
            "step that training here does not make; write false"
        )


def _strange(kind: str, page: Mapping[str, Any]) -> str:
    """Name what peft would leave out of a configuration, unless it says no more than no."""
    left_out = (name for name in page.keys() - _entries(kind) if page[name])
    return min(left_out, default="")


def _entries(kind: str) -> set[str]:
    """Return the names of all that a configuration of a kind may have."""
    config = PEFT_TYPE_TO_CONFIG_MAPPING[PeftType[kind]]
    return {field.name for field in fields(config)}


def _of_given_tokens(page: Mapping[str, Any]) -> str:
    """Say of a configuration that its LoRA acts behind given tokens alone; empty where not."""
    if page.get("alora_invocation_tokens") is None:
        return ""
    return (
        "alora_invocation_tokens, behind which alone it acts (aLoRA), and here vectors are read, "
        "in which no tokens are found"
    )


def _why_not(kind: Any) -> str:
    """Say why adapters of a kind cannot be learnt; empty where they can."""
    if kind in LEARNT:
        known = kind in PeftType.__members__
        return "" if known else f"peft {peft.__version__}, which is installed, does not know it"
    return NOT_LEARNT.get(kind, "it was not tried")


def config_page(config: PeftConfig) -> dict[str, Any]:
    """Return a configuration as JSON values, the same in every process."""
    return json.loads(json.dumps(config.to_dict(), default=_in_order))


def _in_order(value: Any) -> Any:
    """Return the names of a set in order: its own differs from process to process."""
    return sorted(value) if isinstance(value, set) else str(value)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "")


def checkpoint_activations(lm: PreTrainedModel) -> None:
    """Compute activations again in the backward pass, in the way that a gate can be part of."""
    # The method was called gradient_checkpointing_enable in earlier releases of transformers 5.
    enable = getattr(lm, "activation_checkpointing_enable", None)
    (enable or lm.gradient_checkpointing_enable)({"use_reentrant": False})


def write_lora(lm: PeftModel, folder: Path, llm: str, tuned_from: str | None = None) -> None:
    """
    Write ``adapter_config.json`` and ``adapter_model.safetensors``.

    Parameters
    ----------
    lm
        Whose adapter it is.
    folder
        To be made.
    llm
        Named as the base.
    tuned_from
        Folder of the adapter that was tuned further, if one was: embeddings that came with it are
        written again.
    """
    folder.mkdir()
    tensors = get_peft_model_state_dict(lm, save_embedding_layers=False)
    if tuned_from is not None and (words := _names(Path(tuned_from)).difference(tensors)):
        every = get_peft_model_state_dict(lm, save_embedding_layers=True)
        tensors |= {name: every[name] for name in words}
    # Cloned: layers of RandLoRA share tensors, which the format refuses.
    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    save_file(own, folder / WEIGHTS)
    config = copy(lm.peft_config["default"])  # by its own the adapter is still asked
    config.base_model_name_or_path = llm  # not the folder that it was read from
    config.inference_mode = True
    config.save_pretrained(str(folder))


def read_lora(lm: PreTrainedModel, folder: Path, *, trainable: bool = False) -> PeftModel:
    """
    Read an adapter in peft's own layout, as `write_lora` writes it.

    Raises
    ------
    UserError
        If it is not an adapter of such a language model, or not all of one.
    """
    with _quiet_peft():
        try:
            where = str(lm.get_input_embeddings().weight.device)  # peft's own is the first GPU
            model = PeftModel.from_pretrained(
                lm, str(folder), is_trainable=trainable, torch_device=where
            )
        except (*_OF_PEFT, SafetensorError) as error:
            if lacks_memory(error):
                raise
            raise _unfit(folder, " ".join(str(error).split())[:200]) from error
        _check_all_read(model, folder)
    scale_where_narrow(model)
    return model


def _names(folder: Path) -> set[str]:
    """Return the names of an adapter's weights."""
    with safe_open(folder / WEIGHTS, "pt") as file:
        return set(file.keys())


def _check_all_read(model: PeftModel, folder: Path) -> None:
    """Refuse an adapter of other layers: peft leaves out what has no place, and makes up a rest."""
    written = _names(folder)
    with safe_open(folder / WEIGHTS, "pt") as file:
        odd = {name for name in written if not file.get_tensor(name).isfinite().all()}
    read = set(get_peft_model_state_dict(model, save_embedding_layers=False))
    known = set(get_peft_model_state_dict(model, save_embedding_layers=True))
    faults = {
        "are missing": read - written,
        "have no place in it": written - known,
        "hold NaN or infinity": odd,
    }
    for fault, names in faults.items():
        if names:
            raise _unfit(folder, f"{len(names)} of its weights {fault}: {min(names)}, ...")


def _unfit(folder: Path, reason: str) -> UserError:
    return UserError(
        f"the adapter in '{folder}' does not fit this language model ({reason}); name the one that "
        "it was made for, with --llm, or another adapter"
    )


def adapter_digest(folder: str) -> str:
    """
    Return the SHA-256 of an adapter's files, which are looked at before anything is loaded.

    Raises
    ------
    UserError
        If there is none in the folder, or one that cannot be read or is of no kind that can be
        used.
    """
    place = Path(folder)
    for name in (CONFIG, WEIGHTS):
        if not (place / name).is_file():
            raise UserError(f"setting 'adapter': no {name} in '{folder}'; {_remedy(place)}")
    _check_kind(place)
    try:
        with safe_open(place / WEIGHTS, "pt"):
            pass
    except SafetensorError as error:
        raise _unreadable(place / WEIGHTS, error) from error
    return hashed(place, (CONFIG, WEIGHTS))


def adapter_page(folder: str) -> dict[str, Any]:
    """Return the configuration of an adapter, without what it says of its model."""
    page = _read_page(Path(folder))
    return {name: value for name, value in page.items() if name not in OF_MODEL}


def _read_page(folder: Path) -> dict[str, Any]:
    try:
        page = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        page.get("peft_type")
    except (OSError, ValueError, AttributeError) as error:
        raise _unreadable(folder / CONFIG, error) from error
    return page


def _remedy(folder: Path) -> str:
    if (folder / PICKLED).is_file():
        return (
            f"{PICKLED} may run code and is not read: load it with peft and write it with "
            f"save_pretrained('{folder}'), which makes a {WEIGHTS}"
        )
    return "name a folder that peft has saved an adapter in"


def _check_kind(folder: Path) -> None:
    """Refuse an adapter that does not stand in layers alone, or belongs to another task."""
    page = _read_page(folder)
    kind, task, begin = (page.get(n) for n in ("peft_type", "task_type", "init_lora_weights"))
    if kind not in KINDS:
        raise UserError(
            f"setting 'adapter': the one in '{folder}' is of the kind {kind}, which cannot be "
            f"used; name one of {', '.join(KINDS)}"
        )
    if task not in (None, "CAUSAL_LM"):
        raise UserError(
            f"setting 'adapter': the one in '{folder}' was made for {task}, not to write text; "
            "name one of a causal language model (CAUSAL_LM)"
        )
    if said := _of_given_tokens(page):
        raise UserError(f"setting 'adapter': the one in '{folder}' has {said}; name another")
    if strange := _strange(kind, page):
        raise UserError(
            f"setting 'adapter': the one in '{folder}' has {strange}={page[strange]!r}, which peft "
            f"{peft.__version__} would leave out; install the peft that it was saved by"
        )
    if isinstance(begin, str) and "_niter_" in begin:
        raise UserError(
            f"setting 'adapter': the one in '{folder}' has init_lora_weights={begin}, by which the "
            "language model's own weights are drawn anew whenever it is read; where it was tuned, "
            "merge it into its model (merge_and_unload of peft) and name that with --llm"
        )


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(
        f"setting 'adapter': '{path}' cannot be read ({error}); save or download it again"
    )


@contextmanager
def _quiet_peft() -> Iterator[None]:
    """Silence what is told to peft, not to us, and what peft remarks and we check ourselves."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=".*is_gradient_checkpointing", category=FutureWarning
        )
        warnings.filterwarnings("ignore", module="peft")
        yield
