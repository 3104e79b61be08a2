"""
Figures that no change may move unseen.

Where one of these fails, the change moved a figure. If that is meant: raise the version among the
model's ingredients (`recbench.llm.prompted.CODE`) or, for all, `FIGURE_VERSION` in
recbench/runs/record.py, run ``python tools/golden.py``, say why in the commit, and make anew what
is published. See docs/records.md.
"""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from recbench.neural import recommender
from recbench.neural.losses import full_softmax
from recbench.runs.record import FIGURE_VERSION

ROOT = Path(__file__).parents[2]

spec = importlib.util.spec_from_file_location("golden", ROOT / "tools/golden.py")
assert spec is not None
assert spec.loader is not None
golden = importlib.util.module_from_spec(spec)
spec.loader.exec_module(golden)

RECORDED = json.loads(golden.GOLDEN.read_text(encoding="utf-8"))
HERE = golden.environment()

pytestmark = pytest.mark.honesty


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a function that trains a case, once: its folder and what it answers."""
    done = {}

    def train(name):
        if name not in done:
            folder = tmp_path_factory.mktemp("golden") / name
            done[name] = folder, golden.ask(golden.train(name, folder))
        return done[name]

    return train


@pytest.mark.skipif(
    RECORDED["environment"] != HERE,
    reason="bits are compared on the processor and with the libraries of the record alone",
)
@pytest.mark.parametrize("name", golden.CASES)
def test_a_training_gives_the_same_bits(trained, name):
    folder, found = trained(name)
    assert golden.weights(folder) == RECORDED["cases"][name]["weights"]
    case = dict(RECORDED["cases"][name])
    del case["weights"], case["ingredients"]
    assert found == case


def test_saved_models_give_the_same_ranks_and_figures():
    assert golden.saved_that_moved(RECORDED) == []


def test_they_were_recorded_by_these_versions():
    assert RECORDED["figure_version"] == FIGURE_VERSION
    assert RECORDED["cases"].keys() == golden.CASES.keys()
    with golden.small_encoder():
        for name, case in RECORDED["cases"].items():
            assert case["ingredients"] == golden.build(name).ingredients()


def test_the_saved_models_are_those_of_the_record():
    for name, case in RECORDED["cases"].items():
        assert golden.weights(golden.FOLDER / name) == case["weights"]


def test_they_are_small():
    files = [file for file in golden.FOLDER.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 500_000


def drop_less(monkeypatch):
    real = nn.functional.dropout
    monkeypatch.setattr(
        nn.functional, "dropout", lambda x, p, *rest, **more: real(x, p / 2, *rest, **more)
    )


def lose_otherwise(monkeypatch):
    monkeypatch.setattr(recommender, "full_softmax", lambda *given: full_softmax(*given) * 1.01)


def step_otherwise(monkeypatch):
    real = torch.optim.AdamW.__init__
    monkeypatch.setattr(
        torch.optim.AdamW, "__init__", lambda *given, **more: real(*given, **{**more, "eps": 1e-6})
    )


@pytest.mark.parametrize("change", [drop_less, lose_otherwise, step_otherwise])
def test_a_change_of_training_moves_them(trained, tmp_path, monkeypatch, change):
    before = golden.weights(trained("gru4rec")[0])
    change(monkeypatch)
    golden.train("gru4rec", tmp_path / "changed")
    assert golden.weights(tmp_path / "changed") != before


def test_a_change_of_scoring_moves_the_ranks_of_a_saved_model(monkeypatch):
    model = golden.read("sasrec", golden.FOLDER / "sasrec")
    real = type(model).user_vectors
    monkeypatch.setattr(
        type(model), "user_vectors", lambda own, histories: real(own, histories[:, 1:])
    )
    assert golden.ask(model)["ranks"] != RECORDED["cases"]["sasrec"]["ranks"]


def test_a_saved_model_that_moved_is_named(monkeypatch):
    cases = RECORDED["cases"]
    gru, pop = json.loads(json.dumps([cases["gru4rec"], cases["popularity"]]))
    gru["figures"]["MRR"]["value"] += 1e-6
    recorded = {"cases": {"gru4rec": gru, "popularity": pop}}
    assert golden.saved_that_moved(recorded) == ["gru4rec"]


def test_what_moved_is_not_recorded_unless_the_figure_version_says_so():
    moved = json.loads(json.dumps(RECORDED))
    moved["cases"]["caser"]["ranks"][0] += 1
    elsewhere = moved | {"environment": {}}
    for now, saved in ((moved, []), (elsewhere, ["caser"])):
        with pytest.raises(SystemExit, match="caser moved: raise FIGURE_VERSION"):
            golden.refuse_unsaid(RECORDED, now, saved)
        raised = now | {"figure_version": FIGURE_VERSION + 1}
        assert golden.refuse_unsaid(RECORDED, raised, saved) is None
    said = json.loads(json.dumps(moved))
    said["cases"]["caser"]["ingredients"] = {"code": 2}
    assert golden.refuse_unsaid(RECORDED, said, []) is None
    assert golden.refuse_unsaid(RECORDED, elsewhere, []) is None
    assert golden.refuse_unsaid(RECORDED, RECORDED, []) is None
