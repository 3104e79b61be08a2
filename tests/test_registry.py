import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from recbench import registry
from recbench.errors import NotInstalledError, RecbenchError, UserError


class Owner:
    def __init__(self, name: str) -> None:
        self.name = name


def point(name: str, value: str, owner: str) -> EntryPoint:
    made = EntryPoint(name, value, "recbench.models")
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


def test_a_name_taken_twice_is_refused(points):
    points += [point("a", "x:A", "one"), point("a", "y:A", "two")]
    with pytest.raises(UserError, match="the model 'a': one and two"):
        registry.listed("models")


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


def test_what_a_plugin_lacks_is_said_in_its_own_words(points, monkeypatch):
    points.append(point("lacking", "json:dumps", "one"))

    def load(self):
        raise NotInstalledError("it needs its library: pip install library")

    monkeypatch.setattr(EntryPoint, "load", load)
    with pytest.raises(UserError, match=r"^it needs its library: pip install library$"):
        registry.load("models", "lacking")
