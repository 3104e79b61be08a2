"""
One question to an endpoint, through the official client, and one line for whatever goes wrong.

What may pass (a server that is overloaded, restarts, falls silent or answers nonsense) is tried
again, with growing pauses or after those that the server asks for; what cannot pass ends at once.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from math import isnan
from threading import Event
from time import time
from typing import TYPE_CHECKING, Any

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_when_event_set,
    wait_exponential,
    wait_random,
)
from tenacity.nap import sleep_using_event

from recbench.endpoint.address import KEY, without_key
from recbench.endpoint.answer import FILTERED, Answer, Completion
from recbench.errors import NotInstalledError, RecbenchError, UserError

if TYPE_CHECKING:
    from openai import APIError, APIStatusError, OpenAI

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""Seconds before the second attempt, and most before any; each pause is about twice the last."""

LONGEST_ASKED = 600.0
"""Seconds that a server may ask to wait; for more the run ends and can be gone on with."""

NOTICED = 5.0
"""Seconds of a pause from which on it is reported."""

SHOWN = 200
"""Most characters of what a server said that are shown."""

PASSING_STATUS = frozenset({408, 409, 425, 429})
"""Besides 500 and above."""

NO_CREDIT = "insufficient_quota"
"""OpenAI's word where waiting does not help."""

REMEDIES = {
    "max_tokens": "--set limit=max_completion_tokens sends max_tokens under that name",
    "max_completion_tokens": "--set limit=max_tokens sends max_completion_tokens under that name",
    "temperature": "--set temperature=none sends no temperature",
    "seed": "--set sampling_seed=none sends no seed",
}
"""By the field of a request that a server refuses: the way to do without it."""

TOO_LONG = (
    "the question and its answer do not fit: --set answer_tokens=N leaves less for the answer, "
    "--history and --candidates show fewer titles"
)
"""Where a server speaks of the context of its model, whichever field it names."""

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
ACCOUNTS = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
"""Variables of the environment by which the client connects; proxies in small letters, too."""

GOES_ON = "the same command goes on where this one stopped"


class StoppedError(RecbenchError):
    """A question was not put any more, since another one ended the run."""


class PassingError(RecbenchError):
    """
    What may be gone at the next attempt.

    Attributes
    ----------
    pause
        Seconds that the server asks to wait; None where it does not.
    """

    def __init__(self, message: str, pause: float | None = None) -> None:
        super().__init__(message)
        self.pause = pause


def check_installed() -> None:
    """Raise NotInstalledError where the client is missing."""
    if find_spec("openai") is None:
        raise NotInstalledError(
            "asking an endpoint takes a package: pip install 'recbench[endpoint]'"
        )


@dataclass(frozen=True)
class Endpoint:
    """
    A server that completes chats.

    Attributes
    ----------
    address
        As `recbench.endpoint.address.checked_address` returns it.
    key
        To be sent; None for none. It is shown to nobody.
    timeout
        Seconds of silence from the server after which an attempt has failed.
    retries
        Attempts after the first.
    report
        Told of pauses that a user would notice.
    """

    address: str
    key: str | None
    timeout: float
    retries: int
    report: Callable[[str], None]

    def __repr__(self) -> str:
        return f"Endpoint({self.address!r})"

    @contextmanager
    def connected(self) -> Iterator["OpenAI"]:
        """
        Open connections, which `complete` uses, and close them when the block ends.

        A redirect is not followed: a question is put to the address that the record names.

        Raises
        ------
        UserError
            If the environment says how to connect, and it cannot be done so.
        """
        from openai import DefaultHttpxClient, OpenAI

        with _as_the_environment_says(self.address):
            opened = OpenAI(
                base_url=self.address,
                api_key=self.key or "none",  # the client wants one; a server without any ignores it
                timeout=self.timeout,
                max_retries=0,
                http_client=DefaultHttpxClient(follow_redirects=False, timeout=self.timeout),
            )
        with opened as client:
            yield client

    def complete(self, client: "OpenAI", body: dict[str, Any], stop: Event) -> Answer:
        """
        Put one question until it is answered.

        Parameters
        ----------
        client
            Of `connected`.
        body
            The request's JSON.
        stop
            When it is set, nothing is asked any more, and a pause ends.

        Raises
        ------
        UserError
            If the server refuses the key, the language model or the question.
        RecbenchError
            If every attempt failed; a StoppedError if `stop` was set.
        """
        attempts = Retrying(
            retry=retry_if_exception_type(PassingError),
            wait=_pause,
            stop=stop_after_attempt(1 + self.retries) | stop_when_event_set(stop),
            sleep=sleep_using_event(stop),
            before_sleep=self._report_pause,
            reraise=True,
        )
        try:
            return attempts(self._once, client, body, stop)
        except PassingError as error:
            tried = attempts.statistics["attempt_number"]
            times = "once" if tried == 1 else f"{tried} times"
            raise RecbenchError(f"{error}; tried {times}; {GOES_ON}") from error

    def _once(self, client: "OpenAI", body: dict[str, Any], stop: Event) -> Answer:
        from openai import APIError

        if stop.is_set():
            raise StoppedError("not asked any more")
        try:
            with _as_the_environment_says(self.address):
                reply = client.chat.completions.with_raw_response.create(**body)
        except APIError as error:
            if getattr(error, "code", None) == FILTERED:  # a prompt that is not even read
                return Answer(text="", finish=FILTERED)
            # Its own words may hold the key, which a traceback would show.
            raise self._explained(error, body) from None
        return self._read(reply.content)

    def _report_pause(self, state: RetryCallState) -> None:
        pause = state.next_action.sleep if state.next_action is not None else 0.0
        if pause >= NOTICED and state.outcome is not None:
            self.report(f"{state.outcome.exception()}; asked again in {pause:.0f} s")

    def _read(self, content: bytes) -> Answer:
        said: Any = None
        try:
            said = json.loads(content.decode("utf-8-sig"))
            answer = Completion.model_validate(said).answer
        except (ValueError, RecursionError):
            shown = self._shown(content.decode(errors="replace"))
            no_completion = f"{self.address} answers what is no chat completion"
            if isinstance(said, dict) and said.get("choices"):  # it would be paid for again
                raise RecbenchError(
                    f"{no_completion} that can be read: {shown}; look at what serves it, then "
                    f"{GOES_ON}"
                ) from None
            raise PassingError(f"{no_completion}: {shown or 'nothing'}") from None
        # Not before it is read, when it may be escaped in ways that are undone only then.
        return answer.with_texts(lambda text: without_key(text, self.key))

    def _explained(self, error: "APIError", body: dict[str, Any]) -> RecbenchError:
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        if isinstance(error, APITimeoutError):
            return PassingError(
                f"{self.address} was silent for {self.timeout:g} s; --set timeout=SECONDS waits "
                "longer"
            )
        if isinstance(error, APIConnectionError):
            why = self._shown(str(error.__cause__ or error))
            through = _set_in_the_environment(PROXIES)
            proxy = f", and the proxy that {through} names" if through else ""
            return PassingError(
                f"{self.address} cannot be reached ({why}): check the address, and that its server "
                f"runs{proxy}"
            )
        if isinstance(error, APIStatusError):
            return self._refusal(error, body)
        return RecbenchError(f"{self.address}: {self._shown(str(error))}; {GOES_ON}")

    def _refusal(self, error: "APIStatusError", body: dict[str, Any]) -> RecbenchError:
        status = error.status_code
        said = f"({self._shown(str(error))})"
        if status in {401, 403}:
            if self.key is None:
                return UserError(
                    f"{self.address} wants a key: put it into the environment variable {KEY} {said}"
                )
            return UserError(
                f"{self.address} does not take the key in the environment variable {KEY} {said}"
            )
        if (elsewhere := error.response.headers.get("location")) and 300 <= status < 400:
            return UserError(
                f"{self.address} redirects to {self._shown(elsewhere)}, and no question follows: "
                "set endpoint to that, up to /chat/completions"
            )
        if status == 404:
            return UserError(
                f"{self.address} has no language model '{body['model']}', or is no address of one: "
                f"check chat_model and endpoint {said}"
            )
        if error.code == NO_CREDIT:
            return UserError(f"{self.address} wants more credit {said}; {GOES_ON}")
        if status in PASSING_STATUS or status >= 500:
            pause = _asked_pause(error.response.headers.get("retry-after"))
            if pause is not None and pause > LONGEST_ASKED:
                return RecbenchError(
                    f"{self.address} asks to wait for {pause:,.0f} s {said}; then {GOES_ON}"
                )
            return PassingError(f"{self.address} does not answer now {said}", pause)
        ways = [TOO_LONG] if _is_too_long(error) else [REMEDIES[f] for f in _refused(error, body)]
        return UserError("; ".join([f"{self.address} refuses the question {said}", *ways]))

    def _shown(self, text: str) -> str:
        """Return what a server said as part of a line, without the key."""
        line = " ".join(without_key(text, self.key).split())
        printable = "".join(one if one.isprintable() else "?" for one in line)
        return printable if len(printable) <= SHOWN else f"{printable[:SHOWN]}..."


@contextmanager
def _as_the_environment_says(address: str) -> Iterator[None]:
    """Name the variables that decide how an address is asked, where it cannot be done so."""
    try:
        yield
    except (ImportError, OSError, UnicodeError, ValueError) as error:
        named = _set_in_the_environment(PROXIES + CERTIFICATES + ACCOUNTS)
        if not named:
            raise
        # What else is said may hold a proxy's password.
        why = str(error) if isinstance(error, ImportError | OSError) else type(error).__name__
        raise UserError(
            f"{address} cannot be asked as the environment says ({why}); look at {named}"
        ) from None


def _set_in_the_environment(names: tuple[str, ...]) -> str:
    """Return which of these variables are set, without what they hold."""
    there = [one for name in names for one in (name, name.lower()) if os.environ.get(one)]
    return " and ".join(there)


def _is_too_long(error: "APIStatusError") -> bool:
    """Tell whether a refusal is about what the model can read and write at most."""
    words = f"{error.code} {error}"
    return re.search(r"context[ _-](length|window|size)", words, re.IGNORECASE) is not None


def _refused(error: "APIStatusError", body: dict[str, Any]) -> list[str]:
    """Return the fields of a request that its refusal is about: that which it names, else tells."""
    sent = [field for field in REMEDIES if field in body]
    if error.param in sent:
        return [error.param]
    return [field for field in sent if re.search(rf"\b{field}\b", str(error))]


def _pause(state: RetryCallState) -> float:
    """Return the seconds before the next attempt."""
    error = state.outcome.exception() if state.outcome is not None else None
    grown = wait_exponential(FIRST_PAUSE, LONGEST_PAUSE) + wait_random(0, FIRST_PAUSE)
    return max(grown(state), (error.pause or 0.0) if isinstance(error, PassingError) else 0.0)


def _asked_pause(header: str | None) -> float | None:
    """Read ``Retry-After``, in seconds or as a date."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time()
        except (ValueError, OverflowError):
            return None
    return None if isnan(seconds) else max(0.0, seconds)
