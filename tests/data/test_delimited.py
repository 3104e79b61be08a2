"""What the CSV reader accepts, the search for the broken line accepts too."""

from pathlib import Path

import pytest

from recbench.data.readers.delimited import Dialect, read_delimited
from recbench.errors import DataError

VALUES = [
    *("196", " 196", "196 ", "\t196\t", "007", "-0", "+1", "0x10", "1_0", "", " ", "1 9"),
    *("1.5", " .5", "1.", "1e3", "1e400", "nan", "-inf", "99999999999999999999"),
    *("\x0c196", "196\x0b", "196\xa0", "196\u2003", "\ufeff196", "good"),
]


def read(file: Path, kind: str, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    read_delimited(file, ["value", "more"], {"value": kind}, Dialect("|"))


def refusal(file: Path, kind: str, text: str) -> str:
    """Return what is said against a file; empty for a sound one."""
    try:
        read(file, kind, text)
    except DataError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", ["integer", "number"])
@pytest.mark.parametrize("value", VALUES)
def test_a_sound_line_is_not_blamed_for_a_broken_one(value, kind, tmp_path):
    alone = refusal(tmp_path / "file", kind, f"{value}|x\n")
    assert not alone or "line 1: expected" in alone
    both = refusal(tmp_path / "file", kind, f"{value}|x\nbroken|x\n")
    assert f"line {1 if alone else 2}: expected" in both


def test_spaces_around_a_number_are_sound(tmp_path):
    read(tmp_path / "file", "integer", " 196 |x\n\t7|x\n")
