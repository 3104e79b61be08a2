"""
Language models by name. One TOML card a model: where its files are and what they are.

A name stands for one set of weights: other weights of the same model are another card.

To add a language model:

1. write ``<name>.toml`` with the fields of `LanguageModelCard` into a package folder;
2. in your package's ``pyproject.toml``, under
   ``[project.entry-points."recbench.language_models"]``, write
   ``name = "your_package.folder:name.toml"``;
3. ``pip install`` your package: ``recbench models --llms`` shows it and ``--llm name`` loads it.

A model that reads texts into vectors and writes none is a text encoder: its card is of the same
kind, under ``recbench.text_encoders``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from recbench.data.toml_cards import Inside, Line, NamedCard, read_card, read_cards
from recbench.registry import Group, find, listed

Style = Literal["plain", "chat"]
"""Of prompts: text as it is, or a turn of the tokenizer's chat template."""


@dataclass(frozen=True)
class Kind:
    """
    What a name stands for: where its cards are registered, and how that is said.

    Attributes
    ----------
    group
        The door of `recbench.registry`.
    noun
        What one of them is called.
    ways
        What may be named, for the end of a sentence.
    """

    group: Group
    noun: str
    ways: str


LANGUAGE_MODEL = Kind(
    "language_models",
    "language model",
    "a name of recbench models --llms, a folder, a .gguf file or a hub id",
)
TEXT_ENCODER = Kind("text_encoders", "text encoder", "'all-minilm-l6-v2', a folder or a hub id")


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PackageFolder(_Frozen):
    """A folder in the layout of transformers inside an importable package."""

    kind: Literal["folder"]
    package: str
    folder: Inside


class PackagedPart(_Frozen):
    """A file of an installed distribution, which is looked into but not imported."""

    distribution: str
    path: Inside


class PackagedGguf(_Frozen):
    """
    One GGUF file, whole or in parts, that installed distributions hold.

    Attributes
    ----------
    parts
        In the order in which they are put together.
    install
        The command that has them.
    digest
        SHA-256 of the whole.
    """

    kind: Literal["gguf"]
    parts: tuple[PackagedPart, ...] = Field(min_length=1)
    install: Line
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")


class PackagedFolder(_Frozen):
    """
    A folder in the layout of transformers that an installed distribution holds.

    Attributes
    ----------
    distribution, path
        Which distribution, and where in it; it is looked into but not imported.
    install
        The command that has it.
    digest
        SHA-256 of its files (`recbench.llm.folder_hash`).
    """

    kind: Literal["packaged folder"]
    distribution: str
    path: Inside
    install: Line
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")


class HubModel(_Frozen):
    """A model on the Hugging Face Hub, at one commit."""

    kind: Literal["hub"]
    id: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$")
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")


class LoraTuning(_Frozen):
    """
    How a model is tuned with LoRA where neither the user nor a preset says it.

    Attributes
    ----------
    learning_rate, batch_size
        As for `recbench.llm.settings.TuningSettings`: the rate that a search on validation rows has
        found, and the batches of that search. None is the systems' own.
    examples
        Likewise: rows to learn from, where more were not seen to help.
    """

    learning_rate: float | None = Field(default=None, gt=0, le=1)
    batch_size: int | None = Field(default=None, ge=1)
    examples: int | None = Field(default=None, ge=1)


class LanguageModelCard(NamedCard):
    """
    One language model, or one text encoder.

    Attributes
    ----------
    name, title
        Name of the command line, name of papers.
    licence, terms
        Under which its weights may be used, and where its terms stand.
    parameters, context
        Numbers in it, and the tokens that it reads at most.
    source
        Where its files are.
    prompt_style
        ``"chat"`` of a model that was taught to chat.
    lora
        How it is best tuned.
    caption
        What a table must say under its figures; empty for nothing.
    """

    title: Line
    licence: Line
    terms: Line
    parameters: int = Field(ge=1)
    context: int = Field(ge=1)
    source: Annotated[
        PackageFolder | PackagedFolder | PackagedGguf | HubModel, Field(discriminator="kind")
    ]
    prompt_style: Style = "plain"
    lora: LoraTuning = LoraTuning()
    caption: Line = ""

    @property
    def way(self) -> str:
        """How to have its files where they are not at hand."""
        source = self.source
        if isinstance(source, PackagedGguf | PackagedFolder):
            return source.install
        return "downloaded when first used"


def card_of(name: str, kind: Kind = LANGUAGE_MODEL) -> LanguageModelCard | None:
    """
    Return the card of that name; None where it is no name of a card.

    Raises
    ------
    RecbenchError
        If the card cannot be read.
    """
    if name not in listed(kind.group):
        return None
    return read_card(find(kind.group, name), LanguageModelCard)


def usual_style(llm: str) -> Style:
    """Return the style of prompts that a card names; plain where there is no card."""
    card = card_of(llm)
    return card.prompt_style if card is not None else "plain"


def usual_tuning(llm: str) -> dict[str, float | int]:
    """Return the settings of LoRA that a card names; none where there is no card."""
    card = card_of(llm)
    return card.lora.model_dump(exclude_none=True) if card is not None else {}


def language_models(report: Callable[[str], None] | None = None) -> dict[str, LanguageModelCard]:
    """Read the card of every language model, sorted by name; see `read_cards` for `report`."""
    return read_cards(listed("language_models"), LanguageModelCard, report)
