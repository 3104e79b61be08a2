"""Keys and passwords: they stand in no record, no message and no log."""

import json
import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from recbench.errors import UserError

HIDDEN = "[key]"
"""Stands where one stood."""

LEAST_SECRET = 8
"""Characters of a key; what is shorter ("none", "EMPTY") is a word, which an answer may hold."""

_NAMED_SO = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD)$", re.IGNORECASE)
_SHAPED_SO = re.compile(r"(?<![A-Za-z0-9])(?:sk-|hf_|gh[pousr]_|github_pat_)[A-Za-z0-9_-]{16,}")
_IN_ADDRESS = re.compile(r"(?<=://)[^/\s]+(?=@)")  # a password may hold an @


def without_secrets(text: str) -> str:
    """
    Return a text with `HIDDEN` in the place of every key.

    Those are the values of environment variables whose names end in KEY, TOKEN, SECRET or PASSWORD;
    what looks like a key of OpenAI, Hugging Face or GitHub; and user and password of an address.
    """
    written = {one for secret in _of_environment().values() for one in _written(secret)}
    for secret in sorted(written, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _IN_ADDRESS.sub(HIDDEN, _SHAPED_SO.sub(HIDDEN, text))


def check_no_secret(values: Mapping[str, Any], what: str) -> None:
    """
    Refuse what would be recorded with a key in it.

    Parameters
    ----------
    values
        Name to value, of any type.
    what
        What each of them is, for the message.

    Raises
    ------
    UserError
        That names the value, and the environment variable whose value it is; the key is not shown.
    """
    own = {env: _written(secret) for env, secret in _of_environment().items()}
    for name, value in values.items():
        text = str(value)
        of = next((env for env, secret in own.items() if any(map(text.__contains__, secret))), None)
        if of is not None or _SHAPED_SO.search(text):
            held = f"the value of the environment variable {of}" if of else "what looks like a key"
            raise UserError(
                f"{what} '{name}' holds {held}, and it would be recorded; leave it out, and put "
                "keys into the environment alone"
            )


def _written(secret: str) -> tuple[str, ...]:
    """Return a secret as it is, in one line, in quotation marks, as JSON and in an address."""
    quoted = repr(secret)[1:-1], json.dumps(secret)[1:-1]
    return secret, " ".join(secret.split()), *quoted, quote(secret, safe="")


def _of_environment() -> dict[str, str]:
    """Return the secrets of the environment by their names."""
    found = {name: os.environ[name].strip() for name in os.environ if _NAMED_SO.search(name)}
    return {name: value for name, value in found.items() if len(value) >= LEAST_SECRET}
