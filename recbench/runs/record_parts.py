"""The parts of a run record: when, where and of what, and what came from outside."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
)


class Part(BaseModel):
    """Of a record: unknown fields and endless numbers are refused, and nothing is changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Device(Part):
    """Where something was computed."""

    name: str = Field(description="Device that was asked for and checked: cpu or cuda:N.")
    hardware: str = Field(
        description="Name of the processor or of the GPU; of a processor also family, model and "
        "instructions for bfloat16, which older records lack."
    )
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


class Provenance(Part):
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


class Times(Part):
    """Wall-clock seconds by stage, those of processes that were stopped counted in."""

    prepare: float = Field(description="Reading the data, splitting it, drawing the pack, seconds.")
    fit: float = Field(description="Training, seconds; 0 where a kept model was asked.")
    score: float = Field(description="Scoring and, for models that write, answering, seconds.")
    audit: float = Field(description="Asking some rows again in a fresh process, seconds.")

    @property
    def total(self) -> float:
        """All of it, seconds."""
        return self.prepare + self.fit + self.score + self.audit


class Memory(Part):
    """Peak memory of the process."""

    host: int = Field(description="Largest resident set of the process, bytes.")
    device: int | None = Field(description="Largest GPU memory allocated, bytes; null on a CPU.")


class Digests(Part):
    """What the question was, as hashes."""

    dataset: str = Field(description="SHA-256 of the prepared dataset: its interactions and items.")
    catalogue: str = Field(description="SHA-256 of the items' ids and titles.")
    split: str = Field(description="SHA-256 of the split that the protocol made.")
    pack: str = Field(description="SHA-256 of the candidate pack's arrays.")


class Training(Part):
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


class About(Part):
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


class Outside(Part):
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
