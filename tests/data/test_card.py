import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from recbench.data import card as module
from recbench.data.card import WebFile, card, cards, own_folder, ships
from recbench.data.readers import READERS
from recbench.errors import RecbenchError, UserError
from recbench.questions.protocols import protocols
from recbench.questions.protocols.choice import default_protocol, protocol_of

TOML = (Path(__file__).parents[2] / "datasets" / "movielens.toml").read_text(encoding="utf-8")


def test_every_card_names_what_is_there():
    for name, each in cards().items():
        assert each.name == name
        assert set(each.formats) <= set(READERS)
        assert {source.format for source in each.sources} <= set(each.formats)
        assert set(each.protocols) <= set(protocols())
        assert each.known_flaws
        assert len(each.digest) == len(each.catalogue_digest)
        assert re.fullmatch("|[0-9a-f]{64}", each.digest)
        if not each.digest:
            assert any("digest is not pinned yet" in flaw for flaw in each.known_flaws)


def test_movielens_is_described():
    movielens = card("movielens")
    assert movielens.noun == ("movie", "movies")
    assert movielens.verb == "watched"
    assert "shuffled for each user" in movielens.protocols["next-item"].note
    download = movielens.sources[-1]
    assert download.kind == "download"
    assert download.files[0].checksum == "md5:0e33842e24a9c977be4e0107933c0723"


def test_prepared_data_are_found_again_unless_their_titles_are_cut():
    movielens = card("movielens")
    assert movielens.fingerprint().startswith("b0e9bbde12f5041f")  # as before there was a length
    cut = movielens.model_copy(update={"title_length": 40})
    assert cut.fingerprint() != movielens.fingerprint()


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UserError, match="unknown dataset 'movielense'; did you mean 'movielens'"):
        card("movielense")


def test_listing_cards_loads_nothing_heavy():
    code = (
        "import sys; from recbench.data.card import cards; assert cards();"
        "print({'numpy', 'pandas', 'pyarrow', 'torch', 'recbench_datasets'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name = ", "TOMLDecodeError"),
        (TOML.replace('verb = "watched"', ""), "verb: Field required"),
        (TOML.replace("verb", "verbs"), "verbs: no such field"),
        (TOML + "\nskip = 1", "skip: no such field"),
        (TOML.replace('name = "movielens"', 'name = "other"', 1), "it calls itself 'other'"),
    ],
)
def test_a_broken_card_is_named_and_breaks_no_other(tmp_path, monkeypatch, text, reason):
    (tmp_path / "cards_of_a_plugin").mkdir()
    (tmp_path / "cards_of_a_plugin" / "broken.toml").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    broken = EntryPoint("movielens", "cards_of_a_plugin:broken.toml", "recbench.datasets")
    sound = module.listed("datasets")["movielens"]
    monkeypatch.setattr(module, "listed", lambda _: {"broken": broken, "movielens": sound})
    with pytest.raises(RecbenchError, match=reason):
        cards()
    told: list[str] = []
    assert list(cards(told.append)) == ["movielens"]
    assert len(told) == 1
    assert "cards_of_a_plugin:broken.toml" in told[0]
    assert "\n" not in told[0]


def test_the_words_of_our_own_cards_stay():
    # They are in no digest: with other words a run would be found again that read other prompts.
    ours = {name: each for name, each in cards().items() if ships(name)}
    assert {(*each.noun, each.verb) for each in ours.values()} == {
        ("movie", "movies", "watched"),
        ("artist", "artists", "listened to"),
        ("game", "games", "played"),
        ("product", "products", "bought"),
    }
    assert not ships("mine")


def test_a_users_own_cards_are_found_in_the_cache(tmp_path):
    mine = own_folder(tmp_path, "mine")
    mine.mkdir(parents=True)
    text = TOML.replace('name = "movielens"', 'name = "mine"')
    (mine / "card.toml").write_text(text, encoding="utf-8")
    assert card("mine", tmp_path).name == "mine"
    assert list(cards(cache=tmp_path)) == sorted([*cards(), "mine"])
    for name in ("min", "movielense"):
        with pytest.raises(UserError, match="did you mean 'm"):
            card(name, tmp_path)
    with pytest.raises(UserError, match="unknown dataset 'mine'"):
        card("mine")
    (mine / "card.toml").write_text(TOML, encoding="utf-8")
    with pytest.raises(RecbenchError, match=r"own/mine/card\.toml is broken: it calls itself"):
        card("mine", tmp_path)


def test_a_card_without_its_package_is_named(monkeypatch):
    absent = EntryPoint("absent", "no_such_package:absent.toml", "recbench.datasets")
    monkeypatch.setattr(module, "listed", lambda _: {"absent": absent})
    with pytest.raises(RecbenchError, match=r"card of the dataset 'absent'.*no file absent\.toml"):
        cards()


def test_the_first_protocol_named_is_the_default(tmp_path):
    assert default_protocol("movielens") == "paper"
    folder = own_folder(tmp_path, "mine")
    folder.mkdir(parents=True)
    text = TOML.replace('name = "movielens"', 'name = "mine"', 1)
    (folder / "card.toml").write_text(text.replace("[protocols.paper]", "[protocols.released]"))
    assert default_protocol("mine", tmp_path) == "released"
    (folder / "card.toml").write_text(text.partition("[protocols.paper]")[0])
    assert default_protocol("mine", tmp_path) == "next-item"
    with pytest.raises(UserError, match="unknown dataset 'mini'"):
        default_protocol("mini", tmp_path)


def test_the_protocol_that_is_named_wins_over_the_dataset_s_own():
    assert protocol_of("movielens", None).name == "paper"
    assert protocol_of("movielens", "next-item").name == "next-item"
    changed = protocol_of("movielens", None, candidates="30", history=None)
    assert changed.name == "paper,candidates=30"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "movielens"', 'name = "../movielens"', "name: expected a name without slashes"),
        ('name = "movielens"', 'name = "a\\u001bb"', "name: expected one line"),
        ('verb = "watched"', 'verb = "watched\\nx"', "verb: expected one line"),
        ('"u.data"', '"../../u.data"', "expected a path that stays in its folder"),
        ('"u.data"', '"/etc/passwd"', "expected a path that stays in its folder"),
        ('"recbole/dataset_example/ml-100k"', '"a/../../b"', "expected a path that stays"),
        ('folder = "ml-100k"', 'folder = "C:/x"', "expected a path that stays in its folder"),
        ("https://files", "file:///files", "expected an address as https://host/file"),
        ("https://files", "ftp://files", "expected an address as https://host/file"),
        ("https://files", "https://user:key@files", "without user or password"),
        ("ml-100k.zip", "%2e%2e", "ends in the name of a file"),
        ("ml-100k.zip", "a%00b", "ends in the name of a file"),
        ("ml-100k.zip", "", "ends in the name of a file"),
        (', checksum = "md5:0e33842e24a9c977be4e0107933c0723"', "", None),
        ("https://files", "http://files", None),
        ("min_rating = 1", "min_rating = nan", None),
        ("[protocols.paper]", f"x = {'[' * 3000}", "TOMLDecodeError|RecursionError"),
    ],
)
def test_a_card_of_a_plugin_names_nothing_of_the_users(tmp_path, monkeypatch, old, new, said):
    """Neither elsewhere on the disk, nor by a way on which anybody may put in another file."""
    (tmp_path / "cards_of_a_plugin").mkdir()
    text = TOML.replace(old, new, 1)
    (tmp_path / "cards_of_a_plugin" / "odd.toml").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("movielens", "cards_of_a_plugin:odd.toml", "recbench.datasets")
    monkeypatch.setattr(module, "listed", lambda _: {"movielens": point})
    if said is None:
        assert card("movielens").name == "movielens"
        return
    with pytest.raises(RecbenchError, match=said) as refused:
        card("movielens")
    assert "\n" not in str(refused.value)


def test_a_file_of_plain_http_needs_a_checksum(tmp_path, monkeypatch):
    WebFile(url="http://host/a.zip", checksum="md5:" + "0" * 32)
    WebFile(url="https://host/a.zip")
    with pytest.raises(ValueError, match="expected a checksum"):
        WebFile(url="http://host/a.zip")
