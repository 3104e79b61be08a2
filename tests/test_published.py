"""The published runs are those of the code beside them: made again, they are the same rows."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from recbench.llm.cards import LANGUAGE_MODEL, TEXT_ENCODER, LanguageModelCard, card_of
from recbench.llm.weights.places import at_hand
from recbench.request import Experiment
from recbench.runs.identity import row_of
from recbench.runs.record import FIGURE_VERSION, RunRecord
from recbench.runs.store import run_folders, runs
from recbench.stages import build

SAID = ("llm", "examples", "batch_size", "learning_rate", "objective")
"""What is set for a pretrained model: as many rows as a laptop can, at the rate of its search."""

RESULTS = Path(__file__).parents[1] / "results"

pytestmark = pytest.mark.honesty
each_run = pytest.mark.parametrize(
    "record",
    run_folders(RESULTS),
    ids=lambda folder: f"{folder.parent.name}-{folder.name}",
    indirect=True,
)


@cache
def checked() -> tuple[dict[Path, RunRecord], list[str]]:
    """Return the records by their folders, and why others are refused; collecting takes neither."""
    refused: list[str] = []
    return {run.folder: run.record for run in runs(RESULTS, refused.append)}, refused


@pytest.fixture
def record(request: pytest.FixtureRequest) -> RunRecord:
    found, _ = checked()
    if request.param not in found:
        pytest.skip("it is refused, as the check of all runs says")
    return found[request.param]


def test_every_one_passes_the_checks_of_a_table() -> None:
    found, refused = checked()
    old = [reason for reason in refused if "schema version 1, expected 2" in reason]
    assert set(refused) == set(old)
    if old:
        pytest.skip(f"{len(old)} runs are of the schema before, and are to be made anew")
    assert len(found) >= 5


def test_every_file_can_be_checked_out_on_windows() -> None:
    names = {path.name for path in RESULTS.rglob("*")}
    assert not [name for name in names if set(name) & set('<>:"|?*\\') or name[-1] in ". "]


@each_run
def test_the_command_that_made_it_would_make_the_same_row(record: RunRecord) -> None:
    said = _said(record) if "llm" in record.settings else {}
    if record.settings.get("llm") == "tiny":  # whose card says the rest
        usual = {"examples": 1000, "routing": "soft"}
        had = {name: record.settings.get(name, value) for name, value in usual.items()}
        said = {name: value for name, value in had.items() if value != usual[name]}
    names = {"model": record.model, "protocol": record.protocol, "preset": record.preset}
    model = build(Experiment(**names, settings=said))
    assert model.settings.identity() == record.settings
    for card in _cards(record):
        if not at_hand(card):
            pytest.skip(f"{card.name} is not at hand")
    assert model.ingredients() == record.ingredients
    assert model.random_training == record.random_training
    assert record.caption.startswith(model.caption)
    assert row_of(record) == record.row


def _cards(record: RunRecord) -> list[LanguageModelCard]:
    """Return the cards of the pretrained models that a row is made with."""
    kinds = {"llm": LANGUAGE_MODEL, "text_encoder": TEXT_ENCODER}
    named = (card_of(record.settings.get(name, ""), kind) for name, kind in kinds.items())
    return [card for card in named if card is not None]


def _said(record: RunRecord) -> dict[str, Any]:
    """Return what a command names of a pretrained model's row; all else is the default."""
    return {name: record.settings[name] for name in SAID if name in record.settings}


@each_run
def test_its_figures_are_of_this_version(record: RunRecord) -> None:
    """If not: a golden run has moved since, and what is published must be made anew."""
    assert record.provenance.figure_version == FIGURE_VERSION
    assert record.trained.provenance.figure_version == FIGURE_VERSION
