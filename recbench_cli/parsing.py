"""What users write in one option and mean as several values."""

import re
from collections.abc import Sequence

from recbench.errors import UserError, unknown


def settings_of(changes: Sequence[str], llm: str | None) -> dict[str, str]:
    """
    Read ``name=value`` pairs, each name once; `llm` is the setting of that name.

    Raises
    ------
    UserError
        For a pair without a name or an equals sign, and a setting that is given twice.
    """
    settings: dict[str, str] = {}
    given: dict[str, str] = {}
    if llm is not None:
        settings["llm"], given["llm"] = llm, f"--llm {llm}"
    for change in changes:
        name, equals, value = (part.strip() for part in change.partition("="))
        if not equals or not name:
            raise UserError(f"--set takes NAME=VALUE, not '{change}'")
        said = f"--set {name}={value}"
        if name in given:
            raise UserError(f"the setting '{name}' is given twice: {given[name]} and {said}")
        settings[name], given[name] = value, said
    return settings


def names_of(text: str, option: str) -> list[str]:
    """
    Read names parted by commas, each once, in the order given.

    Raises
    ------
    UserError
        Where there is no name; `option` is named.
    """
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise UserError(f"{option} names nothing; give names parted by commas")
    return names


def cutoffs_of(text: str) -> list[int]:
    """
    Read the K of figures, parted by commas, each once; how large they may be, the runs tell.

    Raises
    ------
    UserError
        Where one is no whole number from 1 on.
    """
    given = names_of(text, "--k")
    for k in given:
        if not re.fullmatch("0*[1-9][0-9]*", k):
            raise UserError(f"--k takes whole numbers from 1 on, parted by commas, not '{k}'")
    return list(dict.fromkeys(map(int, given)))


def devices_of(text: str) -> list[str]:
    """
    Read devices parted by commas; whether they are there, the run that asks for one finds out.

    Raises
    ------
    UserError
        For a name that no device can have, and where there is none.
    """
    devices = names_of(text, "--device")
    for device in devices:
        if not re.fullmatch(r"auto|cpu|cuda(:[0-9]+)?", device):
            raise unknown("device", device, ("auto", "cpu", "cuda", "cuda:0"))
    return devices


def nouns_of(text: str) -> tuple[str, str]:
    """
    Read what one item and several are called: ``game/games``, or ``game`` alone.

    Raises
    ------
    UserError
        Where there is no word, or what could not stand inside a line of a prompt.
    """
    one, _, several = (part.strip() for part in text.partition("/"))
    if not one or not text.isprintable():
        raise UserError(f"--noun takes one word or two, as game/games, not {text!r}")
    return one, several or f"{one}s"


def verb_of(text: str) -> str:
    """
    Read what a user did with an item, in the past tense.

    Raises
    ------
    UserError
        Where there is no word, or what could not stand inside a line of a prompt.
    """
    if not text.strip() or not text.isprintable():
        raise UserError(f"--verb takes words in the past tense, as 'listened to', not {text!r}")
    return text.strip()
