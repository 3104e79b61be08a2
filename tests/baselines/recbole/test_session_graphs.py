from typing import Any

import numpy as np
import pytest
import torch
from recbench_baselines.recbole.installed import module_class
from recbench_baselines.recbole.session_graphs import with_quick_graphs

pytestmark = pytest.mark.usefixtures("recbole")


@pytest.mark.parametrize("model", ["SRGNN", "GCSAN"])
@pytest.mark.parametrize(("items", "length"), [(2, 2), (3, 10), (50, 10), (1000, 50)])
def test_the_graphs_of_all_rows_are_those_of_recbole(model: str, items: int, length: int) -> None:
    random = np.random.Generator(np.random.PCG64(items))
    sequences = random.integers(1, items + 1, size=(64, length))
    sequences[np.arange(length) >= random.integers(1, length + 1, size=64)[:, None]] = 0

    def made(kind: Any) -> list[torch.Tensor]:
        module = kind.__new__(kind)
        torch.nn.Module.__init__(module)
        module.device = torch.device("cpu")
        return list(module._get_slice(torch.from_numpy(sequences)))

    theirs, ours = made(module_class(model)), made(with_quick_graphs(module_class(model)))
    assert len(theirs) == len(ours)
    for one, other in zip(theirs, ours, strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)


def test_what_makes_no_graphs_stays_what_it_is() -> None:
    assert with_quick_graphs(module_class("NARM")) is module_class("NARM")
