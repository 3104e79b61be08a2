import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from recbench.errors import RecbenchError, UserError
from recbench.file_digests import folder_digest as weights
from recbench.llm import encoders
from recbench.locks import locked
from recbench.recommender import Encoder, Runtime, Transferable
from recbench.runs.kept_trainings import MODEL, TRAINING
from recbench.runs.record_parts import Training
from recbench.runs.store import CHECKPOINTS
from recbench.settings import Settings
from recbench.testing.toy import toy_split, toy_training_data
from recbench.trained_model import train_or_find
from recbench.training_source import TrainingSource


class Taste(Settings):
    taste: int = 0
    speed: int = 1
    patience: int = 1
    runtime: ClassVar[frozenset[str]] = frozenset({"speed", "patience"})
    passing: ClassVar[frozenset[str]] = frozenset({"patience"})


class Taught(Transferable):
    """Learns its seed, and has a part that was fitted by itself."""

    settings_class = Taste
    summary, reference = "learns its seed", "none"

    def __init__(self, settings):
        super().__init__(settings)
        self.done: list[Any] = []
        self.rehearsed: list[Any] = []
        self.details: Any = {"parameters_trained": 3}
        self.killed = False

    def rehearse(self, data, candidates, runtime):
        self.rehearsed.append((data, candidates))
        if candidates > 99:
            raise UserError("prompts of 100 titles are too long; give --candidates 20")

    def fit(self, data, runtime):
        self.done.append("fit")
        self.fresh = runtime.fresh
        (runtime.checkpoints / "checkpoint").touch()
        if self.killed:
            raise KeyboardInterrupt
        self.seed = runtime.seed
        return self.details

    def transfer(self, data, runtime):
        self.done.append("transfer")

    def score(self, queries, runtime):
        return np.zeros(queries.candidates.shape, dtype=np.float32)

    def save(self, folder):
        (folder / "weights").write_text(str(self.seed))
        (folder / "encoder").mkdir()
        (folder / "encoder/weights").write_text("as ever")

    def load(self, folder, data, runtime):
        self.done.append("load")
        self.seed = int((folder / "weights").read_text())


@pytest.fixture
def source():
    data, split = toy_training_data(), toy_split()
    return TrainingSource(data, data, split, Training())


@pytest.fixture
def train(source, tmp_path):
    """Return a function that trains in a folder, and gives the model with what came out."""
    said: list[str] = []

    def run(folder="0a-seed0", seed=0, fresh=False, model=None, learnt=source, candidates=20):
        model = model or Taught(Taste())
        runtime = Runtime(seed, "cpu", tmp_path / "unused", tmp_path / "cache", said.append)
        found = train_or_find(
            "popularity", model, learnt, runtime, tmp_path / folder, candidates, fresh
        )
        return model, *found

    run.said = said
    return run


def test_a_training_is_kept_and_found_again(train, tmp_path, source):
    first, trained, new = train()
    assert (first.done, new) == (["fit"], True)
    second, again, new = train()
    assert (second.done, again, new) == (["load"], trained, False)
    assert second.seed == 0
    folder = tmp_path / "0a-seed0"
    assert sorted(one.name for one in folder.iterdir()) == [MODEL, TRAINING]
    assert train.said == [
        f"training popularity: {folder}",
        f"asking the model trained before: {folder}",
    ]
    assert trained.training_id == "0a-seed0"
    assert trained.data == source.digest
    assert trained.runtime_settings == {"speed": 1}
    assert (trained.seed, trained.parameters_trained) == (0, 3)
    assert trained.seconds >= 0


def test_parts_that_were_fitted_by_themselves_have_their_own_digests(train, tmp_path):
    _, one, _ = train()
    _, other, _ = train("0a-seed1", seed=1)
    assert one.weights != other.weights
    assert one.parts == other.parts == {"encoder": weights(tmp_path / "0a-seed0/model/encoder")}


def test_a_fresh_training_replaces_the_kept_one(train):
    kept, _, _ = train()
    model, _, new = train(fresh=True)
    assert (model.done, new) == (["fit"], True)
    assert (kept.fresh, model.fresh) == (False, True)  # for what it takes from the cache


def test_a_fresh_training_that_is_killed_leaves_the_kept_one(train):
    _, trained, _ = train()
    killed = Taught(Taste())
    killed.killed = True
    with pytest.raises(KeyboardInterrupt):
        train(fresh=True, model=killed)
    assert train()[1:] == (trained, False)


def test_a_fresh_training_goes_on_with_nothing(train, tmp_path):
    killed = Taught(Taste())
    killed.killed = True
    with pytest.raises(KeyboardInterrupt):
        train(model=killed)
    begun = tmp_path / "0a-seed0" / CHECKPOINTS / "checkpoint"
    assert begun.exists()

    class Fresh(Taught):
        def fit(self, data, runtime):
            assert not begun.exists()
            return super().fit(data, runtime)

    assert train(fresh=True, model=Fresh(Taste()))[2]


def test_a_kept_model_stays_until_the_new_one_is_saved(train):
    class Full(Taught):
        def save(self, folder):
            raise OSError("the disk is full")

    _, trained, _ = train()
    with pytest.raises(OSError, match="full"):
        train(fresh=True, model=Full(Taste()))
    assert train()[1:] == (trained, False)


def test_a_killed_training_is_gone_on_with(train, tmp_path):
    killed = Taught(Taste())
    killed.killed = True
    with pytest.raises(KeyboardInterrupt):
        train(model=killed)
    assert (tmp_path / "0a-seed0" / CHECKPOINTS / "checkpoint").exists()
    assert train()[2]
    assert not (tmp_path / "0a-seed0" / CHECKPOINTS).exists()


def test_a_killed_training_goes_on_in_as_many_threads(train, monkeypatch):
    torch = pytest.importorskip("torch")
    before, seen = torch.get_num_threads(), []

    class Counting(Taught):
        def fit(self, data, runtime):
            seen.append(torch.get_num_threads())
            return super().fit(data, runtime)

    killed = Counting(Taste())
    killed.killed = True
    try:
        torch.set_num_threads(2)
        with pytest.raises(KeyboardInterrupt):
            train(model=killed)
        torch.set_num_threads(3)
        _, trained, _ = train(model=Counting(Taste()))
        train("0a-seed1", seed=1, model=Counting(Taste()))
    finally:
        torch.set_num_threads(before)
    assert seen == [2, 2, 3]
    assert trained.provenance.device.threads == 2


def spoil_weights(folder):
    (folder / MODEL / "weights").write_text("7")


def lose_a_part(folder):
    shutil.rmtree(folder / MODEL / "encoder")


def lose_the_model(folder):
    shutil.rmtree(folder / MODEL)


def spoil_the_record(folder):
    (folder / TRAINING).write_text("{")


def edit_a_part(folder):
    value = json.loads((folder / TRAINING).read_text())
    (folder / TRAINING).write_text(json.dumps({**value, "parts": {"encoder": "that of another"}}))


@pytest.mark.honesty
@pytest.mark.parametrize(
    "harm", [spoil_weights, lose_a_part, lose_the_model, spoil_the_record, edit_a_part]
)
def test_a_model_that_is_not_as_it_was_kept_is_trained_again(train, tmp_path, harm):
    train()
    harm(tmp_path / "0a-seed0")
    assert train()[0].done == ["fit"]


@pytest.mark.honesty
def test_a_training_copied_to_another_seed_is_not_asked(train, tmp_path):
    train()
    shutil.copytree(tmp_path / "0a-seed0", tmp_path / "0a-seed1")
    model, trained, new = train("0a-seed1", seed=1)
    assert (model.done, model.seed, new) == (["fit"], 1, True)
    assert trained.seed == 1


def test_it_rehearses_before_a_training_and_before_nothing_else(train, source):
    model, _, _ = train()
    assert model.rehearsed == [(source.learnt, 20)]
    assert train(candidates=30)[0].rehearsed == []  # the kept one is asked
    other = toy_training_data(toy_split(seed=1))
    elsewhere = TrainingSource(other, source.asked, source.split, Training(dataset="other"))
    model, _, _ = train("0b-seed0", learnt=elsewhere)
    assert model.rehearsed == [(other, 20), (source.asked, 20)]


def test_where_the_rehearsal_refuses_nothing_is_trained(train, tmp_path):
    model = Taught(Taste())
    with pytest.raises(UserError, match="give --candidates 20"):
        train(model=model, candidates=100)
    assert model.done == train.said == []
    assert not (tmp_path / "0a-seed0" / MODEL).exists()
    assert train(candidates=20)[0].done == ["fit"]


def test_what_another_process_trains_is_waited_for_and_found(train, tmp_path):
    train("elsewhere/0a-seed0")
    with ThreadPoolExecutor() as another, locked(tmp_path / "0a-seed0", pytest.fail):
        train.said.clear()
        second = another.submit(train)
        while not train.said:
            time.sleep(0.01)
        shutil.copytree(tmp_path / "elsewhere/0a-seed0", tmp_path / "0a-seed0", dirs_exist_ok=True)
        assert train.said[0].startswith(f"waiting for process {os.getpid()} on ")
    assert second.result()[0].done == ["load"]


def test_what_was_learnt_elsewhere_is_transferred_before_it_is_kept(train, source):
    other = toy_training_data(toy_split(seed=1))
    elsewhere = TrainingSource(other, source.asked, source.split, Training(dataset="other"))
    assert train(learnt=elsewhere)[0].done == ["fit", "transfer"]
    assert train(learnt=elsewhere)[0].done == ["load"]


@pytest.mark.parametrize(
    ("details", "said"),
    [
        (None, "a dict with parameters_trained"),
        ({"epochs": 3}, "a dict with parameters_trained"),
        ({"parameters_trained": 3, "loss": np.float32(0.5)}, "must return JSON values: .*float32"),
        ({"parameters_trained": 3, "said": "\ud83d"}, "must return JSON values: .*surrogates"),
        (
            {"parameters_trained": 3, "precision": 16},
            "must return its precision as one line of text",
        ),
    ],
)
def test_what_fit_may_not_return_is_refused_and_not_kept(train, tmp_path, details, said):
    model = Taught(Taste())
    model.details = details
    with pytest.raises(RecbenchError, match=said):
        train(model=model)
    assert not (tmp_path / "0a-seed0" / MODEL).exists()


def test_a_precision_that_training_reports_is_recorded(train):
    model = Taught(Taste())
    assert train("a-seed0")[1].provenance.precision == "float32"
    model.details = {"parameters_trained": 3, "precision": "bfloat16"}
    assert train("b-seed0", model=model)[1].provenance.precision == "bfloat16"


def test_the_digest_of_weights_is_over_names_and_contents(tmp_path):
    def digest(**files):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return weights(folder)

    found = {digest(a="x"), digest(b="x"), digest(a="y"), digest(**{"a/b": "x"}), digest()}
    assert len(found) == 5
    assert digest(a="x") == digest(a="x")


def test_the_record_of_a_training_is_json(train, tmp_path):
    train()
    value = json.loads((tmp_path / "0a-seed0" / TRAINING).read_text())
    assert value["provenance"]["plugin"].startswith("recbench ")


class Vectors(Taught, Encoder):
    """Has vectors to guide another."""

    def item_vectors(self):
        return np.zeros((1, 1), dtype=np.float32)

    def user_vectors(self, histories):
        return np.zeros((len(histories), 1), dtype=np.float32)


def test_an_encoder_that_learnt_from_its_own_rows_is_shared_and_no_other(
    source, train, monkeypatch
):
    """Turned to another dataset it knows that one's items, and is not what its rows would give."""
    shared = []
    monkeypatch.setattr(encoders, "share", lambda *given: shared.append(given[1]))
    own, _, _ = train("own-seed0", model=Vectors(Taste()))
    elsewhere = replace(source, asked=replace(source.asked))
    assert elsewhere.elsewhere
    train("elsewhere-seed0", model=Vectors(Taste()), learnt=elsewhere)
    train("no-encoder-seed0")
    assert shared == [own]
