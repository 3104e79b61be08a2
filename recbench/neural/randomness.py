"""What makes torch give the same twice, and leaves the process as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int, device: str | torch.device = "cpu") -> Iterator[None]:
    """
    Draw from fresh streams inside the block, on the CPU and on `device`.

    Afterwards the global streams are as they were before.

    Parameters
    ----------
    seed
        In [0, 2**63), from `recbench.seeding.derived_seed`.
    device
        The one device other than the CPU whose stream is used.
    """
    device = torch.device(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        # torch.manual_seed would also reseed every GPU, which fork_rng does not restore.
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread inside the block: sums of several depend on which comes first."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
