"""Texts that programs write where there is nothing."""

from recbench.data.readers.raw import Ids

_WORDS = {"nan", "none", "null", "na", "n/a", "<na>", "nat", "nil", "undefined", ""}


def reads_as_missing(text: str) -> bool:
    """
    Tell whether a text is what programs write for a missing value.

    Examples
    --------
    >>> [text for text in ("nan", "None", "<NA>", " ", "Nan Goldin", "0") if reads_as_missing(text)]
    ['nan', 'None', '<NA>', ' ']
    """
    return text.strip().lower() in _WORDS


def missing_among(ids: Ids) -> list[int]:
    """Return where an id stands that programs write for a missing one; no integer is such."""
    texts = ids.tolist() if ids.dtype == object else []
    return [code for code, text in enumerate(texts) if reads_as_missing(text)]
