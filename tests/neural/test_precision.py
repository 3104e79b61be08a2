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


BACKENDS = torch.backends
PARTS = [
    getattr(getattr(BACKENDS, room), part, None)
    for room, names in {
        "cuda": ("matmul",),
        "cudnn": ("conv", "rnn"),
        "mkldnn": ("matmul", "conv", "rnn"),
    }.items()
    for part in names
]
NEWER = [part for part in PARTS if hasattr(part, "fp32_precision")]
IN_PARTS = pytest.mark.skipif(not NEWER, reason="torch has had this way since 2.9")


def told():
    """Return all that torch says of float32, however it was told; None where it will not say."""

    def said(of):
        with contextlib.suppress(RuntimeError):
            return of()
        return None

    older = (
        torch.get_float32_matmul_precision,
        lambda: BACKENDS.cuda.matmul.allow_tf32,
        lambda: BACKENDS.cudnn.allow_tf32,
    )
    return [*map(said, older), *(part.fp32_precision for part in NEWER)]


@pytest.fixture
def untold():
    """Take back what a test tells torch."""
    kept = [part.fp32_precision for part in NEWER]
    yield
    if NEWER:
        BACKENDS.fp32_precision = "none"
    torch.set_float32_matmul_precision("highest")
    BACKENDS.cudnn.allow_tf32 = True
    for part, precision in zip(NEWER, kept, strict=True):
        part.fp32_precision = precision


WAYS = {
    "nothing": lambda: None,
    "high": lambda: torch.set_float32_matmul_precision("high"),
    "medium": lambda: torch.set_float32_matmul_precision("medium"),
    # As the environment's TORCH_ALLOW_TF32_CUBLAS_OVERRIDE does.
    "allowed": lambda: setattr(BACKENDS.cuda.matmul, "allow_tf32", True),
    "not in cuDNN": lambda: setattr(BACKENDS.cudnn, "allow_tf32", False),
}
WAYS_OF_PARTS = {
    "products": lambda: setattr(BACKENDS.cuda.matmul, "fp32_precision", "tf32"),
    "convolutions": lambda: setattr(BACKENDS.cudnn.conv, "fp32_precision", "ieee"),
    "on a CPU": lambda: setattr(BACKENDS.mkldnn.matmul, "fp32_precision", "bf16"),
    "all": lambda: setattr(BACKENDS, "fp32_precision", "tf32"),
}


@pytest.mark.honesty
@pytest.mark.usefixtures("untold")
@pytest.mark.parametrize(
    "tell",
    [
        *(pytest.param(way, id=name) for name, way in WAYS.items()),
        *(pytest.param(way, id=name, marks=IN_PARTS) for name, way in WAYS_OF_PARTS.items()),
    ],
)
def test_float32_is_no_tf32_whatever_torch_was_told_and_nothing_stays_behind(tell):
    tell()
    before = told()
    for _ in range(2):
        with computing(FLOAT32, CPU):
            assert told()[:3] == ["highest", False, False]
            assert {*told()[3:]} <= {"ieee", "none"}
            with computing(FLOAT32, CPU):  # as a training and a loss inside it do
                assert told()[:3] == ["highest", False, False]
            assert {*told()[3:]} <= {"ieee", "none"}
        assert told() == before
