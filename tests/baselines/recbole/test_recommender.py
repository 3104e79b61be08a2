from dataclasses import replace

import numpy as np
import pytest
import torch
from recbench_baselines.recbole.members import MEMBERS

from recbench.errors import UserError
from recbench.questions.queries import Queries
from recbench.questions.split import PAD
from recbench.recommender import Runtime

LEFT_PADDED = {"SHAN"}
"""Read what RecBole calls an inverse sequence, and is none: padding first, then the items."""


def begun_later(histories):
    """Take their oldest items from histories, of each another number, but never all."""
    lacking = np.arange(len(histories)) % histories.shape[1]
    return np.where(np.arange(histories.shape[1]) < lacking[:, None], PAD, histories)


def by_recbole(model, histories, users, trained_users):
    """Ask RecBole's `full_sort_predict`, in tensors that are made here by hand."""
    rows = [[code + 1 for code in row if code != PAD] for row in histories.tolist()]
    padding = [[0] * (model.settings.max_length - len(row)) for row in rows]
    pairs = zip(padding, rows, strict=True)
    is_left = model.name in LEFT_PADDED
    batch = {
        "item_id_list": torch.tensor([pad + row if is_left else row + pad for pad, row in pairs]),
        "item_length": torch.tensor([len(row) for row in rows]),
        "item_id": torch.ones(len(rows)).long(),
        "user_id": torch.from_numpy(users + 1).long() % (trained_users + 1),
    }
    with torch.no_grad():
        return model.network.module.eval().full_sort_predict(batch)[:, 1:].numpy()


QUICK = {"NARM", "BERT4Rec", "FEARec", "SINE", "SASRecCPR", "SHAN", "FPMC", "TransRec"}
"""In the default run: each goes some way that no other goes."""


def each(names):
    """Let tests of what is not `QUICK` wait for ``-m slow``."""
    return [pytest.param(n, marks=[] if n in QUICK else [pytest.mark.slow]) for n in names]


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("name", each(MEMBERS))
def test_it_learns_and_scores_as_recbole_does(small, toy, runtime, name, capsys):
    model = small(name)
    split, data = toy(model)
    report = model.fit(data, runtime)
    assert report["losses"][-1] < report["losses"][0]
    histories, users = begun_later(split.test.histories), split.test.users
    queries = Queries.of_all(histories, len(split.catalogue))
    scores = model.score(queries.by(users if model.knows_users else None), runtime)
    expected = by_recbole(model, histories, users, len(split.sequences))
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", each(n for n, one in MEMBERS.items() if "BPR" in one.losses))
def test_a_loss_against_negatives_trains_too(small, toy, runtime, name):
    model = small(name, loss_type="BPR", epochs=3)
    report = model.fit(toy(model)[1], runtime)
    assert report["losses"][-1] < report["losses"][0]


def test_negatives_are_never_the_target(small, toy, runtime, monkeypatch):
    model, seen = small("GRU4Rec", loss_type="BPR", epochs=1), []
    from recbench_baselines.recbole.network import Network

    own = Network.loss

    def spy(self, histories, users, targets, negatives, *rest):
        seen.append((targets, negatives))
        return own(self, histories, users, targets, negatives, *rest)

    monkeypatch.setattr(Network, "loss", spy)
    model.fit(toy(model)[1], runtime)
    targets, negatives = map(np.concatenate, zip(*seen, strict=True))
    assert (targets[2:] != negatives[2:]).all()
    assert set(negatives) == set(range(40))


NO_DROPOUT = {
    "BERT4Rec": {"hidden_dropout_prob": 0, "attn_dropout_prob": 0, "mask_ratio": 0.4},
    "GRU4Rec": {"dropout_prob": 0},
    "HGN": {},
}


@pytest.fixture
def above_16_rows_memory_runs_out(monkeypatch):
    """Fail as torch does where RecBole computes the loss of more rows at once."""
    from recbench_baselines.recbole.network import Network

    own = Network.loss

    def loss(self, *batch):
        computed = own(self, *batch)
        if batch[-1].sum() > 16:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return computed

    return lambda: monkeypatch.setattr(Network, "loss", loss)


@pytest.mark.honesty
@pytest.mark.parametrize("name", NO_DROPOUT)
@pytest.mark.parametrize("loss_type", ["CE", "BPR"])
def test_out_of_memory_it_goes_on_with_the_batch_as_it_was(
    small, toy, tmp_path, above_16_rows_memory_runs_out, name, loss_type
):
    learnt = []
    for folder in ("whole", "halved"):
        if folder == "halved":
            above_16_rows_memory_runs_out()
        (tmp_path / folder).mkdir()
        runtime = Runtime(seed=0, device="cpu", checkpoints=tmp_path / folder, cache=tmp_path)
        model = small(name, loss_type=loss_type, epochs=1, **NO_DROPOUT[name])
        report = model.fit(toy(model)[1], runtime)
        assert report["halved"] == (2 if folder == "halved" else 0)
        learnt.append(model.network.module.state_dict())
    for key, tensor in learnt[0].items():
        torch.testing.assert_close(learnt[1][key], tensor, rtol=1e-3, atol=1e-4)


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("FEARec", {}),
        ("SHAN", {}),
        ("HGN", {"reg_weight": "0,0.01"}),
        pytest.param("FOSSIL", {"reg_weight": 0.01}, marks=pytest.mark.slow),
    ],
)
def test_a_loss_of_a_whole_batch_is_not_computed_in_parts(
    small, toy, runtime, above_16_rows_memory_runs_out, name, settings
):
    above_16_rows_memory_runs_out()
    model = small(name, **settings)
    said = f"{name} is of a whole batch and cannot be computed in parts; give --set batch_size=32 "
    with pytest.raises(UserError, match=said):
        model.fit(toy(model)[1], runtime)
    model = small(name, batch_size=16, epochs=1, **settings)
    assert model.fit(toy(model)[1], runtime)["halved"] == 0


def test_a_user_who_did_not_train_has_the_row_of_the_padding(small, toy, runtime):
    model = small("FPMC", epochs=1)
    _, data = toy(model)
    model.fit(data, runtime)
    known = np.array([0, 59, 60, 1000], dtype=np.int32)
    assert model.network.tables.user_rows(known).tolist() == [1, 60, 0, 0]


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("SASRec", {"n_heads": 5}, "hidden size"),
        ("SASRecCPR", {"reranker_CAN_NUM": "100"}, "reranker_CAN_NUM must be at most 41"),
        ("GRU4RecCPR", {"n_facet": 7}, "AssertionError"),
        ("BERT4Rec", {"mask_ratio": 0.01}, "mask_ratio times max_length"),
        ("HRM", {"high_order": 11}, "high_order can't longer"),
    ],
)
def test_what_recbole_cannot_build_is_one_line(small, toy, runtime, name, settings, said):
    model = small(name, **settings)
    for attempt in (model.fit, lambda data, runtime: model.rehearse(data, 20, runtime)):
        with pytest.raises(UserError, match=said) as caught:
            attempt(toy(model)[1], runtime)
        assert "\n" not in str(caught.value)
        assert f"`recbench models recbole:{name}`" in str(caught.value)


@pytest.mark.honesty
def test_of_a_longer_history_it_says_and_records_how_much_it_reads(small, toy, runtime):
    model, said = small("GRU4Rec", max_length=6, epochs=1), []
    data = toy(model)[1]
    told = replace(runtime, report=said.append)
    model.rehearse(data, 20, told)
    report = model.fit(data, told)
    assert said == [
        "of a history of up to 10 items RecBole's GRU4Rec reads the latest 6; --set max_length=10 "
        "reads them all, --history 6 shows no more"
    ]
    assert (report["items_read"], report["items_shown"]) == (6, 10)
    small("GRU4Rec").rehearse(data, 20, told)
    assert len(said) == 1


def test_weights_are_drawn_from_the_seed_alone(small, toy, tmp_path):
    torch.manual_seed(1)
    model, weights = small("SINE"), []
    for seed in (0, 0, 1):
        model.rehearse(toy(model)[1], 20, Runtime(seed, "cpu", tmp_path, tmp_path))
        weights.append(model.network.module.w1.detach().numpy().copy())
        np.random.random()
    assert (weights[0] == weights[1]).all()
    assert (weights[0] != weights[2]).any()
