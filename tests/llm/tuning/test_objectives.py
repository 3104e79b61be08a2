"""The objectives, and the proof that the next one is a class: softmax-DPO (arXiv 2406.09215)."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from killed_at_work import small_encoders
from recbench_baselines.llara import LLaRA

from recbench.errors import PluginError, UserError
from recbench.llm.settings import HybridSettings
from recbench.llm.tuning.objectives import Likelihoods, Listwise, NextTitle, Stages, WholeText
from recbench.neural.plan import Step
from recbench.recommender import Runtime
from recbench.testing.toy import toy_training_data
from recbench.testing.toy_lm import toy_llm

SCORES = torch.tensor([[-1.0, -2.0, -3.0], [-4.0, -1.0, -2.0]])
TOKENS = torch.tensor([[2, 3, 4], [3, 2, 2]])


PAGE = Path(__file__).parents[3] / "docs/extending.md"


def documented() -> type[LLaRA]:
    """The class of the page, as a reader would copy it."""
    (code,) = [
        block
        for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
        if "SoftmaxDPO" in block
    ]
    names: dict[str, Any] = {}
    exec(code, names)
    found: type[LLaRA] = names["LLaRAWithDPO"]
    return found


@pytest.fixture(scope="module", autouse=True)
def _encoders_are_small() -> Iterator[None]:
    """No objective reads how much an encoder has learnt."""
    with small_encoders():
        yield


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all, so that the encoder is trained once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def runtime(cache: Path, tmp_path: Path) -> Runtime:
    (tmp_path / "run").mkdir()
    return Runtime(0, "cpu", tmp_path / "run", cache)


def built(folder: Path, kind: type[LLaRA] = LLaRA, **settings: Any) -> LLaRA:
    values = {"llm": str(toy_llm(folder / "llm")), "examples": 64, "batch_size": 16, "epochs": 3}
    values |= {"learning_rate": 1e-2, "candidates": 5, **settings}
    return kind(kind.settings_class.build(values))


def test_the_losses_are_those_of_their_formulas() -> None:
    title = NextTitle().loss(Likelihoods(SCORES[:, :1], TOKENS[:, :1]))
    assert title == pytest.approx(2.5)
    text = WholeText().loss(Likelihoods(SCORES[:, :1], TOKENS[:, :1]))
    assert text == pytest.approx(5 / 5)
    listed = Listwise().loss(Likelihoods(SCORES, TOKENS))
    shares = SCORES.exp() / SCORES.exp().sum(dim=1, keepdim=True)
    assert listed == pytest.approx(float(-shares[:, 0].log().mean()))


def test_stages_take_turns() -> None:
    first, second = NextTitle(), Listwise()
    stages = Stages(first, second, share=0.25)
    turns = [stages.at(Step(index, 8)) for index in range(8)]
    assert turns == [first] * 2 + [second] * 6
    assert stages.stages == (first, second)
    assert first.stages == (first,)


def test_a_list_is_learnt(tmp_path: Path, runtime: Runtime) -> None:
    report = built(tmp_path, objective="listwise").fit(toy_training_data(), runtime)
    assert report["losses"][-1] < report["losses"][0]
    points = report["curve"]
    assert points[-1]["rows"] == 3 * 64
    assert points[-1].keys() == {"rows", "HitRatio@1", "ValidRatio", "HitRatio@1|likelihood"}


def test_another_objective_is_one_class(tmp_path: Path, runtime: Runtime) -> None:
    """First to write the title, then softmax-DPO, which begins at -log sigmoid(-log n)."""
    model = built(tmp_path, documented(), epochs=4)
    assert model.settings.record()["objective"] == "softmax-dpo"  # and not LLaRA's, which it is not
    losses = model.fit(toy_training_data(), runtime)["losses"]
    assert losses[1] < losses[0]
    assert losses[3] < losses[2]


def test_an_unknown_objective_is_refused() -> None:
    with pytest.raises(UserError, match="objective"):
        HybridSettings.build({"objective": "pairwise"})


def test_a_model_cannot_learn_what_its_setting_does_not_say() -> None:
    with pytest.raises(PluginError, match=r"Other may not set objective, .* name it in objectives"):

        class Other(LLaRA):
            objective = Listwise()


def test_the_setting_decides_what_is_learnt_in_a_plug_in_too(tmp_path: Path) -> None:
    class Both(documented()):
        settings_class = HybridSettings
        objectives: ClassVar = {"title": Listwise()}

    assert isinstance(built(tmp_path, Both).objective, Listwise)
    lacking = built(tmp_path, Both, objective="listwise")
    with pytest.raises(PluginError, match="may be 'listwise', but its objectives are title"):
        lacking.ingredients()
