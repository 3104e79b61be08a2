import numpy as np
import pytest
import torch
from recbench_baselines.recbole.members import MEMBERS

from recbench.errors import UserError
from recbench.questions.queries import Queries
from recbench.recommender import Runtime


def by_recbole(model, split):
    """Ask RecBole's `full_sort_predict` about the test rows, in tensors that are made here."""
    rows, length = split.test.histories[:, -model.settings.max_length :], model.settings.max_length
    batch = {
        "item_length": torch.full((len(rows),), length),
        "item_id": torch.ones(len(rows)).long(),
    }
    batch["item_id_list"] = torch.from_numpy(rows + 1).long()
    batch["user_id"] = torch.from_numpy(split.test.users + 1).long() % (len(split.sequences) + 1)
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
    items = len(split.catalogue)
    users = split.test.users if model.knows_users else None
    scores = model.score(Queries.of_all(split.test.histories, items).by(users), runtime)
    np.testing.assert_allclose(scores, by_recbole(model, split), rtol=1e-5, atol=1e-6)
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

    def spy(self, histories, users, targets, negatives, seed):
        seen.append((targets, negatives))
        return own(self, histories, users, targets, negatives, seed)

    monkeypatch.setattr(Network, "loss", spy)
    model.fit(toy(model)[1], runtime)
    targets, negatives = map(np.concatenate, zip(*seen, strict=True))
    assert (targets[2:] != negatives[2:]).all()
    assert set(negatives) == set(range(40))


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


def test_weights_are_drawn_from_the_seed_alone(small, toy, tmp_path):
    torch.manual_seed(1)
    model, weights = small("SINE"), []
    for seed in (0, 0, 1):
        model.rehearse(toy(model)[1], 20, Runtime(seed, "cpu", tmp_path, tmp_path))
        weights.append(model.network.module.w1.detach().numpy().copy())
        np.random.random()
    assert (weights[0] == weights[1]).all()
    assert (weights[0] != weights[2]).any()
