"""What every ID model does, whatever its network."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recbench_baselines.bert4rec import BERT4Rec
from recbench_baselines.caser import Caser
from recbench_baselines.esasrec import ESASRec
from recbench_baselines.gru4rec import GRU4Rec
from recbench_baselines.sasrec import SASRec

from recbench.data.ragged import chosen
from recbench.errors import RecbenchError, UserError
from recbench.neural import recommender, training
from recbench.neural.plan import Plan, Step
from recbench.neural.ranking import full_ranking_ndcg
from recbench.neural.recommender import NeuralRecommender
from recbench.questions.queries import Queries
from recbench.questions.split import PAD, Split
from recbench.recommender import Runtime
from recbench.testing.toy import toy_split, toy_training_data

MODELS: dict[type[NeuralRecommender], dict[str, Any]] = {
    GRU4Rec: {"learning_rate": 0.01, "batch_size": 8},
    SASRec: {"learning_rate": 0.01, "batch_size": 8},
    Caser: {"learning_rate": 0.01, "batch_size": 32},
    BERT4Rec: {
        "learning_rate": 0.01,
        "batch_size": 16,
        "epochs": 24,
        "max_length": 4,
        "layers": 1,
        "masking": 0.4,
    },
    ESASRec: {"learning_rate": 0.01, "batch_size": 8},
}
QUICK = {
    "epochs": 8,
    "averaged_epochs": 1,
    "embedding_dim": 16,
    "dropout": 0.1,
    "weight_decay": 0.0,
}

SAMPLED = [
    (SASRec, "sampled-softmax", 8),
    (SASRec, "bce", 8),
    (SASRec, "gbce", 40),
    (GRU4Rec, "bce", 8),
    (Caser, "gbce", 16),
    (BERT4Rec, "sampled-softmax", 24),
    (ESASRec, "gbce", 16),
]
"""
Every loss with one model, every model with one loss; and epochs. One low score for all items is a
plateau of the binary losses, which is left late.
"""


@pytest.fixture(scope="module")
def split() -> Split:
    return toy_split()


@pytest.fixture(scope="module", params=MODELS, ids=lambda model: model.__name__)
def kind(request: pytest.FixtureRequest) -> type[NeuralRecommender]:
    return request.param


def fit(
    kind: type[NeuralRecommender], folder: Path, seed: int = 0, **settings: Any
) -> NeuralRecommender:
    model = kind(kind.settings_class.build({**QUICK, **MODELS[kind], **settings}))
    model.fit(toy_training_data(), runtime(folder, seed))
    return model


def runtime(folder: Path, seed: int = 0) -> Runtime:
    return Runtime(seed=seed, device="cpu", checkpoints=folder, cache=folder)


@pytest.fixture(scope="module")
def fitted(
    kind: type[NeuralRecommender], tmp_path_factory: pytest.TempPathFactory
) -> NeuralRecommender:
    return fit(kind, tmp_path_factory.mktemp("fitted"))


def ndcg(model: NeuralRecommender, split: Split, folder: Path) -> float:
    """NDCG@2 over the items that are not in the history; by chance it is below 0.1."""
    everything = np.tile(np.arange(len(split.catalogue), dtype=np.int32), (len(split.test), 1))
    scores = model.score(Queries(split.test.histories, everything), runtime(folder))
    return float(full_ranking_ndcg(scores, split.test, k=2).mean())


def test_a_user_of_whom_nothing_is_known_has_no_vector(fitted: NeuralRecommender) -> None:
    nothing = np.full((2, 5), PAD, dtype=np.int32)
    assert not fitted.user_vectors(nothing).any()


def test_a_training_on_other_data_begins_anew(tmp_path: Path) -> None:
    fit(SASRec, tmp_path, epochs=1)
    data = toy_training_data()
    other = replace(data, sequences=chosen(data.sequences, np.arange(60)[::-1]), digest="other")
    same = SASRec.settings_class.build({**QUICK, **MODELS[SASRec], "epochs": 1})
    models = [SASRec(same), SASRec(same)]
    for model, folder in zip(models, [tmp_path, tmp_path / "empty"], strict=True):
        folder.mkdir(exist_ok=True)
        model.fit(other, runtime(folder))
    np.testing.assert_array_equal(models[0].item_vectors(), models[1].item_vectors())


def test_it_learns_the_ring(fitted: NeuralRecommender, split: Split, tmp_path: Path) -> None:
    # A perfect model puts the two items that can follow first.
    assert ndcg(fitted, split, tmp_path) >= 0.7


@pytest.mark.parametrize(("other", "loss", "epochs"), SAMPLED)
def test_it_learns_by_sampled_losses_too(
    other: type[NeuralRecommender], loss: str, epochs: int, split: Split, tmp_path: Path
) -> None:
    model = fit(other, tmp_path, loss=loss, negatives=8, epochs=epochs, patience=epochs)
    assert ndcg(model, split, tmp_path) >= 0.5


def test_scores_are_dot_products_of_its_vectors(
    fitted: NeuralRecommender, split: Split, tmp_path: Path
) -> None:
    candidates = np.array([[3, 1], [0, 39]], dtype=np.int32)
    scores = fitted.score(Queries(split.test.histories[:2], candidates), runtime(tmp_path))
    users, items = fitted.user_vectors(split.test.histories[:2]), fitted.item_vectors()
    for row in range(2):
        np.testing.assert_allclose(scores[row], items[candidates[row]] @ users[row], atol=1e-6)


def test_padding_changes_nothing(fitted: NeuralRecommender, split: Split) -> None:
    short = split.test.histories[:, -4:]
    padded = np.pad(short, ((0, 0), (6, 0)), constant_values=PAD)
    np.testing.assert_allclose(
        fitted.user_vectors(padded), fitted.user_vectors(short), rtol=1e-5, atol=1e-6
    )


def test_a_row_depends_on_itself_alone(fitted: NeuralRecommender, split: Split) -> None:
    histories = split.train.histories  # ragged: from 3 to 10 items
    together = fitted.user_vectors(histories)
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(histories))
    shuffled = fitted.user_vectors(histories[order])
    np.testing.assert_allclose(shuffled, together[order], rtol=1e-5, atol=1e-5)
    alone = np.concatenate([fitted.user_vectors(histories[row : row + 1]) for row in range(9)])
    np.testing.assert_allclose(alone, together[:9], rtol=1e-5, atol=1e-5)


def test_the_beginnings_of_a_history_are_as_if_asked_alone(
    fitted: NeuralRecommender, split: Split
) -> None:
    """Causal modules read them off on the way to its end; others may not."""
    whole = split.test.histories[:3]
    earlier = [np.pad(whole[:, :-cut], ((0, 0), (cut, 0)), constant_values=PAD) for cut in (2, 5)]
    histories = np.concatenate([earlier[0], whole, earlier[1], whole[:1]])
    alone = [fitted.user_vectors(row[None])[0] for row in histories]
    np.testing.assert_allclose(fitted.user_vectors(histories), alone, rtol=1e-5, atol=1e-6)


def test_order_matters_and_the_last_item_most(fitted: NeuralRecommender, split: Split) -> None:
    histories = split.test.histories
    assert not np.allclose(fitted.user_vectors(histories[:, ::-1]), fitted.user_vectors(histories))


def test_an_empty_history_says_nothing(fitted: NeuralRecommender) -> None:
    empty = np.full((2, 10), PAD, dtype=np.int32)
    assert (fitted.user_vectors(empty) == 0).all()
    assert fitted.user_vectors(empty[:0]).shape == (0, fitted.item_vectors().shape[1])


def test_another_seed_gives_other_weights(kind: type[NeuralRecommender], tmp_path: Path) -> None:
    one, other = (fit(kind, tmp_path / str(seed), seed, epochs=1) for seed in (0, 1))
    assert not np.allclose(other.item_vectors(), one.item_vectors())


ESTIMATED = {"softmax_items": 12, "epochs": 4}


@pytest.mark.parametrize("settings", [{}, ESTIMATED], ids=["full", "estimated"])
def test_an_interrupted_fit_ends_with_the_same_bits(
    kind: type[NeuralRecommender],
    fitted: NeuralRecommender,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = fit(kind, tmp_path / "whole", **settings) if settings else fitted
    watch, calls = kind.full_scores, []

    def interrupted(self: NeuralRecommender, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return watch(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training.Checkpoint, "due", True)
        patch.setattr(kind, "full_scores", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fit(kind, tmp_path, **settings)
    again = fit(kind, tmp_path, **settings)
    assert (again.item_vectors() == whole.item_vectors()).all()


def test_it_learns_from_an_estimated_softmax(split: Split, tmp_path: Path) -> None:
    model = fit(SASRec, tmp_path, softmax_items=12, epochs=16, patience=16)
    assert ndcg(model, split, tmp_path) >= 0.7


@pytest.mark.parametrize("items", [39, 40, 10_000])
def test_only_a_larger_catalogue_is_estimated(items: int, split: Split, tmp_path: Path) -> None:
    full = fit(SASRec, tmp_path / "full", epochs=1)
    found = fit(SASRec, tmp_path / "found", epochs=1, softmax_items=items)
    assert len(split.catalogue) == 40
    assert (found.item_vectors() == full.item_vectors()).all() == (items >= 40)


def test_a_softmax_that_has_no_room_is_computed_a_few_rows_at_a_time(
    kind: type[NeuralRecommender], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"epochs": 1, "loss": "softmax", "dropout": 0.0, "averaged_epochs": 0}
    whole, said = fit(kind, tmp_path / "whole", **settings), list[str]()
    targets = whole.training_rows(toy_training_data())[1].shape[1]
    monkeypatch.setattr(recommender, "LOGITS_AT_ONCE", 3 * targets * 40 + 1)
    model = kind(whole.settings)
    few = replace(runtime(tmp_path / "few"), report=said.append)
    assert model.fit(toy_training_data(), few)["micro_batch_size"] == 3
    assert "softmax over 40 items has room for 3 rows at once" in said[0]
    # One epoch: what has no gradient but by rounding does not grow, see test_launched.
    scores = [one.full_scores(toy_split().test) for one in (whole, model)]
    np.testing.assert_allclose(*scores, atol=1e-4)


def test_it_leaves_global_randomness_alone(kind: type[NeuralRecommender], tmp_path: Path) -> None:
    before = torch.random.get_rng_state(), str(np.random.get_state())
    fit(kind, tmp_path, epochs=1, loss="bce")
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert str(np.random.get_state()) == before[1]


def test_a_saved_model_of_other_settings_is_refused(
    kind: type[NeuralRecommender], fitted: NeuralRecommender, tmp_path: Path
) -> None:
    fitted.save(tmp_path)
    other = kind(kind.settings_class.build({"embedding_dim": 32}))
    with pytest.raises(UserError, match="other settings"):
        other.load(tmp_path, toy_training_data(), runtime(tmp_path))


def test_one_that_was_saved_before_a_setting_was_there_is_read(
    kind: type[NeuralRecommender], fitted: NeuralRecommender, split: Split, tmp_path: Path
) -> None:
    fitted.save(tmp_path)
    file = tmp_path / "settings.json"
    saved = json.loads(file.read_text())
    file.write_text(json.dumps({name: one for name, one in saved.items() if name != "calibration"}))
    again = kind(fitted.settings)
    again.load(tmp_path, toy_training_data(), runtime(tmp_path))
    assert (again.item_vectors() == fitted.item_vectors()).all()
    other = kind(fitted.settings.model_copy(update={"calibration": 0.5}))
    with pytest.raises(UserError, match="other settings"):
        other.load(tmp_path, toy_training_data(), runtime(tmp_path))


def test_the_losses_that_came_later_rename_nothing(kind: type[NeuralRecommender]) -> None:
    assert not {"calibration", "softmax_items"} & kind.settings_class().identity().keys()
    named = kind.settings_class.build({"loss": "softmax", "softmax_items": "9"}).identity()
    assert named["softmax_items"] == 9
    named = kind.settings_class.build({"loss": "gbce", "calibration": 0.5}).identity()
    assert named["calibration"] == 0.5


def test_a_learning_rate_that_explodes_is_named(
    kind: type[NeuralRecommender], tmp_path: Path
) -> None:
    with pytest.raises(RecbenchError, match="learning_rate"):
        fit(kind, tmp_path, learning_rate=1e30)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("dropout", "1.5"),
        ("learning_rate", "0"),
        ("epochs", "none"),
        ("loss", "hinge"),
        ("calibration", "1.1"),
        ("softmax_items", "0"),
    ],
)
def test_settings_out_of_range_are_refused(
    kind: type[NeuralRecommender], setting: str, value: str
) -> None:
    with pytest.raises(UserError, match=setting):
        kind.settings_class.build({setting: value})


def test_a_part_of_a_batch_has_the_negatives_that_it_has_in_the_whole() -> None:
    model = SASRec(SASRec.settings_class.build({**QUICK, "loss": "bce", "negatives": 3}))
    model.module = model.build(40)
    taught, rows = model.training_rows(toy_training_data()), np.array([5, 2, 9, 0])
    step = Step(0, 1, rows)
    parts = [model._lesson(taught, rows[part], step, 0).drawn for part in ([0, 1], [2, 3])]
    np.testing.assert_array_equal(np.concatenate(parts), model._lesson(taught, rows, step, 0).drawn)


def test_it_is_trained_as_its_settings_say(kind: type[NeuralRecommender]) -> None:
    said = {
        **{"batch_size": 3, "epochs": 7, "learning_rate": 0.5, "weight_decay": 0.25},
        **{"patience": 4, "averaged_epochs": 2.5},
    }
    assert kind(kind.settings_class.build(said)).plan() == Plan(**said)
