from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from recbench_baselines import ilora as room
from recbench_baselines.ilora import ILoRA, ILoRASettings
from recbench_baselines.llara import LLaRA
from safetensors.torch import load_file

from recbench.errors import RecbenchError, UserError
from recbench.file_digests import folder_digest
from recbench.llm import guided
from recbench.llm.encoders import fitted_encoder
from recbench.llm.guidance import Guidance, OtherUsers, prompt_vectors
from recbench.llm.inference.hybrid import Guide, root_mean_square, standardised
from recbench.llm.settings import HybridSettings
from recbench.llm.tuning.finetuning import TrainingQuestions
from recbench.llm.tuning.router import TokenRouter
from recbench.neural.checkpoint import learnt
from recbench.neural.plan import Step
from recbench.questions.split import PAD, Examples, Split
from recbench.recommender import Recommender, Runtime
from recbench.testing.contract import AnswererContract, TransferableContract, toy_queries
from recbench.testing.toy import toy_split, toy_training_data
from recbench.testing.toy_lm import toy_llm


@pytest.fixture(scope="module", autouse=True)
def _toy_language_model(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = toy_llm(tmp_path_factory.mktemp("llm"))
    TestILoRA.settings = {"llm": str(folder), "examples": 64, "batch_size": 16, "candidates": 8}
    values = {**TestILoRA.settings, "examples": 32, "curve_rows": 0}
    TestILoRAOnAGpu.settings = {**values, "precision": "float32"}
    for kind, guidance in GUIDED.items():
        kind.settings = {**values, "guidance": guidance}
    TestILoRAWithResNet.settings = {**values, "gate": "resnet", "encoder": "gru4rec"}


class TestILoRA(AnswererContract, TransferableContract):
    model_class = ILoRA

    def test_the_gate_is_learnt_and_differs_from_user_to_user(
        self, fitted: Recommender, split: Split
    ) -> None:
        assert isinstance(fitted, ILoRA)
        gate = fitted.module.gate
        assert gate is not None
        weights = gate(torch.from_numpy(fitted.encoder.user_vectors(split.test.histories)))
        assert weights.shape == (len(split.test), 4)
        assert float(weights.detach().std(dim=0).max()) > 0.01

    def test_what_the_gate_says_is_float32_whatever_torch_may_round(
        self, fitted: Recommender, split: Split, workplace: Path, rounded_products: list[str]
    ) -> None:
        assert isinstance(fitted, ILoRA)
        fitted.expert_weights(toy_queries(split))
        assert not rounded_products

    def test_it_is_llara_but_for_the_gate(
        self, fitted: Recommender, split: Split, workplace: Path
    ) -> None:
        """One encoder, the same first weights: with a uniform gate both see the same model."""
        assert isinstance(fitted, ILoRA)
        llara = LLaRA(HybridSettings.build(self.settings))
        details = llara.fit(toy_training_data(split), self.runtime(workplace, "llara"))
        gate = fitted.module.gate
        assert gate is not None
        own = sum(parameter.numel() for parameter in gate.parameters())
        trained = sum(p.numel() for p in fitted.module.parameters() if p.requires_grad)
        assert trained == details["parameters_trained"] + own
        np.testing.assert_array_equal(llara.encoder.item_vectors(), fitted.encoder.item_vectors())
        shared = set(HybridSettings.model_fields)
        assert shared <= set(ILoRASettings.model_fields)
        for name in shared:
            assert (
                ILoRASettings.model_fields[name].default
                == HybridSettings.model_fields[name].default
            )

    def test_the_schedule_and_the_rates_of_the_released_code(self, fitted: Recommender) -> None:
        """Warm-up and cosine; the gate slower by 0.3; weight decay on the projector alone."""
        assert isinstance(fitted, ILoRA)
        questions = TrainingQuestions(toy_training_data().train, 40, fitted.settings, 0)
        plan = fitted._plan(questions, Runtime(0, "cpu", Path(), Path()))
        assert plan.schedule == "cosine"
        assert plan.learning_rate == fitted.settings.learning_rate
        assert plan.group("gate.network.weight").learning_rate_factor == 0.3
        projector = plan.group("projector.network.0.weight")
        assert projector.weight_decay == 1e-5
        assert projector.learning_rate_factor == fitted.settings.projector_learning_rate_factor
        assert plan.group("lm.base_model.x.lora_A.default.weight").weight_decay == 0

    def test_lora_decays_where_a_user_says_so(self, fitted: Recommender) -> None:
        assert isinstance(fitted, ILoRA)
        questions = TrainingQuestions(toy_training_data().train, 40, fitted.settings, 0)
        decaying = copy(fitted)
        decaying.settings = fitted.settings.model_copy(update={"weight_decay": 0.25})
        plan = decaying._plan(questions, Runtime(0, "cpu", Path(), Path()))
        assert plan.group("lm.base_model.x.lora_A.default.weight").weight_decay == 0.25

    def test_transferred_it_keeps_what_it_learnt_and_takes_an_encoder_of_the_new_data(
        self, fitted: Recommender, split: Split, workplace: Path, tmp_path: Path
    ) -> None:
        """The size of user vectors is that of the new encoder, so the gate's scale is, too."""
        assert isinstance(fitted, ILoRA)
        fitted.save(tmp_path)
        runtime = self.runtime(workplace, "transferred")
        moved = ILoRA(fitted.settings)
        moved.load(tmp_path, toy_training_data(split), runtime)
        data = toy_training_data(toy_split(items=30, seed=1))
        assert moved.refitted == ("encoder sasrec",)
        moved.transfer(data, runtime)
        own = fitted_encoder("sasrec", data, runtime)
        np.testing.assert_array_equal(moved.encoder.item_vectors(), own.item_vectors())
        gate, projector = moved.module.gate, moved.module.projector
        assert gate is not None
        assert projector is not None
        np.testing.assert_array_equal(projector.vectors, standardised(own.item_vectors()))
        users = own.user_vectors(data.train.histories[:1024])
        assert float(gate.scale) == pytest.approx(1 / root_mean_square(users))
        learnt = fitted.module.state_dict()
        for name, tensor in moved.module.state_dict().items():
            if name != "gate.scale":
                torch.testing.assert_close(tensor, learnt[name])

    def test_gradients_are_those_of_a_plain_backward_and_change_nothing(
        self, fitted: Recommender, workplace: Path, tmp_path: Path
    ) -> None:
        assert isinstance(fitted, ILoRA)
        runtime, train = self.runtime(workplace, "gradients"), toy_training_data().train
        rows = Examples(train.histories[:3], train.targets[:3], train.users[:3])
        folders = tmp_path / "before", tmp_path / "after"
        for folder in folders:
            folder.mkdir()
        fitted.save(folders[0])
        known = fitted.abilities
        fitted.abilities = None  # as where others were found by another version of torch
        found = fitted.gradient_sketches(rows, 1 << 18, runtime)
        fitted.abilities = known
        fitted.save(folders[1])
        assert folder_digest(folders[0]) == folder_digest(folders[1])
        assert all(one.grad is None for one in fitted.module.parameters())
        settings = fitted.settings.model_copy(update={"examples": None, "epochs": 1})
        questions = TrainingQuestions(rows, 40, settings, runtime.seed)
        seen = fitted._seen(questions)
        lora = [p for name, p in fitted.module.named_parameters() if "lora_" in name]
        for number, row in enumerate(questions.rows):
            fitted._loss(questions, seen, np.array([number]), Step(1, 1)).backward()
            plain = torch.cat([one.grad.flatten() for one in lora])
            torch.testing.assert_close(torch.from_numpy(found[row][: len(plain)]), plain)
            assert plain.abs().sum() > 0
            assert not found[row][len(plain) :].any()
            fitted.module.zero_grad()
        fitted.module.user_gate.release()

    def test_fed_with_another_user_the_gate_alone_sees_somebody_else(
        self, fitted: Recommender, split: Split, workplace: Path
    ) -> None:
        model = self.copy(fitted, split, workplace, "other user")
        assert isinstance(model, ILoRA)
        model.begin("other-user")
        assert model.knows_users
        asked = self.queries(split).by(np.arange(len(self.queries(split)), dtype=np.int32))
        histories = model._gated_by(asked)
        train = toy_training_data(split).train
        owners = [set(train.users[(train.histories == one).all(axis=1)]) for one in histories]
        assert all(whose - {asker} for asker, whose in enumerate(owners))
        np.testing.assert_array_equal(model._gated_by(asked[3:5]), histories[3:5])
        runtime = self.runtime(workplace, "other user asked")
        own = fitted.score(asked, runtime)
        assert np.abs(model.score(asked, runtime) - own).max() > 1e-4
        nobody = replace(train, users=np.zeros_like(train.users))
        model.writer.data = replace(model.writer.data, train=nobody)
        with pytest.raises(UserError, match="leave out --control other-user"):
            model.score(asked[:1], runtime)

    def test_permuted_items_have_the_vectors_of_others(
        self, fitted: Recommender, split: Split, workplace: Path
    ) -> None:
        model = self.copy(fitted, split, workplace, "permuted")
        assert isinstance(model, ILoRA)
        assert isinstance(fitted, ILoRA)
        model.begin("permuted-items")
        assert not model.knows_users
        own, other = fitted.module.projector, model.module.projector
        assert own is not None
        assert other is not None
        assert (own.vectors != other.vectors).any(dim=1).sum() > len(own.vectors) / 2
        rows = [sorted(map(tuple, one.vectors.tolist())) for one in (own, other)]
        assert rows[0] == rows[1]
        np.testing.assert_array_equal(model.encoder.item_vectors(), fitted.encoder.item_vectors())

    def test_merging_is_refused(self, fitted: Recommender) -> None:
        assert isinstance(fitted, ILoRA)
        with pytest.raises(RecbenchError, match="cannot be merged"):
            fitted.module.lm.merge_and_unload()

    def test_the_gate_is_one_small_file(self, fitted: Recommender, tmp_path: Path) -> None:
        fitted.save(tmp_path)
        assert (tmp_path / "gate.safetensors").stat().st_size < 4096
        assert (tmp_path / "adapter" / "adapter_model.safetensors").exists()


@pytest.mark.gpu
class TestILoRAOnAGpu(AnswererContract, TransferableContract):
    """In float32: in bfloat16 a row in another batch may have another answer."""

    model_class = ILoRA
    device = "cuda"
    tolerance = 1e-3


class TestILoRAOfAnotherUser(AnswererContract, TransferableContract):
    model_class = ILoRA


class TestILoRAOfNoise(AnswererContract):
    model_class = ILoRA


class TestILoRAOfTokens(AnswererContract):
    model_class = ILoRA


class TestILoRAOfThePrompt(AnswererContract, TransferableContract):
    model_class = ILoRA


class TestILoRAOfRoutedTokens(AnswererContract, TransferableContract):
    model_class = ILoRA

    def test_every_layer_has_a_router_that_is_learnt_and_kept(
        self, fitted: Recommender, tmp_path: Path
    ) -> None:
        assert isinstance(fitted, ILoRA)
        router = fitted.module.gate
        assert isinstance(router, TokenRouter)
        layers = sum("lora_A" in name for name, _ in fitted.module.lm.named_parameters())
        assert len(router.routers) == layers
        fitted.save(tmp_path)
        assert len(load_file(tmp_path / "gate.safetensors")) == 2 * layers


class TestILoRAWithResNet(AnswererContract):
    model_class = ILoRA


@pytest.mark.parametrize("guidance", ["random", "tokens"])
def test_a_gate_that_mixes_rows_mixes_those_of_a_step_whatever_is_computed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guidance: str
) -> None:
    """Nor is a prompt read again for each part of its step."""
    read: list[int] = []

    def noted(model: Any, prompts: Any, words: str) -> torch.Tensor:
        read.append(len(prompts))
        assert not any(prompt.items for prompt in prompts)  # what moves with the projector
        return prompt_vectors(model, prompts, words)

    monkeypatch.setattr(room, "prompt_vectors", noted)
    monkeypatch.setattr(guided, "fitted_encoder", lambda *_: Untrained())
    values = TestILoRAWithResNet.settings | {"batch_size": 8, "examples": 20, "dropout": 0.0}
    values |= {"guidance": guidance, "precision": "float32", "learning_rate": 1e-4}
    learnt_by = []
    for size in (8, 2):
        model = ILoRA(ILoRASettings.build({**values, "micro_batch_size": size}))
        place = tmp_path / str(size)
        model.fit(toy_training_data(), Runtime(0, "cpu", place, tmp_path).at(place))
        learnt_by.append(learnt(model.module))
        assert model.module.user_gate is not None
        assert model.module.user_gate.scale == 1  # these vectors have that size by themselves
    assert read == ([8, 8, 4] * 2 if guidance == "tokens" else [])
    for name, whole in learnt_by[0].items():
        torch.testing.assert_close(learnt_by[1][name], whole, atol=2e-5, rtol=1e-4)


@pytest.mark.honesty
@pytest.mark.parametrize("guidance", ["sequence", "other-user", "random"])
def test_the_gate_is_told_of_the_history_that_its_guidance_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guidance: str
) -> None:
    told: list[NDArray[np.int32]] = []

    def noted(_: str, encoder: Untrained, histories: NDArray[np.int32]) -> NDArray[np.float32]:
        told.append(histories)
        return encoder.user_vectors(histories)

    monkeypatch.setattr(guided, "fitted_encoder", lambda *_: Untrained())
    values = TestILoRA.settings | {"guidance": guidance, "examples": 8, "batch_size": 8}
    model, data = ILoRA(ILoRASettings.build(values)), toy_training_data()
    model.fit(data, Runtime(0, "cpu", tmp_path, tmp_path).at(tmp_path))
    monkeypatch.setattr(guided, "user_vectors", noted)
    queries = toy_queries(toy_split())
    model.expert_weights(queries)
    expected = {
        "sequence": [queries.histories],
        "other-user": [OtherUsers(data).histories(queries.histories)],
        "random": [],
    }
    np.testing.assert_equal(told, expected[guidance])


class Untrained:
    """An encoder that knows nothing."""

    vectors = Guide.random(40, 16)

    def item_vectors(self) -> NDArray[np.float32]:
        return self.vectors.vectors

    def user_vectors(self, histories: NDArray[np.int32]) -> NDArray[np.float32]:
        return self.vectors.users[np.arange(len(histories)) % len(self.vectors.users)]


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("settings", "read"),
    [
        ({"encoder": "caser"}, 10),
        ({"encoder": "caser", "guidance": "tokens"}, None),
        ({"encoder": "sasrec"}, None),
        ({"encoder": "gru4rec"}, None),
    ],
)
def test_of_a_longer_history_it_says_how_much_the_gate_sees(
    tmp_path: Path, settings: dict[str, Any], read: int | None
) -> None:
    data, said = toy_training_data(), list[str]()
    histories = np.pad(data.train.histories, ((0, 0), (2, 0)), constant_values=PAD)
    longer = replace(data, train=replace(data.train, histories=histories))
    model = ILoRA(ILoRASettings.build(TestILoRAWithResNet.settings | {"gate": "linear"} | settings))
    model.rehearse(longer, 20, Runtime(0, "cpu", tmp_path, tmp_path, said.append))
    told = {"gate_items_read": 10, "gate_items_shown": 12} if read else {}
    found = model.examined[longer.digest].items()
    assert {name: one for name, one in found if name.startswith("gate_")} == told
    line = (
        "of a history of up to 12 items the gate's encoder caser reads the latest 10; --set "
        "encoder=gru4rec reads them all, --history 10 shows no more"
    )
    assert [one for one in said if "history" in one] == ([line] if read else [])


def test_a_gate_that_mixes_rows_has_a_version_of_its_own() -> None:
    """Up to version 3 its numbers hung on how many rows were computed at once."""

    def code(gate: str) -> int:
        settings = ILoRASettings.build({**TestILoRAWithResNet.settings, "gate": gate})
        found: int = ILoRA(settings).ingredients()["code"]
        return found

    assert [code(gate) for gate in ("linear", "resnet")] == [2, 4]


GUIDED: dict[type[AnswererContract], str] = {
    TestILoRAOfAnotherUser: "other-user",
    TestILoRAOfNoise: "random",
    TestILoRAOfTokens: "tokens",
    TestILoRAOfThePrompt: "prompt",
    TestILoRAOfRoutedTokens: "token-routing",
}


def test_what_guides_the_gate_names_a_row_only_where_it_is_not_the_sequence() -> None:
    assert set(GUIDED.values()) | {"sequence"} == set(get_args(Guidance))
    assert "guidance" not in ILoRASettings().identity()
    assert ILoRASettings.build({"guidance": "prompt"}).identity()["guidance"] == "prompt"
    assert ILoRASettings().record()["guidance"] == "sequence"
    with pytest.raises(UserError, match="guidance=token-routing has linear routers, not resnet"):
        ILoRASettings.build({"guidance": "token-routing", "gate": "resnet"})
    with pytest.raises(UserError, match="setting 'guidance'"):
        ILoRASettings.build({"guidance": "user"})


def test_the_ranks_of_the_experts() -> None:
    assert ILoRASettings().ranks == (2, 2, 2, 2)
    assert ILoRASettings.build({}, "rank16").ranks == (4, 4, 4, 4)
    assert ILoRASettings.build({"expert_ranks": "4,2,1,1"}).ranks == (4, 2, 1, 1)
    with pytest.raises(UserError, match="do not add up to rank 8"):
        ILoRASettings.build({"expert_ranks": "4,2"})
    with pytest.raises(UserError, match=r"\(4, 4\) are of 2 experts, but experts=4; leave"):
        ILoRASettings.build({"experts": 4, "expert_ranks": "4,4"})
    with pytest.raises(UserError, match="cannot be cut into 3 experts"):
        ILoRASettings.build({"experts": 3})
    two = ILoRASettings.build({"expert_ranks": "4,4"})
    assert (two.experts, two.ranks) == (2, (4, 4))
    assert ILoRASettings.build(two.record()) == ILoRASettings.build(two.identity()) == two
    assert ILoRASettings().gate == "linear"
    assert ILoRASettings().gate_learning_rate_factor == 0.3
