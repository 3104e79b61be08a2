import hashlib
import importlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest

from recbench.data.card import Card, Download, Folder, WebFile, card
from recbench.data.dataset import array_digest, make_dataset
from recbench.data.prepare import at_hand, prepare
from recbench.errors import DataError, RecbenchError, UserError

# The package's function hides the module of the same name from a plain "import ... as".
module = importlib.import_module("recbench.data.prepare")


def silent(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def grouplens_folder(atomic_folder: Path, tmp_path_factory) -> Path:
    """RecBole's files turned back into what GroupLens publishes."""
    folder = tmp_path_factory.mktemp("grouplens")
    interactions = (atomic_folder / "ml-100k.inter").read_text(encoding="utf-8").split("\n", 1)[1]
    (folder / "u.data").write_text(interactions, encoding="utf-8")
    lines = (atomic_folder / "ml-100k.item").read_text(encoding="utf-8").splitlines()[1:]
    with (folder / "u.item").open("w", encoding="iso-8859-1") as stream:
        for line in lines:
            item, title, year, _ = line.split("\t")
            title = {"267": "unknown"}.get(item, f"{title} ({year})")
            stream.write("|".join([item, title, *[""] * 22]) + "\n")
    return folder


@pytest.fixture
def own_folder(raw_folder: Path, tmp_path: Path) -> Path:
    """A folder of made-up data that a test may change."""
    return Path(shutil.copytree(raw_folder, tmp_path / "own"))


def leftovers(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.is_file() or path.suffix == ".partial"]


def test_every_source_gives_one_digest(movielens, atomic_folder, grouplens_folder, tmp_path):
    expected = card("movielens")
    told: list[str] = []
    for folder in (atomic_folder, grouplens_folder):
        found = prepare("movielens", tmp_path, folder, told.append)
        assert found.digest == movielens.digest == expected.digest
        assert found.catalogue.digest == expected.catalogue_digest
    assert not [line for line in told if "as published" in line]


def test_movielens_is_as_published(movielens):
    assert len(movielens) == 100_000
    assert len(movielens.catalogue) == 1_682
    assert movielens.users.max() == 942
    assert movielens.catalogue.raw_ids.tolist() == list(range(1, 1683))
    titles = movielens.catalogue.titles
    assert titles[266] == "unknown"
    assert titles[1411] == "Land Before Time III: The Time of the Great Giving"
    assert titles[542] == "Les Misérables"
    _, counts = np.unique(titles, return_counts=True)
    assert ((counts > 1).sum(), counts[counts > 1].sum()) == (22, 45)
    assert (movielens.users[0], movielens.items[0], movielens.ratings[0]) == (195, 241, 3)


def test_recbole_is_not_imported(atomic_folder, tmp_path):
    code = (
        "import sys; from pathlib import Path; from recbench.data.prepare import prepare;"
        f"prepare('movielens', Path({str(tmp_path)!r}), None, print);"
        "print({'recbole', 'torch', 'transformers'} & set(sys.modules))"
    )
    told = subprocess.check_output([sys.executable, "-c", code], text=True).splitlines()
    assert told == ["preparing movielens from the copy in recbole", "set()"]


def test_the_second_call_reads_the_cache_alone(own_folder, tmp_path, monkeypatch):
    first = prepare("movielens", tmp_path / "cache", own_folder, silent)
    monkeypatch.setattr(module, "READERS", {})
    second = prepare("movielens", tmp_path / "cache", own_folder, silent)
    assert second.digest == first.digest
    assert second.catalogue.titles == first.catalogue.titles
    for name in ("users", "items", "ratings", "times"):
        one, other = getattr(first, name), getattr(second, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_a_prepared_dataset_needs_no_source(atomic_folder, tmp_path, monkeypatch):
    prepare("movielens", tmp_path, None, silent)
    monkeypatch.setattr(module, "_from_sources", None)
    assert len(prepare("movielens", tmp_path, None, silent)) == 100_000


def test_a_changed_folder_is_read_anew(own_folder, tmp_path):
    first = prepare("movielens", tmp_path / "cache", own_folder, silent)
    with (own_folder / "u.data").open("a") as stream:
        stream.write("1\t80\t5\t874730000\n")
    told: list[str] = []
    second = prepare("movielens", tmp_path / "cache", own_folder, told.append)
    assert len(second) == len(first) + 1
    assert second.digest != first.digest
    assert "is not MovieLens-100K as published" in told[-1]


def test_a_broken_line_leaves_nothing_half_prepared(own_folder, tmp_path):
    with (own_folder / "u.data").open("a") as stream:
        stream.write("1\t80\tfive\t874730000\n")
    lines = (own_folder / "u.data").read_text().count("\n")
    with pytest.raises(DataError, match=rf"u\.data, line {lines}: expected a number as rating"):
        prepare("movielens", tmp_path / "cache", own_folder, silent)
    assert not leftovers(tmp_path / "cache")


def test_an_interrupted_write_leaves_nothing_half_prepared(own_folder, tmp_path, monkeypatch):
    import pyarrow.parquet as pq

    write = pq.write_table

    def second_fails(table, path, **options):
        if path.name == "items.parquet":
            raise OSError("disk full")
        write(table, path, **options)

    monkeypatch.setattr(pq, "write_table", second_fails)
    with pytest.raises(OSError, match="disk full"):
        prepare("movielens", tmp_path / "cache", own_folder, silent)
    assert not leftovers(tmp_path / "cache")


@pytest.mark.parametrize("name", ["interactions.parquet", "items.parquet"])
@pytest.mark.parametrize("damage", ["cut", "other", "gone"])
def test_a_damaged_cache_is_prepared_again(own_folder, tmp_path, name, damage):
    cache = tmp_path / "cache"
    first = prepare("movielens", cache, own_folder, silent)
    file = next(cache.rglob(name))
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:100])
    elif damage == "gone":
        file.unlink()
    else:
        import pyarrow.parquet as pq

        table = pq.read_table(file)
        pq.write_table(table.slice(1), file)
    told: list[str] = []
    again = prepare("movielens", cache, own_folder, told.append)
    assert again.digest == first.digest
    assert "preparing it again" in told[0]
    assert prepare("movielens", cache, own_folder, silent).digest == first.digest


def test_what_cannot_be_found_is_said(tmp_path):
    with pytest.raises(UserError, match="did you mean 'movielens'"):
        prepare("movielens1", tmp_path, None, silent)
    with pytest.raises(UserError, match=r"neither u\.data with u\.item nor ml-100k\.inter with"):
        prepare("movielens", tmp_path, tmp_path, silent)


class TestDownload:
    """The archive is served from a file: URL."""

    @pytest.fixture
    def served(self, tmp_path, monkeypatch):
        def serve(content: bytes | None, md5: str | None = None) -> None:
            archive = tmp_path / "web" / "ml-100k.zip"
            archive.parent.mkdir(exist_ok=True)
            if content is not None:
                archive.write_bytes(content)
            checksum = md5 or hashlib.md5(content or b"").hexdigest()
            # No card may name such an address: it is made without being checked.
            made = {"url": archive.as_uri(), "checksum": f"md5:{checksum}"}
            source = Download.model_construct(
                kind="download",
                files=(WebFile.model_construct(**made),),
                folder="ml-100k",
                format="grouplens",
            )
            changed = card("movielens").model_copy(update={"sources": (source,)})
            monkeypatch.setattr(module, "card", lambda *_: changed)

        return serve

    @staticmethod
    def zipped(folder: Path, names: dict[str, str], target: Path) -> bytes:
        with zipfile.ZipFile(target, "w") as archive:
            for inside, outside in names.items():
                archive.write(folder / outside, inside)
        return target.read_bytes()

    @pytest.fixture(autouse=True)
    def no_waiting(self, monkeypatch):
        transfer = importlib.import_module("recbench.data.transfer")
        monkeypatch.setattr(transfer._go_on.retry, "sleep", lambda _: None)

    def test_the_archive_gives_the_same_dataset(self, served, grouplens_folder, tmp_path):
        names = {"ml-100k/u.data": "u.data", "ml-100k/u.item": "u.item"}
        served(self.zipped(grouplens_folder, names, tmp_path / "made.zip"))
        cache = tmp_path / "cache"
        assert prepare("movielens", cache, None, silent).digest == card("movielens").digest
        kept = sorted(str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file())
        assert [Path(name).name for name in kept] == [
            "interactions.parquet",
            "items.parquet",
            "ml-100k.zip",
        ]

    def test_other_data_than_published_are_refused(self, served, raw_folder, tmp_path):
        names = {"ml-100k/u.data": "u.data", "ml-100k/u.item": "u.item"}
        served(self.zipped(raw_folder, names, tmp_path / "made.zip"))
        with pytest.raises(
            RecbenchError, match=r"^\S+ no longer gives MovieLens-100K as published"
        ):
            prepare("movielens", tmp_path / "cache", None, silent)
        assert not (tmp_path / "cache" / "datasets").exists()

    def test_a_wrong_checksum_is_refused(self, served, tmp_path):
        served(b"something else", md5="0" * 32)
        with pytest.raises(RecbenchError, match=r"MD5 .*, expected 0{32}; pip install|--data-dir"):
            prepare("movielens", tmp_path / "cache", None, silent)
        assert not leftovers(tmp_path / "cache")

    def test_an_unreachable_site_is_one_line_with_the_remedy(self, served, tmp_path):
        served(None)
        with pytest.raises(RecbenchError, match=r"cannot be reached .*--data-dir") as caught:
            prepare("movielens", tmp_path / "cache", None, silent)
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 1
        assert not leftovers(tmp_path / "cache")

    @pytest.mark.parametrize("path", ["../out.txt", "/out.txt", "ml-100k/../../out.txt", "C:\\o"])
    def test_an_archive_that_leads_out_of_its_folder_is_refused(
        self, served, raw_folder, tmp_path, path
    ):
        content = self.zipped(raw_folder, {path: "u.data"}, tmp_path / "made.zip")
        if path.startswith("/"):  # zipfile strips a leading slash when it writes
            content = content.replace(b"out.txt", b"/ut.txt")
        served(content)
        with pytest.raises(RecbenchError, match="leads out of its folder"):
            prepare("movielens", tmp_path / "cache", None, silent)
        assert not list(tmp_path.rglob("out.txt"))

    def test_what_is_no_archive_is_said(self, served, tmp_path):
        served(b"no archive")
        with pytest.raises(RecbenchError, match="is not a sound zip archive"):
            prepare("movielens", tmp_path / "cache", None, silent)


def test_array_digest_tells_kind_shape_and_place_apart():
    zeros = np.zeros(4, dtype=np.int32)
    parts = [
        (zeros,),
        (zeros.astype(np.int64),),
        (zeros.reshape(2, 2),),
        (zeros[:2], zeros[2:]),
        ("", zeros),
        (zeros, ""),
    ]
    assert len({array_digest(*each) for each in parts}) == len(parts)
    ones = np.arange(3, dtype=np.int32)
    assert array_digest(ones) == array_digest(ones.astype(">i4"))
    assert array_digest(ones) == array_digest(np.arange(6, dtype=np.int32)[::2] // 2)


def test_users_and_items_are_numbered_by_raw_id(own_folder):
    from recbench.data.readers import grouplens

    raw = grouplens.read(own_folder / "u.data", own_folder / "u.item")
    dataset = make_dataset(card("movielens"), raw)
    np.testing.assert_array_equal(dataset.users, raw.users[:] - 1)
    np.testing.assert_array_equal(dataset.catalogue.raw_ids[dataset.items], raw.items[:])
    assert dataset.catalogue.titles[4] == "Film 5"


def test_a_folder_with_the_published_data_need_not_be_named_again(
    grouplens_folder, tmp_path, monkeypatch
):
    prepare("movielens", tmp_path, grouplens_folder, silent)
    monkeypatch.setattr(module, "_from_sources", None)
    assert prepare("movielens", tmp_path, None, silent).digest == card("movielens").digest


def test_a_folder_with_other_data_is_not_taken_for_the_published_ones(own_folder, tmp_path):
    prepare("movielens", tmp_path, own_folder, silent)
    wanted = card("movielens")
    assert not module.prepared_folder(wanted, tmp_path, module.pinned_key(wanted)).exists()


@pytest.mark.parametrize("kind", ["folder", "installed"])
def test_files_that_nothing_pins_are_read_anew_where_they_changed(
    own_folder, tmp_path, monkeypatch, kind
):
    monkeypatch.setattr(module, "_installed", lambda _: own_folder)
    sources = {
        "folder": Folder(kind="folder", path=str(own_folder), format="grouplens"),
        "installed": card("movielens").sources[0].model_copy(update={"format": "grouplens"}),
    }
    unpinned = {"digest": "", "catalogue_digest": "", "sources": (sources[kind],)}
    changed = card("movielens").model_copy(update=unpinned)
    monkeypatch.setattr(module, "card", lambda *_: changed)
    first = prepare("movielens", tmp_path / "cache", None, silent)
    with (own_folder / "u.data").open("a") as stream:
        stream.write("1\t80\t5\t874730000\n")
    second = prepare("movielens", tmp_path / "cache", None, silent)
    assert len(second) == len(first) + 1
    told: list[str] = []
    assert prepare("movielens", tmp_path / "cache", None, told.append).digest == second.digest
    assert told == []  # what did not change is not read again
    assert at_hand("movielens", tmp_path / "cache")
    (own_folder / "u.data").unlink()
    monkeypatch.setattr(module, "_installed", lambda _: None)
    assert not at_hand("movielens", tmp_path / "cache")
    with pytest.raises(RecbenchError, match="no source of movielens is here"):
        prepare("movielens", tmp_path / "cache", None, silent)


def test_what_is_at_hand_needs_no_download(own_folder, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setattr(module, "_installed", lambda _: None)
    assert not at_hand("movielens", cache)
    monkeypatch.setattr(module, "_installed", lambda source: own_folder)
    assert at_hand("movielens", cache)
    assert not at_hand("ml-1m", cache)  # no source but a download
    prepared = module.prepared_folder(card("ml-1m"), cache, module.pinned_key(card("ml-1m")))
    prepared.mkdir(parents=True)
    assert at_hand("ml-1m", cache)
    with pytest.raises(UserError, match="unknown dataset"):
        at_hand("nowhere", cache)


@pytest.fixture
def editable(tmp_path, monkeypatch):
    """Install a package in the manner of `pip install -e`: its files stay in its checkout."""
    site, package = tmp_path / "site", tmp_path / "checkout/src/my_package"
    info = site / "my_package-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    url = {"url": (tmp_path / "checkout").as_uri(), "dir_info": {"editable": True}}
    (info / "direct_url.json").write_text(json.dumps(url))
    (package / "cards/shop").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(site)
    monkeypatch.syspath_prepend(package.parent)
    return package


def test_files_of_an_editable_installation_are_found_without_an_import(editable):
    assert module.in_distribution("my-package", "my_package/cards") == editable / "cards"
    assert module.in_distribution("my-package", "my_package/none") is None
    assert module.in_distribution("my-package", "numpy/testing") is None  # another's
    assert module.in_distribution("my-package", "no_package/cards") is None
    assert module.in_distribution("no-package", "my_package/cards") is None


def test_the_card_of_the_page_is_prepared_from_an_editable_installation(
    editable, tmp_path, monkeypatch
):
    page = (Path(__file__).parents[2] / "docs/extending.md").read_text(encoding="utf-8")
    (text,) = (one for one in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "formats" in one)
    whole = Card.model_validate(tomllib.loads(text))
    monkeypatch.setattr(module, "card", lambda *_: whole)
    bought = [f"{user},{item},{item}" for user in range(9) for item in range(user, user + 9)]
    (editable / "cards/shop/events.csv").write_text(
        "\n".join(["user_id,item_id,timestamp", *bought])
    )
    named = [f"{item},Product {item}" for item in range(17)]
    (editable / "cards/shop/products.csv").write_text("\n".join(["item_id,title", *named]))
    assert at_hand("shop", tmp_path / "cache")
    assert len(prepare("shop", tmp_path / "cache", None, silent)) == len(bought)
