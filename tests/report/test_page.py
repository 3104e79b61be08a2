"""The page is one file, the same for the same records, and no text of data is markup in it."""

import re
from html.parser import HTMLParser

import pytest

from recbench.errors import NotInstalledError
from recbench.report import page as pages
from recbench.report.contents import contents
from recbench.runs.leaderboard import leaderboard

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>&amp;"


class Elements(HTMLParser):
    """Counts what a browser would take for elements, and keeps what names another place."""

    def __init__(self):
        super().__init__()
        self.names, self.places = [], []

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.places += [value for name, value in attrs if name in ("src", "href", "data", "action")]


@pytest.fixture(autouse=True)
def _no_vega(monkeypatch):
    """Bundling takes seconds, and what the bundle does, a browser tells."""
    pytest.importorskip("altair")
    monkeypatch.setattr(pages, "_vega", lambda: "window.vegaEmbed = null;")


def written(runs):
    return pages.page(contents(leaderboard(runs), None, 9, lambda _: None))


def test_two_pages_of_the_same_records_are_the_same_bytes(made):
    runs = [made(model="a", writes=True), made((1, 1, 1, 0), model="b")]
    assert written(runs) == written(runs[::-1])


def test_text_of_data_is_no_markup(made):
    harmless = [made(model="a", writes=True, settings={"x": "y"}), made(model="a")]
    hostile = [made(model="b", writes=True, settings={"x": HOSTILE}), made(model="b", caption="")]
    plain, page = Elements(), Elements()
    plain.feed(written(harmless))
    page.feed(text := written(hostile))
    assert page.names == plain.names
    assert "onerror=alert" in text  # it is shown
    assert HOSTILE not in text


def test_no_sign_turns_the_order_of_letters_around():
    link = pages.Link("a.html", "\x1b[31m abc\u202egnp.exe", 1)
    text = pages.index([link], "report.html")
    assert r"\x1b[31m abc\u202egnp.exe" in text
    assert "\u202e" not in pages._json(["\u202e"])
    assert "\u202e" not in text


def test_nothing_is_fetched(made):
    page = Elements()
    page.feed(text := written([made()]))
    assert {place[0] for place in page.places} == {"#"}
    assert "default-src 'none'" in text
    assert len(re.findall("'sha256-[A-Za-z0-9+/=]+'", text)) == 2


def test_without_its_packages_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(pages, "find_spec", lambda name: None)
    with pytest.raises(NotInstalledError, match=r"pip install 'recbench\[report\]'"):
        pages.check_installed()
