"""Typed settings: one pydantic class a model, unknown keys refused, digested for the run record."""

import hashlib
import inspect
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from recbench.errors import UserError, unknown
from recbench.secret import check_no_secret

LARGEST = 1e12
"""Of a number: no size, rate or count is larger, and arithmetic can hold what is not."""


class Settings(BaseModel):
    """
    Base class of every settings class.

    Instances are frozen, and numbers finite. `presets` names sets of values that a paper or a
    release used; they are applied first, what the user sets comes on top. `runtime` names the
    settings that say how something is computed and not what: they stand in a record, but name no
    row of a table; those of `passing` among them, such as how long to wait, are not even recorded,
    since a finished run is the same whatever they were. `added` names those that came later: while
    they have the default that stands in the class they name no row either, so that what was
    published before keeps its place. `counts_with` names those that mean something only where
    another has one of some values: elsewhere they cannot be changed, since nothing would follow.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    presets: ClassVar[dict[str, dict[str, Any]]] = {}
    runtime: ClassVar[frozenset[str]] = frozenset()
    passing: ClassVar[frozenset[str]] = frozenset()
    added: ClassVar[frozenset[str]] = frozenset()
    counts_with: ClassVar[dict[str, tuple[str, tuple[Any, ...]]]] = {}

    @classmethod
    def build(cls, values: Mapping[str, Any], preset: str | None = None) -> Self:
        """
        Validate what a user gave.

        Parameters
        ----------
        values
            Setting name to value; strings are parsed ("8", "1e-3", "true", and "none" or "null"
            where a setting may be None but not text; "4,4" or "[4,4]" of a setting that is a list;
            JSON of one that is a dictionary or a model, or a list of such).
            A whole number is written in digits ("1_000" and "5.0" are), not as "1e3" or "0x10".
        preset
            Name of one of `presets`, or None.

        Raises
        ------
        UserError
            For an unknown preset or setting (with the nearest name), a value out of range, or one
            that holds a key (`recbench.secret`).
        """
        if preset is not None and preset not in cls.presets:
            raise unknown("preset", preset, cls.presets)
        for key in values:
            if key not in cls.model_fields:
                raise unknown("setting", key, cls.model_fields)
        check_no_secret(values, "setting")
        given = {key: _as_given(one, cls.model_fields[key]) for key, one in values.items()}
        try:
            made = cls.model_validate({**cls.of_preset(preset, given), **given})
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"])) or "settings"
            said = first["msg"].removeprefix("Value error, ")  # pydantic's, before words of ours
            raise UserError(f"setting '{name}': {said}, not {first['input']!r}") from None
        for name, value in made:
            if (one := _largest(value)) > LARGEST:
                raise UserError(
                    f"setting '{name}': no number may exceed {LARGEST:g}, as {one} does"
                )
        return made

    def check_counts(self, given: Collection[str]) -> None:
        """
        Refuse what a user changed and from which nothing follows (`counts_with`).

        Parameters
        ----------
        given
            Names of the settings that a user gave; those of a record, which may be older than
            `counts_with`, are taken as they are.

        Raises
        ------
        UserError
            With what to set beside it.
        """
        usual = self.own_defaults()
        for name, (other, values) in self.counts_with.items():
            changed = name in given and self.record()[name] != usual[name]
            if changed and (one := getattr(self, other)) not in values:
                needed = " or ".join(map(as_text, values))
                raise UserError(
                    f"setting '{name}' counts for nothing with {other}={as_text(one)}; leave it "
                    f"out, or set {other}={needed}"
                )

    @classmethod
    def of_preset(cls, preset: str | None, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG003
        """Return the values of a preset, if one is named, that count beside what a user gave."""
        return dict(cls.presets[preset]) if preset is not None else {}

    def record(self) -> dict[str, Any]:
        """Return every setting as JSON values, for a run record; sets in one order everywhere."""
        dumped = self.model_dump(mode="json")
        sets = {name for name, value in self if isinstance(value, set | frozenset)}
        return {k: sorted(v, key=repr) if k in sets else v for k, v in dumped.items()}

    def identity(self) -> dict[str, Any]:
        """Return what names a row, as JSON values: without `runtime`, and see `added`."""
        usual = self.own_defaults()
        return {
            name: value
            for name, value in self.record().items()
            if name not in self.runtime and not (name in self.added and value == usual[name])
        }

    def decisive(self) -> dict[str, Any]:
        """Return what decides a training's numbers: every setting, those of `runtime` as usual."""
        usual = self.own_defaults()
        return self.record() | {name: usual[name] for name in self.runtime}

    @classmethod
    def completed(cls, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return an earlier version's `record` with the settings that were `added` since."""
        usual = cls.own_defaults()
        return {name: usual[name] for name in cls.added} | dict(record)

    @classmethod
    def as_recorded(cls, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a record, without what counted for nothing and is refused now."""
        return dict(record)

    @classmethod
    def own_defaults(cls) -> dict[str, Any]:
        """Return every default that stands in the class, as JSON values, whatever else is said."""
        return cls.model_construct().record()

    @classmethod
    def defaults(cls, **said: Any) -> dict[str, Any]:
        """Return every setting that has a default, as JSON values, where these are said."""
        return cls.model_construct(**said).record()

    @classmethod
    def explained(cls) -> list[tuple[list[str], str]]:
        """
        Return the settings with the words of the class that documents them.

        Returns
        -------
        list of (list of str, str)
            Names that share an explanation, and the explanation, which is empty where no class has
            one under "Attributes". A class's own come before those of its bases; every setting is
            there once.
        """
        left = list(cls.model_fields)
        found: list[tuple[list[str], str]] = []
        for owner in cls.__mro__:
            for names, meaning in _attributes(owner):
                if here := [name for name in names if name in left]:
                    found.append((here, meaning))
                    left = [name for name in left if name not in here]
        return [*found, *(([name], "") for name in left)]


def documented(kind: type) -> dict[str, str]:
    """Return what the docstring of a class says of each of its attributes."""
    return {name: meaning for names, meaning in _attributes(kind) for name in names}


def _attributes(kind: type) -> list[tuple[list[str], str]]:
    """Return names and meanings of the section "Attributes" of a class's own docstring."""
    docstring = inspect.cleandoc(vars(kind).get("__doc__") or "")
    _, _, section = docstring.partition("Attributes\n----------\n")
    found: list[tuple[list[str], list[str]]] = []
    for line in section.replace("`", "").splitlines():
        if line[:1].strip():
            names, _, _ = line.partition(" : ")  # a type may follow
            found.append((names.split(", "), []))
        elif found:
            found[-1][1].append(line.strip())
    return [(names, " ".join(words).strip()) for names, words in found]


def _as_given(value: Any, field: FieldInfo) -> Any:
    """Return what a text means, where the class does not say itself how its texts are read."""
    reads = any(isinstance(one, BeforeValidator) for one in field.metadata)
    return value if reads else parsed(value, field.annotation)


def parsed(value: Any, annotation: Any) -> Any:
    """
    Return what a text means that can mean nothing else, and other values as they are.

    None, a list, or what JSON says where a setting has parts, as a dictionary or a model has.
    """
    kinds = _kinds(annotation)
    if not isinstance(value, str) or str in kinds or value in kinds:
        return value
    if NoneType in kinds and value.strip().lower() in {"none", "null"}:
        return None
    if found := [one for one in kinds if isinstance(one, int) and as_text(one) == value]:
        return found[0]  # of a literal, which pydantic compares as it is
    if any(map(_has_parts, kinds)) and (found := _as_json(value)) is not value:
        return found
    lists = [get_origin(kind) in {tuple, list, set, frozenset} for kind in kinds]
    alone = all(one or kind is NoneType for one, kind in zip(lists, kinds, strict=True))
    if not any(lists) or not (alone or "," in value or value.strip().startswith("[")):
        return value
    if '"' in value and isinstance(found := _as_json(value), list):
        return found
    inside = value.strip().removeprefix("[").removesuffix("]")
    return [part.strip() for part in inside.split(",")] if inside.strip() else []


def _has_parts(kind: Any, inside: bool = False) -> bool:
    """Tell whether values of a type hold more than texts and numbers, side by side."""
    origin = get_origin(kind) or kind
    if origin in {tuple, list}:
        parts = [one for part in get_args(kind) for one in _kinds(part)]
        return inside or any(_has_parts(part, inside=True) for part in parts)
    return isinstance(origin, type) and issubclass(origin, Mapping | BaseModel)


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def as_text(value: Any) -> str:
    """Write a setting so that `Settings.build` reads it again: as ``--set`` takes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, set | frozenset):
        value = sorted(value, key=str)
    if not isinstance(value, list | tuple | Mapping):
        return str(value)
    if isinstance(value, Mapping) or any(map(_needs_quotes, value)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return ",".join(map(as_text, value))


def _needs_quotes(value: Any) -> bool:
    """Tell whether what stands in a list is read as something else when commas part it."""
    text = str(value) if isinstance(value, str | Path) else ""
    has_marks = bool(set(text) & set(',"[]')) or text != text.strip()
    return has_marks or isinstance(value, list | tuple | Mapping)


def _largest(value: Any) -> float:
    """Return the size of a number, or of the largest number in a sequence; 0 of anything else."""
    if isinstance(value, tuple | list):
        return max(map(_largest, value), default=0)
    return abs(value) if isinstance(value, int | float) else 0


def _kinds(annotation: Any) -> list[Any]:
    """Return the types of a union and the values of a literal."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kinds(parts[0])
    if origin in {Union, UnionType, Literal}:
        return [kind for part in parts for kind in _kinds(part)]
    return [annotation]


def digest(value: Any) -> str:
    """
    Hash a JSON value.

    Returns
    -------
    str
        64 hexadecimal characters: SHA-256 of the value's JSON with sorted keys.
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
