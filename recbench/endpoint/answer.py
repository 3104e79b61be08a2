"""What an endpoint answered: read from its JSON, of which nothing is taken on trust."""

from collections.abc import Callable
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

CUT_OFF, FILTERED = "length", "content_filter"
"""Reasons to end an answer before its end (OpenAI's ``finish_reason``)."""

_BEGIN, _END = "<think>", "</think>"
"""Around thoughts that a server leaves in the text; most put them into a field of their own."""


class Answer(BaseModel):
    """
    One answer, as it is kept.

    Attributes
    ----------
    text
        As written; empty where nothing was, as of a model that refuses.
    finish
        Why it ended, in the server's word: ``"stop"``, `CUT_OFF`, `FILTERED`, ...; None where the
        server says nothing.
    model, fingerprint
        What the server says it is: the language model's name, and its ``system_fingerprint``.
    prompt_tokens, completion_tokens
        That were read and written, thoughts included, as the server counts them; None where it does
        not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    finish: str | None = None
    model: str | None = None
    fingerprint: str | None = None
    prompt_tokens: NonNegativeInt | None = None
    completion_tokens: NonNegativeInt | None = None

    def with_texts(self, rewritten: Callable[[str], str]) -> Self:
        """Return it with every text that it holds `rewritten`."""
        texts = {name: rewritten(one) for name, one in self if isinstance(one, str)}
        return self.model_copy(update=texts)

    @property
    def is_cut_off(self) -> bool:
        """Whether it ended among thoughts, or the server ended it before its first line did."""
        if self._said is None:
            return True
        return self.finish == CUT_OFF and "\n" not in self._said.lstrip()

    @property
    def line(self) -> str:
        """The first line behind any thoughts, which alone is judged; empty where there is none."""
        return (self._said or "").strip().partition("\n")[0].strip()

    @property
    def _said(self) -> str | None:
        """What stands behind the thoughts, all where there are none; None where they do not end."""
        thoughts, end, said = self.text.partition(_END)
        if thoughts.lstrip().startswith(_BEGIN):
            return said if end else None
        # A template that writes the beginning itself leaves only the end to the model.
        return said if end and _BEGIN not in thoughts else self.text


def _or_none(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Take what is no such thing as nothing: an answer that was paid for is not lost by it."""
    try:
        return validate(value)
    except ValueError:
        return None


def _whole(value: Any) -> Any:
    """Replace half characters, which JSON may hold and a file may not."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _joined(value: Any) -> Any:
    """Join the texts of a message in parts, as some servers give it; thoughts are parts, too."""
    if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
        return value
    return "".join(part["text"] for part in value if isinstance(part.get("text"), str))


_Text = Annotated[str, BeforeValidator(_whole)]
_Said = Annotated[_Text | None, WrapValidator(_or_none)]


class _Message(BaseModel):
    content: Annotated[_Text | None, BeforeValidator(_joined)] = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: _Said = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        """Take no content as null where the server says why: its model may have been thinking."""
        if not self.message.model_fields_set and self.finish_reason is None:
            raise ValueError("neither an answer nor why there is none")
        return self


class _Usage(BaseModel):
    model_config = ConfigDict(strict=True)

    prompt_tokens: NonNegativeInt
    completion_tokens: NonNegativeInt
    total_tokens: Annotated[NonNegativeInt | None, WrapValidator(_or_none)] = None

    @property
    def written(self) -> int:
        """All that was written: some servers count thoughts in the total alone."""
        return max(self.completion_tokens, (self.total_tokens or 0) - self.prompt_tokens)


class Completion(BaseModel):
    """
    The JSON of a chat completion, as far as it is used.

    Its first choice must hold a message whose content is text, or null; some servers leave null
    out.
    """

    choices: list[_Choice] = Field(min_length=1)
    model: _Said = None
    system_fingerprint: _Said = None
    usage: Annotated[_Usage | None, WrapValidator(_or_none)] = None

    @property
    def answer(self) -> Answer:
        """What is kept of it."""
        first, usage = self.choices[0], self.usage
        return Answer(
            text=first.message.content or "",
            finish=first.finish_reason,
            model=self.model,
            fingerprint=self.system_fingerprint,
            prompt_tokens=usage.prompt_tokens if usage else None,
            completion_tokens=usage.written if usage else None,
        )
