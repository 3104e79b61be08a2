"""Torch: one training loop, its checkpoints and random streams, the base class of the ID models."""

from recbench import hardware as hardware  # whose settings are read when torch is loaded
