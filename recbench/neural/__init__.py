"""Torch: one training loop, its checkpoints and random streams, the base class of the ID models."""
