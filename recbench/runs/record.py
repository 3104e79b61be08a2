"""The run record: everything that is needed to know what was run and what came out."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, Field, model_validator

from recbench.data.card import Rules
from recbench.evaluation.answers import Matching
from recbench.evaluation.audit import Audit
from recbench.evaluation.metrics import tells
from recbench.questions.controls import MEANING, Control
from recbench.questions.protocols.choice import brought
from recbench.runs.places import as_folder
from recbench.runs.record_parts import (
    FROM_OUTSIDE,
    USUAL,
    Digests,
    Memory,
    Outside,
    Part,
    Provenance,
    Times,
    Training,
)
from recbench.settings import digest, documented
from recbench.statistics.intervals import Figure

SCHEMA_VERSION: Literal[2] = 2

FIGURE_VERSION = 1
"""Of all code that decides a figure: raise it when a golden run moves (`tests/golden`)."""


_BEGUN_WITH = ("llm", "encoder")
"""Settings of what is begun with something that was trained, or tried, before."""

LATER = (
    *("left_out", "ranks", "account", "kind", "outside", "control", "limit", "ranked"),
    "rules",
)
"""Fields that came later: at their default the digest of a record is what it was without them."""


class Setup(Part):
    """What is run: the part of a record that is known before a model has learnt."""

    schema_version: Literal[2] = Field(
        default=SCHEMA_VERSION, description="Version of this schema; readers refuse any other."
    )
    kind: Literal["run", "external"] = Field(
        default="run",
        description="run: recbench trained and asked the model; external: its answers came in a "
        "file, and recbench has seen nothing else of it.",
    )
    run_id: str = Field(description="Name of the run's folder, made from row and seed.")
    row: str = Field(
        description="SHA-256 of model, settings (but those of the runtime), ingredients, matching, "
        "dataset, protocol, split, pack, training and control; runs with the same one differ in "
        "nothing but the training seed."
    )
    model: str = Field(
        description="Registered name of the model; of kind external the name that was given, "
        "behind `external:`."
    )
    preset: str | None = Field(description="Preset that the settings started from, or null.")
    settings: dict[str, Any] = Field(
        description="Every setting of the model that decides what is computed."
    )
    ingredients: dict[str, Any] = Field(
        default_factory=dict,
        description="What else decides what is learnt: digests of the language model and of the "
        "prompts, settings of the encoder.",
    )
    seed: int = Field(description="Seed of training; it never changes a pack.")
    random_training: bool = Field(
        description="Whether another seed gives another model; if not, one run is all there is."
    )
    dataset: str = Field(description="Registered name of the dataset.")
    protocol: str = Field(description="Name of the protocol.")
    protocol_version: int = Field(default=1, ge=1, description="Version of the protocol's card.")
    rules: Rules | None = Field(
        default=None,
        description="What the protocol went by of the dataset's card: the filters, and the order "
        "of a sequence. Null where it was not written down.",
    )
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
    ranked: int | None = Field(
        default=None,
        description="Of a full ranking, how many items were ranked in the row that left the most; "
        "null of others, and where it was not written down.",
    )
    examples: int = Field(description="Test examples.")
    left_out: int = Field(
        default=0,
        description="Test rows that are no examples, since they have too few competitors.",
    )
    matching: Matching = Field(
        description="Rule by which a written answer names a candidate: exact or substring."
    )
    caption: str = Field(
        description="What a reader must know before comparing the figures; empty for nothing."
    )
    writes: bool = Field(
        description="Whether the model wrote its answers; ValidRatio and HitRatio@1 judge those."
    )
    ranks: bool = Field(
        default=True,
        description="Whether the model ranked the candidates; what only writes has neither ranks "
        "nor scores.",
    )
    control: Control | None = Field(
        default=None,
        description="What the model was shown otherwise when it was asked (`--control`), or null.",
    )
    limit: int | None = Field(
        default=None,
        description="How many test rows were asked about, the first ones (`--limit`); null for all "
        "of them.",
    )

    @model_validator(mode="after")
    def _ranks_what_there_is(self) -> Self:
        """Refuse a number of items that would hide figures, as of one there are none to tell."""
        if self.ranked is not None and not (
            self.full_ranking and 1 <= self.ranked <= self.candidates
        ):
            raise ValueError(
                f"ranked is said of a full ranking alone, from 1 to its {self.candidates} items"
            )
        return self

    @property
    def place(self) -> tuple[str, str, str, str]:
        """The names of the run's folder and of those around it, the outermost first."""
        return self.dataset, self.protocol, as_folder(self.model), self.run_id

    def belongs_into(self, place: Sequence[str]) -> bool:
        """Whether a place is the run's: its own, or that of before, with the model's own name."""
        return tuple(place) in (self.place, (self.dataset, self.protocol, self.model, self.run_id))

    @property
    def words(self) -> dict[str, str]:
        """What a table prints of it, by its field: each must be one line that can be printed."""
        names = {"model": self.model, "preset": self.preset or "", "dataset": self.dataset}
        return {**names, "protocol": self.protocol, "caption": self.caption}

    @property
    def choices(self) -> int:
        """Among how many items a target stands, in the row that has the most of them."""
        return self.candidates if self.ranked is None else self.ranked

    @property
    def redrawn(self) -> bool:
        """Whether negatives were drawn, as often as was asked (`--draws`)."""
        return not (self.full_ranking or brought(self.protocol))

    @property
    def no_result(self) -> str:
        """Why this is no result to rank; empty where it is one."""
        if self.limit is not None:
            return f"not a result: the first {self.limit} test rows alone were asked about"
        if self.control is not None:
            return f"a control, not a result to rank: {MEANING[self.control]}"
        return ""


class Trained(Part):
    """A training that was kept, and may be asked many questions."""

    training_id: str = Field(description="Name of its folder below `trainings/`.")
    runtime_settings: dict[str, Any] = Field(
        description="Settings that say how it was computed, and name no row."
    )
    seed: int = Field(description="Seed of training.")
    data: str = Field(description="SHA-256 of what was learnt from.")
    parameters_trained: int = Field(description="Parameters that training changed.")
    fit: dict[str, Any] = Field(
        description="What the model reported of its training: epochs, best validation figure, ..."
    )
    seconds: float = Field(description="Wall-clock seconds, of all processes that worked on it.")
    peak_memory: Memory = Field(description="Peak memory of the last of them, bytes.")
    weights: str = Field(description="SHA-256 of the saved model.")
    parts: dict[str, str] = Field(
        description="SHA-256 of each part that was fitted by itself, for example the encoder: rows "
        "with one in common have matched seeds."
    )
    provenance: Provenance = Field(description="By what code, where and how it was trained.")
    finished: str = Field(description="When it was kept, UTC, ISO 8601.")


class RunRecord(Setup):
    """One finished run; stored as ``record.json``."""

    trained: Trained | None = Field(
        description="The training that was asked; null of kind external."
    )
    outside: Outside | None = Field(
        default=None, description="Where the answers of kind external came from, else null."
    )
    metrics: dict[str, Figure] = Field(
        description="Figure name to value, 95% interval and number of examples; a figure that the "
        "system cannot give is left out."
    )
    examples_sha256: str = Field(description="SHA-256 of the file `examples.parquet`.")
    audit: Audit | None = Field(description="What the audit found; null where there was none.")
    account: dict[str, Any] = Field(
        default_factory=dict,
        description="What is worth keeping of the answering: tokens that were paid for, what a "
        "server says it is, how often fewer questions had to be read at once for want of memory; "
        "mostly nothing.",
    )
    provenance: Provenance = Field(description="By what code, where and how it was asked.")
    times: Times = Field(description="Seconds by stage.")
    peak_memory: Memory = Field(description="Peak memory of the last process, bytes.")
    finished: str = Field(description="When the record was written, UTC, ISO 8601.")
    record_sha256: str = Field(
        default="",
        description="SHA-256 of all other fields (`own_digest`): one that is changed later shows.",
    )

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        """Refuse a training, or an audit, of what came from outside, and its name on a run."""
        external = self.kind == "external"
        own = self.trained is not None, self.outside is None
        named = self.model.startswith(FROM_OUTSIDE)
        if own != (not external, not external) or named != external:
            raise ValueError(f"this is no record of kind {self.kind}")
        if external and self.audit is not None:
            raise ValueError("what came from outside cannot be audited")
        return self

    @property
    def training_seconds(self) -> float | None:
        """
        Seconds of the training; None where nothing was trained.

        Of a language model, and of what an encoder guides, those of the tuning: an encoder is
        trained once for all, by whichever run comes first, and how a model can be read is tried
        once, too. A language model that is asked as it is has none.
        """
        if self.trained is None:
            return None
        tuning = self.trained.fit.get("seconds")
        if isinstance(tuning, int | float) and not self.settings.keys().isdisjoint(_BEGUN_WITH):
            return float(tuning)
        as_it_is = "llm" in self.settings and not self.trained.parameters_trained
        return None if as_it_is else self.trained.seconds

    @property
    def telling(self) -> dict[str, Figure]:
        """Those `metrics` that are shown: all but the first K where no row has more than K."""
        return {name: one for name, one in self.metrics.items() if tells(name, self.choices)}

    @property
    def own_digest(self) -> str:
        """SHA-256 of all fields but `record_sha256`; of `LATER` only what is not the default."""
        usual = {name for name in LATER if getattr(self, name) == _default(name)}
        return digest(self.model_dump(mode="json", exclude={"record_sha256", *usual}))

    def signed(self, examples_sha256: str) -> "RunRecord":
        """Return the record of these examples, with its own digest."""
        complete = self.model_copy(update={"examples_sha256": examples_sha256})
        return complete.model_copy(update={"record_sha256": complete.own_digest})


def _default(name: str) -> Any:
    return RunRecord.model_fields[name].get_default(call_default_factory=True)


def caption_of(model: str, training: Training, dataset: str) -> str:
    """Join a model's caption with what must be known of its training to be asked of `dataset`."""
    return "; ".join(filter(None, [model, training.caption(dataset)]))


def documentation() -> str:
    """Return a Markdown list of every field of the record and what it means."""
    lines: list[str] = []
    for part in dict.fromkeys(_parts(RunRecord)):
        first = (part.__doc__ or "").strip().splitlines()[0]
        lines += [f"### {part.__name__}", "", first, ""]
        said = documented(part)
        for name, field in part.model_fields.items():
            lines.append(f"- `{name}`: {field.description or said[name]}")
        lines.append("")
    return "\n".join(lines)


def _parts(kind: Any) -> Iterator[type[BaseModel]]:
    """Yield a part of the record and the parts of which it is made, those of its fields first."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
        for field in kind.model_fields.values():
            yield from _parts(field.annotation)
    for one in get_args(kind):
        yield from _parts(one)
