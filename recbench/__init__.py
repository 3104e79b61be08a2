"""The evaluation harness for sequential recommendation with and without language models."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recbench.by_hand.loading import load_run

__version__ = "0.1.0"
__all__ = ["load_run"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: ``import recbench`` alone takes no time."""
    if name not in __all__:
        raise AttributeError(f"module 'recbench' has no attribute '{name}'")
    from recbench.by_hand import loading

    return getattr(loading, name)
