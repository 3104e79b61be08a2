"""What is computed in what: without a GPU, one is made up."""

import contextlib

import pytest
import torch

from recbench.neural import precision as room
from recbench.neural.precision import (
    FLOAT32,
    Precision,
    computing,
    reading_precision,
    training_precision,
)

CPU, GPU = torch.device("cpu"), torch.device("cuda:1")
HALF = Precision("bfloat16", torch.bfloat16, torch.bfloat16)
MIXED = Precision("bfloat16", torch.float32, torch.bfloat16)


@pytest.mark.parametrize(
    ("choice", "device", "native", "trained", "read"),
    [
        ("float32", CPU, True, FLOAT32, FLOAT32),
        ("float32", GPU, True, FLOAT32, FLOAT32),
        ("bfloat16", CPU, False, MIXED, FLOAT32),
        ("bfloat16", GPU, False, HALF, HALF),  # slow, but what was asked for
        ("auto", CPU, True, MIXED, FLOAT32),
        ("auto", CPU, False, FLOAT32, FLOAT32),
        ("auto", GPU, True, HALF, HALF),
        ("auto", GPU, False, FLOAT32, FLOAT32),  # a card older than Ampere
    ],
)
def test_a_choice_and_a_device_say_it_all(choice, device, native, trained, read, monkeypatch):
    monkeypatch.setattr(room, "computes_bfloat16", lambda _: native)
    assert training_precision(choice, device) == trained
    assert reading_precision(choice, device) == read


def test_the_card_that_is_meant_is_asked(monkeypatch):
    asked = []

    @contextlib.contextmanager
    def on(device):
        asked.append(device)
        yield

    def supported(*, including_emulation):
        assert asked == [GPU]
        return including_emulation

    monkeypatch.setattr(torch.cuda, "device", on)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert not room.computes_bfloat16(GPU)


def product(precision: Precision) -> torch.Tensor:
    numbers = torch.linspace(0, 1, 64).view(8, 8)
    with computing(precision, CPU):
        return numbers @ numbers


def test_it_computes_in_what_it_says_whatever_is_around_it():
    alone = product(FLOAT32)
    assert alone.dtype == torch.float32
    assert product(MIXED).dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(product(FLOAT32), alone, rtol=0, atol=0)


def test_float32_is_no_tf32_and_nothing_stays_behind():
    kept = torch.backends.cudnn.allow_tf32
    with computing(FLOAT32, CPU):
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == kept
