"""Random generators named after their use: no shared streams, no global state."""

import hashlib

import numpy as np


def derived_seed(seed: int, *use: str | int) -> int:
    """
    Derive the seed of one named use from a run's seed.

    Parameters
    ----------
    seed
        The seed the user gave, any integer.
    *use
        What the randomness is for, for example ``("dropout", 12)``.

    Returns
    -------
    int
        An integer in [0, 2**63), the same on every machine; different uses give unrelated values.
    """
    text = "/".join([str(seed), *map(str, use)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def generator(seed: int, *use: str | int) -> np.random.Generator:
    """Return a NumPy generator (PCG64) for one named use; see `derived_seed`."""
    return np.random.Generator(np.random.PCG64(derived_seed(seed, *use)))
