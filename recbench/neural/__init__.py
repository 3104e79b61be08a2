"""Torch: one training loop, its checkpoints and random streams, the base class of the ID models."""

import os

# For every shape of a product in bfloat16 torch's library on a CPU makes kernels, and keeps 1,024
# of them: 18 MB for each length of a prompt of SmolLM2, two gigabytes in a training. With these two
# numbers a process stops growing, and no step takes longer. They are read at the first product.
for _kept in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
    os.environ.setdefault(_kept, "64")
