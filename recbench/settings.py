"""Typed settings: one pydantic class a model, unknown keys refused, digested for the run record."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

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
            Setting name to value; strings are parsed ("8", "1e-3", "true").
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
        try:
            return cls.model_validate({**cls.presets.get(preset or "", {}), **values})
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"])) or "settings"
            raise UserError(f"setting '{name}': {first['msg']}, not {first['input']!r}") from None

    def record(self) -> dict[str, Any]:
        """Return every setting as JSON values, for a run record."""
        return self.model_dump(mode="json")


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
