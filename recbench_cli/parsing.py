"""What users write in one option and mean as several values."""

from collections.abc import Sequence

from recbench.errors import UserError


def settings_of(changes: Sequence[str], llm: str | None) -> dict[str, str]:
    """
    Read ``name=value`` pairs; the last of a name counts, and `llm` is the setting of that name.

    Raises
    ------
    UserError
        For a pair without a name or an equals sign.
    """
    settings: dict[str, str] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or not name.strip():
            raise UserError(f"--set takes NAME=VALUE, not '{change}'")
        settings[name.strip()] = value.strip()
    if llm is not None:
        settings["llm"] = llm
    return settings


def names_of(text: str) -> list[str]:
    """Read names parted by commas, each once, in the order given."""
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
