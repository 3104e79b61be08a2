"""
The one door: models, datasets, protocols and metrics come in through entry points.

An entry point is a name and a target, so listing costs no import. To add a model:

1. write a class that fulfils `recbench.recommender.Recommender`;
2. in your package's ``pyproject.toml``, under ``[project.entry-points."recbench.models"]``,
   write ``mymodel = "my_package.my_module:MyModel"``;
3. ``pip install`` your package: ``recbench models`` lists it and ``recbench run --model mymodel``
   runs it.
"""

from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Any, Literal

from recbench.errors import RecbenchError, UserError, unknown

Group = Literal["models", "datasets", "protocols", "metrics", "language_models"]


def listed(group: Group) -> dict[str, EntryPoint]:
    """
    List what is registered, without importing any of it.

    Parameters
    ----------
    group
        Which door: ``"models"``, ``"datasets"``, ``"protocols"`` or ``"metrics"``.

    Returns
    -------
    dict of str to EntryPoint
        Sorted by name.

    Raises
    ------
    UserError
        If two packages register the same name for different targets.
    """
    return dict(_listed(group, entry_points))


@cache
def _listed(group: Group, source: Callable[..., EntryPoints]) -> dict[str, EntryPoint]:
    # Reading what is installed takes 10 ms, and to check a thousand runs it is asked ten thousand
    # times: once a process is enough.
    found: dict[str, EntryPoint] = {}
    for point in source(group=f"recbench.{group}"):
        other = found.setdefault(point.name, point)
        # A package seen twice on sys.path (an editable install and its checkout) is one package.
        if (other.value, owner(other)) != (point.value, owner(point)):
            raise UserError(
                f"two packages register the {group[:-1]} '{point.name}': "
                f"{owner(other)} and {owner(point)}; uninstall one of them"
            )
    return dict(sorted(found.items()))


def find(group: Group, name: str) -> EntryPoint:
    """Return the entry point of that name, or raise UserError with the nearest name."""
    found = listed(group)
    if name not in found:
        raise unknown(group[:-1], name, found)
    return found[name]


def load(group: Group, name: str) -> Any:
    """
    Import what is registered under a name.

    Raises
    ------
    UserError
        If nothing has that name.
    RecbenchError
        If the plug-in cannot be imported; the message names it and its package.
    """
    point = find(group, name)
    try:
        return point.load()
    except Exception as error:
        raise RecbenchError(
            f"the {group[:-1]} '{name}' of package {owner(point)} cannot be imported: "
            f"{type(error).__name__}: {error}"
        ) from error


def owner(point: EntryPoint) -> str:
    """Return the name of the package that registers it."""
    return point.dist.name if point.dist is not None else "unknown package"
