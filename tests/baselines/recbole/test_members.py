import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from recbench_baselines.recbole import installed
from recbench_baselines.recbole.members import FAMILY, MEMBERS
from recbench_baselines.recbole.settings import settings_class

from recbench import registry
from recbench.errors import UserError
from recbench_cli.main import main

yaml = pytest.importorskip("yaml")
DOCS = Path(__file__).parents[3] / "docs/models.md"


def test_every_member_is_registered_and_nothing_else():
    assert sorted(registry.members("recbole")) == sorted(MEMBERS)


def test_every_model_of_recbole_is_a_member_or_left_out_with_the_reason(recbole):
    folder = Path(str(installed.package().locate_file("recbole/model")))
    named = [
        name
        for file in folder.glob("*_recommender/__init__.py")
        for name in re.findall(r"^from \S+ import (\w+)", file.read_text(), re.MULTILINE)
    ]
    theirs = {{"lightgbm": "LightGBM", "xgboost": "XGBoost"}.get(name, name) for name in named}
    assert theirs == {*MEMBERS, *FAMILY.left_out}
    assert not MEMBERS.keys() & FAMILY.left_out.keys()


@pytest.mark.parametrize("name", MEMBERS)
def test_settings_are_those_of_recboles_property_file(recbole, name):
    theirs = yaml.safe_load(installed.property_file(name))
    ours = settings_class(name)().hyperparameters()
    assert ours.keys() == theirs.keys() - MEMBERS[name].unused
    for key, value in ours.items():
        expected = theirs[key]
        if isinstance(value, str):
            assert value == str(expected)
        else:
            assert value == (
                [float(e) for e in expected] if isinstance(expected, list) else float(expected)
            )


def test_settings_are_typed_and_have_their_range(recbole):
    narm = settings_class("NARM")
    assert narm.build({"dropout_probs": "0.1,0.2"}).dropout_probs == (0.1, 0.2)
    assert narm.build({"dropout_probs": "[0.1, 0.2]"}).dropout_probs == (0.1, 0.2)
    for key, value in {
        "hidden_size": "0",
        "n_layers": "-1",
        "loss_type": "NLL",
        "dropout_probs": "a,b",
        "max_length": "1",
    }.items():
        with pytest.raises(UserError, match=f"setting '{key}"):
            narm.build({key: value})
    with pytest.raises(UserError, match="did you mean 'hidden_size'"):
        narm.build({"hiden_size": 8})
    with pytest.raises(UserError, match="setting 'loss_type': Input should be 'BPR'"):
        settings_class("FPMC").build({"loss_type": "CE"})
    with pytest.raises(UserError, match="setting 'hidden_dropout_prob'"):
        settings_class("SASRec").build({"hidden_dropout_prob": 1})
    for switch in "context_norm", "post_remove_context":  # more than 1 is 1
        settings_class("SASRecCPR").build({switch: 1})
        with pytest.raises(UserError, match=f"setting '{switch}': .* less than or equal to 1"):
            settings_class("SASRecCPR").build({switch: 2})


def test_listing_and_explaining_imports_neither_recbole_nor_torch():
    code = (
        "import sys; from recbench.registry import listed, load, members; listed('models');"
        "members('recbole'); load('model_families', 'recbole');"
        "print([m for m in ('torch', 'recbole', 'pandas') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


GLOBAL_STATE = """
import logging, os, random, sys, warnings
import numpy, torch
import recbench.neural.recommender

def state():
    return {
        "anomalies": (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        "torch": (torch.load, torch.get_default_dtype(), torch.is_grad_enabled()),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "exact": (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark),
        "chance": (random.getstate(), str(numpy.random.get_state()), torch.get_rng_state().sum()),
        "numpy": ({*dir(numpy)} & {"float_", "bool8"}, numpy.geterr()),
        "warnings": list(warnings.filters),
        "logging": (logging.root.level, list(logging.root.handlers)),
        "process": (dict(os.environ), sys.path[:], sys.excepthook, sys.stdout),
    }

before = state()
from recbench_baselines.recbole.installed import interaction, module_class
module_class("NARM"), interaction({})
import recbole.data.transform
after = state()
print([name for name in before if before[name] != after[name]])
print([m for m in ("ray", "recbole.quick_start", "recbole.trainer") if m in sys.modules])
"""


def test_a_network_brings_neither_quick_start_nor_ray_and_changes_nothing_global(recbole):
    out = subprocess.check_output([sys.executable, "-c", GLOBAL_STATE], text=True)
    assert out.split("\n")[:2] == ["[]", "[]"]


def test_without_recbole_it_is_said_what_to_install(monkeypatch, capsys):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(installed, "distribution", missing)
    settings_class.cache_clear()
    from recbench_baselines.recbole.recommender import model_class

    model_class.cache_clear()
    for command in (
        ("models", "recbole:NARM"),
        ("run", "--model", "recbole:NARM", "--dataset", "movielens"),
    ):
        with pytest.raises(SystemExit) as left:
            main(list(command))
        out, err = capsys.readouterr()
        assert (left.value.code, out) == (2, "")
        assert err == (
            "error: the models of RecBole need its package, which is not installed: "
            "pip install 'recbench[recbole]' (Python 3.11)\n"
        )


def test_a_property_file_of_another_version_is_refused(monkeypatch):
    from recbench_baselines.recbole import settings

    monkeypatch.setattr(settings, "property_file", lambda model: "hidden_size: 64\n")
    settings_class.cache_clear()
    with pytest.raises(UserError, match="expected 'hidden_size' with its type in a comment"):
        settings_class("NARM")


def test_the_docs_name_every_model():
    page = (
        DOCS.read_text(encoding="utf-8").partition("## RecBole's models")[2].partition("\n## ")[0]
    )
    named = set(re.findall(r"\w+", page))
    assert named >= {*MEMBERS, *FAMILY.left_out}
    for reason in FAMILY.left_out.values():
        assert reason in " ".join(page.split())
