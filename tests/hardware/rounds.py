"""
Shards of which each process needs others at other times; run by `test_launched.py`.

    python rounds.py

Layer k is 2 (k + 1) bytes of the value k, of any model. Processes need other layers, in other
orders and as many of them as their number, and then tell each other what they found. A process
that ends without parting from the other says so.
"""

import atexit
import sys

import torch
import torch.distributed as messages

from recbench.hardware.launched import launched
from recbench.processes import Sharding


def _say_if_not_parted() -> None:
    if messages.is_initialized():
        print("has not parted", file=sys.stderr)


def main() -> None:
    """Fail where a layer is another one, or one that is asked for is none."""
    atexit.register(_say_if_not_parted)  # called after what is registered later
    processes = launched()
    assert isinstance(processes, Sharding)
    first = range(0)
    for model in (0, 10):
        shards = [torch.full((k + 1,), model + k, dtype=torch.uint8) for k in range(4)]
        before, first = first, processes.hold(iter(shards))
        order = [3, 0, 0, 1, 2, 3][processes.rank :: 2 - processes.rank]
        for k in order:
            whole = processes.whole(first[k], "cpu")
            assert whole.tolist() == [model + k] * (k + 1) * processes.count, whole
        told = processes.of_all(bytes(order))
        assert [len(one) for one in told] == [3, 5]
    try:
        processes.whole(before[0], "cpu")
    except KeyError:
        return
    raise AssertionError("a layer of the model before was found")


if __name__ == "__main__":
    main()
