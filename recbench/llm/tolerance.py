"""How far two ways of reading the same may be apart, by the precision of the model."""

import torch

TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 2e-2, torch.float16: 5e-3}
"""Most that two ways may differ by, in parts of a log-likelihood's size plus one."""
