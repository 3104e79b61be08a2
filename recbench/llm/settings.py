"""Settings that language models share: one name for one thing in TALLRec, LLaRA and iLoRA."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from recbench.llm.cards import Style, usual_style, usual_tuning
from recbench.settings import Settings

LLAMA2 = "meta-llama/Llama-2-7b-hf"
"""The language model of the papers."""


def _or_none(value: Any) -> Any:
    """Read "none" as no file, as settings are printed."""
    return None if isinstance(value, str) and value.strip().lower() in {"none", "null"} else value


def _one_of_several(cluster: str | None) -> str | None:
    if cluster is None:
        return None
    number, _, count = cluster.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count) > 1):
        raise ValueError("expected a number of several, such as 1/4 for the largest of four")
    return f"{int(number)}/{int(count)}"


def _alone(names: tuple[str, ...]) -> tuple[str, ...]:
    if ALL in names and len(names) > 1:
        raise ValueError(f"'{ALL}' stands for all layers; it takes no other name beside it")
    return names


Names = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_alone)]
Place = Annotated[str | None, BeforeValidator(_or_none)]
Cluster = Annotated[str | None, BeforeValidator(_or_none), AfterValidator(_one_of_several)]
Ranks = tuple[Annotated[int, Field(ge=1)], ...]

ATTENTION_QV: tuple[str, ...] = ("q_proj", "v_proj")
ALL_LINEAR: tuple[str, ...] = (
    *("q_proj", "k_proj", "v_proj", "o_proj"),
    *("gate_proj", "up_proj", "down_proj"),
)
LEAST_TITLE = 4
"""Tokens: three dots, which may be three tokens, and a letter."""
CANDIDATES = 20
"""In a prompt, as a rule; the papers'."""
ALL = "all-linear"
"""Stands for the names of all linear layers that can be adapted."""
PAPER: dict[str, Any] = {
    "llm": LLAMA2,
    "epochs": 5,
    "examples": None,
    "batch_size": 128,
    "learning_rate": 8e-4,
    "dropout": 0.1,
}
"""
Training as in the released scripts of LLaRA and iLoRA for MovieLens; the model is Llama2-7B.

The learning rate is that whatever the dataset: iLoRA's scripts have 7e-4 for LastFM and 5e-4 for
Steam, and appendix E of its paper has 1e-4 for MovieLens, 2e-4 for LastFM and 1e-4 for Steam.
"""


class PromptedSettings(Settings):
    """
    What a language model that is asked by prompts can be told.

    Attributes
    ----------
    llm
        Language model: a name of ``recbench models --llms``, a hub id, a folder or a GGUF file.
    prompt_style
        ``"plain"`` text, or ``"chat"``: a turn of the tokenizer's own chat template. None is the
        style of the language model's card, and plain for models without one. What a card says
        anyway is kept as None, so that both name the same row.
    title_tokens
        Most tokens of a title in prompts and answers: longer ones are cut at a word's end, with
        "...". None shows them whole.
    adapter
        Folder of an adapter in peft's layout, to be asked as it is or tuned further; its own rank,
        alpha, dropout and targets hold, and others are refused. None for none.
    precision
        Of training: ``"auto"`` is bfloat16 where the device computes with it natively. Scores and
        answers are in the same on a GPU, and always float32 on a CPU.
    load_in
        Bits of the frozen weights, ``4bit`` or ``8bit``, on a GPU with bitsandbytes
        (``pip install 'recbench[quantised]'``); None for those of `precision`.
    """

    llm: str = "tiny"
    prompt_style: Style | None = None
    title_tokens: int | None = Field(None, ge=LEAST_TITLE)
    adapter: Place = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    load_in: Literal["4bit", "8bit"] | None = None

    runtime: ClassVar[frozenset[str]] = frozenset({"precision"})
    added: ClassVar[frozenset[str]] = frozenset(
        {"prompt_style", "title_tokens", "adapter", "load_in"}
    )

    @model_validator(mode="before")
    @classmethod
    def _style_of_the_card_unsaid(cls, values: Any) -> Any:
        """Keep the style that the card has as None: what is said or not said is one row."""
        llm = values.get("llm", cls.model_fields["llm"].default)
        said = values.get("prompt_style")
        return values | {"prompt_style": None} if said == usual_style(llm) else values

    @property
    def style(self) -> Style:
        """The style of prompts, whoever says it."""
        return self.prompt_style or usual_style(self.llm)


class TuningSettings(PromptedSettings):
    """
    What a language model that is tuned on prompts can be told.

    The defaults of everything that costs time suit a small model on two CPU cores.

    Attributes
    ----------
    epochs
        Passes over the training examples; where prompts list candidates, these are drawn anew each
        time.
    examples
        Training rows to learn from, a random part: as many as the language model's card names
        (``recbench models --llms``), where it does; None for all of them.
    batch_size
        Rows an optimizer step.
    micro_batch_size
        Rows computed at once; None to choose by device and free memory, once for a run: one that is
        gone on with keeps its number. Another value gives the same numbers up to rounding and
        dropout.
    learning_rate
        Peak; warm-up over a twentieth of the steps from 1/100 of it, then a cosine down to 1/100.
    weight_decay
        On the adapter's weights.
    candidates
        Candidates shown in a training prompt, the target among them.
    gradient_checkpointing
        Compute activations twice to save memory.
    objective
        What is learnt: ``"title"``, to write the target's title (the papers); ``"text"``, to write
        the prompt, too (TALLRec's script); ``"listwise"``, to find the title likelier than those of
        the other candidates (`recbench.llm.tuning.objectives`).
    curve_rows
        Validation rows that are asked after 512, 1,024, 2,048, ... rows and at the end of training;
        0 for no learning curve. With `patience` they name the row: they decide what is learnt.
    patience
        Points of the learning curve without a better HitRatio@1 by likelihood after which training
        ends, with the weights of the best; None to learn from all rows.
    """

    epochs: int = Field(1, ge=1)
    examples: int | None = Field(8_000, ge=1)
    batch_size: int = Field(64, ge=1)
    micro_batch_size: int | None = Field(None, ge=1)
    learning_rate: float = Field(8e-4, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    candidates: int = Field(CANDIDATES, ge=2)
    gradient_checkpointing: bool = False
    objective: Literal["title", "text", "listwise"] = "title"
    curve_rows: int = Field(64, ge=0)
    patience: int | None = Field(None, ge=1)

    runtime: ClassVar[frozenset[str]] = PromptedSettings.runtime | {
        "micro_batch_size",
        "gradient_checkpointing",
        "curve_rows",
    }
    added: ClassVar[frozenset[str]] = PromptedSettings.added | {"objective", "patience"}
    of_card: ClassVar[frozenset[str]] = frozenset({"examples"})
    """What a card says of LoRA that holds for whatever is tuned: how many rows suffice."""

    @field_validator("patience")
    @classmethod
    def _looks_at_some_rows(cls, patience: int | None, others: ValidationInfo) -> int | None:
        if patience is not None and others.data.get("curve_rows") == 0:
            raise ValueError("curve_rows=0 leaves no learning curve; leave out one of the two")
        return patience

    @model_validator(mode="before")
    @classmethod
    def _as_the_card_says(cls, values: Any) -> Any:
        """Take from the card what is not said, as if it had been: a record names what was used."""
        return cls._of_the_card(values) | values

    @classmethod
    def _of_the_card(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a card says; a class that has a default of its own is tuned otherwise."""
        fields, usual = cls.model_fields, TuningSettings.model_fields
        found = usual_tuning(values.get("llm", fields["llm"].default))
        taken = found.keys() & cls.of_card
        return {k: found[k] for k in taken if fields[k].default == usual[k].default}

    @classmethod
    def defaults(cls, **said: Any) -> dict[str, Any]:
        """Return the defaults, of which some hang on the language model."""
        return super().defaults(**(cls._of_the_card(said) | said))

    def identity(self) -> dict[str, Any]:
        """Add the rows of the learning curve where they decide when training ends."""
        decisive = {} if self.patience is None else {"curve_rows": self.curve_rows}
        return super().identity() | decisive

    def decisive(self) -> dict[str, Any]:
        """Add the rows of the learning curve: one that was begun on some goes on with these."""
        return super().decisive() | {"curve_rows": self.curve_rows}


class LanguageModelSettings(TuningSettings):
    """
    What a language model that is tuned with LoRA can be told.

    Attributes
    ----------
    learning_rate, batch_size, examples
        Peak of the rate, rows an optimizer step, and training rows to learn from, a random part;
        None for all. They are those of the language model's card (``recbench models --llms``),
        where it names any; else LLaRA's and iLoRA's rate, batches half as large as theirs, and
        8,000 rows. Their rate is that of their scripts for MovieLens (8e-4); iLoRA's have 7e-4
        for LastFM and 5e-4 for Steam, its appendix E has 1e-4, 2e-4 for LastFM and 1e-4 for Steam.
    rank, alpha, dropout, targets
        Of LoRA (Hu et al., ICLR 2022): rank, scale alpha / rank, dropout on its input, names of
        layers, or ``"all-linear"``, which also takes the place of the default, or of a preset's, in
        a model without layers of these names. The papers' dropout (0.1) guards five epochs; the
        default makes one pass over a part of the rows, where it would only cost time.
    peft
        File with another configuration of peft, as it writes ``adapter_config.json``, in the place
        of rank, alpha, dropout and targets, which are refused beside it: of any kind that
        `recbench.llm.tuning.adapter.LEARNT` names. None for LoRA with these.
    """

    rank: int = Field(8, ge=1)
    alpha: float = Field(32, gt=0)
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: Names = ALL_LINEAR
    peft: Place = None

    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": PAPER}
    added: ClassVar[frozenset[str]] = TuningSettings.added | {"peft"}
    of_card: ClassVar[frozenset[str]] = frozenset({"learning_rate", "batch_size", "examples"})
    of_lora: ClassVar[frozenset[str]] = frozenset({"rank", "alpha", "dropout", "targets"})
    """What `peft` or `adapter` takes the place of."""

    @classmethod
    def of_preset(cls, preset: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
        """Leave out what `peft` or `adapter` takes the place of: it would only name the row."""
        return cls._beside(given, super().of_preset(preset, given))

    @field_validator("rank", "alpha", "dropout", "targets")
    @classmethod
    def _is_not_the_adapters(cls, value: Any, others: ValidationInfo) -> Any:
        name, adapter = others.field_name or "", others.data.get("adapter")
        if adapter is not None and name in cls._changed({name: value}):
            raise ValueError(f"the adapter in '{adapter}' has its own; leave out {name} or adapter")
        return value

    @field_validator("peft")
    @classmethod
    def _configures_no_other(cls, peft: str | None, others: ValidationInfo) -> str | None:
        if peft is None:
            return None
        if others.data.get("adapter") is not None:
            raise ValueError("an adapter has its own configuration; leave out adapter or peft")
        if changed := ", ".join(cls._changed(others.data)):
            raise ValueError(f"the file takes the place of {changed}; leave out {changed}, or peft")
        return peft

    @classmethod
    def _changed(cls, values: Mapping[str, Any]) -> list[str]:
        """Return which of `of_lora` have another value here than their default."""
        own = {name: one for name, one in cls.model_fields.items() if name in cls.of_lora}
        return [name for name, one in own.items() if values.get(name, one.default) != one.default]

    @classmethod
    def as_recorded(cls, record: Mapping[str, Any]) -> dict[str, Any]:
        """Leave out what `peft` or `adapter` took the place of: presets used to set it anyway."""
        return cls._beside(record, super().as_recorded(record))

    @classmethod
    def _beside(cls, given: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        """Return values, without `of_lora` where an adapter is given that has its own."""
        adapted = any(_or_none(given.get(name)) is not None for name in ("peft", "adapter"))
        return {k: v for k, v in values.items() if not (adapted and k in cls.of_lora)}


class UnlistedSettings(LanguageModelSettings):
    """
    What a language model can be told that is tuned to write a title, without a list of candidates.

    Attributes
    ----------
    candidates
        0: no prompt lists any.
    objective
        What is learnt: ``"title"``, to write the target's title, or ``"text"``, to write the
        prompt, too.
    patience
        Points of the learning curve without a better NDCG@10 of full rankings after which training
        ends, with the weights of the best; None to learn from all rows.
    """

    candidates: int = Field(0)
    objective: Literal["title", "text"] = "title"

    @field_validator("candidates")
    @classmethod
    def _lists_none(cls, candidates: int) -> int:
        if candidates:
            raise ValueError("no prompt of this model lists any; leave it out")
        return candidates


class HybridSettings(LanguageModelSettings):
    """
    What a language model can be told that also reads item vectors.

    Attributes
    ----------
    encoder
        Model whose vectors guide it; trained on the same rows, with its own defaults, and frozen.
    objective
        What is learnt: ``"title"``, to write the target's title (the papers), or ``"listwise"``, to
        find the title likelier than those of the other candidates.
    curriculum
        Whether step t of T uses the hybrid prompt with probability t / T, else a text-only one
        (LLaRA); if not, every prompt is hybrid.
    projector_learning_rate_factor, projector_weight_decay
        The projector's learning rate in parts of LoRA's, and the decay of its weights.
    cluster
        Tune on the rows of one cluster of training users alone, ``"1/4"`` for the largest of four
        (`recbench.questions.user_clusters`); the encoder learns from all. None for no clusters.
    """

    encoder: str = "sasrec"
    curriculum: bool = True
    objective: Literal["title", "listwise"] = "title"
    projector_learning_rate_factor: float = Field(1.0, gt=0)
    projector_weight_decay: float = Field(1e-5, ge=0)
    cluster: Cluster = None

    added: ClassVar[frozenset[str]] = LanguageModelSettings.added | {"cluster"}

    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": PAPER, "rank16": {"rank": 16}}
