"""
The one door: models, datasets, protocols, metrics, studies and cards are entry points.

An entry point is a name and a target, so listing costs no import. To add a model:

1. write a class that fulfils `recbench.recommender.Recommender`, or `Answerer`;
2. in your package's ``pyproject.toml``, under ``[project.entry-points."recbench.models"]``,
   write ``mymodel = "my_package.my_module:MyModel"``;
3. ``pip install`` your package: ``recbench models`` lists it and ``recbench run --model mymodel``
   runs it.

Many models of one library are a family: each is an entry point ``family:Model``, and one more under
``[project.entry-points."recbench.model_families"]`` names a `Family`, which says what is missing.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from traceback import walk_tb
from types import TracebackType
from typing import Any, Literal

from recbench.errors import NotInstalledError, PluginError, RecbenchError, UserError, unknown

Group = Literal[
    "models",
    "model_families",
    "datasets",
    "protocols",
    "metrics",
    "language_models",
    "text_encoders",
    "studies",
]


@dataclass(frozen=True)
class Family:
    """
    Models of one library, named ``family:Model``.

    Attributes
    ----------
    summary
        What they are, in one line.
    left_out
        Name in the library to why it is no model here: a part of a sentence, such as "it needs
        features of items".
    """

    summary: str
    left_out: Mapping[str, str]


def listed(group: Group) -> dict[str, EntryPoint]:
    """
    List what is registered, without importing any of it.

    Parameters
    ----------
    group
        Which door.

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
                f"two packages register the {_kind(group)} '{point.name}': "
                f"{owner(other)} and {owner(point)}; uninstall one of them"
            )
    return dict(sorted(found.items()))


def find(group: Group, name: str) -> EntryPoint:
    """Return the entry point of that name, or raise UserError with the nearest name, or why not."""
    found = listed(group)
    if name not in found:
        raise (_left_out(name) if group == "models" else None) or unknown(_kind(group), name, found)
    return found[name]


def members(family: str) -> list[str]:
    """Return the registered models of a family, as the library names them."""
    prefix = f"{family}:"
    return [name.removeprefix(prefix) for name in listed("models") if name.startswith(prefix)]


def _left_out(name: str) -> UserError | None:
    """Say why a family has no such model; None where it says nothing."""
    family, _, member = name.partition(":")
    if family not in listed("model_families"):
        return None
    what = f"`recbench models {family}`"
    if not member:
        return UserError(
            f"'{family}' is a family of models: name one, {family}:MODEL; {what} lists them"
        )
    reasons: Mapping[str, str] = load("model_families", family).left_out
    for known, reason in reasons.items():
        if known.casefold() == member.casefold():
            return UserError(
                f"{family}:{known} cannot be run: {reason}; {what} lists those that can"
            )
    return None


def load(group: Group, name: str) -> Any:
    """
    Import what is registered under a name.

    Raises
    ------
    UserError
        If nothing has that name; a NotInstalledError if the plug-in needs another package.
    RecbenchError
        If the plug-in cannot be imported, or exits; the message names it and its package.
    """
    point = find(group, name)
    try:
        return point.load()
    except (NotInstalledError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit, too: it would end recbench without a word
        raise _failure(point, "cannot be imported", error) from error


@contextmanager
def blamed(point: EntryPoint, what: str = "failed") -> Iterator[None]:
    """
    Name the plug-in that is called, and nothing else, if it raises or exits.

    Raises
    ------
    RecbenchError
        One line: whose it is, the type of what was raised and its first line. Errors of recbench
        have their words already and pass, but a `PluginError`, which lacks the name; Ctrl-C passes.
    """
    try:
        yield
    except PluginError as error:
        raise RecbenchError(f"{in_words(point)}: {error}") from error
    except (RecbenchError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise _failure(point, what, error) from error


@contextmanager
def blamed_if_at_fault(group: Group, name: str) -> Iterator[None]:
    """
    Do as `blamed` where code of recbench runs as well: a bug of ours is not called the plug-in's.

    What is raised is its own where its package is on the way from here to the error. If that is the
    package of another plug-in of the group (a model's encoder), that one is named; our own never.
    """
    try:
        yield
    except PluginError as error:
        raise RecbenchError(f"{in_words(find(group, name))}: {error}") from error
    except (RecbenchError, KeyboardInterrupt):
        raise
    except BaseException as error:
        passed = _packages(error.__traceback__)
        for point in (find(group, name), *listed(group).values()):
            if owner(point) != "recbench" and _package(point) in passed:
                raise _failure(point, "failed", error) from error
        raise


def in_words(point: EntryPoint) -> str:
    """Say which plug-in it is: kind, name and package."""
    kind = _kind(point.group.removeprefix("recbench."))
    return f"the {kind} '{point.name}' of package {owner(point)}"


def owner(point: EntryPoint) -> str:
    """Return the name of the package that registers it."""
    return point.dist.name if point.dist is not None else "unknown package"


def _kind(group: str) -> str:
    """Return what one of a group is called."""
    irregular = {"model_families": "model family", "studies": "study"}
    return irregular.get(group) or group.removesuffix("s").replace("_", " ")


def _failure(point: EntryPoint, what: str, error: BaseException) -> RecbenchError:
    first = next(iter(str(error).strip().splitlines()), "")
    said = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return RecbenchError(f"{in_words(point)} {what}: {said} (--debug shows the traceback)")


def _packages(traceback: TracebackType | None) -> set[str]:
    """Return the packages that a traceback passes through."""
    modules = (frame.f_globals.get("__name__", "") for frame, _ in walk_tb(traceback))
    return {module.partition(".")[0] for module in modules}


def _package(point: EntryPoint) -> str:
    return point.value.partition(":")[0].partition(".")[0].strip()
