import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from pydantic import ValidationError

from recbench import registry
from recbench.data.card import Rules, card
from recbench.errors import RecbenchError, UserError
from recbench.questions import protocols as module
from recbench.questions.protocols import OPTIONS, Protocol, protocol, protocols
from recbench.questions.protocols.choice import allows

PAPER, NEXT_ITEM = protocol("paper"), protocol("next-item")


def test_ours():
    assert list(protocols()) == ["next-item", "paper", "released", "temporal"]
    for each in protocols().values():
        assert (each.history, each.candidates, each.cuts) == (10, 20, (80, 90))
        assert protocol(each.name) == each
        assert each.card == each.name
        assert each.limits
    assert (PAPER.exclude, PAPER.distinct_titles, PAPER.published) == ("history", False, True)
    assert (NEXT_ITEM.exclude, NEXT_ITEM.distinct_titles) == ("user", True)


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("name", "version", "digest"),
    [
        ("paper", 1, "90c4168bc013733a6a8ab635dd06ccfa5263de1c54fd940790e3037dd78cb33d"),
        ("released", 2, "2cb940a6044c6541d26bd32766a35ce2aaa10f63378505ca12fc32f978b4f566"),
        ("next-item", 3, "7d9d9fda3ebc4345d68f702bdc424e816462510b5d696f84c0b7c2fe5c42983c"),
        ("temporal", 3, "888c78489bb638d01c9125de6fcc0753fe28d46f2472983ffb4f1cb2f9eb8057"),
    ],
)
def test_a_shipped_card_that_asks_otherwise_has_a_higher_version(name, version, digest):
    # Runs of another version answered other questions. A new field of all protocols must have a
    # default that means what was done before: it changes no digest.
    assert (protocol(name).version, protocol(name).digest) == (version, digest)


def test_tables_show_the_version_of_a_card_that_has_changed():
    assert protocol("paper,history=5").label == "paper,history=5"
    second = protocol("paper,history=5").model_copy(update={"version": 2})
    assert second.label == "paper v2,history=5"
    assert protocol("temporal").label == "temporal v3"
    assert protocol("temporal").name == "temporal"


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UserError, match="unknown protocol 'next_item'; did you mean 'next-item'"):
        protocol("next_item")


@pytest.mark.parametrize(
    ("name", "options", "made"),
    [
        ("next-item", {"candidates": 30}, "next-item,candidates=30"),
        ("next-item", {"candidates": "30", "history": None}, "next-item,candidates=30"),
        ("next-item", {"candidates": "20", "history": "10"}, "next-item"),
        ("next-item,candidates=30", {"candidates": "30"}, "next-item,candidates=30"),
        ("next-item, history = 5 ,candidates=30", {}, "next-item,candidates=30,history=5"),
        ("temporal", {"negatives": "popular"}, "temporal,negatives=popular"),
        (
            "released",
            {"candidates": 5, "negatives": "given"},
            "released,candidates=5,negatives=given",
        ),
        ("temporal", {"candidates": "all", "negatives": "uniform"}, "temporal,candidates=all"),
    ],
)
def test_a_changed_protocol_has_one_name_and_a_digest_of_its_own(name, options, made):
    changed = protocol(name, **options)
    assert changed.name == made
    assert changed.card == made.split(",")[0]
    assert protocol(changed.name) == changed
    assert (changed.digest == protocol(changed.card).digest) == ("," not in made)


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("next-item,candidates=30", "candidates", "40"),
        ("temporal,negatives=popular", "negatives", "uniform"),
        ("paper,history=5", "history", "10"),
    ],
)
def test_a_name_and_an_option_that_differ_are_refused(name, option, value):
    with pytest.raises(UserError, match=f"{name} and --{option} {value} ask two things: give one"):
        protocol(name, **{option: value})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "paper,candidate=3",
            "unknown option of a protocol 'candidate'; did you mean 'candidates'",
        ),
        ("paper,split=users", "unknown option of a protocol 'split'"),
        ("paper,", "unknown option of a protocol ''"),
        ("paper,candidates=1", "candidates must be a number from 2 to 32767.*, not '1'"),
        ("paper,candidates=many", "candidates must be a number from 2 to 32767.*, not 'many'"),
        ("paper,candidates", "candidates must be a number from 2 to 32767.*, not ''"),
        ("paper,negatives=rare", "negatives must be uniform, popular or given, not 'rare'"),
        (
            "paper,candidates=all,negatives=popular",
            "^protocol paper,candidates=all,negatives=popular: .* ranks every item, so no popular",
        ),
        ("paper,history=0", "history must be a number from 1 to 1000, not '0'"),
        ("paper,history=2.5", "history must be a number from 1 to 1000, not '2.5'"),
    ],
)
def test_a_change_that_cannot_be_is_refused(name, said):
    with pytest.raises(UserError, match=said):
        protocol(name)


def test_a_full_ranking_draws_nothing():
    assert protocol("paper,candidates=7").drawn == 6
    assert not PAPER.full
    full = protocol("paper,candidates=all")
    assert full.full
    with pytest.raises(UserError, match="under paper,candidates=all every item is ranked"):
        _ = full.drawn


def test_the_digest_covers_what_changes_questions():
    words = {"name", "summary", "why", "limits", "published"}
    changes = {
        "version": 2,
        "split": "last-items",
        "cuts": (70, 90),
        "ties": "shuffled",
        "history": 9,
        "min_history": 1,
        "min_train_history": 1,
        "candidates": 30,
        "negatives": "popular",
        "exclude": "user",
        "distinct_titles": True,
    }
    assert set(changes) == set(Protocol.model_fields) - words
    assert set(OPTIONS) <= set(changes)
    digests = {PAPER.model_copy(update={key: value}).digest for key, value in changes.items()}
    assert len(digests | {PAPER.digest}) == len(changes) + 1
    for word in words:
        assert PAPER.model_copy(update={word: "other"}).digest == PAPER.digest


def test_a_protocol_is_frozen_and_knows_its_fields():
    with pytest.raises(ValidationError):
        PAPER.history = 3
    with pytest.raises(ValidationError):
        Protocol(**PAPER.model_dump(), windows=3)


@pytest.fixture
def plug_in(tmp_path, monkeypatch):
    """Return a function that installs a protocol card of another package."""
    text = Path(module.__file__).with_name("next_item.toml").read_text(encoding="utf-8")
    folder = tmp_path / "protocols_of_a_plugin"
    folder.mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    ours = registry.listed("protocols")

    def install(name, change=("", "")):
        (folder / f"{name}.toml").write_text(text.replace("next-item", name, 1).replace(*change))
        point = EntryPoint(name, f"protocols_of_a_plugin:{name}.toml", "recbench.protocols")
        monkeypatch.setattr(registry, "listed", lambda _: {**ours, name: point})
        monkeypatch.setattr(module, "listed", registry.listed)

    return install


def test_a_plug_in_brings_a_protocol(plug_in):
    plug_in("mine", ("history = 10", "history = 7"))
    assert protocol("mine,candidates=5").history == 7
    assert list(protocols()) == ["next-item", "paper", "released", "temporal", "mine"]
    assert "protocols_of_a_plugin" not in sys.modules


def test_a_broken_plug_in_is_named_and_breaks_no_other(plug_in):
    plug_in("broken", ("history = 10", "histories = 10"))
    told: list[str] = []
    assert list(protocols(told.append)) == ["next-item", "paper", "released", "temporal"]
    (line,) = told
    assert line.startswith("the card of the protocol 'broken' of package ")
    assert "(protocols_of_a_plugin:broken.toml) is broken: " in line
    with pytest.raises(RecbenchError, match="histories: no such field"):
        protocol("broken")
    assert protocol("paper") == PAPER


def test_published_protocols_and_those_of_a_finished_split_must_be_named():
    movielens = card("movielens")
    allowed = {name for name, each in protocols().items() if allows(movielens, each)}
    assert allowed == {"paper", "next-item", "temporal"}
    assert allows(movielens, protocol("paper,candidates=5"))
    finished = movielens.model_copy(update={"finished": True, "protocols": {"released": Rules()}})
    assert {name for name, each in protocols().items() if allows(finished, each)} == {"released"}
