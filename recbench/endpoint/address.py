"""Where an endpoint is, and the key to it: the one is written down, the other never."""

import os
import re
from typing import Annotated

from pydantic import AfterValidator, AnyHttpUrl, TypeAdapter

from recbench.errors import UserError
from recbench.secret import HIDDEN, LEAST_SECRET

KEY = "OPENAI_API_KEY"
"""Environment variable with the key, and the only place where it is looked for."""

_URL = TypeAdapter(AnyHttpUrl)


def checked_address(value: str) -> str:
    """
    Return the address of an endpoint in its usual form, up to "/chat/completions".

    Raises
    ------
    UserError
        For what is none, and where it holds a name, a password, a query or a fragment: it is
        recorded, and a key may be in those. What was given is not shown.
    """
    if not {"@", "?", "#"}.isdisjoint(value):
        raise UserError(
            "setting 'endpoint' is recorded, so it takes no user, password or query; put the key "
            f"into the environment variable {KEY}"
        )
    try:
        url = _URL.validate_python(value.strip())
        (url.host or "").encode("idna")
    except ValueError:
        raise UserError(
            "setting 'endpoint' must be an address such as http://127.0.0.1:8000/v1"
        ) from None
    return str(url).rstrip("/").removesuffix("/chat/completions").rstrip("/")


Address = Annotated[str, AfterValidator(checked_address)]


def key_from_environment() -> str | None:
    """
    Return the key, or None where there is none: a server on one's own machine needs none.

    Raises
    ------
    UserError
        If it cannot be sent; it is not shown.
    """
    key = os.environ.get(KEY, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise UserError(
            f"the environment variable {KEY} holds a character that no key has, such as a line "
            "end; set it anew"
        )
    return key or None


def without_key(text: str, key: str | None) -> str:
    """
    Return what a server said with `HIDDEN` where it repeats the key.

    It may be escaped as in JSON, of which every writer escapes other characters, in an address or
    in a page, and more than once.
    """
    signs = (key or "").replace("\\", "")
    if len(signs) < LEAST_SECRET:
        return text
    return re.sub(r"\\*+".join(map(_however_escaped, signs)), lambda _: HIDDEN, text)


def _however_escaped(character: str) -> str:
    """Return a pattern of a character as it is, or by its number; backslashes stand before it."""
    code = ord(character)
    ways = rf"(?<=\\)u{code:04x}", f"%(?:25)*{code:02x}", f"&(?:amp;)*#(?:0*{code}|x0*{code:x});"
    return f"(?:{re.escape(character)}|(?i:{'|'.join(ways)}))"
