"""The formats of published datasets: sound files, broken ones, and what a fuzzer makes of them."""

import gzip

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recbench.data.card import card
from recbench.data.dataset import make_dataset
from recbench.data.readers import READERS
from recbench.errors import DataError

# format: interactions and items as published, and what they come to
GOOD = {
    "hetrec": (
        "userID\tartistID\ttagID\tday\tmonth\tyear\n"
        "2\t52\t13\t1\t4\t2009\n2\t52\t15\t1\t4\t2009\n3\t99\t1\t1\t4\t2009\n3\t7\t1\t31\t12\t1969\n",
        "id\tname\turl\tpictureURL\n"
        '52\tMorcheeba\thttp://a\thttp://b\n7\t"Weird Al" Yankovic\thttp://a\t\n',
    ),
    "movielens-dat": (
        "2::52::5::978300760\n2::52::3.5::978300761\n3::7::1::-86400\n",
        "52::Café, The (1995)::Drama|War\n7::Star Wars: Episode IV :: X (1977)::Action\n",
    ),
    "movielens-csv": (
        "userId,movieId,rating,timestamp\n2,52,5.0,978300760\n2,52,3.5,978300761\n3,7,1.0,-86400\n",
        'movieId,title,genres\n52,"Café, The (1995)",Drama\n7,"A ""B"" C",Action|War\n',
    ),
    "steam": (
        "{u'username': u'Ann', u'product_id': u'52', u'text': u\"it's\", u'date': u'2009-04-01'}\n"
        "{u'username': u'Ann', u'product_id': u'52', u'date': u'2009-04-02', u'found_funny': 1}\n"
        "{u'product_id': u'52', u'date': u'2009-04-02'}\n"
        "{u'username': u'Bo', u'product_id': u'7', u'date': u'1969-12-31'}\n",
        "{u'app_name': u'Caf\\xe9 &amp; Bar', u'genres': [u'Indie'], u'id': u'52'}\n"
        "{u'app_name': u'no id'}\n{u'title': u'again', u'id': u'52'}\n",
    ),
    "amazon": (
        '{"reviewerID": "A1", "asin": "B52", "helpful": [0, 1], "overall": 5.0, '
        '"unixReviewTime": 1238544000}\n'
        '{"reviewerID": "A1", "asin": "B52", "overall": 3.5, "unixReviewTime": 1238544001}\n'
        '{"reviewerID": "A2", "asin": "007", "overall": 1.0, "unixReviewTime": -86400}\n',
        "{'asin': 'B52', 'related': {'also_bought': ['X']}, 'title': 'Caf\\xe9 &amp; Bar'}\n"
        "{'asin': 'X', 'title': 'never reviewed'}\n{'asin': 'B52', 'title': 'again'}\n",
    ),
}
NAMES = {
    "hetrec": "lastfm",
    "movielens-dat": "ml-1m",
    "movielens-csv": "ml-20m",
    "steam": "steam",
    "amazon": "amazon-toys",
}
ENCODINGS = {"movielens-dat": ("ascii", "iso-8859-1")}


def contents(format_name):
    encodings = ENCODINGS.get(format_name, ("utf-8", "utf-8"))
    return [
        text.encode(encoding) for text, encoding in zip(GOOD[format_name], encodings, strict=True)
    ]


@pytest.fixture
def read(tmp_path):
    def write_and_read(format_name, interactions, items):
        files = tmp_path / "interactions", tmp_path / "items"
        for file, content in zip(files, (interactions, items), strict=True):
            file.write_bytes(content)
        return READERS[format_name](*files)

    return write_and_read


def rows(raw):
    return [
        (str(raw.users[row]), str(raw.items[row]), int(raw.times[row]))
        for row in range(len(raw.items))
    ]


def titles(raw):
    return dict(zip(map(str, raw.item_ids.tolist()), raw.titles, strict=True))


EXPECTED_ROWS = {
    "hetrec": [("2", "52", 1238544000), ("2", "52", 1238544000), ("3", "7", -86400)],
    "movielens-dat": [("2", "52", 978300760), ("2", "52", 978300761), ("3", "7", -86400)],
    "movielens-csv": [("2", "52", 978300760), ("2", "52", 978300761), ("3", "7", -86400)],
    "steam": [("Ann", "52", 1238544000), ("Ann", "52", 1238630400), ("Bo", "7", -86400)],
    "amazon": [("A1", "B52", 1238544000), ("A1", "B52", 1238544001), ("A2", "007", -86400)],
}
EXPECTED_TITLES = {
    "hetrec": {"52": "Morcheeba", "7": "Weird Al Yankovic"},
    "movielens-dat": {"52": "Café, The (1995)", "7": "Star Wars: Episode IV :: X (1977)"},
    "movielens-csv": {"52": "Café, The (1995)", "7": 'A "B" C'},
    "steam": {"52": "Café &amp; Bar", "7": ""},
    "amazon": {"B52": "Café &amp; Bar", "007": ""},
}


@pytest.mark.parametrize("format_name", GOOD)
@pytest.mark.parametrize("dress", ["plain", "crlf", "gzip", "no last line end", "blank last lines"])
def test_sound_files_come_back_in_file_order(read, format_name, dress):
    change = {
        "plain": lambda content: content,
        "crlf": lambda content: content.replace(b"\n", b"\r\n"),
        "gzip": gzip.compress,
        "no last line end": lambda content: content.removesuffix(b"\n"),
        "blank last lines": lambda content: content + b"\n\r\n   \n ",
    }[dress]
    raw = read(format_name, *map(change, contents(format_name)))
    assert rows(raw) == EXPECTED_ROWS[format_name]
    assert titles(raw) == EXPECTED_TITLES[format_name]
    if format_name.startswith("movielens") or format_name == "amazon":
        assert raw.ratings.tolist() == [5, 3.5, 1]


def test_what_is_odd_about_the_files_is_counted(read):
    assert read("steam", *contents("steam")).notes == (
        "1 reviews without user, game or date, left out.",
        "1 listed games without an id, left out.",
        "1 games that are listed again, the first kept.",
        "1 reviewed games that are not listed, without a title.",
    )
    assert read("amazon", *contents("amazon")).notes == ("1 of 2 products have no title.",)


@pytest.mark.parametrize("format_name", ["steam", "amazon"])
def test_an_item_without_a_title_is_called_unknown_and_entities_are_characters(read, format_name):
    made = make_dataset(card(NAMES[format_name]), read(format_name, *contents(format_name)))
    assert set(made.catalogue.titles) == {"Café & Bar", "unknown"}


BROKEN = [
    ("hetrec", 0, "2\t52\t13\t1\t4", "expected 6 fields"),
    ("hetrec", 0, "x\t52\t13\t1\t4\t2009", "expected an integer as user, found 'x'"),
    ("hetrec", 0, "2\t52\t13\t31\t4\t2009", "expected a date, found day 31, month 4, year 2009"),
    ("hetrec", 0, "2\t52\t13\t29\t2\t2009", "expected a date"),
    ("hetrec", 0, "2\t52\t13\t0\t4\t2009", "expected a date"),
    ("hetrec", 0, "2\t52\t13\t1\t13\t2009", "expected a date"),
    ("hetrec", 0, "2\t52\t13\t1\t4\t9223372036854775807", "expected a date"),
    ("hetrec", 1, "52\tagain\tu\tp", "expected an item id that no earlier line has, found 52"),
    ("hetrec", 1, "53\tname\tu", "expected 4 fields"),
    ("movielens-dat", 0, "2::52::5", "expected user::item::rating::time, found '2::52::5'"),
    ("movielens-dat", 0, "2::52::five::1", "expected user::item::rating::time"),
    ("movielens-dat", 0, "2::52::nan::1", "expected user::item::rating::time"),
    ("movielens-dat", 0, "2::52::5::noon", "expected user::item::rating::time"),
    ("movielens-dat", 0, "\n2::52::5::1", "expected user::item::rating::time, found ''"),
    ("movielens-dat", 0, "2::53::5::1", "expected an item id listed in items, found 53"),
    ("movielens-dat", 1, "52::again::x", "expected an item id that no earlier line has"),
    ("movielens-dat", 1, "53::no genres", "expected item::title::genres"),
    ("movielens-dat", 1, "53::a\x00b::x", "expected item::title::genres"),
    ("movielens-csv", 0, "2,52,5.0", "expected 4 fields"),
    ("movielens-csv", 0, "2,52,nan,1", "expected a finite rating, found nan"),
    ("movielens-csv", 0, "2,52,5.0,1.5", "expected an integer as timestamp, found '1.5'"),
    ("movielens-csv", 0, "2,53,5.0,1", "expected an item id listed in items, found 53"),
    ("movielens-csv", 1, '53,"open,Drama', "expected every quote to be closed"),
    ("movielens-csv", 1, "53,a, b,Drama", "expected 3 fields"),
    ("steam", 0, "{u'username': u'Cy'", "expected a record"),
    (
        "steam",
        0,
        "{'username': 'C', 'product_id': '7', 'date': 'May'}",
        "expected a date, found",
    ),
    ("steam", 0, "{'username': 'C', 'product_id': '7', 'date': '2009-02-30'}", "expected a date"),
    (
        "steam",
        0,
        "{'username': 'C', 'product_id': 7.5, 'date': '2009-02-03'}",
        "expected text",
    ),
    ("steam", 1, "{'id': ['x']}", "expected text as id, found"),
    (
        "amazon",
        0,
        '{"reviewerID": "A", "asin": "B", "overall": 5}',
        "integer as unixReviewTime",
    ),
    ("amazon", 0, '{"reviewerID": "A", "asin": "B", "overall": NaN}', "expected a finite rating"),
    ("amazon", 0, '{"asin": "B", "overall": 5}', "expected an id as reviewerID, found ''"),
    ("amazon", 0, '{"reviewerID": "A", "asin": " "}', "expected an id as asin, found ' '"),
    (
        *("amazon", 0),
        '{"reviewerID": "A", "asin": "B", "overall": 5, "unixReviewTime": 9223372036854775808}',
        "expected an integer as unixReviewTime, found 9223372036854775808",
    ),
    ("amazon", 1, "{'asin': 'B52', 'title': 'x'", "expected a record"),
]


@pytest.mark.parametrize(("format_name", "which", "line", "expected"), BROKEN)
@pytest.mark.parametrize("packed", [False, True])
def test_a_broken_line_is_named(read, format_name, which, line, expected, packed):
    both = contents(format_name)
    number = both[which].count(b"\n") + 1
    both[which] += line.encode() + b"\n"
    with pytest.raises(DataError) as caught:
        read(format_name, *(map(gzip.compress, both) if packed else both))
    where = f"{('interactions', 'items')[which]}, line {number}: "
    assert where in str(caught.value)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("format_name", GOOD)
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("damage", ["empty", "cut gzip", "utf-16", "absent"])
def test_a_file_that_is_none_of_its_kind_is_named(read, tmp_path, format_name, which, damage):
    both = contents(format_name)
    if damage == "absent":
        read(format_name, *both)
        (tmp_path / ("interactions", "items")[which]).unlink()
        with pytest.raises(DataError, match="expected a file, found none"):
            READERS[format_name](tmp_path / "interactions", tmp_path / "items")
        return
    both[which] = {
        "empty": lambda content: b"",
        "cut gzip": lambda content: gzip.compress(content)[:-9],
        "utf-16": lambda content: content.decode("latin-1").encode("utf-16"),
    }[damage](both[which])
    with pytest.raises(DataError, match=("interactions", "items")[which]) as caught:
        read(format_name, *both)
    assert "\n" not in str(caught.value)


PIECES = [
    *(b"\x00", b"\xef\xbb\xbf", b"\r", b"\n", b"\r\n", b"\t", b",", b"::", b'"', b"'", b"\\"),
    *(
        b"\xff",
        b"\xe9",
        b"nan",
        b"-1",
        b"1e999",
        b"{",
        b"}",
        b"[",
        b" ",
        b"9" * 25,
        b"\xf0\x9f\x98\x80",
    ),
]


def outcome(read, format_name, both):
    """Return what was read, or what was said."""
    try:
        return read(format_name, *both), ""
    except DataError as error:
        return None, str(error)


@pytest.mark.parametrize("format_name", GOOD)
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_whatever_is_done_to_a_file_gives_a_table_or_one_line(read, format_name, data):
    both = contents(format_name)
    which = data.draw(st.integers(0, 1))
    content = both[which]
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, min(len(content), start + 12)))
        content = content[:start] + data.draw(st.sampled_from([b"", *PIECES])) + content[end:]
    if data.draw(st.booleans()):
        content = gzip.compress(content)
        content = content[: data.draw(st.integers(len(content) - 12, len(content)))]
    both[which] = content
    raw, refusal = outcome(read, format_name, both)
    if raw is None:
        assert "\n" not in refusal
        assert "interactions" in refusal or "items" in refusal
        return
    made = make_dataset(card(NAMES[format_name]), raw)
    assert len(made) == len(raw.items) == len(raw.users) == len(raw.times) > 0
    assert len(made.catalogue) == len(set(map(str, raw.item_ids.tolist())))
    assert all(title == " ".join(title.split()) and title for title in made.catalogue.titles)
    assert not any("\x00" in title for title in made.catalogue.titles)
    assert made.times.dtype == np.int64
