import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import recbench_baselines.morec as module
import torch
from recbench_baselines.morec import MoRec
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer

from recbench.data.catalogue import make_catalogue
from recbench.errors import RecbenchError, UserError
from recbench.neural import training
from recbench.neural.ranking import full_ranking_ndcg
from recbench.questions.queries import Queries
from recbench.recommender import Runtime
from recbench.testing.contract import EncoderContract, TransferableContract, toy_queries
from recbench.testing.toy import toy_split, toy_training_data
from recbench.testing.toy_lm import toy_text_encoder


@pytest.fixture(scope="module", autouse=True)
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = toy_text_encoder(tmp_path_factory.mktemp("encoder"))
    TestFrozen.settings = {"text_encoder": str(folder), "epochs": 2}
    TestTrained.settings = TestFrozen.settings | {"train_text_encoder": True, "batch_size": 16}
    return folder


class TestFrozen(EncoderContract, TransferableContract):
    model_class = MoRec
    settings: ClassVar = {}

    def test_item_vectors_are_projections_of_the_encoders_embeddings(
        self, fitted: MoRec, encoder: Path
    ) -> None:
        table = fitted.module.items
        embeddings = read_by_transformers(encoder)
        centre, length = embeddings.mean(0), (embeddings - embeddings.mean(0)).norm(dim=1).mean()
        weight, bias = table.projection.weight.detach().cpu(), table.projection.bias.detach().cpu()
        expected = ((embeddings - centre) / length @ weight.T + bias).numpy()
        np.testing.assert_allclose(fitted.item_vectors(), expected, atol=1e-5)

    def test_its_scores_are_float32_whatever_torch_may_round(
        self, fitted: MoRec, workplace: Path, rounded_products: list[str]
    ) -> None:
        fitted.score(toy_queries(toy_split()), self.runtime(workplace, "rounded"))
        assert not rounded_products

    def test_no_item_has_an_embedding_of_its_own(self, fitted: MoRec) -> None:
        names = dict(fitted.module.named_parameters())
        assert [name for name in names if name.startswith("items.")] == [
            "items.projection.weight",
            "items.projection.bias",
        ]

    def test_titles_are_read_once(
        self, fitted: MoRec, workplace: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "load_title_encoder", None)
        self.build().fit(toy_training_data(), self.runtime(workplace, "with the cache"))


class TestTrained(EncoderContract, TransferableContract):
    model_class = MoRec
    settings: ClassVar = {}

    def test_the_encoder_learns_and_what_is_kept_is_what_it_makes_of_the_titles(
        self, fitted: MoRec, encoder: Path, rounded_products: list[str]
    ) -> None:
        kept, before = fitted.module.items.embeddings, read_by_transformers(encoder)
        assert (kept - before).abs().max() > 1e-4
        rounded_products.clear()  # transformers' own, in the line above
        fitted.module.items.read_all()
        assert not rounded_products
        torch.testing.assert_close(fitted.module.items.embeddings, kept)

    def test_its_weights_learn_at_their_own_rate_and_do_not_decay(self) -> None:
        plan = self.build().plan()
        group = plan.group("items.encoder.model.embeddings.word_embeddings.weight")
        assert group.learning_rate_factor * plan.learning_rate == pytest.approx(5e-5)
        assert group.weight_decay == 0
        assert plan.group("items.projection.weight").weight_decay == plan.weight_decay


@pytest.mark.gpu
class TestFrozenOnAGpu(TestFrozen):
    device = "cuda"
    tolerance = 1e-3


def read_by_transformers(folder: Path) -> torch.Tensor:
    """The mean over the tokens of each toy title, one title at a time, made of length 1."""
    model, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        states = [
            model(**tokenizer(title, return_tensors="pt")).last_hidden_state[0].mean(0)
            for title in toy_split().catalogue.titles
        ]
    return torch.nn.functional.normalize(torch.stack(states), dim=1)


def runtime(folder: Path, report: Any = None) -> Runtime:
    return Runtime(0, "cpu", folder, folder, *([report] if report else []))


def fit(encoder: Path, folder: Path, report: Any = None, **settings: Any) -> MoRec:
    quick = {"epochs": 8, "averaged_epochs": 1, "dropout": 0.1, "weight_decay": 0.0}
    more = {"learning_rate": 0.01, "batch_size": 8, "text_encoder": str(encoder)}
    model = MoRec(MoRec.settings_class.build({**quick, **more, **settings}))
    model.fit(toy_training_data(), runtime(folder, report))
    return model


@pytest.mark.parametrize("trained", [False, True])
def test_it_learns_the_ring(encoder: Path, tmp_path: Path, trained: bool) -> None:
    rows, model = toy_split().test, fit(encoder, tmp_path, train_text_encoder=trained)
    # A perfect model puts the two items that can follow first; by chance it is below 0.1.
    assert full_ranking_ndcg(model.full_scores(rows), rows, k=2).mean() >= 0.7


def test_titles_of_another_catalogue_are_read_anew(encoder: Path, tmp_path: Path) -> None:
    first, data = fit(encoder, tmp_path, epochs=1), toy_training_data()
    turned = make_catalogue(data.catalogue.raw_ids, data.catalogue.titles[::-1])
    other = MoRec(first.settings)
    other.fit(replace(data, catalogue=turned, digest="turned"), runtime(tmp_path))
    torch.testing.assert_close(other.module.items.embeddings, read_by_transformers(encoder).flip(0))


def test_an_encoder_that_learns_nothing_is_the_frozen_one(encoder: Path, tmp_path: Path) -> None:
    frozen = fit(encoder, tmp_path, epochs=1)
    trained = fit(encoder, tmp_path, epochs=1, train_text_encoder=True, text_learning_rate=1e-12)
    np.testing.assert_allclose(trained.item_vectors(), frozen.item_vectors(), atol=1e-4)


def test_items_begin_as_rows_of_a_table_of_ids_do_of_one_size_around_nought() -> None:
    embeddings = 5 + 3 * torch.randn(500, 40, generator=torch.Generator().manual_seed(0))
    table = module.TitleTable(embeddings, 64)
    assert table.projection.weight.std().item() == pytest.approx(0.02, rel=0.1)
    read = (embeddings - table.centre) * table.scale
    torch.testing.assert_close(read.mean(dim=0), torch.zeros(40), atol=1e-5, rtol=0)
    assert read.norm(dim=1).mean().item() == pytest.approx(1)
    assert table.weight[-1].eq(0).all()


def test_a_step_reads_the_titles_of_its_batch_and_says_how_many(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    forward = module.TitleEncoder.forward

    def counted(self: Any, tokens: Any) -> torch.Tensor:
        read.append(len(tokens))
        return forward(self, tokens)

    monkeypatch.setattr(module.TitleEncoder, "forward", counted)
    told: list[str] = []
    fit(encoder, tmp_path, told.append, epochs=1, batch_size=2, train_text_encoder=True)
    # 2 walks of 12 in a step, and all of them when the epoch is validated.
    assert (read[-1], len(read)) == (40, 30 + 1)
    assert max(read[:-1]) <= 24
    assert any("a step reads about" in line and "of 40 titles" in line for line in told)


def test_a_trained_encoder_goes_on_where_it_was_interrupted(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit(encoder, tmp_path / "whole", epochs=3, train_text_encoder=True)
    watch, calls = MoRec.validated, []

    def interrupted(self: MoRec, *arguments: Any) -> float:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return watch(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training.Checkpoint, "due", True)
        patch.setattr(MoRec, "validated", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fit(encoder, tmp_path / "killed", epochs=3, train_text_encoder=True)
    again = fit(encoder, tmp_path / "killed", epochs=3, train_text_encoder=True)
    assert (again.item_vectors() == whole.item_vectors()).all()


@pytest.mark.honesty
@pytest.mark.parametrize("shares", [True, False])
def test_items_of_one_title_tie_however_they_are_rounded(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shares: bool
) -> None:
    model = fit(encoder, tmp_path, epochs=1)
    model._titles = tuple(model._titles[item - item % 2] for item in range(40))
    queries = Queries.of_all(toy_split().test.histories, 40)
    if not shares:
        queries = replace(queries, candidates=queries.candidates.copy())
    scores = model.score(queries, runtime(tmp_path))
    np.testing.assert_array_equal(scores[:, ::2], scores[:, 1::2])
    monkeypatch.setattr(module, "scored_once", lambda found, *_: found)
    np.testing.assert_array_equal(scores[:, ::2], model.score(queries, runtime(tmp_path))[:, ::2])


def test_the_encoder_and_its_pooling_name_the_row(encoder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(encoder, other)

    def ingredients(**settings: Any) -> dict[str, Any]:
        given = {"text_encoder": str(other), **settings}
        return MoRec(MoRec.settings_class.build(given)).ingredients()

    before = ingredients()
    assert before["pooling"] == "mean, normalised"
    assert ingredients(pooling="mean") == before | {"pooling": "mean"}
    (other / "tokenizer.json").write_text("{}")
    assert ingredients()["text_encoder"] != before["text_encoder"]


def test_an_encoder_that_is_none_is_one_line(tmp_path: Path) -> None:
    def ingredients(name: object) -> None:
        MoRec(MoRec.settings_class.build({"text_encoder": str(name)})).ingredients()

    with pytest.raises(UserError, match=r"holds no text encoder: no config\.json in it$"):
        ingredients(tmp_path)
    with pytest.raises(UserError, match=r"give 'all-minilm-l6-v2', a folder or a hub id$"):
        ingredients(tmp_path / "nothing")
    with pytest.raises(UserError, match="no text encoder is named; give 'all-minilm-l6-v2'"):
        ingredients("")
    with pytest.raises(UserError, match="is read from no GGUF file; give 'all-minilm-l6-v2'"):
        ingredients("model.gguf")


def test_a_model_of_other_settings_is_not_loaded(encoder: Path, tmp_path: Path) -> None:
    model = fit(encoder, tmp_path, epochs=1)
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    other = MoRec(MoRec.settings_class.build({"text_encoder": str(encoder)}))
    with pytest.raises(RecbenchError, match="has other settings"):
        other.load(tmp_path / "saved", toy_training_data(), runtime(tmp_path))


def test_numbers_that_are_not_finite_are_named(encoder: Path, tmp_path: Path) -> None:
    other = tmp_path / "broken"
    shutil.copytree(encoder, other)
    weights = load_file(other / "model.safetensors")
    weights["embeddings.LayerNorm.weight"][0] = torch.nan
    save_file(weights, other / "model.safetensors", {"format": "pt"})
    with pytest.raises(RecbenchError, match="titles into numbers that are not finite; take 'all-"):
        fit(other, tmp_path)


def test_what_a_step_reads_stands_for_its_items_in_the_next(encoder: Path, tmp_path: Path) -> None:
    table = fit(encoder, tmp_path, epochs=1, train_text_encoder=True).module.items
    before = table.embeddings.clone()
    assert table.encoder is not None
    with torch.no_grad():
        for weight in table.encoder.parameters():
            weight.mul_(1.5)  # as a step may have changed it
    with table.reading(np.array([3, 5], dtype=np.int32)):
        assert table._read is not None
        read = table._read.detach().clone()
    torch.testing.assert_close(table.embeddings, read)
    assert (read != before).any(dim=1).nonzero().ravel().tolist() == [3, 5]
