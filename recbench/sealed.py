"""JSON that is kept with its own digest: a byte that changed on the disk shows."""

from typing import Any

from recbench.settings import digest

SEAL = "sha256"


def sealed(values: dict[str, Any]) -> dict[str, Any]:
    """Return JSON values with the digest of all of them, under `SEAL`."""
    return {**values, SEAL: digest(values)}


def unsealed(kept: Any) -> dict[str, Any]:
    """
    Return what was sealed.

    What has no seal was written before there were any, and is returned as it is: whoever reads it
    refuses names that it does not know, so that a seal whose name has changed shows as well.

    Raises
    ------
    ValueError
        If it is not what was sealed, or no JSON object.
    """
    if not isinstance(kept, dict):
        raise ValueError("expected a JSON object")
    values = {name: value for name, value in kept.items() if name != SEAL}
    if SEAL in kept and kept[SEAL] != digest(values):
        raise ValueError("it was changed after it was written")
    return values
