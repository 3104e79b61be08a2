"""GGUF files, made into plain weights once: these load in seconds instead of a minute."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import transformers
from huggingface_hub.constants import HF_HOME
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.modeling_gguf_pytorch_utils import TensorProcessor, get_gguf_hf_weights_map

from recbench.atomic_write import atomic_folder
from recbench.file_digests import folder_digest
from recbench.llm.weights.placed import check_none
from recbench.llm.weights.places import InGguf
from recbench.llm.weights.reading import check_whole, reading
from recbench.llm.weights.scaled_positions import scale_positions
from recbench.locks import in_turn

if TYPE_CHECKING:
    from gguf import GGUFReader

CACHE = Path(HF_HOME) / "recbench"
"""Beside the models of the hub, since both are weights that any run on the machine may share."""

_MADE = 2
"""Grows with what is made of a file, or is checked of it; 1 had no place in the name."""
_DIGEST = "recbench.sha256"
"""File in such a folder with the digest of all others."""


def dequantised(llm: str, place: InGguf, report: Callable[[str], None]) -> Path:
    """
    Return a folder in the layout of transformers with the weights of a GGUF file in float32.

    It is named by the file's digest, `_MADE` and the version of transformers, which does the
    reading. One that is not as it was made is made anew.

    Parameters
    ----------
    llm
        What the user calls the model; named in errors.
    place
        The file.
    report
        Told one line before the folder is made.

    Raises
    ------
    UserError, RecbenchError
        As `recbench.llm.weights.reading.explained`, where the file cannot be read. Nothing is then
        kept.
    """
    name = f"{place.digest()[:16]}-{_MADE}-transformers-{transformers.__version__}"
    folder = CACHE / name
    if not _is_kept(folder):
        with in_turn(folder, report):
            if not _is_kept(folder):  # else it was made by whom was waited for
                _make(llm, place, folder, report)
    return folder


def _is_kept(folder: Path) -> bool:
    return folder.is_dir() and _is_whole(folder)


def _make(llm: str, place: InGguf, folder: Path, report: Callable[[str], None]) -> None:
    if folder.is_dir():
        report(f"{folder} was changed after it was made; it is made again")
    report(f"making plain weights of '{llm}' in {folder}, once")
    with atomic_folder(folder) as partial:
        _dequantise(llm, place, partial)
        (partial / _DIGEST).write_text(folder_digest(partial), encoding="utf-8")


def _is_whole(folder: Path) -> bool:
    """Tell whether a folder is as it was made, if that was written down."""
    file = folder / _DIGEST
    return not file.exists() or file.read_bytes() == folder_digest(folder, without=_DIGEST).encode()


def _dequantise(llm: str, place: InGguf, folder: Path) -> None:
    first = place.parts[0]
    file = first if len(place.parts) == 1 else _joined(place, folder / "whole.gguf")
    where = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    with reading(llm, first.name):
        AutoTokenizer.from_pretrained(**where).save_pretrained(folder)
        model, told = AutoModelForCausalLM.from_pretrained(
            **where, dtype=torch.float32, output_loading_info=True
        )
        from gguf import GGUFReader  # an extra, named above where it is missing

        held = GGUFReader(file)
        check_whole(told["missing_keys"])
        check_none(_unplaced_biases(held, model))
        scale_positions(llm, model.config, held)
        # Its weights are plain numbers by now, but it says that they are not.
        model.hf_quantizer = None
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.save_pretrained(folder)
    if file != first:
        file.unlink()


def _unplaced_biases(file: "GGUFReader", model: PreTrainedModel) -> list[str]:
    """Return the biases of a file that transformers does not read: it has no name for them here."""
    placed = get_gguf_hf_weights_map(model, TensorProcessor())
    return [
        tensor.name
        for tensor in file.tensors
        if tensor.name.endswith(".bias") and "exp" not in tensor.name  # experts have own names
        if tensor.name not in placed and tensor.data.any()
    ]


def _joined(place: InGguf, file: Path) -> Path:
    with file.open("wb") as whole:
        for part in place.parts:
            with part.open("rb") as piece:
                shutil.copyfileobj(piece, whole)
    return file
