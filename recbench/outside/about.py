"""What its maker says of a system: a TOML file (``--about``), of which nothing can be checked."""

import tomllib
from pathlib import Path

from pydantic import Field, ValidationError

from recbench.errors import DataError, unknown
from recbench.runs.record_parts import About
from recbench.secret import check_no_secret


class Maker(About):
    """
    What a file may say; all of it may be left out.

    Attributes
    ----------
    seed
        Of the training: another seed of the same name is another training of the same system.
    random_training
        Whether another seed would give other answers.
    """

    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    random_training: bool = True

    @property
    def about(self) -> About:
        """What is kept in words."""
        return About(**self.model_dump(include=set(About.model_fields)))


def read_maker(file: Path) -> Maker:
    """
    Read what a maker says.

    Raises
    ------
    DataError
        For a file that is no TOML; a name that is none of `Maker`, with the nearest; a value that
        is no line of text, or no seed.
    UserError
        For a value that holds a key.
    """
    try:
        found = tomllib.loads(file.read_bytes().decode())
    except FileNotFoundError:
        raise DataError(f"{file}: expected a TOML file, found none; check --about") from None
    except (ValueError, RecursionError) as error:
        words = " ".join(str(error).split())
        raise DataError(f"{file}: expected TOML in UTF-8, found {words}") from None
    for name in found:
        if name not in Maker.model_fields:
            raise DataError(f"{file}: {unknown('field', name, Maker.model_fields)}")
    check_no_secret(found, f"{file}: field")
    try:
        return Maker.model_validate(found, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        said = first["msg"].removeprefix("Value error, ")
        field, value = first["loc"][0], ascii(first["input"])[:60]
        raise DataError(f"{file}: {field}: {said}, found {value}") from None
