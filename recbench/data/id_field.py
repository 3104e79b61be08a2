"""A raw id as one field of a line of ``items.tsv``, and back."""

import json
import re

# What ends a field or a line, for one program or another, and the sign of a JSON text.
_UNFIT = re.compile('^"|[\x00-\x1f\x7f-\x9f\u2028\u2029]')


def field_of(raw_id: int | str) -> str:
    r"""
    Write an id: as it is, or as a JSON text where it could not stand so.

    The JSON text, in ASCII, is for an id that begins with a double quote, or that holds a control
    character (tabs and line breaks among them) or a line or paragraph separator. A field that
    begins with a double quote is thus always JSON.

    Examples
    --------
    >>> print(field_of(7), field_of("a b"), field_of("a\tb"), field_of('"a"'))
    7 a b "a\tb" "\"a\""
    """
    text = str(raw_id)
    return json.dumps(text) if _UNFIT.search(text) else text


def id_of(field: str) -> str:
    """
    Read what `field_of` writes.

    Raises
    ------
    ValueError
        If the field is empty, begins with a double quote and is no JSON text, or holds half a
        character (a lone surrogate), which UTF-8 cannot write.
    """
    text: str = json.loads(field) if field.startswith('"') else field
    if not text.encode():
        raise ValueError("an empty id is a missing one")
    return text
