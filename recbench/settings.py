"""Typed settings: one pydantic class a model, unknown keys refused, digested for the run record."""

import hashlib
import json
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from recbench.errors import UserError, unknown


class Settings(BaseModel):
    """
    Base class of every settings class.

    Instances are frozen. `presets` names sets of values that a paper or a release used; they are
    applied first, what the user sets comes on top.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    presets: ClassVar[dict[str, dict[str, Any]]] = {}

    @classmethod
    def build(cls, values: Mapping[str, Any], preset: str | None = None) -> Self:
        """
        Validate what a user gave.

        Parameters
        ----------
        values
            Setting name to value; strings are parsed ("8", "1e-3", "true", and "none" or "null"
            where a setting may be None but not text).
        preset
            Name of one of `presets`, or None.

        Raises
        ------
        UserError
            For an unknown preset or setting (with the nearest name) or a value out of range.
        """
        if preset is not None and preset not in cls.presets:
            raise unknown("preset", preset, cls.presets)
        for key in values:
            if key not in cls.model_fields:
                raise unknown("setting", key, cls.model_fields)
        given = {key: _parsed(value, cls.model_fields[key]) for key, value in values.items()}
        try:
            return cls.model_validate({**cls.presets.get(preset or "", {}), **given})
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"])) or "settings"
            raise UserError(f"setting '{name}': {first['msg']}, not {first['input']!r}") from None

    def record(self) -> dict[str, Any]:
        """Return every setting as JSON values, for a run record."""
        return self.model_dump(mode="json")


def _parsed(value: Any, field: FieldInfo) -> Any:
    """Return None for a text that can mean nothing else, and other values as they are."""
    if not isinstance(value, str) or value.strip().lower() not in {"none", "null"}:
        return value
    kinds = _kinds(field.annotation)
    return None if NoneType in kinds and not {str, value} & kinds else value


def _kinds(annotation: Any) -> set[Any]:
    """Return the types of a union and the values of a literal."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kinds(parts[0])
    if origin in {Union, UnionType, Literal}:
        return set().union(*map(_kinds, parts))
    return {annotation}


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
