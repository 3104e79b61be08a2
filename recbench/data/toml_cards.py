"""Cards: TOML files that entry points name, read without importing the package they lie in."""

import json
import tomllib
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from recbench.errors import RecbenchError
from recbench.registry import Clash, Registered, blamed, in_words


def inside(path: str) -> str:
    """Return a path that stays below its folder; ValueError for any other."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    if parts[:1] == ("/",) or ".." in parts or path[1:2] == ":" or "\0" in path:
        raise ValueError(f"expected a path that stays in its folder, found {path!r}")
    return path


def _line(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"expected one line of text that can be printed, found {text!r}")
    return text


LONGEST = 200
"""Bytes of a name: most file systems take 255, and other words stand beside it."""


def folder_name(text: str) -> str:
    """Return a name for a folder and for lists parted by commas; ValueError for any other."""
    if not text or text.startswith(".") or not {"/", "\\", ","}.isdisjoint(_line(text)):
        raise ValueError(
            f"expected a name without slashes and commas, found {text!r}: it names folders"
        )
    if len(text.encode()) > LONGEST:
        raise ValueError(f"expected {LONGEST} bytes at most, as it names folders: {text[:20]!r}...")
    return text


Line = Annotated[str, AfterValidator(_line)]
"""One line that somebody wrote, which stands in prompts and tables."""

Inside = Annotated[str, AfterValidator(inside)]
"""A path below a folder: a card of a package names nothing else on the disk."""


class NamedCard(BaseModel):
    """What every kind of card has: a name, fixed fields, no others."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: Annotated[str, AfterValidator(folder_name)]


C = TypeVar("C", bound=NamedCard)


def read_card(place: Registered | Path, kind: type[C]) -> C:
    """
    Read the card that an entry point names as ``package.folder:file.toml``, or a file.

    A file has its name from its folder.

    Raises
    ------
    RecbenchError
        If it cannot be read, is not of that kind or has another name; the entry point is named.
        A UserError if its name is registered more than once.
    """
    if isinstance(place, Clash):
        raise place.refusal
    name = place.parent.name if isinstance(place, Path) else place.name
    try:
        file = place if isinstance(place, Path) else _file(place)
        read = kind.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        # A misspelt field is also a missing one: its name says more.
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        where = ".".join(map(str, first["loc"])) or "card"
        said = "no such field" if first["type"] == "extra_forbidden" else first["msg"]
        said = said.removeprefix("Value error, ")  # pydantic's, before words of ours
        raise _unreadable(place, f"{where}: {said}") from None
    except (ImportError, OSError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise _unreadable(place, f"{type(error).__name__}: {said}") from None
    if read.name != name:
        raise _unreadable(place, f"it calls itself '{read.name}'")
    return read


def read_cards(
    places: Mapping[str, Registered | Path], kind: type[C], report: Callable[[str], None] | None
) -> dict[str, C]:
    """
    Read every card.

    Parameters
    ----------
    places
        Entry points or files by name.
    kind
        Of the cards.
    report
        Told one line about each card that cannot be read, which is then left out. Without it
        the first such card raises RecbenchError.
    """
    found = {}
    for name, place in places.items():
        try:
            found[name] = read_card(place, kind)
        except RecbenchError as error:
            if report is None:
                raise
            report(str(error))
    return found


def card_text(card: NamedCard) -> str:
    """Return a card as TOML, a field a line, without those that are as they would be anyway."""
    fields = card.model_dump(mode="json", exclude_defaults=True)
    return "".join(f"{key} = {_toml(value)}\n" for key, value in fields.items())


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{_toml(key)} = {_toml(each)}" for key, each in value.items()) + " }"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    # Text, numbers and booleans are those of JSON, but for one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _file(point: EntryPoint) -> Path:
    # The folder is found, not imported: importlib.resources would import it, and refuses the paths
    # of an editable install (a namespace package with a place that is no directory). The packages
    # around it are imported, though.
    with blamed(point, "cannot be imported"):
        spec = find_spec(point.module)
    for place in (spec and spec.submodule_search_locations) or ():
        if (file := Path(place) / point.attr).is_file():
            return file
    raise FileNotFoundError(f"no file {point.attr} in {point.module}")


def _unreadable(place: EntryPoint | Path, reason: str) -> RecbenchError:
    if isinstance(place, Path):
        return RecbenchError(f"{place} is broken: {reason}")
    return RecbenchError(f"the card of {in_words(place)} ({place.value}) is broken: {reason}")
