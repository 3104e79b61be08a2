"""
What a paper shows, as data: one TOML file a paper, a part for each of its tables and figures.

A part lists its cells, with what was published of each, or names the study whose cells are its own.
Nothing stands there that was not read in the paper, its review or a repository.
"""

import tomllib
from importlib.resources import files
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, model_validator

from recbench.errors import unknown


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PaperCell(_Frozen):
    """
    One system.

    Attributes
    ----------
    model
        Registered name.
    settings
        By which its records are told from others of the model.
    asked
        Settings that it must be run with besides.
    figures
        Of which there are values, where these are not all of the part's.
    source
        Where the figures stand: a key of `recbench.runs.published.source_of`.
    on
        Dataset to what was published, a value for each figure; none where they are not at hand.
    """

    model: str
    figures: tuple[str, ...] = ()
    settings: dict[str, Any] = {}
    asked: dict[str, Any] = {}
    source: str = ""
    on: dict[str, tuple[float, ...]]


class Part(_Frozen):
    """
    A table or a figure.

    Attributes
    ----------
    name, place
        What it shows, and where.
    study
        Registered name of the study that puts it to the test; None where `cells` are listed.
    others, llms
        More datasets, and the language models, for a study that compares several.
    protocol, figures, cells
        What is asked of which systems, and the figures that are shown.
    shared
        Whether the figures that tables of records show as published (`recbench.runs.published`)
        belong here, too.
    remark
        What must be known of the published figures.
    differs
        How the question differs, besides what `recbench.runs.published` says of all.
    """

    name: str
    place: str
    study: str | None = None
    others: tuple[str, ...] = ()
    llms: tuple[str, ...] = ()
    protocol: str = "paper"
    figures: tuple[str, ...] = ()
    cells: tuple[PaperCell, ...] = ()
    shared: bool = False
    remark: str = ""
    differs: str = ""

    @model_validator(mode="after")
    def _has_a_value_a_figure(self) -> Self:
        for cell in self.cells:
            several = len(cell.figures or self.figures)
            if any(len(values) not in (0, several) for values in cell.on.values()):
                raise ValueError(f"{self.name}: {cell.model} has not a value a figure")
        return self


class Paper(_Frozen):
    """
    A paper with its review.

    Attributes
    ----------
    title, reference
        Its name, and where it stands.
    draws
        Draws of each example's negatives that cells are to have.
    parts
        Its tables and figures.
    """

    title: str
    draws: int
    reference: str
    parts: tuple[Part, ...]


def read_paper(name: str) -> Paper:
    """Read what a paper shows; a UserError names those that there are."""
    folder = files("recbench.reproduction")
    names = [one.name for one in folder.iterdir()]
    known = [one.removesuffix(".toml") for one in names if one.endswith(".toml")]
    if name not in known:
        raise unknown("paper", name, known)
    return Paper.model_validate(tomllib.loads((folder / f"{name}.toml").read_text("utf-8")))
