"""Separators, encodings and columns: found by a rule, or named by the user."""

import pytest

from recbench.data.readers.finding import separator_of
from recbench.data.written import Written, encoding_named, separator_named, written_by
from recbench.errors import DataError, UserError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("tab", "\t"), ("TAB", "\t"), (r"\t", "\t"), ("\t", "\t"), ("comma", ","), (";", ";")),
        *(("pipe", "|"), ("colons", "::"), ("::", "::"), ("space", " "), (" ; ", " ; ")),
        *(("^", "^"), ("\x01", "\x01"), ("¦", "¦"), ("||", "||")),
    ],
)
def test_a_separator_is_named_by_itself_or_by_name(text, expected):
    assert separator_named(text) == expected


@pytest.mark.parametrize("text", ["", "x", "tabb", "1", '"', "\n", ",\r", "\0", "\udcff", "é"])
def test_what_cannot_separate_fields_is_refused(text):
    with pytest.raises(UserError, match="--separator must be what stands between fields") as caught:
        separator_named(text)
    assert "\n" not in str(caught.value)
    assert ("did you mean 'tab'" in str(caught.value)) == (text == "tabb")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("latin-1", "iso8859-1"), ("L1", "iso8859-1"), ("cp1252", "cp1252"), ("UTF-8", "utf8")),
        *(("utf_8_sig", "utf8"), ("utf-16", "utf-16"), ("Shift_JIS", "shift_jis")),
    ],
)
def test_an_encoding_is_named_as_python_names_it(text, expected):
    assert encoding_named(text) == expected


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("latn1", "did you mean 'latin-1'"),
        ("utf-61", "did you mean 'utf-16'"),
        *(
            (text, "unknown encoding")
            for text in ("", "base64", "rot13", "hex", "idna", "undefined")
        ),
        *(
            (text, "unknown encoding")
            for text in ("unicode_escape", "../x", "x\udcff", "a b", "zip")
        ),
    ],
)
def test_what_is_no_encoding_of_text_is_refused(text, hint):
    with pytest.raises(UserError, match=hint):
        encoding_named(text)


def test_what_a_user_says_is_of_both_files_but_for_columns():
    assert written_by(None, None, None, None) == (Written(), Written())
    both = Written(";", "cp1252"), Written(";", "cp1252")
    assert written_by(";", "cp1252", None, None) == both
    assert written_by(None, "utf-8/latin-1", "user, item", "item") == (
        Written("", "utf8", ("user", "item")),
        Written("", "iso8859-1", ("item",)),
    )
    for text in ("", "a,,b", "a,"):
        with pytest.raises(UserError, match="--item-columns must be names with commas between"):
            written_by(None, None, None, text)
    with pytest.raises(UserError, match="unknown encoding 'latn-1'"):
        written_by(None, "utf-8/latn-1", None, None)


@pytest.mark.parametrize(
    ("usual", "content", "expected"),
    [
        (",", "a,b\n1,2\n", ","),
        (",", "a;b\n1;2,5\n", ";"),
        (",", "a\tb\n1\t2\n", "\t"),
        ("\t", "a,b\n1,2\n", ","),
        ("\t", "a b\tc,d\n1\t2\n", "\t"),
        (",", "a,b|c\n1,2\n", ","),
        (",", "a,b;c\n1,2\n3,4;5\n", ","),  # an even row for each, and the usual one is even
        (",", "a,b;c\n1;2\n3;4,5,6\n", ";"),
        (
            ",",
            "a,b;c\n1;2;3\n3;4,5,6\n",
            ",",
        ),  # neither is even: the usual one, and its broken line
        (",", "a\n1\n", ","),
        (",", "a b\n1 2\n", ","),  # one column, with spaces in it
        (",", "", ","),
        (",", '"a,b";c\n"1";2\n', ";"),
        ("", "a,b\n1,2\n", ","),
        ("", "a::b\n1::2\n", "::"),
        ("", "1::A, the:: X|Y\n2::B::Z\n", "::"),
        ("", "a b\n1 2\n", " "),
        ("", "user id,item\n1,2\n\n3,4\n", ","),
        ("", "a,b;c\n1,2\n3,4\n", ","),
        ("", "", ","),
        ("", "a,b;c\n1,2;3\n", None),
        ("", "a,b;c\n1\n", None),
        ("", "a^b\n1^2\n", None),
        ("", "word\n", None),
    ],
)
def test_the_separator_is_found(tmp_path, usual, content, expected):
    file = tmp_path / "file"
    file.write_text(content)
    if expected is None:
        with pytest.raises(DataError, match=r"line 1: .* name the right one, as --separator ';'$"):
            separator_of(file, "", usual, "utf8", 0)
    else:
        assert separator_of(file, "", usual, "utf8", 0) == expected


@pytest.mark.parametrize(
    ("named", "usual", "columns", "content", "expected"),
    [
        ("^", ",", 0, "a^b,c\n", "^"),
        ("^", ",", 0, "a,b\n", ","),  # another file needs the named one
        (",", "", 0, "word\n", ","),
        ("", "", 3, "1::A, B::C|D\n2::E::F|G\n", "::"),
        ("", "", 2, "1,2;3\n4,5;6\n", None),
        ("", ",", 2, "1^2\n", None),
        ("", ",", 1, "1^2\n", ","),
        ("^", ",", 2, "1^2\n", "^"),
    ],
)
def test_what_was_named_helps_to_find_it(tmp_path, named, usual, columns, content, expected):
    file = tmp_path / "file"
    file.write_text(content)
    if expected is None:
        with pytest.raises(DataError, match="name the right one, as --separator"):
            separator_of(file, named, usual, "utf8", columns)
    else:
        assert separator_of(file, named, usual, "utf8", columns) == expected
