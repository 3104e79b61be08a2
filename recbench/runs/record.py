"""The run record: everything that is needed to know what was run and what came out."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from recbench.evaluation.answers import Matching
from recbench.evaluation.intervals import Figure
from recbench.settings import digest

SCHEMA_VERSION: Literal[1] = 1


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Device(_Part):
    """Where a run was computed."""

    name: str = Field(description="Device that was asked for and checked: cpu or cuda:N.")
    hardware: str = Field(description="Name of the processor or of the GPU.")
    system: str = Field(description="Operating system and machine type.")
    threads: int = Field(description="Threads that one numerical operation may use on the CPU.")


class Times(_Part):
    """Wall-clock seconds by stage; of a run that went on after a kill, its last process alone."""

    prepare: float = Field(description="Reading the data, splitting it, drawing the pack, seconds.")
    fit: float = Field(description="Training, seconds.")
    score: float = Field(description="Scoring and, for models that write, answering, seconds.")
    total: float = Field(description="From the start of the run to its record, seconds.")

    @classmethod
    def between(cls, started: float, prepared: float, fitted: float, scored: float) -> "Times":
        """Make it of the moments at which the stages began and ended, in seconds."""
        return cls(
            prepare=prepared - started,
            fit=fitted - prepared,
            score=scored - fitted,
            total=scored - started,
        )


class Memory(_Part):
    """Peak memory of the process."""

    host: int = Field(description="Largest resident set of the process, bytes.")
    device: int | None = Field(description="Largest GPU memory allocated, bytes; null on a CPU.")


class Digests(_Part):
    """What the question was, as hashes."""

    dataset: str = Field(description="SHA-256 of the prepared dataset: its interactions and items.")
    catalogue: str = Field(description="SHA-256 of the items' ids and titles.")
    split: str = Field(description="SHA-256 of the split that the protocol made.")
    pack: str = Field(description="SHA-256 of the candidate pack's arrays.")


class Training(_Part):
    """What was learnt from; the defaults are the whole training part of the dataset asked about."""

    fraction: float = Field(
        default=1.0, description="Part of the training users that was learnt from, in (0, 1]."
    )
    dataset: str | None = Field(
        default=None, description="Dataset that was learnt from, where it is another one, or null."
    )
    protocol: str | None = Field(
        default=None, description="Protocol that gave that dataset's training rows, or null."
    )
    split: str | None = Field(
        default=None, description="SHA-256 of that dataset's split under that protocol, or null."
    )
    refitted: tuple[str, ...] = Field(
        default=(),
        description="What was nevertheless fitted on the training rows of the dataset asked about, "
        "in words.",
    )

    words: str | None = Field(
        default=None,
        description="Noun and verb of the prompts, where a card that recbench does not ship gives "
        "them, or null.",
    )

    def caption(self, asked: str) -> str:
        """Say which part comes from where, if not all from the dataset `asked` about."""
        if self.dataset is None:
            return ""
        own = [f"{part} trained on {asked}" for part in self.refitted]
        return ", ".join([f"tuned on {self.dataset} alone", *own])


USUAL = Training()


class Setup(_Part):
    """What is run: the part of a record that is known before a model has learnt."""

    schema_version: Literal[1] = Field(
        default=SCHEMA_VERSION, description="Version of this schema; readers refuse any other."
    )
    run_id: str = Field(description="Name of the run's folder, made from row and seed.")
    row: str = Field(
        description="SHA-256 of model, settings, ingredients, matching, dataset, protocol, pack "
        "and training; runs with the same one differ in nothing but the training seed."
    )
    model: str = Field(description="Registered name of the model.")
    preset: str | None = Field(description="Preset that the settings started from, or null.")
    settings: dict[str, Any] = Field(description="Every setting of the model, as used.")
    ingredients: dict[str, Any] = Field(
        default_factory=dict,
        description="What else decides what is learnt: digests of the language model and of the "
        "prompts, settings of the encoder.",
    )
    seed: int = Field(description="Seed of training; it never changes a pack.")
    dataset: str = Field(description="Registered name of the dataset.")
    protocol: str = Field(description="Name of the protocol.")
    training: Training = Field(default=USUAL, description="What was learnt from.")
    digests: Digests = Field(description="Hashes of dataset, catalogue, split and pack.")
    pack_seed: int = Field(description="Seed of the candidate pack.")
    draws: int = Field(description="Draws of the negatives of each example.")
    candidates: int = Field(description="Candidates of each query, the target included.")
    full_ranking: bool = Field(
        default=False,
        description="Whether all items were ranked, save those excluded for a row; `candidates` is "
        "then the size of the catalogue.",
    )
    examples: int = Field(description="Test examples.")
    matching: Matching = Field(
        description="Rule by which a written answer names a candidate: exact or substring."
    )
    caption: str = Field(
        description="What a reader must know before comparing the figures; empty for nothing."
    )
    writes: bool = Field(
        description="Whether the model wrote its answers; ValidRatio and HitRatio@1 judge those."
    )


class RunRecord(Setup):
    """One finished run; stored as ``record.json``."""

    parameters_trained: int = Field(description="Parameters that training changed.")
    fit: dict[str, Any] = Field(
        description="What the model reported of its training: epochs, best validation figure, ..."
    )
    metrics: dict[str, Figure] = Field(
        description="Figure name to value, 95% interval and number of examples; a figure that the "
        "system cannot give is left out."
    )
    device: Device = Field(description="Where it was computed.")
    times: Times = Field(description="Seconds by stage.")
    peak_memory: Memory = Field(description="Peak memory, bytes.")
    versions: dict[str, str] = Field(
        description="Versions of Python, recbench and what it stands on."
    )
    finished: str = Field(description="When the record was written, UTC, ISO 8601.")


def row_digest(
    model: str,
    settings: dict[str, Any],
    ingredients: dict[str, Any],
    digests: Digests,
    protocol: str,
    matching: Matching,
    training: Training = USUAL,
) -> str:
    """
    Name a row of the leaderboard: all that may change a figure, except the training seed.

    Parameters
    ----------
    model, settings, ingredients, protocol, matching, training
        As in `RunRecord`. A training on the usual data adds nothing, so that rows keep the digest
        that they had before there was a choice.
    digests
        Of which `Digests.dataset` and `Digests.pack` count; the split follows from dataset and
        protocol.

    Returns
    -------
    str
        64 hexadecimal characters.
    """
    asked = [digests.dataset, protocol, digests.pack, matching]
    learnt_from = [] if training == USUAL else [training.model_dump(exclude_defaults=True)]
    return digest([model, settings, ingredients, *asked, *learnt_from])


def run_id(row: str, seed: int) -> str:
    """Name the folder of one run: the same row and seed always give the same name."""
    return f"{row[:12]}-seed{seed}"


def documentation() -> str:
    """Return a Markdown list of every field of the record and what it means."""
    lines: list[str] = []
    for part in (RunRecord, Training, Digests, Figure, Device, Times, Memory):
        first = (part.__doc__ or "").strip().splitlines()[0]
        lines += [f"### {part.__name__}", "", first, ""]
        for name, field in part.model_fields.items():
            lines.append(f"- `{name}`: {field.description}")
        lines.append("")
    return "\n".join(lines)
