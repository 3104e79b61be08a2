"""The run record: everything that is needed to know what was run and what came out."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

from recbench.evaluation.answers import Matching
from recbench.evaluation.audit import Audit
from recbench.evaluation.metrics import tells
from recbench.questions.controls import MEANING, Control
from recbench.settings import digest
from recbench.statistics.intervals import Figure

SCHEMA_VERSION: Literal[2] = 2

FIGURE_VERSION = 1
"""Of all code that decides a figure: raise it when a golden run moves (`tests/golden`)."""


LATER = ("left_out", "ranks", "account", "kind", "outside", "control", "limit")
"""Fields that came later: at their default the digest of a record is what it was without them."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Device(_Part):
    """Where something was computed."""

    name: str = Field(description="Device that was asked for and checked: cpu or cuda:N.")
    hardware: str = Field(description="Name of the processor or of the GPU.")
    system: str = Field(description="Operating system and machine type.")
    threads: int = Field(description="Threads that one numerical operation may use on the CPU.")
    deterministic: bool = Field(
        default=False,
        description="Whether all operations were such that give the same bits every time "
        "(`--deterministic`); written down only where they were.",
    )

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what records did not have before it could be asked for: their digests stand."""
        written: dict[str, Any] = write(self)
        if not self.deterministic:
            del written["deterministic"]
        return written


class Provenance(_Part):
    """By what code, where and how something was computed."""

    figure_version: int = Field(
        description="Version of all that decides a figure; raised when a golden run moves."
    )
    plugin: str = Field(description="Distribution that the model comes from, and its version.")
    commit: str | None = Field(
        description="Commit of recbench's own source, with + where files differ from it; null "
        "where it is no checkout."
    )
    device: Device = Field(description="Where it was computed.")
    precision: str = Field(description="Of the arithmetic: float32, bfloat16, ...")
    versions: dict[str, str] = Field(
        description="Versions of Python, recbench and what it stands on."
    )


class Times(_Part):
    """Wall-clock seconds by stage, those of processes that were stopped counted in."""

    prepare: float = Field(description="Reading the data, splitting it, drawing the pack, seconds.")
    fit: float = Field(description="Training, seconds; 0 where a kept model was asked.")
    score: float = Field(description="Scoring and, for models that write, answering, seconds.")
    audit: float = Field(description="Asking some rows again in a fresh process, seconds.")

    @property
    def total(self) -> float:
        """All of it, seconds."""
        return self.prepare + self.fit + self.score + self.audit


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


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("expected one line of text that can be printed")
    return text


Words = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=300), AfterValidator(_printable)
]
"""One line that somebody wrote."""


class About(_Part):
    """What its maker says of a system whose answers came in a file; nothing of it is checked."""

    model: Words = Field(default="", description="What it is, with its settings.")
    code: Words = Field(default="", description="Where its code is, and which version of it.")
    data: Words = Field(default="", description="What it learnt from.")
    cost: Words = Field(default="", description="What training and answering took.")
    hardware: Words = Field(default="", description="What it ran on.")
    reference: Words = Field(default="", description="Paper, or who made it.")

    @property
    def sentence(self) -> str:
        """All that is said, in one line; empty where nothing is."""
        said = [f"{name}: {value}" for name, value in self if value]
        return f"its maker says: {'; '.join(said)}" if said else ""


class Outside(_Part):
    """Answers that came in a file."""

    given: Literal["scores", "ranking", "text"] = Field(description="What the file holds.")
    answers: str = Field(
        description="SHA-256 of the answers, row by row; the same whatever the file's format and "
        "order."
    )
    file: str = Field(description="SHA-256 of the file.")
    format: str | None = Field(
        default=None, description="What the file was read as (`--format`); left out of old records."
    )
    kind: Literal["scores", "text"] | None = Field(
        default=None, description="How it was asked (`--kind`); left out of old records."
    )
    about: About = Field(default=About(), description="What its maker says of the system.")

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what records did not have before it was written down: their digests stand."""
        written: dict[str, Any] = write(self)
        later = {"format": self.format, "kind": self.kind}
        return {name: one for name, one in written.items() if later.get(name, one) is not None}

    @property
    def caption(self) -> str:
        """What a reader of a table must know."""
        return "; ".join(filter(None, ["answers from a file", self.about.sentence]))


FROM_OUTSIDE = "external:"
"""How the name of a system begins whose answers came in a file; no model of ours begins so."""


class Setup(_Part):
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
    protocol_version: int = Field(default=1, description="Version of the protocol's card.")
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

    @property
    def no_result(self) -> str:
        """Why this is no result to rank; empty where it is one."""
        if self.limit is not None:
            return f"not a result: the first {self.limit} test rows alone were asked about"
        if self.control is not None:
            return f"a control, not a result to rank: {MEANING[self.control]}"
        return ""


class Trained(_Part):
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
    def telling(self) -> dict[str, Figure]:
        """Those `metrics` that are shown: all but the first K of K candidates."""
        return {name: one for name, one in self.metrics.items() if tells(name, self.candidates)}

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


def row_digest(
    model: str,
    settings: dict[str, Any],
    ingredients: dict[str, Any],
    digests: Digests,
    protocol: str,
    matching: Matching,
    training: Training = USUAL,
    control: Control | None = None,
) -> str:
    """
    Name a row of the leaderboard: all that may change a figure, except the training seed.

    Parameters
    ----------
    model, settings, ingredients, protocol, matching, training, control
        As in `RunRecord`.
    digests
        Of which the catalogue's follows from the dataset's.

    Returns
    -------
    str
        64 hexadecimal characters.
    """
    asked = [digests.dataset, protocol, digests.split, digests.pack, matching]
    shown = [] if control is None else [control]
    return digest([model, settings, ingredients, *asked, training.model_dump(mode="json"), *shown])


def row_of(setup: Setup) -> str:
    """Return the row digest that belongs to what a record says."""
    asked = setup.digests, setup.protocol, setup.matching, setup.training, setup.control
    return row_digest(setup.model, setup.settings, setup.ingredients, *asked)


def training_digest(
    model: str,
    settings: dict[str, Any],
    ingredients: dict[str, Any],
    data: str,
    training: Training,
    plugin: str,
    figure_version: int = FIGURE_VERSION,
) -> str:
    """
    Name a training, except for its seed: all that decides what is learnt.

    Parameters
    ----------
    model, settings, ingredients, training
        As in `RunRecord`.
    data
        SHA-256 of what is learnt from (`Trained.data`).
    plugin, figure_version
        As in `Provenance`: another version of a plug-in or of this code may train otherwise.

    Returns
    -------
    str
        64 hexadecimal characters.
    """
    by = [figure_version, plugin]
    learnt = [model, settings, ingredients, data, training.model_dump(mode="json")]
    return digest([*by, *learnt])


def training_id_of(record: RunRecord) -> str:
    """Return the name of the training that belongs to what a record says."""
    trained = record.trained
    assert trained is not None  # nobody asks for that of what came from outside
    by = trained.provenance.plugin, trained.provenance.figure_version
    learnt = record.model, record.settings, record.ingredients, trained.data, record.training
    return run_id(training_digest(*learnt, *by), trained.seed)


def caption_of(model: str, training: Training, dataset: str) -> str:
    """Join a model's caption with what must be known of its training to be asked of `dataset`."""
    return "; ".join(filter(None, [model, training.caption(dataset)]))


def run_id(row: str, seed: int) -> str:
    """Name the folder of one run or training: the same digest and seed give the same name."""
    return f"{row[:12]}-seed{seed}"


def documentation() -> str:
    """Return a Markdown list of every field of the record and what it means."""
    lines: list[str] = []
    for part in (
        RunRecord,
        Training,
        Digests,
        Trained,
        Outside,
        About,
        Figure,
        Audit,
        Provenance,
        Device,
        Times,
        Memory,
    ):
        first = (part.__doc__ or "").strip().splitlines()[0]
        lines += [f"### {part.__name__}", "", first, ""]
        for name, field in part.model_fields.items():
            lines.append(f"- `{name}`: {field.description}")
        lines.append("")
    return "\n".join(lines)
