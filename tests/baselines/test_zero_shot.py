from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recbench_baselines.tallrec import TALLRec, TALLRecSettings
from recbench_baselines.zero_shot import ZeroShot
from safetensors.torch import load_file, save_file

from recbench.errors import UserError
from recbench.llm.settings import PromptedSettings
from recbench.llm.tuning.adapter import WEIGHTS
from recbench.recommender import Runtime
from recbench.testing.contract import AnswererContract, TransferableContract, toy_queries
from recbench.testing.toy import toy_split, toy_training_data
from recbench.testing.toy_lm import toy_llm


@pytest.fixture(scope="module", autouse=True)
def _toy_language_model(tmp_path_factory: pytest.TempPathFactory) -> None:
    TestZeroShot.settings = {"llm": str(toy_llm(tmp_path_factory.mktemp("llm")))}


class TestZeroShot(AnswererContract, TransferableContract):
    model_class = ZeroShot

    def test_nothing_is_trained(self, fitted: ZeroShot) -> None:
        assert not any(parameter.requires_grad for parameter in fitted.module.parameters())


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    for name in ("run", "cache"):
        (tmp_path / name).mkdir()
    return Runtime(0, "cpu", tmp_path / "run", tmp_path / "cache")


def test_an_adapter_that_was_tuned_before_is_judged_as_it_is(
    tmp_path: Path, runtime: Runtime
) -> None:
    data, queries = toy_training_data(), toy_queries(toy_split())
    llm = str(toy_llm(tmp_path / "llm"))
    values = {"llm": llm, "examples": 32, "batch_size": 16, "learning_rate": 1e-2}
    tuned = TALLRec(TALLRecSettings.build(values))
    tuned.fit(data, runtime)
    (tmp_path / "saved").mkdir()
    tuned.save(tmp_path / "saved")
    adapter = tmp_path / "saved" / "adapter"

    judged = ZeroShot(PromptedSettings.build({"llm": llm, "adapter": str(adapter)}))
    assert judged.fit(data, runtime)["parameters_trained"] == 0
    np.testing.assert_allclose(
        judged.score(queries, runtime), tuned.score(queries, runtime), atol=1e-4
    )
    plain = ZeroShot(PromptedSettings.build({"llm": llm}))
    plain.fit(data, runtime)
    assert np.abs(plain.score(queries, runtime) - judged.score(queries, runtime)).max() > 0.1
    assert judged.ingredients().keys() - plain.ingredients().keys() == {"adapter"}

    further = TALLRec(TALLRecSettings.build({**values, "adapter": str(adapter)}))
    assert further.fit(data, runtime)["losses"][0] < tuned_loss(values, data, runtime)


def tuned_loss(values: dict[str, object], data: object, runtime: Runtime) -> float:
    model = TALLRec(TALLRecSettings.build(values))
    return float(model.fit(data, runtime)["losses"][0])  # type: ignore[arg-type]


def test_an_adapter_that_was_replaced_is_tried_anew(tmp_path: Path, runtime: Runtime) -> None:
    """How a model can be read is remembered of an adapter's files, not of its folder's name."""
    data, llm, adapter = toy_training_data(), str(toy_llm(tmp_path / "llm")), tmp_path / "adapter"
    tuned = TALLRec(TALLRecSettings.build({"llm": llm, "examples": 16, "batch_size": 16}))
    tuned.fit(data, runtime)
    (tmp_path / "saved").mkdir()
    tuned.save(tmp_path / "saved")
    (tmp_path / "saved/adapter").rename(adapter)
    lines: list[str] = []
    judged = ZeroShot(PromptedSettings.build({"llm": llm, "adapter": str(adapter)}))
    for changed, tried in ((False, True), (False, False), (True, True)):
        if changed:
            weights = load_file(adapter / WEIGHTS)
            save_file({name: 2 * one for name, one in weights.items()}, adapter / WEIGHTS)
        lines.clear()
        judged.rehearse(data, 20, replace(runtime, report=lines.append))
        assert (f"trying how {llm} can be read" in lines) == tried


def test_a_folder_without_an_adapter_is_named(tmp_path: Path) -> None:
    model = ZeroShot(PromptedSettings.build({"adapter": str(tmp_path)}))
    with pytest.raises(UserError, match=r"no adapter_config\.json in"):
        model.ingredients()


def test_an_adapter_of_another_model_is_refused(tmp_path: Path, runtime: Runtime) -> None:
    data = toy_training_data()
    values = {"llm": str(toy_llm(tmp_path / "llm")), "examples": 16, "batch_size": 16}
    tuned = TALLRec(TALLRecSettings.build(values))
    tuned.fit(data, runtime)
    (tmp_path / "saved").mkdir()
    tuned.save(tmp_path / "saved")
    settings = {"llm": "tiny", "adapter": str(tmp_path / "saved" / "adapter")}
    with pytest.raises(UserError, match="does not fit this language model"):
        ZeroShot(PromptedSettings.build(settings)).fit(data, runtime)
