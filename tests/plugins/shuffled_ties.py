"""In whole Python numbers, where a user has an item among those of one second."""

import hashlib

_WRAP = 2**64


def place_among_ties(raw_item: object, user: int) -> int:
    """What SplitMix64 draws for the user from the seed that the item's id gives."""
    seed = int.from_bytes(hashlib.sha256(str(raw_item).encode()).digest()[:8], "big")
    mixed = (seed + (user + 1) * 0x9E3779B97F4A7C15) % _WRAP
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % _WRAP
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % _WRAP
    return mixed ^ mixed >> 31
