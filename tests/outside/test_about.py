import pytest

from recbench.errors import DataError
from recbench.outside.about import Maker, read_maker

TEXT = """
model = "SASRec of RecBole 1.2.1"
code = "https://github.com/RUCAIBox/RecBole"
data = "the training rows"
cost = "2 minutes"
hardware = "a laptop"
reference = "Kang and McAuley, ICDM 2018"
seed = 3
"""


def test_what_a_maker_says_is_read(tmp_path):
    (tmp_path / "about.toml").write_text(TEXT, encoding="utf-8")
    made = read_maker(tmp_path / "about.toml")
    assert (made.seed, made.random_training) == (3, True)
    assert made.about.sentence == (
        "its maker says: model: SASRec of RecBole 1.2.1; code: https://github.com/RUCAIBox/RecBole"
        "; data: the training rows; cost: 2 minutes; hardware: a laptop; reference: Kang and "
        "McAuley, ICDM 2018"
    )


def test_nothing_need_be_said(tmp_path):
    (tmp_path / "about.toml").write_text("")
    assert read_maker(tmp_path / "about.toml") == Maker()
    assert Maker().about.sentence == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modle = 1", "unknown field 'modle'"),
        ("mdel = 'a'", "did you mean .model."),
        ("model = 1", "model: .* found 1"),
        ("model = ['a']", "model: .* found"),
        ("model = 'a\tb'", "model: expected one line of text that can be printed"),
        ('model = """a\nb"""', "model: expected one line of text"),
        ('model = "a\\u202eb"', "model: expected one line of text"),
        (f"model = '{'a' * 301}'", "model: .*at most 300"),
        ("seed = -1", "seed: .*found -1"),
        ("seed = '1'", "seed: .*found '1'"),
        ("seed = 1.0", "seed: .*found 1.0"),
        ("seed = true", "seed: .*found True"),
        ("seed = 99999999999999999999", "seed: "),
        ("random_training = 'no'", "random_training: .*found 'no'"),
        ("system", "expected TOML in UTF-8, found"),
        ("a = 1\na = 2", "expected TOML in UTF-8, found"),
        ("a = " + "[" * 10_000, "expected TOML in UTF-8, found"),
    ],
)
def test_what_cannot_be_said_is_refused(tmp_path, text, message):
    (tmp_path / "about.toml").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=rf"about.toml: {message}|about.toml: .*{message}"):
        read_maker(tmp_path / "about.toml")


def test_what_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "about.toml").write_bytes(b"model = '\xff'")
    with pytest.raises(DataError, match="expected TOML in UTF-8"):
        read_maker(tmp_path / "about.toml")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="expected a TOML file, found none; check --about"):
        read_maker(tmp_path / "about.toml")
