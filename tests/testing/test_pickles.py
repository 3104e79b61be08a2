"""Pickles are found by what stands in a file, whatever it is called."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import zlib

import numpy as np
import pytest
import torch
from safetensors.torch import save

from recbench.testing.pickles import holds_pickle, is_pickle

LEARNT = {"weights": [1.5, 2], "more": ({"x": 3}, "text")}
COMPRESSIONS = [gzip.compress, bz2.compress, lzma.compress, zlib.compress]


def written(write, *given, **more):
    stream = io.BytesIO()
    write(*(stream if one is None else one for one in given), **more)
    return stream.getvalue()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_protocol_are_found(protocol):
    plain = pickle.dumps(LEARNT, protocol)
    assert holds_pickle(plain)
    assert all(holds_pickle(compress(plain)) for compress in COMPRESSIONS)


def test_arrays_of_objects_and_what_torch_writes_are_found():
    objects = np.array([LEARNT, None], dtype=object)
    assert holds_pickle(written(np.save, None, objects))
    assert holds_pickle(written(np.savez, None, learnt=objects))
    for zipped in (True, False):
        tensors = {"w": torch.ones(3)}
        assert holds_pickle(
            written(torch.save, tensors, None, _use_new_zipfile_serialization=zipped)
        )


def test_raw_bytes_between_the_instructions_hide_none():
    """As joblib writes arrays."""
    plain = pickle.dumps(LEARNT, 4)
    assert holds_pickle(plain[:20] + bytes(64) + plain[20:])


def test_what_holds_no_object_is_none():
    for arrays in (np.ones(3), np.array([("a", 1)], dtype=[("name", "U3"), ("n", "i4")])):
        assert not holds_pickle(written(np.save, None, arrays))
        assert not holds_pickle(written(np.savez_compressed, None, arrays))
    texts = [
        "",
        ".",
        "0.",
        "3.5",
        "learnt",
        "x",
        "BZh",
        "]\0\0",
        "Film (1990).\n",
        json.dumps(LEARNT),
    ]
    assert [text for text in texts if holds_pickle(text.encode())] == []


def test_no_length_of_a_safetensors_header_is_taken_for_one():
    lengths = set()
    for more in range(0, 1_400, 8):
        content = save({"w": torch.ones(2)}, {"said": "x" * more})
        lengths.add(content[:2])
        assert not holds_pickle(content), more
    assert {bytes([0x80, high]) for high in range(2, 6)} <= lengths


def test_the_usual_names_are_refused_whatever_they_hold(tmp_path):
    for name, expected in (("a.pth", True), ("a.joblib", True), ("a.ckpt", True), ("a.npy", False)):
        (tmp_path / name).write_bytes(b"plain")
        assert is_pickle(tmp_path / name) is expected
    (tmp_path / "a.safetensors").write_bytes(pickle.dumps(LEARNT))
    assert is_pickle(tmp_path / "a.safetensors")
