"""What others published of questions that are like ours, and why they are not the same."""

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from recbench.data.card import card, ships
from recbench.runs.record import RunRecord
from recbench.runs.record_parts import USUAL


class Published(NamedTuple):
    """A figure that is shown beside a row, and where it stands."""

    value: float
    source: str


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Source(_Frozen):
    name: str


class _Figures(_Frozen):
    """Of one model, with one encoder if it has any; dataset to value."""

    model: str
    encoder: str | None = None
    source: str
    on: dict[str, float]


class _Page(_Frozen):
    protocol: str
    figure: str
    why_not: str
    sources: dict[str, _Source]
    figures: tuple[_Figures, ...]


def of(record: RunRecord, figure: str) -> list[Published]:
    """
    Return what was published of a row's model, dataset and protocol in `figure`; mostly nothing.

    Nor is there anything beside rows that learnt from a part of the data, or from other data, that
    are no results, or whose dataset is not as published (`of_other_data`).
    """
    page, usual = _page(), record.training == USUAL and not record.no_result
    if (record.protocol, figure) != (page.protocol, page.figure) or not usual:
        return []
    return [
        Published(one.on[record.dataset], source_of(one.source))
        for one in page.figures
        if one.model == record.model
        and one.encoder == record.settings.get("encoder")
        and record.dataset in one.on
        and not of_other_data(record)
    ]


def of_other_data(record: RunRecord) -> bool:
    """
    Tell whether a row's dataset is known to be another than the one of its name.

    So it is where a user's folder held other files than recbench's card pins; what no card of ours
    pins is what its name says.
    """
    return record.digests.dataset != (_pinned(record.dataset) or record.digests.dataset)


def other_data(record: RunRecord) -> str:
    """Say so where a row is `of_other_data`; empty where it is not."""
    return f"the data are not {record.dataset} as published" if of_other_data(record) else ""


class Entry(NamedTuple):
    """What was published of one model, with one encoder if it has any; dataset to figure."""

    model: str
    encoder: str | None
    on: dict[str, Published]


def entries(protocol: str, figure: str) -> list[Entry]:
    """Return all that was published under a protocol in a figure, in the order of the page."""
    page = _page()
    if (protocol, figure) != (page.protocol, page.figure):
        return []
    return [
        Entry(
            one.model,
            one.encoder,
            {dataset: Published(value, source_of(one.source)) for dataset, value in one.on.items()},
        )
        for one in page.figures
    ]


def source_of(key: str) -> str:
    """Return a source of figures in words, with what its language models were."""
    return _page().sources[key].name


def cells(found: Sequence[Sequence[Published]]) -> list[str]:
    """Write the figures of each row, each with the letter of its source."""
    letters = _letters(found)
    return [", ".join(f"{one.value:.3f} ({letters[one.source]})" for one in row) for row in found]


def note(found: Sequence[Sequence[Published]], why: str | None = None) -> str:
    """Say where the figures are from, and why they do not answer the question of the table."""
    named = "; ".join(f"({letter}) {source}" for source, letter in _letters(found).items())
    reason = why_not() if why is None else why
    return f"published: {named}. It was not the same question: {reason}." if named else ""


def why_not() -> str:
    """Say why what others published of candidates that they drew is of another question."""
    return _page().why_not


def _letters(found: Sequence[Sequence[Published]]) -> dict[str, str]:
    sources = dict.fromkeys(one.source for row in found for one in row)
    return dict(zip(sources, "abcdefgh", strict=False))


@cache
def _pinned(dataset: str) -> str:
    """Return the digest on recbench's own card; empty where there is none."""
    return card(dataset).digest if ships(dataset) else ""


@cache
def _page() -> _Page:
    text = (files("recbench.runs") / "published.toml").read_text(encoding="utf-8")
    return _Page.model_validate(tomllib.loads(text))
