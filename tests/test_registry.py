import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from recbench import registry
from recbench.errors import NotInstalledError, RecbenchError, UserError


class Owner:
    version = "1.0"

    def __init__(self, name: str) -> None:
        self.name = name


def point(name: str, value: str, owner: str, group: str = "models") -> EntryPoint:
    made = EntryPoint(name, value, f"recbench.{group}")
    vars(made)["dist"] = Owner(owner)
    return made


@pytest.fixture
def points(monkeypatch):
    made: list[EntryPoint] = []
    monkeypatch.setattr(registry, "entry_points", lambda group: made)
    return made


def test_our_own_models_come_in_through_the_door():
    simple = {"random", "last-id", "recent-popularity", "cooccurrence", "itemknn", "ease"}
    others = {"popularity", "gru4rec", "caser", "sasrec", "tallrec", "llara", "ilora"}
    others |= {"bert4rec", "esasrec"}
    others |= {"bigrec", "constrained-beam"}
    assert simple | others <= set(registry.listed("models"))


def test_whose_a_name_is_unless_it_is_ours(points):
    points += [point("ours", "x:A", "recbench"), point("theirs", "y:A", "one")]
    assert registry.foreign_package("models", "theirs") == "one 1.0"
    assert registry.foreign_package("models", "ours") is None
    assert registry.foreign_package("models", "nobody's") is None


def test_a_typo_gets_the_nearest_name():
    with pytest.raises(UserError, match="unknown model 'ilara'; did you mean"):
        registry.find("models", "ilara")


def test_listing_imports_nothing():
    code = (
        "import sys; from recbench.registry import listed; listed('models'); listed('datasets');"
        "print([m for m in ('torch', 'transformers', 'recbole', 'pandas', 'recbench_baselines') "
        "if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        (["x:A one", "y:A two"], "by one and two; uninstall all but one of them"),
        (["x:A two", "x:A one"], "by one and two; uninstall all but one of them"),
        (["x:A b", "y:A c", "z:A a"], "by a and b and c; uninstall all but one of them"),
        (["x:A recbench", "y:A one"], "by one and recbench; uninstall one"),
        (["y:A two", "x:A recbench", "z:A one"], "by one and recbench and two; uninstall one and"),
        (["x:A one", "y:A one"], "by one; uninstall one"),
    ],
)
def test_a_name_taken_twice_is_refused_and_stops_no_other(points, claims, said):
    points += [point("a", *claim.split()) for claim in claims]
    points.append(point("ok", "json:dumps", "fine"))
    assert list(registry.listed("models")) == ["a", "ok"]
    assert registry.load("models", "ok")([]) == "[]"
    for ask in (registry.find, registry.load):
        with pytest.raises(UserError, match=f"the model 'a' is registered more than once, {said}"):
            ask("models", "a")
    lines = []
    assert list(registry.sound("models", lines.append)) == ["ok"]
    assert len(lines) == 1
    assert said in lines[0]
    assert registry.sound("models", lines.append, prefix="o").keys() == {"ok"}
    assert len(lines) == 1
    assert len(registry.claims("models")) == len(claims) + 1


@pytest.mark.parametrize("owners", [("recbench", "one"), ("one", "recbench"), ("one", "two")])
def test_of_a_name_taken_twice_ours_is_known_wherever_it_stands(points, owners):
    points += [point("a", "x:A", owner) for owner in owners]
    own = registry.listed("models")["a"].own
    assert own is (points[owners.index("recbench")] if "recbench" in owners else None)


@pytest.mark.parametrize("name", ["a,b", "a/b"])
@pytest.mark.parametrize("group", ["models", "protocols", "datasets", "metrics", "studies"])
def test_a_name_that_no_list_can_hold_is_refused_and_said(points, name, group):
    points += [point(name, "json:dumps", "odd", f"{group}"), point("ok", "json:dumps", "fine")]
    lines = []
    assert list(registry.sound(group, lines.append)) == ["ok"]
    (line,) = lines
    assert f"'{name}' of package odd cannot be called so: commas part names" in line
    with pytest.raises(UserError, match="cannot be called so"):
        registry.load(group, name)


@pytest.mark.parametrize(("group", "name"), [("protocols", "trainings"), ("models", "external:a")])
def test_a_name_that_stands_for_something_else_is_refused_and_said(points, group, name):
    points += [point(name, "json:dumps", "odd", group), point("ok", "json:dumps", "fine", group)]
    lines = []
    assert list(registry.sound(group, lines.append)) == ["ok"]
    assert "cannot be called so: recbench keeps the name for itself" in lines[0]
    with pytest.raises(UserError, match="keeps the name for itself"):
        registry.load(group, name)


def test_one_package_seen_twice_is_one(points):
    points += [point("a", "x:A", "one"), point("a", "x:A", "one")]
    assert list(registry.listed("models")) == ["a"]


def test_a_broken_plugin_is_named_and_breaks_nothing_else(points):
    points += [point("bad", "no_such_module:A", "broken"), point("ok", "json:dumps", "fine")]
    assert list(registry.listed("models")) == ["bad", "ok"]
    with pytest.raises(RecbenchError, match="the model 'bad' of package broken cannot be imported"):
        registry.load("models", "bad")
    assert registry.load("models", "ok")([]) == "[]"


FAMILY = registry.Family("songs of a library", {"Sad": "it has no end"})


@pytest.fixture
def family(points, monkeypatch):
    points.append(point("lib:Good", "json:dumps", "one"))
    families = [EntryPoint("lib", f"{__name__}:FAMILY", "recbench.model_families")]
    monkeypatch.setattr(
        registry, "entry_points", lambda group: families if "families" in group else points
    )
    real = registry.load
    monkeypatch.setattr(
        registry, "load", lambda group, name: FAMILY if name == "lib" else real(group, name)
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lib", "'lib' is a family of models: name one, lib:MODEL; `recbench models lib` lists"),
        ("lib:sad", "lib:Sad cannot be run: it has no end; `recbench models lib` lists those"),
        ("lib:good", "unknown model 'lib:good'; did you mean 'lib:Good'"),
        ("other:Sad", "unknown model 'other:Sad'"),
    ],
)
def test_what_a_family_lacks_is_said_with_the_reason(family, name, said):
    assert registry.members("lib") == ["Good"]
    with pytest.raises(UserError, match=said):
        registry.find("models", name)


def test_a_member_taken_twice_is_left_out_of_its_family(points, family):
    points += [point("lib:Sad", "x:A", "one"), point("lib:Sad", "y:A", "two")]
    lines = []
    assert registry.members("lib", lines.append) == ["Good"]
    assert len(lines) == 1
    assert "the model 'lib:Sad' is registered more than once" in lines[0]


@pytest.mark.parametrize(
    "given",
    [
        *(3, registry.Family, registry.Family(3, {}), registry.Family("songs", None)),
        *(registry.Family("songs", {"Sad": 1}), registry.Family("songs", {1: "it has no end"})),
    ],
    ids=str,
)
def test_what_is_no_family_is_named(points, monkeypatch, given):
    points.append(point("lib", "x:A", "one", "model_families"))
    monkeypatch.setattr(EntryPoint, "load", lambda _: given)
    said = "the model family 'lib' of package one: it is no Family of recbench.registry"
    with pytest.raises(RecbenchError, match=said):
        registry.family("lib")


def test_what_a_plugin_lacks_is_said_in_its_own_words(points, monkeypatch):
    points.append(point("lacking", "json:dumps", "one"))

    def load(self):
        raise NotInstalledError("it needs its library: pip install library")

    monkeypatch.setattr(EntryPoint, "load", load)
    with pytest.raises(UserError, match=r"^it needs its library: pip install library$"):
        registry.load("models", "lacking")


def failing_in(module, error="ValueError('x')"):
    """Return a function of a module that raises."""
    names = {"__name__": module}
    exec(f"def fails(): raise {error}", names)
    return names["fails"]


@pytest.mark.parametrize(
    ("others", "named"),
    [
        ([("guide", "many.b:B")], "the model 'guide' of package many failed: ValueError: x"),
        ([("a", "many.a:A"), ("b", "many.b:B")], "a model of package many failed: ValueError: x"),
    ],
)
def test_of_several_in_a_package_none_is_accused_at_random(points, others, named):
    points.append(point("asked", "recbench.x:X", "recbench"))
    points += [point(name, value, "many") for name, value in others]
    door = registry.blamed_if_at_fault("models", "asked")
    with pytest.raises(RecbenchError, match=named), door:
        failing_in("many.b")()


@pytest.mark.parametrize("door", [registry.blamed, registry.blamed_if_at_fault])
def test_whoever_leaves_the_working_directory_is_brought_back(points, door, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    points.append(point("one", "x:A", "one"))
    asked = ("models", "one") if door is registry.blamed_if_at_fault else (points[0],)
    with door(*asked):
        os.chdir("/")
    assert Path.cwd() == tmp_path
    with pytest.raises(RecbenchError, match="OSError: full"), door(*asked):
        failing_in("x", "OSError('full')")()
    (tmp_path / "gone").mkdir()
    os.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with door(*asked):
        pass
    os.chdir(tmp_path)
