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

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Any, Literal, TypeAlias, TypeVar

from recbench.errors import (
    NotInstalledError,
    PluginError,
    RecbenchError,
    UnusableError,
    UserError,
    unknown,
)

T = TypeVar("T")

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


@dataclass(frozen=True)
class Clash:
    """
    A name that is registered more than once: it is known, and nothing can be loaded by it.

    Attributes
    ----------
    points
        All that claim it, with different targets or of different packages.
    """

    points: tuple[EntryPoint, ...]

    @property
    def own(self) -> EntryPoint | None:
        """The one that recbench itself registers; None where it has none of that name."""
        return next((point for point in self.points if owner(point) == _OURS), None)

    @property
    def refusal(self) -> UnusableError:
        """Why it is refused, naming the packages, and which to uninstall."""
        owners = sorted({owner(point) for point in self.points})
        others = [one for one in owners if one != _OURS]
        needless = others if len(others) == 1 or _OURS in owners else []
        return UnusableError(
            f"the {_kind_of(self.points[0])} '{self.points[0].name}' is registered more than once, "
            f"by {' and '.join(owners)}; "
            f"uninstall {' and '.join(needless) or 'all but one of them'}"
        )


Registered: TypeAlias = EntryPoint | Clash
"""What stands behind a name."""

_OURS = "recbench"


def listed(group: Group) -> dict[str, Registered]:
    """
    List what is registered, without importing any of it.

    Parameters
    ----------
    group
        Which door.

    Returns
    -------
    dict of str to EntryPoint, or to Clash
        Sorted by name.
    """
    return dict(_listed(group, entry_points))


@cache
def _listed(group: Group, source: Callable[..., EntryPoints]) -> dict[str, Registered]:
    # Reading what is installed takes 10 ms, and to check a thousand runs it is asked ten thousand
    # times: once a process is enough.
    found: dict[str, list[EntryPoint]] = {}
    for point in source(group=f"recbench.{group}"):
        found.setdefault(point.name, []).append(point)
    return {name: _one_or_clash(points) for name, points in sorted(found.items())}


def _one_or_clash(points: list[EntryPoint]) -> Registered:
    if len(points) == 1:  # to ask whose it is reads a file
        return points[0]
    # A package seen twice on sys.path (an editable install and its checkout) is one package.
    apart: dict[tuple[str, str], EntryPoint] = {}
    for point in points:
        apart.setdefault((point.value, owner(point)), point)
    return points[0] if len(apart) == 1 else Clash(tuple(apart.values()))


def sound(group: Group, report: Callable[[str], None], prefix: str = "") -> dict[str, EntryPoint]:
    """
    List what can be loaded, as `listed`.

    Parameters
    ----------
    group
        Which door.
    report
        Told one line about each name that is left out: it is registered more than once, or no user
        can write it.
    prefix
        List the names alone that begin so.
    """
    found = {}
    for name, one in listed(group).items():
        if not name.startswith(prefix):
            continue
        if isinstance(one, Clash):
            report(f"left out: {one.refusal}")
        elif refusal := _misnamed(one):
            report(f"left out: {refusal}")
        else:
            found[name] = one
    return found


def claims(group: Group) -> list[EntryPoint]:
    """Return every entry point of a group, those that claim one name, too."""
    found = listed(group).values()
    return [point for one in found for point in (one.points if isinstance(one, Clash) else (one,))]


def check_known(group: Group, name: str) -> None:
    """
    Refuse a name that nobody has; one that several packages claim is known.

    Raises
    ------
    UserError
        With the nearest name, or why there is none.
    """
    known = listed(group)
    if name not in known:
        raise (_left_out(name) if group == "models" else None) or unknown(_kind(group), name, known)


def find(group: Group, name: str) -> EntryPoint:
    """
    Return the entry point of that name.

    Raises
    ------
    UserError
        As `check_known`; an UnusableError if there is more than one, with whose they are, or it
        cannot be called so.
    """
    check_known(group, name)
    found = listed(group)[name]
    if isinstance(found, Clash):
        raise found.refusal
    if refusal := _misnamed(found):
        raise refusal
    return found


_KEPT = {"protocols": "trainings", "models": "external:.*"}
"""Names of a group that stand for something else: a folder beside its own, answers from a file."""


def _misnamed(point: EntryPoint) -> UnusableError | None:
    """Refuse a name that means something else in a list or among folders; None for any other."""
    if re.fullmatch(_KEPT.get(point.group.removeprefix("recbench."), ""), point.name):
        return UnusableError(
            f"{in_words(point)} cannot be called so: recbench keeps the name for itself; its "
            f"package must register another (to do without it: pip uninstall {owner(point)})"
        )
    if {",", "/", "\\"}.isdisjoint(point.name):
        return None
    return UnusableError(
        f"{in_words(point)} cannot be called so: commas part names and slashes folders; its "
        f"package must register another name (to do without it: pip uninstall {owner(point)})"
    )


def family(name: str) -> Family:
    """
    Import a family of models.

    Raises
    ------
    UserError
        If nothing has that name.
    RecbenchError
        If it cannot be imported, or is no family; the message names it and its package.
    """
    found: Family = load("model_families", name)
    with blamed(find("model_families", name)):
        if not _is_family(found):
            raise PluginError("it is no Family of recbench.registry, with texts alone in it")
    return found


def _is_family(found: Any) -> bool:
    return (
        isinstance(found, Family)
        and isinstance(found.summary, str)
        and isinstance(found.left_out, Mapping)
        and all(isinstance(text, str) for pair in found.left_out.items() for text in pair)
    )


def members(family: str, report: Callable[[str], None] = lambda _: None) -> list[str]:
    """Return the models of a family, as the library names them; see `sound` for `report`."""
    prefix = f"{family}:"
    return [name.removeprefix(prefix) for name in sound("models", report, prefix)]


def _left_out(name: str) -> UserError | None:
    """Say why a family has no such model; None where it says nothing."""
    library, _, member = name.partition(":")
    if library not in listed("model_families"):
        return None
    what = f"`recbench models {library}`"
    if not member:
        return UserError(
            f"'{library}' is a family of models: name one, {library}:MODEL; {what} lists them"
        )
    for known, reason in family(library).left_out.items():
        if known.casefold() == member.casefold():
            return UserError(
                f"{library}:{known} cannot be run: {reason}; {what} lists those that can"
            )
    return None


def load(group: Group, name: str) -> Any:
    """
    Import what is registered under a name.

    Raises
    ------
    UserError
        If nothing has that name; an UnusableError if more than one has, or the plug-in needs
        another package.
    RecbenchError
        If the plug-in cannot be imported, or exits; the message names it and its package.
    """
    return loaded(find(group, name))


def loaded(point: EntryPoint) -> Any:
    """Import what an entry point names; raises as `load`."""
    try:
        return point.load()
    except (NotInstalledError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit, too: it would end recbench without a word
        raise _failure(in_words(point), "cannot be imported", error) from error


def if_usable(work: Callable[[], T]) -> T | None:
    """
    Return what `work` does; None where its plug-in cannot be had or fails, whatever it is asked.

    Where several are asked, the run of such a one says so by itself, and stops no other.

    Raises
    ------
    UserError
        For any other mistake: what was asked is amiss.
    """
    try:
        return work()
    except UnusableError:
        return None
    except UserError:
        raise
    except RecbenchError:
        return None


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
        with _where_it_was():
            yield
    except PluginError as error:
        raise RecbenchError(f"{in_words(point)}: {error}") from error
    except (RecbenchError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise _failure(in_words(point), what, error) from error


@contextmanager
def blamed_if_at_fault(group: Group, name: str) -> Iterator[None]:
    """
    Do as `blamed` where code of recbench runs as well: a bug of ours is not called the plug-in's.

    What is raised is its own where its package is on the way from here to the error. If that is the
    package of another plug-in of the group (a model's encoder), that one is named; our own never.
    """
    try:
        with _where_it_was():
            yield
    except PluginError as error:
        raise RecbenchError(f"{in_words(find(group, name))}: {error}") from error
    except (RecbenchError, KeyboardInterrupt):
        raise
    except BaseException as error:
        passed, asked = _packages(error.__traceback__), find(group, name)
        for point in (asked, *claims(group)):
            if owner(point) != _OURS and _package(point) in passed:
                others = sum(_package(one) == _package(point) for one in claims(group))
                which = in_words(point)
                if point is not asked and others > 1:  # nothing tells which of them it is
                    which = f"a {_kind_of(point)} of package {owner(point)}"
                raise _failure(which, "failed", error) from error
        raise


@contextmanager
def _where_it_was() -> Iterator[None]:
    """Come back to the working directory, to which results may be relative, if it is left."""
    before = _working_directory()
    try:
        yield
    finally:
        if before is not None and _working_directory() != before:
            with suppress(OSError):  # it has been removed
                os.chdir(before)


def _working_directory() -> Path | None:
    """Return it; None where it has been removed."""
    try:
        return Path.cwd()
    except OSError:
        return None


def in_words(point: EntryPoint) -> str:
    """Say which plug-in it is: kind, name and package."""
    return f"the {_kind_of(point)} '{point.name}' of package {owner(point)}"


def owner(point: EntryPoint) -> str:
    """Return the name of the package that registers it."""
    return point.dist.name if point.dist is not None else "unknown package"


def package_of(point: EntryPoint) -> str:
    """Return the name of the package that registers it, and its version."""
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "unknown"


def is_own(claimed: Registered) -> bool:
    """
    Tell whether recbench has one of that name, which others may claim, too.

    What is asked for is whose code it is: to ask which package registers it reads a file.
    """
    point = claimed.own if isinstance(claimed, Clash) else claimed
    return point is not None and _package(point) == _OURS


def foreign_package(group: Group, name: str) -> str | None:
    """Return whose a name is, as `package_of`; None where it is recbench's own, or nobody's."""
    point = find(group, name) if name in listed(group) else None
    return None if point is None or owner(point) == _OURS else package_of(point)


def _kind_of(point: EntryPoint) -> str:
    return _kind(point.group.removeprefix("recbench."))


def _kind(group: str) -> str:
    """Return what one of a group is called."""
    irregular = {"model_families": "model family", "studies": "study"}
    return irregular.get(group) or group.removesuffix("s").replace("_", " ")


def _failure(which: str, what: str, error: BaseException) -> RecbenchError:
    first = next(iter(str(error).strip().splitlines()), "")
    said = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return RecbenchError(f"{which} {what}: {said} (--debug shows the traceback)")


def _packages(traceback: TracebackType | None) -> set[str]:
    """Return the packages that a traceback passes through."""
    modules = (frame.f_globals.get("__name__", "") for frame, _ in walk_tb(traceback))
    return {module.partition(".")[0] for module in modules}


def _package(point: EntryPoint) -> str:
    return point.value.partition(":")[0].partition(".")[0].strip()
