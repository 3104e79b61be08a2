"""
What stands around a question and its answer: nothing but line ends, or a chat's control tokens.

The chat's are those of the tokenizer's own template, taken from a conversation of one question and
one answer, so that an answer stands where the model has learnt to write one. Whatever day it is,
the template is told `TODAY`: prompts do not change by the day.
"""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from recbench.errors import UserError
from recbench.llm.cards import Style

TODAY = "26 Jul 2024"
"""The day on which Llama 3's template falls back; of no other meaning."""

_QUESTION, _ANSWER = "QuestionOfAUser", "AnswerOfAModel"
_REMEDY = "--set prompt_style=plain does without"


@dataclass(frozen=True)
class Frame:
    """
    Texts before a question, between it and its answer, and behind the answer.

    Attributes
    ----------
    before, between
        Of the prompt.
    end
        With this an answer ends; in a chat up to the turn's first control token.
    """

    before: str
    between: str
    end: str


PLAIN = Frame("", "\n", "\n")
"""The answer is the line behind the question."""


def frame_of(tokenizer: PreTrainedTokenizerBase, style: Style) -> Frame:
    """
    Return the frame of a style.

    Raises
    ------
    UserError
        For a chat, if the tokenizer has no chat template, or one that does not show question and
        answer once each.
    """
    return PLAIN if style == "plain" else _chat(tokenizer)


def _chat(tokenizer: PreTrainedTokenizerBase) -> Frame:
    if not tokenizer.chat_template:
        raise UserError(
            "setting 'prompt_style': the tokenizer of this language model has no chat template; "
            f"{_REMEDY}"
        )
    conversation = [
        {"role": "user", "content": _QUESTION},
        {"role": "assistant", "content": _ANSWER},
    ]
    try:
        template = tokenizer.get_chat_template()
        if "strftime_now" in template:
            template = f"{{% macro strftime_now(form) %}}{TODAY}{{% endmacro %}}{template}"
        shown = tokenizer.apply_chat_template(conversation, chat_template=template, tokenize=False)
    except Exception as error:  # a template can raise anything: it is a program
        raise UserError(
            "setting 'prompt_style': the chat template of this language model cannot be used "
            f"({next(iter(str(error).splitlines()), type(error).__name__)}); {_REMEDY}"
        ) from error
    before, _, rest = shown.partition(_QUESTION)
    between, _, end = rest.partition(_ANSWER)
    if shown.count(_QUESTION) != 1 or rest.count(_ANSWER) != 1:
        raise UserError(
            "setting 'prompt_style': the chat template of this language model does not show "
            f"question and answer once each; {_REMEDY}"
        )
    return Frame(before, between, _turn_end(tokenizer, end) or "\n")


def _turn_end(tokenizer: PreTrainedTokenizerBase, end: str) -> str:
    """Return the text up to the first control token, that included; empty where there is none."""
    names = [str(one) for one in tokenizer.added_tokens_decoder.values()]
    found = [(end.find(name), -len(name), name) for name in names if name.strip() and name in end]
    if not found:
        return ""
    place, _, name = min(found)
    return end[: place + len(name)]
