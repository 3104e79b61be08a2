from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from recbench.errors import DataError
from recbench.neural.tensor_file import read_tensors, write_tensors

TENSORS = {
    "floats": torch.tensor([[1.5, -2.0, 3.25]]).T,
    "halves": torch.tensor([1.0, 2.0], dtype=torch.bfloat16),
    "whole": torch.tensor(7),
    "flags": torch.tensor([True, False]),
    "none": torch.empty(0, 3),
}
ABOUT = {"key": "abc", "position": '{"step": 3}'}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "deep/file.safetensors"
    write_tensors(file, TENSORS, ABOUT)
    tensors, about = read_tensors(file)
    assert about == ABOUT
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert torch.equal(tensors[name], tensor)
        assert tensors[name].dtype == tensor.dtype


@pytest.mark.honesty
def test_every_byte_counts(tmp_path: Path) -> None:
    file = tmp_path / "file.safetensors"
    write_tensors(file, TENSORS, ABOUT)
    kept = file.read_bytes()
    for place in range(len(kept)):
        for change in (1, 0x80):
            file.write_bytes(kept[:place] + bytes([kept[place] ^ change]) + kept[place + 1 :])
            try:
                tensors, about = read_tensors(file)
            except DataError:
                continue
            # A seal whose name has changed is no seal.
            assert {name: about[name] for name in ABOUT} == ABOUT
            assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS), place


def test_a_file_from_before_there_were_digests_is_read(tmp_path: Path) -> None:
    file = tmp_path / "file.safetensors"
    save_file({"whole": torch.tensor(7)}, file, {"key": "abc"})
    assert read_tensors(file) == ({"whole": torch.tensor(7)}, {"key": "abc"})
