"""``manifest.json``: which questions a folder holds, and what answers them."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recbench.data.dataset import array_digest
from recbench.errors import DataError
from recbench.outside.sheet import Kind, Sheet
from recbench.runs.record_parts import Digests

MANIFEST = "manifest.json"

SCORES = (
    "JSON Lines or Parquet, one row for each row of questions.jsonl, in any order, with its key "
    "and one of: scores, a number for each of {these} in their order, or an object of every id and "
    "its number, the higher the better; ranking, ids of {these}, the best first, all or only the "
    "top (what is not named is worst). Numbers are finite. Ties count against the system."
)
TEXT = (
    " Or text: what the system wrote, word for word; its first line is matched with the titles of "
    "the candidates, and what names none, or several, is a miss."
)


class Manifest(BaseModel):
    """
    What a folder of questions says of itself.

    Attributes
    ----------
    version
        Of this file's fields.
    kind
        How the questions are to be answered, see `recbench.outside.sheet.Kind`.
    dataset, protocol, protocol_version, draws, pack_seed, candidates
        What is asked, as in a run's record; `protocol` names what was changed of it.
    rows
        How many questions there are.
    digests
        Of dataset, catalogue, split and pack, as in a run's record.
    keys
        SHA-256 of all keys.
    answer
        What a valid answer file is.
    files
        Name to SHA-256.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    kind: Kind
    dataset: str
    protocol: str
    protocol_version: int
    draws: int = Field(ge=1)
    pack_seed: int
    candidates: int
    rows: int
    digests: Digests
    keys: str
    answer: str
    files: dict[str, str]

    @classmethod
    def of(cls, sheet: Sheet, pack_seed: int, files: dict[str, str]) -> "Manifest":
        """Say what a sheet asks, and which files hold it."""
        question = sheet.question
        full, pack = question.protocol.full, question.pack
        these = "items.jsonl" if full else "its candidates"
        texts = not full and pack.draws == 1
        return cls(
            kind=sheet.kind,
            dataset=question.dataset.card.name,
            protocol=question.protocol.name,
            protocol_version=question.protocol.version,
            draws=pack.draws,
            pack_seed=pack_seed,
            candidates=pack.size,
            rows=len(sheet.keys),
            digests=question.digests,
            keys=array_digest(*sheet.keys),
            answer=SCORES.format(these=these) + (TEXT if texts else ""),
            files=files,
        )

    def asks_as(self, other: "Manifest") -> bool:
        """Tell whether it is of the same questions, however they are written."""
        return all(getattr(self, name) == getattr(other, name) for name in _ASKED)

    def check_same(self, made: "Manifest", file: Path) -> None:
        """
        Compare with what the questions are that were `made` again from the data at hand.

        Raises
        ------
        DataError
            With what is not the same.
        """
        for name in _ASKED:
            own, other = getattr(self, name), getattr(made, name)
            if own != other:
                raise DataError(
                    f"{file}: its {name} is {_short(own)}, and {_short(other)} of the questions as "
                    "they are made of the data at hand; make them anew with: recbench questions, "
                    "or name the folder of the raw files they were made from by --data-dir"
                )


_ASKED = [name for name in Manifest.model_fields if name not in ("files", "answer")]
"""The fields that say what is asked."""


def read_manifest(folder: Path) -> Manifest:
    """
    Read what a folder of questions says of itself.

    Raises
    ------
    DataError
        If there is none, or it is not as recbench writes it.
    """
    file = folder / MANIFEST
    try:
        return Manifest.model_validate_json(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{file} is missing; make the questions with: recbench questions") from None
    except ValidationError as error:
        first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    raise DataError(
        f"{file}: expected what recbench questions writes, found {where and f'{where}: '}"
        f"{first['msg']}; make the questions anew"
    )


def _short(value: object) -> str:
    if isinstance(value, Digests):
        return ", ".join(f"{name} {text[:12]}" for name, text in value)
    return str(value)[:80]
