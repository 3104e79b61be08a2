import contextlib
import os

import pytest
import torch

from recbench.errors import RecbenchError, UserError
from recbench.hardware.devices import WAYS, deterministic, resolve, way_of


@pytest.fixture
def gpus(monkeypatch):
    """Pretend that there are that many GPUs."""

    current = []

    def pretend(count, own=(8, 0), built=("sm_75", "sm_80", "sm_90a", "compute_90")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: own)
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: list(built))
        monkeypatch.setattr(torch.cuda, "set_device", current.append)
        return current

    return pretend


@pytest.mark.parametrize(
    ("name", "count", "found"),
    [
        ("auto", 0, "cpu"),
        ("auto", 2, "cuda:0"),
        ("cpu", 2, "cpu"),
        ("cuda", 2, "cuda:0"),
        ("cuda:1", 2, "cuda:1"),
    ],
)
def test_a_device_that_is_there(gpus, name, count, found):
    current = gpus(count)
    assert resolve(name) == found
    kind, _, number = found.partition(":")
    assert current == ([int(number)] if kind == "cuda" else [])  # kernels of others go by it


@pytest.mark.parametrize(
    ("own", "built", "serves"),
    [
        ((6, 1), ("sm_75", "sm_80"), False),
        ((8, 6), ("sm_75", "sm_80"), True),
        ((9, 0), ("sm_80", "sm_86"), False),
        ((9, 0), ("sm_80", "sm_90a"), True),
        ((12, 0), ("sm_80", "compute_90"), True),
        ((10, 3), ("sm_80", "sm_120"), False),
        ((9, 4), ("gfx90a", "gfx942"), True),
        ((9, 0), (), True),
    ],
)
def test_a_gpu_that_torch_was_not_built_for_is_not_taken(gpus, own, built, serves):
    current = gpus(1, own, built)
    assert resolve("auto") == ("cuda:0" if serves else "cpu")
    if not serves:
        with pytest.raises(UserError, match=r"cannot compute on 'cuda:0'.* use --device cpu"):
            resolve("cuda")
        assert not current


@pytest.mark.parametrize(
    ("name", "count", "said"),
    [
        ("cuda", 0, "no GPU is there for device 'cuda'; use --device cpu"),
        ("cuda:0", 0, "no GPU is there for device 'cuda:0'"),
        ("cuda:2", 2, "there is no device 'cuda:2'; the last GPU is cuda:1"),
        ("cdua", 2, "unknown device 'cdua'; did you mean 'cuda'"),
        ("cuda:x", 2, "unknown device 'cuda:x'"),
        ("cuda:", 2, "unknown device 'cuda:'"),
        ("cpu:0", 2, "unknown device 'cpu:0'"),
    ],
)
def test_a_device_that_is_not_there(gpus, name, count, said):
    gpus(count)
    with pytest.raises(UserError, match=said):
        resolve(name)


def test_the_way_of_a_gpu_is_its_kind_and_whether_it_is_deterministic():
    for asked, of_gpu in ((False, ("cuda",)), (True, ("cuda", "deterministic"))):
        with deterministic(asked):
            assert way_of("cuda:1") == of_gpu
            assert way_of("cpu") == ()
            assert {way_of("cuda:0"), way_of("cpu")} <= set(WAYS)


@pytest.mark.parametrize("workspace", [None, ":0:0"])
def test_deterministic_inside_the_block_and_as_before_behind_it(workspace, monkeypatch):
    name = "CUBLAS_WORKSPACE_CONFIG"
    monkeypatch.delenv(name, raising=False)
    if workspace is not None:
        monkeypatch.setenv(name, workspace)
    with contextlib.suppress(KeyError), deterministic(True):
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert os.environ[name] == ":16:8"
        raise KeyError
    assert not torch.are_deterministic_algorithms_enabled()
    assert os.environ.get(name) == workspace
    with deterministic(False):
        assert not torch.are_deterministic_algorithms_enabled()
        assert os.environ.get(name) == workspace


@pytest.mark.gpu
def test_a_sum_on_a_gpu_has_the_same_bits_every_time():
    places = torch.randint(10, (1 << 20,), device="cuda")
    values = torch.rand(1 << 20, device="cuda")
    with deterministic(True):
        sums = [torch.zeros(10, device="cuda").index_add(0, places, values) for _ in range(5)]
    assert all(torch.equal(sums[0], one) for one in sums)


def test_an_operation_that_cannot_be_deterministic_is_one_line():
    said = "leave out --deterministic, which cannot be had here: put_ does not have a deterministic"
    with pytest.raises(RecbenchError, match=f"^{said} implementation$"), deterministic(True):
        torch.zeros(3).put_(torch.tensor([1]), torch.tensor([2.0]))
    with pytest.raises(RuntimeError, match="something else"), deterministic(True):
        raise RuntimeError("something else")
