import os
import zipfile

import numpy as np
import pytest
import torch
from recbench_baselines.recbole.checkpoint import _TENSOR, _tensor

from recbench.data.readers.pickled import Call, Name, Stored
from recbench.errors import DataError, UserError
from recbench.experiment import run
from recbench.questions.queries import Queries
from recbench.request import Experiment


@pytest.fixture
def trained(small, toy, runtime):
    model = small("NARM", epochs=1)
    model.fit(toy(model)[1], runtime)
    return model


@pytest.fixture
def saved(trained, tmp_path):
    """Save with the items in another order and two more than ours."""
    order = np.random.default_rng(0).permutation(40)
    tokens = ["[PAD]", "of no use", *(str(100 + code) for code in order), "unknown"]
    old = trained.network.module.item_embedding.weight.detach()
    return write(trained, torch.cat([old[:1], old[:1], old[1 + order], old[:1]]), tokens, tmp_path)


def write(trained, items, tokens, folder, model="NARM", **changed):
    """Save as RecBole's trainer does, with these vectors of items; then change some settings."""
    from recbole.config.configurator import Config
    from recbole.utils import ModelType

    state = trained.network.module.state_dict() | {"item_embedding.weight": items}
    config = object.__new__(Config)
    config.model = model
    config.final_config_dict = {
        **trained.settings.hyperparameters(),
        "MAX_ITEM_LIST_LENGTH": 10,
        "MODEL_TYPE": ModelType.SEQUENTIAL,
        "device": torch.device("cpu"),
        **changed,
    }
    content = {"config": config, "state_dict": state, "epoch": 3, "optimizer": {"state": {0: 1}}}
    torch.save(content, folder / "NARM.pth", pickle_protocol=4)
    (folder / "items.txt").write_text("\n".join(tokens) + "\n")
    return folder


def files(folder):
    return {"checkpoint": str(folder / "NARM.pth"), "item_tokens": str(folder / "items.txt")}


def test_a_checkpoint_of_recbole_is_judged_item_by_item(small, toy, runtime, trained, saved):
    model = small("NARM", **files(saved))
    split, data = toy(model)
    assert model.fit(data, runtime) == {"parameters_trained": 0}
    assert model.ingredients().keys() == {"recbole", "checkpoint", "item_tokens"}
    assert "what it was trained on is not known" in model.caption
    queries = Queries.of_all(split.test.histories, 40)
    np.testing.assert_allclose(
        model.score(queries, runtime), trained.score(queries, runtime), rtol=1e-5, atol=1e-6
    )
    (saved / "kept").mkdir()
    model.save(saved / "kept")
    again = small("NARM", **files(saved))
    again.load(saved / "kept", data, runtime)
    assert (again.score(queries, runtime) == model.score(queries, runtime)).all()


def test_a_checkpoint_is_judged_once_whatever_the_seed(trained, raw_folder, tmp_path):
    old = trained.network.module.item_embedding.weight.detach()
    tokens = ["[PAD]", *map(str, range(1, 81))]  # each of the toy's vectors stands for two
    write(trained, torch.cat([old, old[1:]]), tokens, tmp_path)
    asked = Experiment(
        model="recbole:NARM",
        protocol="next-item",
        settings=files(tmp_path),
        data_dir=raw_folder,
        results=tmp_path / "results",
        cache=tmp_path / "cache",
        device="cpu",
        draws=2,
        audit=False,
    )
    seeds = (asked.model_copy(update={"seed": seed}) for seed in (0, 5))
    first, other = (run(one, lambda _: None) for one in seeds)
    assert other.reused
    assert (first.record.seed, first.record.random_training) == (0, False)


def test_settings_that_differ_are_named_and_the_remedy_works(small, toy, runtime, saved):
    model = small("NARM", **files(saved), hidden_size=64, dropout_probs="0.1,0.2", max_length=5)
    with pytest.raises(UserError, match="was trained with other settings; add") as caught:
        model.fit(toy(model)[1], runtime)
    added = str(caught.value).partition("; add ")[2].split()[1::2]
    assert added == ["hidden_size=128", "dropout_probs=0.25,0.5", "max_length=10"]
    remedied = small("NARM", **files(saved), **dict(one.split("=") for one in added))
    remedied.fit(toy(model)[1], runtime)


def test_weights_that_are_no_numbers_are_refused_by_their_file(small, toy, runtime, trained, saved):
    spoilt = trained.network.module.item_embedding.weight.detach().clone()
    spoilt = torch.cat([spoilt, spoilt[:2]])
    spoilt[3, 0] = torch.nan
    write(trained, spoilt, (saved / "items.txt").read_text().splitlines(), saved)
    model = small("NARM", **files(saved))
    said = r"NARM.pth: expected finite weights, found others in item_embedding.weight$"
    with pytest.raises(DataError, match=said):
        model.fit(toy(model)[1], runtime)


@pytest.mark.parametrize("number", [1e300, 3e38])
def test_weights_that_are_too_large_are_refused_by_their_file(
    small, toy, runtime, trained, saved, number
):
    spoilt = trained.network.module.item_embedding.weight.detach().double()
    spoilt = torch.cat([spoilt, spoilt[:2]])
    spoilt[3] = number
    write(trained, spoilt, (saved / "items.txt").read_text().splitlines(), saved)
    with pytest.raises(DataError, match=r"NARM.pth: expected (finite weights|weights that rank),"):
        small("NARM", **files(saved)).fit(toy(small("NARM"))[1], runtime)


UNLIKE = {
    "SINE": {"prototype_size": 400},
    "CORE": {"sess_dropout": 0.3},
    "FEARec": {"topk_factor": 2},
}


def test_what_decided_nothing_in_a_checkpoint_need_not_be_set(small, toy, runtime, tmp_path):
    """It could not be: a setting from which nothing follows is refused."""
    for name, given, others in (
        ("SINE", {}, {"reg_loss_ratio": 0.4}),
        ("CORE", {"dnn_type": "ave"}, {"n_layers": 1, "hidden_dropout_prob": 0.1}),
        ("FEARec", {}, {"n_heads": 4, "attn_dropout_prob": 0.3}),
    ):
        model = small(name, **given)
        data = toy(model)[1]
        model.rehearse(data, 20, runtime)
        items = model.network.module.item_embedding.weight.detach()
        tokens = ["[PAD]", *map(str, data.catalogue.raw_ids)]
        write(model, items, tokens, tmp_path, model=name, **others)
        small(name, **files(tmp_path), **given).fit(data, runtime)
        with pytest.raises(UserError, match=r"was trained with other settings; add --set \w+=\S+$"):
            small(name, **files(tmp_path), **given, **UNLIKE[name]).fit(data, runtime)


def test_one_of_another_model_is_refused(small, toy, runtime, saved):
    model = small("STAMP", **files(saved))
    with pytest.raises(UserError, match=r"NARM.pth is of NARM: take --model recbole:NARM"):
        model.fit(toy(model)[1], runtime)


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil",)


@pytest.mark.parametrize("what", ["evil", "evil state", "bytes", "empty", "no config", "other"])
def test_what_is_no_checkpoint_is_refused_and_never_run(
    small, toy, runtime, saved, what, monkeypatch
):
    monkeypatch.chdir(saved)
    file = saved / "NARM.pth"
    if what == "bytes":
        file.write_bytes(os.urandom(1000))
    elif what == "empty":
        file.write_bytes(b"")
    else:
        state = {"a": Evil()} if what == "evil state" else {"a": torch.ones(2)}
        content = {"state_dict": state, "config": Evil() if what == "evil" else {"a": 1}}
        if what == "no config":
            del content["config"]
        torch.save(content, file)
    model = small("NARM", **files(saved))
    with pytest.raises(DataError, match=r"NARM.pth: expected .*") as caught:
        model.fit(toy(model)[1], runtime)
    assert "\n" not in str(caught.value)
    assert not (saved / "evil").exists()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (3, torch.ones(2), "a weight of its state_dict is called 3, which is no text"),
        ("a", {"b": torch.ones(2)}, "a of its state_dict is no tensor"),
        ("a", (torch.ones(2),), "a of its state_dict is no tensor"),
        ("a", None, "a of its state_dict is no tensor"),
        ("a", 3.0, "a of its state_dict is no tensor"),
        ("a", torch.device("cpu"), "a of its state_dict is no tensor"),
        ("a", torch.ones(2, dtype=torch.complex64), "numbers of the type .* are not known"),
        ("a\nb", torch.ones(2), "weights for the items of item_tokens"),
    ],
    ids=["name", "dict", "tuple", "none", "number", "call", "complex", "two lines"],
)
def test_weights_that_are_none_are_refused_in_one_line(
    small, toy, runtime, saved, name, value, said
):
    content = torch.load(saved / "NARM.pth", weights_only=False)  # written here
    content["state_dict"][name] = value
    torch.save(content, saved / "NARM.pth", pickle_protocol=4)
    model = small("NARM", **files(saved))
    with pytest.raises(DataError, match=rf"NARM\.pth: expected .*{said}") as caught:
        model.fit(toy(model)[1], runtime)
    assert "\n" not in str(caught.value)


def nested(depth):
    value = [0, 0]
    for _ in range(depth):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    "value",
    [nested(60), {"a": 1}, torch.device("cpu"), 10**5000, float("nan"), "64\n", "6" * 999],
    ids=["lists", "dict", "call", "large", "nan", "two lines", "long"],
)
def test_a_configuration_of_another_kind_is_refused_in_one_line(
    small, toy, runtime, trained, saved, value
):
    items = trained.network.module.item_embedding.weight.detach()
    write(trained, items, ["[PAD]"], saved, hidden_size=value)
    model = small("NARM", **files(saved))
    with pytest.raises(DataError, match="run: hidden_size of its configuration is no setting"):
        model.fit(toy(model)[1], runtime)


@pytest.mark.parametrize("place", [1, 2, 4])
def test_what_numbers_are_called_is_never_printed_if_it_is_no_name(place, tmp_path):
    """A pickle may name lists of lists, which are as long as the deepest is often in them."""
    stored = ["storage", Name("torch.FloatStorage"), "0", "cpu", 2]
    stored[place] = nested(22)
    call = Call(_TENSOR, (Stored(tuple(stored)), 0, (2,), (1,)))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a/data/0", b"\0" * 8)
        with pytest.raises(ValueError, match="not named as torch names them"):
            _tensor(archive, "a/", call)


@pytest.mark.parametrize("part", ["model", "final_config_dict", "state_dict"])
def test_parts_of_another_kind_are_refused(small, toy, runtime, saved, part):
    content = torch.load(saved / "NARM.pth", weights_only=False)
    if part == "state_dict":
        content[part] = [torch.ones(2)]
    else:
        setattr(content["config"], part, ["NARM"])
    torch.save(content, saved / "NARM.pth", pickle_protocol=4)
    model = small("NARM", **files(saved))
    with pytest.raises(DataError, match=r"NARM\.pth: expected a checkpoint .* of it was run: "):
        model.fit(toy(model)[1], runtime)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: lines[1:], r"items.txt, line 1: expected \[PAD\], .* found 'of no use'"),
        (lambda lines: [], r"items.txt, line 1: expected \[PAD\], .* found nothing"),
        (lambda lines: [*lines, "104"], r"items.txt, line 44: .* once, found '104' as in line"),
        (lambda lines: [one for one in lines if one != "104"], r"found 1 missing \('104' first\)"),
        (lambda lines: [*lines, "more"], r"NARM.pth: expected weights for the items of item_token"),
    ],
)
def test_items_that_cannot_be_mapped_are_refused(small, toy, runtime, saved, change, said):
    lines = (saved / "items.txt").read_text().splitlines()
    (saved / "items.txt").write_text("\n".join(change(lines)))
    model = small("NARM", **files(saved))
    with pytest.raises(DataError, match=said) as caught:
        model.fit(toy(model)[1], runtime)
    assert "\n" not in str(caught.value)


def test_one_without_the_other_is_refused_with_the_way_out(small, saved):
    only = files(saved)
    with pytest.raises(UserError, match=r"add --set item_tokens=FILE, which numpy\.savetxt"):
        small("NARM", checkpoint=only["checkpoint"]).ingredients()
    with pytest.raises(UserError, match="add --set checkpoint=FILE"):
        small("NARM", item_tokens=only["item_tokens"]).ingredients()
    with pytest.raises(UserError, match="has a row for each user, and nothing tells which"):
        small("HGN", **only).ingredients()
    with pytest.raises(UserError, match="expected a file, found none"):
        small("NARM", checkpoint="nowhere.pth", item_tokens=only["item_tokens"]).ingredients()
