"""What a process computes on: devices, threads, memory, and the other processes of its run."""

import os

from recbench.hardware.threads import VARIABLE, quota

# For every shape of a product in bfloat16 torch's library on a CPU makes kernels, and keeps 1,024
# of them: 18 MB for each length of a prompt of SmolLM2, two gigabytes in a training. With these two
# numbers a process stops growing, and no step takes longer. They are read at the first product.
for _kept in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
    os.environ.setdefault(_kept, "64")

# Threads that turn while they wait for others hold the core that those need, where other work has
# the rest: on a busy machine of two cores a step took 22 times as long. They sleep instead, which
# changes no number. It is read when torch is loaded; what a user has set stands.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# A container that may use 2 of 64 cores is given 64 threads otherwise.
if (_cores := quota()) is not None and _cores < (os.cpu_count() or 1):
    os.environ.setdefault(VARIABLE, str(_cores))
