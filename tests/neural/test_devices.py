import pytest
import torch

from recbench.errors import UserError
from recbench.neural.devices import resolve


@pytest.fixture
def gpus(monkeypatch):
    """Pretend that there are that many GPUs."""

    def pretend(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

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
    gpus(count)
    assert resolve(name) == found


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
