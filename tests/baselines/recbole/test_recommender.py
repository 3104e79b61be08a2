from dataclasses import replace

import numpy as np
import pytest
import torch
from recbench_baselines.recbole.members import MEMBERS

from recbench.data.ragged import ragged
from recbench.errors import RecbenchError, UserError
from recbench.hardware.devices import deterministic
from recbench.neural.randomness import seeded
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
    if model.name == "BERT4Rec":  # drops the first place, to put a mask at the end
        rows = [[0, *row[1 - model.settings.max_length :]] for row in rows]
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
        ("RepeatNet", {"joint_train": True}),
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


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), False),
        (RuntimeError("put_ does not have a deterministic implementation, but you set"), True),
    ],
    ids=["memory", "deterministic"],
)
def test_what_no_setting_can_help_is_not_laid_to_the_settings(
    small, toy, runtime, monkeypatch, error, asked
):
    from recbench_baselines.recbole.network import Network

    def fails(_):
        raise error

    monkeypatch.setattr(Network, "try_out", fails)
    model = small("STAMP")
    said = "leave out --deterministic" if asked else "out of memory"
    kind = RecbenchError if asked else RuntimeError
    with pytest.raises(kind, match=said), deterministic(asked):
        model.fit(toy(model)[1], runtime)


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
        ("GRU4RecCPR", {"n_facet": 7}, "n_facet_all must be n_facet .* here 11"),
        ("SASRecCPR", {"n_facet_emb": 1}, "n_facet_emb must be 0 or 2"),
        ("GRU4RecCPR", {"n_facet_hidden": 2}, "n_facet_hidden must be at most num_layers, .* 1"),
        ("SASRecCPR", {"n_facet_hidden": 3}, "n_facet_hidden must be at most n_layers, .* 2"),
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


def test_bert4rec_reads_the_only_item_of_a_history_and_one_less_than_its_places(
    small, toy, runtime
):
    """RecBole drops the first place of what it is asked about."""
    model, said = small("BERT4Rec"), []
    split, data = toy(model)
    model.rehearse(data, 20, replace(runtime, report=said.append))
    assert said == [
        "of a history of up to 10 items RecBole's BERT4Rec reads the latest 9; --set max_length=11 "
        "reads them all, --history 9 shows no more"
    ]
    histories = np.full((2, 10), PAD, dtype=np.int32)
    histories[:, -1] = 3, 17
    scores = model.score(Queries.of_all(histories, len(split.catalogue)), runtime)
    assert np.abs(scores[0] - scores[1]).max() > 1e-3
    full = np.arange(1, 11, dtype=np.int32)[None].repeat(2, axis=0)
    full[1, 0] = 30
    scores = model.score(Queries.of_all(full, len(split.catalogue)), runtime)
    assert (scores[0] == scores[1]).all()


def test_bert4rec_hides_the_last_item_alone_as_often_as_recbole_does(small, toy, runtime):
    def share(**settings):
        model = small("BERT4Rec", max_length=10, mask_ratio=0.4, **settings)
        split, data = toy(model)
        model.rehearse(data, 20, runtime)
        asked = split.test.histories[:8], split.test.users[:8]
        counts = [model.network.counts(*asked, seed) for seed in range(200)]
        return np.mean([(one == 1).all() for one in counts])

    assert 0.4 < share() < 0.6
    assert share(ft_ratio=1) == 1
    assert share(ft_ratio=0) == 0


IDLE = {"context_norm", "layer_norm_eps"}
"""It counts where a history has an item twice; it changes last digits."""

BESIDE = [
    ("FEARec", {"dual_domain": "true"}),
    ("FEARec", {"dual_domain": "true", "spatial_ratio": "0.3", "global_ratio": "0.6"}),
]
"""What has to be set for more settings to count."""

OTHER_WORDS = {
    **{"hidden_act": "relu", "dnn_type": "ave", "weight_mode": "static", "dilations": "1,2"},
    **{"pooling_type": "max", "pooling_type_layer_1": "average", "pooling_type_layer_2": "average"},
    **{"ft_ratio": "1", "max_length": "5"},  # longer than the histories it would change nothing
    **{"partition_merging_mode": "add", "reranker_merging_mode": "add", "reranker_CAN_NUM": "7"},
}


def another(name, value):
    """Return another value of a setting, as text."""
    if name in OTHER_WORDS:
        return OTHER_WORDS[name]
    if isinstance(value, list):
        return ",".join(str(one / 2 + 0.1) for one in value)
    if isinstance(value, bool):
        return str(not value).lower()
    if isinstance(value, int):
        return str(2 * value if value else 1)
    return str(value / 2 if value else 0.25)


def computed(model, split, data, runtime):
    """Return loss, gradient and scores of a model as it begins."""
    model.rehearse(data, 20, runtime)
    network, test = model.network, split.test
    network.module.train()
    others = (test.targets + 1) % len(split.catalogue)
    asked = test.histories, test.users, test.targets, others, 5
    with seeded(1):
        loss = network.loss(*asked, np.ones(len(test), dtype=bool))
    loss.backward()
    slope = sum(p.grad.abs().sum() for p in network.module.parameters() if p.grad is not None)
    scores = network.scores(test.histories, test.users)
    return float(loss.detach()), float(slope), float(scores.sum(dtype=np.float64))


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("name", "beside"),
    [*((name, {}) for name in MEMBERS), *BESIDE],
)
def test_every_setting_changes_something_or_is_refused(small, toy, runtime, name, beside):
    usual = small(name, **beside)
    split, data = toy(usual)
    before = computed(usual, split, data, runtime)
    values = usual.settings.hyperparameters() | {"max_length": 10}
    for setting, value in values.items():
        if setting in {*IDLE, *beside, "loss_type"}:
            continue
        try:
            changed = small(name, **beside, **{setting: another(setting, value)})
            changed.settings.check_counts([setting])
            after = computed(changed, split, data, runtime)
        except UserError:
            continue
        # Within rounding: the heads of FEARec sum up in another order where they decide nothing.
        assert not np.allclose(after, before, rtol=1e-7, atol=0), setting


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("FPMC", {"max_length": 20}, "'max_length' .* as it reads the latest item alone; leave it"),
        ("TransRec", {"max_length": 5}, "'max_length' .* as it reads the latest item alone"),
        ("HRM", {"max_length": 20}, "as it reads the latest 2 items alone; leave it out"),
        ("HRM", {"max_length": 12, "high_order": 12}, ""),
        ("HRM", {"max_length": 12, "pooling_type_layer_1": "average"}, ""),
        ("FEARec", {"std": "true", "dual_domain": "true"}, "set spatial_ratio above 0"),
        (
            "FEARec",
            {"std": "true", "dual_domain": "true", "spatial_ratio": 0.2},
            "set global_ratio below 1",
        ),
        ("FEARec", {"n_heads": 4, "dual_domain": "true", "spatial_ratio": 0.2}, ""),
    ],
)
def test_what_decides_nothing_beside_the_others_is_refused(small, name, settings, said):
    model = small(name, **settings)
    if not said:
        model.settings.check_counts(settings)
        return
    with pytest.raises(UserError, match=said):
        model.settings.check_counts(settings)


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("name", "settings", "read"),
    [
        ("FPMC", {}, 1),
        ("TransRec", {}, 1),
        ("HRM", {}, 2),
        ("HRM", {"high_order": 10}, 10),
        ("HRM", {"pooling_type_layer_1": "average"}, 10),
    ],
)
def test_how_many_items_a_model_reads_is_recorded(small, toy, runtime, name, settings, read):
    model = small(name, epochs=1, **settings)
    (split, data), said = toy(model), []
    model.rehearse(data, 20, replace(runtime, report=said.append))
    assert not said
    fitted = model.fit(data, runtime)
    assert fitted.get("items_read", 10) == read
    users, histories = split.test.users, split.test.histories.copy()

    def scores():
        return model.score(Queries.of_all(histories, 40).by(users), runtime)

    before = scores()
    histories[:, -read] = (histories[:, -read] + 7) % 40
    assert (scores() != before).any()
    histories[:, -read] = split.test.histories[:, -read]
    histories[:, : 10 - read] = (histories[:, : 10 - read] + 7) % 40
    assert (scores() == before).all()


def with_a_history_of_all_items(data):
    """Return what there is to learn from, where the first sequence holds all items and one more."""
    first, others = np.append(np.arange(40), 0), data.sequences.values
    sizes = np.diff(data.sequences.offsets)
    values = np.concatenate([first, others[sizes[0] :]]).astype(np.int32)
    return replace(data, sequences=ragged(values, np.append(len(first), sizes[1:])))


def test_a_history_of_all_items_has_an_end(small, toy, runtime):
    """RecBole looks for ever for an item that is not in it, even for a loss that reads none."""
    model = small("BERT4Rec", max_length=41, epochs=1)
    assert model.fit(with_a_history_of_all_items(toy(model)[1]), runtime)["epochs"] == 1
    compares = small("BERT4Rec", max_length=41, loss_type="BPR")
    for attempt in (compares.fit, lambda data, runtime: compares.rehearse(data, 20, runtime)):
        with pytest.raises(UserError, match=r"holds all 40 items.* take --set loss_type=CE$"):
            attempt(with_a_history_of_all_items(toy(compares)[1]), runtime)
    small("BERT4Rec", max_length=40, loss_type="BPR").rehearse(toy(compares)[1], 20, runtime)


def test_what_a_checkpoint_has_behind_it_cannot_be_set(small):
    model = small("SASRec", checkpoint="a.pth", item_tokens="b.txt")
    said = "'epochs' counts for nothing with checkpoint=a.pth; leave it out"
    with pytest.raises(UserError, match=said):
        model.settings.check_counts(["epochs"])


def test_users_with_nothing_to_learn_from_are_counted(small, toy, runtime):
    model, said = small("FPMC", epochs=1), []
    _, data = toy(model)
    sequences = data.sequences
    sizes, kept = np.diff(sequences.offsets), np.ones(len(sequences.values), dtype=bool)
    kept[sequences.offsets[3] + 1 : sequences.offsets[4]] = False
    sizes[3] = 1
    data = replace(data, sequences=ragged(sequences.values[kept], sizes))
    model.rehearse(data, 20, replace(runtime, report=said.append))
    assert said == [
        f"1 of {len(data.sequence_users)} users have no two items to learn from: RecBole's FPMC "
        "ranks for them by a vector as it was drawn"
    ]
    assert model.fit(data, runtime)["users_untrained"] == 1


def test_weights_are_drawn_from_the_seed_alone(small, toy, tmp_path):
    torch.manual_seed(1)
    model, weights = small("SINE"), []
    for seed in (0, 0, 1):
        model.rehearse(toy(model)[1], 20, Runtime(seed, "cpu", tmp_path, tmp_path))
        weights.append(model.network.module.w1.detach().numpy().copy())
        np.random.random()
    assert (weights[0] == weights[1]).all()
    assert (weights[0] != weights[2]).any()
