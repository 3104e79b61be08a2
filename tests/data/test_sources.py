"""Where a card's data come from: several files, archives, files of a user; pinned or not."""

import gzip
import importlib
import zipfile

import pytest

from recbench.data.card import Download, WebFile, card
from recbench.data.prepare import prepare
from recbench.errors import RecbenchError, UserError

module = importlib.import_module("recbench.data.prepare")

REVIEWS = "".join(
    f'{{"reviewerID": "A{user}", "asin": "B{item}", "overall": 5, "unixReviewTime": {user}}}\n'
    for user in range(4)
    for item in range(6)
)
PRODUCTS = "".join(f"{{'asin': 'B{item}', 'title': 'Toy {item}'}}\n" for item in range(5))


@pytest.fixture
def web(tmp_path, monkeypatch):
    """The two files of amazon-toys, served by file: addresses."""
    folder = tmp_path / "web"
    folder.mkdir()
    names = "reviews_Toys_and_Games_5.json.gz", "meta_Toys_and_Games.json.gz"
    for name, text in zip(names, (REVIEWS, PRODUCTS), strict=True):
        (folder / name).write_bytes(gzip.compress(text.encode()))
    # No card may name such an address: they are made without being checked.
    files = tuple(WebFile.model_construct(url=(folder / name).as_uri()) for name in names)
    source = Download.model_construct(kind="download", files=files, folder="", format="amazon")
    changed = card("amazon-toys").model_copy(update={"sources": (source,)})
    monkeypatch.setattr(module, "card", lambda *_: changed)
    return folder


def test_several_files_are_fetched_and_what_is_not_pinned_is_said(web, tmp_path):
    told: list[str] = []
    made = prepare("amazon-toys", tmp_path / "cache", None, told.append)
    assert (len(made), len(made.catalogue)) == (24, 6)
    assert made.catalogue.titles == (*(f"Toy {item}" for item in range(5)), "unknown")
    assert sum("has no published checksum" in line for line in told) == 2
    assert "amazon-toys: 1 of 6 products have no title." in told
    assert told[-1] == f"the digest of amazon-toys is not pinned yet; these data have {made.digest}"
    told.clear()
    again = prepare("amazon-toys", tmp_path / "cache", None, told.append)
    assert (again.digest, told) == (made.digest, [])


def test_one_file_that_is_missing_leaves_the_other_for_the_next_time(web, tmp_path, monkeypatch):
    transfer = importlib.import_module("recbench.data.transfer")
    monkeypatch.setattr(transfer._go_on.retry, "sleep", lambda _: None)
    items = web / "meta_Toys_and_Games.json.gz"
    content = items.read_bytes()
    items.unlink()
    with pytest.raises(RecbenchError) as caught:
        prepare("amazon-toys", tmp_path / "cache", None, lambda _: None)
    assert "meta_Toys_and_Games.json.gz cannot be reached" in str(caught.value)
    assert (
        "download reviews_Toys_and_Games_5.json.gz and meta_Toys_and_Games.json.gz elsewhere "
        "(see https://cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html) and name the folder "
        "with --data-dir"
    ) in str(caught.value)
    kept = {path.name for path in (tmp_path / "cache/downloads/amazon-toys").iterdir()}
    assert kept == {
        "reviews_Toys_and_Games_5.json.gz",
        "reviews_Toys_and_Games_5.json.gz.sha256",
    }
    items.write_bytes(content)
    (web / "reviews_Toys_and_Games_5.json.gz").unlink()
    assert len(prepare("amazon-toys", tmp_path / "cache", None, lambda _: None)) == 24


def test_files_of_a_user_are_read_packed_or_not(web, tmp_path):
    first = prepare("amazon-toys", tmp_path / "cache", web, lambda _: None)
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    for file in web.iterdir():
        (unpacked / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
    second = prepare("amazon-toys", tmp_path / "cache", unpacked, lambda _: None)
    assert first.digest == second.digest


def test_a_folder_with_the_archive_as_published_will_do(tmp_path):
    with zipfile.ZipFile(tmp_path / "ml-1m.zip", "w") as archive:
        archive.writestr("ml-1m/ratings.dat", "1::7::5::100\n2::8::3::200\n")
        archive.writestr("ml-1m/movies.dat", "7::Seven (1995)::Drama\n8::Eight, The (1990)::X\n")
        archive.writestr("ml-1m/README", "left inside")
    made = prepare("ml-1m", tmp_path / "cache", tmp_path, lambda _: None)
    assert made.catalogue.titles == ("Seven", "The Eight")
    assert {path.suffix for path in (tmp_path / "cache").rglob("*") if path.is_file()} == {
        ".parquet"
    }


def test_a_folder_with_neither_is_named_with_all_that_would_do(tmp_path):
    with pytest.raises(UserError, match=r"lacks ratings\.dat with movies\.dat"):
        prepare("ml-1m", tmp_path / "cache", tmp_path, lambda _: None)
