"""
RecBole's sequential recommenders under recbench's loader, sampler, loop and metrics.

Zhao et al., "RecBole: towards a unified, comprehensive and efficient framework for recommendation
algorithms", CIKM 2021, arXiv 2011.01731; github.com/RUCAIBox/RecBole, version 1.2.1.

The models' classes alone are RecBole's: its configuration, datasets, trainers, and what it sets in
NumPy and ray, are not used. To add one of its models, describe it in `members.py` and name it in
``pyproject.toml``.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """Return the class of one model, made when it is first asked for."""
    from recbench_baselines.recbole.members import MEMBERS

    if name not in MEMBERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from recbench_baselines.recbole.recommender import model_class

    return model_class(name)
