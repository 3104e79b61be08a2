"""
What can be known of a language model before anything is trained: by its outline and its tokenizer.

A prompt that is longer than a model's context, or a token that it has no vector for, gives wrong
numbers or ends a run that has taken hours. Here they are refused while it costs nothing.
"""

from collections.abc import Callable
from typing import Any

from transformers import PretrainedConfig, PreTrainedModel

from recbench.errors import RecbenchError, TooLongError
from recbench.llm.prompts.text import plain_tokens
from recbench.llm.prompts.wording import LISTED, Question
from recbench.llm.prompts.writer import PromptWriter
from recbench.llm.settings import (
    LEAST_TITLE,
    LanguageModelSettings,
    PromptedSettings,
    TuningSettings,
)
from recbench.llm.tuning.adapter import adapter_page
from recbench.llm.tuning.targets import resolve
from recbench.llm.weights.backbone import load_outline
from recbench.llm.weights.reading import check_numbers
from recbench.recommender import TrainingData

_CONTEXT = (
    *("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_length"),
    *("max_seq_len", "context_length", "n_ctx", "seq_length", "max_target_positions"),
)
"""Names under which a configuration keeps the tokens that its model reads at most."""


def examine(
    settings: PromptedSettings,
    data: TrainingData,
    candidates: int,
    report: Callable[[str], None],
    question: Question = LISTED,
    prefix_tokens: int = 0,
    *,
    hybrid: bool,
) -> tuple[PromptWriter, dict[str, Any]]:
    """
    Check a language model against the data that it is asked about, before anything is trained.

    Parameters
    ----------
    settings
        They name the language model.
    data
        Its titles, and how many of them a history has.
    candidates
        Most that a prompt shows.
    report
        Told one line of whatever is not as one would expect.
    question
        What the prompts ask.
    prefix_tokens
        Of a prefix that stands before them.
    hybrid
        Whether an item token follows every title in them.

    Returns
    -------
    writer : PromptWriter
        Of the prompts.
    found : dict
        For the run record: ``prompt_style``, ``targets``, what the titles lose, the configuration
        of an ``adapter`` that is set, and the model's own ``lm_dropout`` where it is tuned with.

    Raises
    ------
    UserError, RecbenchError
        As `recbench.llm.weights.backbone.load_outline`, `PromptWriter`,
        `recbench.llm.tuning.targets.resolve`, `check_tokens` and `check_context`.
    """
    lm, tokenizer = load_outline(settings.llm, report)
    writer = PromptWriter(data, tokenizer, settings.style, settings.title_tokens, question)
    check_tokens(writer, lm, settings.llm)
    most = min(candidates, len(data.catalogue))
    shown = data.train.histories.shape[1], most
    check_context(writer, lm.config, *shown, prefix_tokens, hybrid=hybrid)
    for line in writer.losses.lines(listed=question == LISTED):
        report(line)
    found = {"prompt_style": settings.style, **writer.losses.record()}
    if isinstance(settings, LanguageModelSettings) and not (settings.adapter or settings.peft):
        targets = resolve(settings, lm)
        found["targets"] = list(targets)
        if targets != settings.targets:
            report(f"LoRA is on these layers of the language model: {', '.join(targets)}")
    if isinstance(settings, TuningSettings) and (dropped := own_dropout(lm.config)):
        found["lm_dropout"] = dropped
        rates = ", ".join(f"{name} {rate:g}" for name, rate in dropped.items())
        report(f"the language model's own dropout is on while it is tuned: {rates}")
    if settings.adapter is not None:
        found["adapter"] = adapter_page(settings.adapter)
    return writer, found


def own_dropout(config: PretrainedConfig) -> dict[str, float]:
    """Return the rates of dropout that a model has by its configuration, where they are not 0."""
    said = config.get_text_config().to_dict()
    of_other_heads = ("classifier", "summary")
    return {
        name: float(rate)
        for name, rate in said.items()
        if name.endswith(("dropout", "pdrop", "layerdrop", "dropout_prob", "dropout_rate"))
        and not name.startswith(of_other_heads)
        and isinstance(rate, int | float)
        and rate > 0
    }


def context_of(config: PretrainedConfig) -> int | None:
    """
    Return how many tokens a model reads at most; None for any number.

    State spaces have no such number, and models that weigh distances (ALiBi) read any, but for MPT,
    whose table of distances has an end.
    """
    text = config.get_text_config()
    if getattr(text, "alibi", False) or text.model_type in {"bloom", "rwkv"}:
        return None
    found = (getattr(text, name, None) for name in _CONTEXT)
    return next((size for size in found if isinstance(size, int) and size > 0), None)


def check_tokens(writer: PromptWriter, lm: PreTrainedModel, llm: str) -> None:
    """
    Refuse a tokenizer that belongs to another model.

    Raises
    ------
    UserError
        If ordinary text, or a control token of the prompts, has a number that the model has no
        embedding for. Names that a tokenizer knows besides, such as one for padding, may have.
    RecbenchError
        If the tokenizer does not keep line ends, by which titles are told apart.
    """
    rows = lm.get_input_embeddings().weight.shape[0]
    tokenizer = writer.tokenizer
    check_numbers(llm, plain_tokens(tokenizer) | writer.framing, rows)
    two_lines = tokenizer.decode(tokenizer("a\nb\n", add_special_tokens=False).input_ids)
    if two_lines.count("\n") < 2:
        raise RecbenchError(
            f"the tokenizer of '{llm}' does not keep line ends, which part the titles of a prompt "
            "and end an answer; choose another model with --llm"
        )


def check_context(
    writer: PromptWriter,
    config: PretrainedConfig,
    history: int,
    candidates: int,
    prefix_tokens: int = 0,
    *,
    hybrid: bool,
) -> None:
    """
    Refuse questions whose prompt and answer may be longer than the context.

    Parameters
    ----------
    writer
        Of the prompts.
    config
        Of the language model.
    history, candidates
        Most titles of each that a prompt shows; no candidates where it lists none.
    prefix_tokens
        Tokens that a learnt prefix takes of the context.
    hybrid
        Whether an item token follows every title.

    Raises
    ------
    TooLongError
        If the longest titles of the catalogue, so many, do not fit, with what would.
    """
    context = context_of(config)
    if context is None:
        return
    left, longest = context - prefix_tokens, writer.longest(history, candidates, hybrid=hybrid)
    if longest <= left:
        return
    fitting = _fitting(writer, left, history, candidates, hybrid=hybrid)
    prefix = f", {prefix_tokens} of them for a prefix" if prefix_tokens else ""
    shown, fewer = f"up to {history} items seen", "--history"
    if candidates:
        shown += f" and {candidates} candidates"
        fewer += ", --candidates and --set candidates"
    least = writer.longest(1, min(candidates, 2), hybrid=hybrid)
    ways = [f"show fewer with {fewer}"] if least <= left else []
    ways += [f"--set title_tokens={fitting}"] if fitting else []
    ways += ["take a shorter prefix"] if prefix else []
    raise TooLongError(
        f"a prompt of {shown}, with its answer, may have {longest} tokens, but the language model "
        f"reads {context}{prefix}",
        ", or ".join(ways) or "choose another model with --llm",
    )


def _fitting(
    writer: PromptWriter, context: int, history: int, candidates: int, *, hybrid: bool
) -> int | None:
    """Return the most tokens of a title with which prompts fit; None where none does."""
    low, high = LEAST_TITLE - 1, int(writer.lengths.max())
    while high - low > 1:
        middle = (low + high) // 2
        longest = writer.with_titles_of(middle).longest(history, candidates, hybrid=hybrid)
        fits = longest <= context
        low, high = (middle, high) if fits else (low, middle)
    return low if low >= LEAST_TITLE else None
