"""A site is whole or not there, the same for the same records, and takes nobody's place."""

import re

import pytest

from recbench.errors import UserError
from recbench.report import page as pages
from recbench.report.site import check_free, name_of, write_site
from recbench.runs.leaderboard import leaderboard


@pytest.fixture(autouse=True)
def _no_vega(monkeypatch):
    pytest.importorskip("altair")
    monkeypatch.setattr(pages, "_vega", lambda: "window.vegaEmbed = null;")


def silent(_):
    pass


@pytest.fixture
def tables(made):
    runs = [made(model="a"), made((1, 1, 1, 0), model="b"), made(pack="another")]
    return leaderboard(runs)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_there_is_a_page_of_each_table_and_of_all(tables, tmp_path):
    site = tmp_path / "out" / "site"
    written = write_site(site, tables, silent)
    assert {path.name for path in site.iterdir()} == set(written)
    index = (site / "index.html").read_text()
    linked = re.findall('href="([^"]+)"', index)
    assert linked == [*map(name_of, tables), "report.html"]
    assert index.count(", runs: ") == 2
    for name in linked:
        text = (site / name).read_text()
        assert text.count("<section") == (2 if name == "report.html" else 1)
        assert {one for one in re.findall('href="([^"]+)"', text) if one[0] != "#"} == {
            "index.html"
        }
    assert "default-src 'none'" in index


def test_the_same_records_give_the_same_bytes_and_a_site_takes_the_place_of_one(tables, tmp_path):
    write_site(tmp_path / "a", tables, silent)
    write_site(tmp_path / "b", tables, silent)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    write_site(tmp_path / "a", tables[:1], silent)
    assert contents(tmp_path / "a").keys() < contents(tmp_path / "b").keys()
    (tmp_path / "empty").mkdir()
    write_site(tmp_path / "empty", tables, silent)
    assert contents(tmp_path / "empty") == contents(tmp_path / "b")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda site: (site / "notes.txt").write_text("mine"), "notes.txt is not as recbench"),
        (lambda site: (site / "index.html").write_text("mine"), "index.html is not as recbench"),
        (lambda site: (site / "site.json").unlink(), "it has no site.json"),
        (lambda site: (site / "site.json").write_text("[1]"), "it has no site.json"),
        (lambda site: (site / "site.json").write_text("\xff", "latin-1"), "it has no site.json"),
        (lambda site: (site / "mine").mkdir(), "mine is not as recbench"),
    ],
)
def test_what_somebody_else_wrote_stays(tables, tmp_path, change, why):
    site = tmp_path / "site"
    write_site(site, tables, silent)
    change(site)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=f"site is not written over: {why}"):
        write_site(site, tables, silent)
    assert set(tmp_path.rglob("*")) == before


def test_a_file_and_a_link_are_no_place_for_a_site(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link", "dangling"):
        with pytest.raises(UserError, match="it is a link or a file; name another folder by"):
            check_free(tmp_path / name)


def test_tables_that_differ_have_pages_that_do(made):
    runs = [made(), made(pack="another"), made(split="another"), made(dataset_digest="another")]
    names = [name_of(table) for table in leaderboard(runs)]
    assert len(set(names)) == 4
    assert all(re.fullmatch(r"movielens-paper-[0-9a-f]{8}\.html", name) for name in names)
