from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from threading import Event
from typing import Any, ClassVar

import numpy as np
import pytest

from recbench.errors import RecbenchError, UserError
from recbench.hardware.devices import deterministic
from recbench.llm import encoders
from recbench.processes import Processes
from recbench.questions.queries import Queries
from recbench.recommender import Encoder, Runtime, TrainingData
from recbench.settings import Settings, digest


class FakeSettings(Settings):
    width: int = 3


class Fake(Encoder):
    """Learns its seed."""

    settings_class = FakeSettings
    summary, reference = "fake", "none"
    fits: ClassVar[list[int]] = []

    def fit(self, data: TrainingData, runtime: Runtime) -> dict[str, Any]:
        assert runtime.checkpoints.is_dir()
        self.fits.append(runtime.seed)
        self.learnt = float(runtime.seed)
        return {"parameters_trained": 1}

    def score(self, queries: Queries, runtime: Runtime) -> Any:
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        (folder / "learnt.txt").write_text(str(self.learnt))

    def load(self, folder: Path, data: TrainingData, runtime: Runtime) -> None:
        self.learnt = float((folder / "learnt.txt").read_text())

    def item_vectors(self) -> Any:
        return np.full((40, 3), self.learnt, dtype=np.float32)

    def user_vectors(self, histories: Any) -> Any:
        return np.zeros((len(histories), 3), dtype=np.float32)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[Fake]:
    monkeypatch.setattr(encoders, "recommender_class", lambda name: Fake)
    point = EntryPoint("fake", "fake:Fake", "recbench.models")
    monkeypatch.setattr(encoders, "find", lambda *_: point)
    Fake.fits.clear()
    return Fake


@pytest.fixture
def runtime_of(tmp_path: Path) -> Callable[[int], Runtime]:
    return lambda seed: Runtime(seed, "cpu", tmp_path / f"run{seed}", tmp_path / "cache")


class Two(Processes):
    """Two that share the work."""

    count = 2


def trained_alone(
    fake: type[Fake], data: TrainingData, runtime: Runtime, width: int = 3
) -> tuple[Fake, TrainingData, Runtime, dict[str, Any]]:
    """Return a model that was trained for itself, and what it was trained with."""
    model = fake(FakeSettings(width=width))
    runtime.checkpoints.mkdir()
    return model, data, runtime, model.fit(data, runtime)


def test_it_is_fitted_once_a_seed(
    fake: type[Fake], data: TrainingData, runtime_of: Callable[[int], Runtime]
) -> None:
    for seed in (1, 1, 2, 1):
        encoder = encoders.fitted_encoder("fake", data, runtime_of(seed))
        assert encoder.item_vectors()[0, 0] == seed
    assert fake.fits == [1, 2]


def test_runs_at_the_same_time_fit_it_once(
    fake: type[Fake],
    data: TrainingData,
    runtime_of: Callable[[int], Runtime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fit, waits, said = fake.fit, Event(), list[str]()

    def slow(self: Fake, *asked: Any) -> dict[str, Any]:
        assert waits.wait(60)  # for the other
        return fit(self, *asked)

    def told(line: str) -> None:
        said.append(line)
        if line.startswith("waiting for process"):
            waits.set()

    monkeypatch.setattr(fake, "fit", slow)
    runtime = replace(runtime_of(1), report=told)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(encoders.fitted_encoder, "fake", data, runtime) for _ in range(2)]
        assert [one.result().item_vectors()[0, 0] for one in asked] == [1, 1]
    assert fake.fits == [1]
    assert said[0] == "encoder fake: training it first"
    assert said[2:] == ["encoder fake: from the cache"]
    (kept,) = (runtime.cache / "encoders").iterdir()
    assert said[1].endswith(f"which is writing {kept}")


def test_other_data_or_settings_are_another_encoder(
    fake: type[Fake],
    data: TrainingData,
    runtime_of: Callable[[int], Runtime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoders.fitted_encoder("fake", data, runtime_of(1))
    encoders.fitted_encoder("fake", replace(data, digest="other"), runtime_of(1))
    assert len(fake.fits) == 2

    class Wider(FakeSettings):
        width: int = 4

    monkeypatch.setattr(fake, "settings_class", Wider)
    encoders.fitted_encoder("fake", data, runtime_of(1))
    assert len(fake.fits) == 3


def test_one_that_was_trained_for_itself_is_not_fitted_again(
    fake: type[Fake], data: TrainingData, runtime_of: Callable[[int], Runtime]
) -> None:
    runtime = runtime_of(1)
    encoders.share("fake", *trained_alone(fake, data, runtime))
    assert encoders.fitted_encoder("fake", data, runtime).item_vectors()[0, 0] == 1
    assert fake.fits == [1]  # for itself


@pytest.mark.honesty
@pytest.mark.parametrize("how", ["other settings", "lower precision", "several processes"])
def test_one_that_would_have_other_bits_is_not_shared(
    how: str, fake: type[Fake], data: TrainingData, runtime_of: Callable[[int], Runtime]
) -> None:
    width = 5 if how == "other settings" else 3
    trained, *_, runtime, details = trained_alone(fake, data, runtime_of(1), width)
    if how == "lower precision":
        details = {**details, "precision": "bfloat16"}
    if how == "several processes":
        runtime = replace(runtime, processes=Two())
    encoders.share("fake", trained, data, runtime, details)
    assert not (runtime.cache / "encoders").exists()


def test_a_cache_that_cannot_be_written_is_left_alone(
    fake: type[Fake], data: TrainingData, runtime_of: Callable[[int], Runtime]
) -> None:
    runtime = runtime_of(1)
    runtime.cache.write_text("a file")
    encoders.share("fake", *trained_alone(fake, data, runtime))
    assert runtime.cache.read_text() == "a file"


def test_what_an_older_training_gave_is_not_taken_from_the_cache(
    fake: type[Fake],
    data: TrainingData,
    runtime_of: Callable[[int], Runtime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoders.fitted_encoder("fake", data, runtime_of(1))
    monkeypatch.setattr(encoders, "_VERSION", encoders._VERSION + 1)
    encoders.fitted_encoder("fake", data, runtime_of(1))
    assert fake.fits == [1, 1]


def test_a_gpu_has_encoders_of_its_own(
    fake: type[Fake],
    data: TrainingData,
    runtime_of: Callable[[int], Runtime],
) -> None:
    """Of one kind, whatever its number; and a CPU's keep the names that they have had."""
    for device in ("cpu", "cuda:0", "cuda:1", "cpu"):
        encoders.fitted_encoder("fake", data, replace(runtime_of(1), device=device))
    assert fake.fits == [1, 1]
    for where in ([], ["cuda", "float32"]):
        key = digest([encoders._VERSION, "fake", {"width": 3}, data.digest, 1, *where])
        assert (runtime_of(1).cache / "encoders" / f"fake-{key[:16]}").is_dir()


@pytest.mark.honesty
def test_what_is_fitted_with_deterministic_operations_is_an_encoder_of_its_own(
    fake: type[Fake], data: TrainingData, runtime_of: Callable[[int], Runtime]
) -> None:
    for asked in (False, True, True):
        with deterministic(asked):
            for device in ("cpu", "cuda:0"):
                encoders.fitted_encoder("fake", data, replace(runtime_of(1), device=device))
    assert fake.fits == [1, 1, 1]  # on a CPU it says nothing


@pytest.mark.honesty
@pytest.mark.parametrize("changed", ["encoder_package", "encoder_ingredients"])
def test_another_version_of_a_plug_in_or_other_ingredients_are_another_encoder(
    fake: type[Fake],
    data: TrainingData,
    runtime_of: Callable[[int], Runtime],
    monkeypatch: pytest.MonkeyPatch,
    changed: str,
) -> None:
    for number in (1, 1, 2):
        if changed == "encoder_package":
            monkeypatch.setattr(encoders, "foreign_package", lambda *_, n=number: f"mine 1.{n}")
        else:
            monkeypatch.setattr(fake, "ingredients", lambda _, n=number: {"table": n})
        encoders.fitted_encoder("fake", data, runtime_of(1))
        assert list(encoders.made_of("fake", fake(FakeSettings()))) == [changed]
    assert fake.fits == [1, 1]


@pytest.mark.parametrize(("package", "fits"), [("mine 1.0", [1, 1, 1]), (None, [1])])
def test_what_a_plug_in_kept_is_not_taken_where_all_is_made_afresh(
    fake: type[Fake],
    data: TrainingData,
    runtime_of: Callable[[int], Runtime],
    monkeypatch: pytest.MonkeyPatch,
    package: str | None,
    fits: list[int],
) -> None:
    monkeypatch.setattr(encoders, "foreign_package", lambda *_: package)
    for fresh in (False, True, True, False):
        encoders.fitted_encoder("fake", data, replace(runtime_of(1), fresh=fresh))
    assert fake.fits == fits
    assert len(list((runtime_of(1).cache / "encoders").iterdir())) == 1


def test_our_encoders_are_named_as_ever() -> None:
    for name in ("gru4rec", "caser", "sasrec", "bert4rec", "esasrec"):
        assert encoders.made_of(name, encoders.build_encoder(name)) == {}


def test_nothing_half_stored_stays_behind(
    fake: type[Fake],
    data: TrainingData,
    runtime_of: Callable[[int], Runtime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def dies(self: Fake, folder: Path) -> None:
        (folder / "half.txt").write_text("half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fake, "save", dies)
        with pytest.raises(KeyboardInterrupt):
            encoders.fitted_encoder("fake", data, runtime_of(1))
    assert list((runtime_of(1).cache / "encoders").iterdir()) == []
    encoders.fitted_encoder("fake", data, runtime_of(1))
    (stored,) = (runtime_of(1).cache / "encoders").iterdir()
    assert {path.name for path in stored.iterdir()} == {"learnt.txt", "about.json"}


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("learnt.txt", "1.0", "2.0"),
        ("about.json", '"seed": 1', '"seed": 9'),
        ("about.json", '"files"', '"filez"'),
        ("about.json", '"sha256"', '"sha257"'),
    ],
)
def test_one_that_is_not_as_it_was_kept_is_fitted_again(
    fake: type[Fake],
    data: TrainingData,
    runtime_of: Callable[[int], Runtime],
    name: str,
    before: str,
    after: str,
) -> None:
    said: list[str] = []
    runtime = replace(runtime_of(1), report=said.append)
    encoders.fitted_encoder("fake", data, runtime)
    (folder,) = (runtime.cache / "encoders").iterdir()
    text = (folder / name).read_text()
    assert before in text
    (folder / name).write_text(text.replace(before, after))
    said.clear()
    assert encoders.fitted_encoder("fake", data, runtime).item_vectors()[0, 0] == 1
    if after != '"sha257"':  # what lost its digest alone is what it was
        assert fake.fits == [1, 1]
        assert said[0] == f"{folder} was changed after it was kept; it is made again"
    encoders.fitted_encoder("fake", data, replace(runtime, report=lambda _: None))
    assert len(fake.fits) <= 2


def test_a_model_without_vectors_is_refused() -> None:
    with pytest.raises(UserError, match="'popularity' cannot be an encoder"):
        encoders.build_encoder("popularity")
    with pytest.raises(UserError, match="did you mean 'sasrec'"):
        encoders.build_encoder("sasrek")


ITEMS = 40
SHIFTED = np.zeros((ITEMS + 1, 3), dtype=np.float32)
"""With a row for the padding before those of the items, the commonest slip."""


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (SHIFTED, r"must give 40 rows of numbers, not the shape \(41, 3\)"),
        (SHIFTED[:1], "must give 40 rows"),
        (SHIFTED[:ITEMS, 0], "must give 40 rows"),
        (np.full((ITEMS, 3), np.nan, dtype=np.float32), "numbers that are not finite"),
        (np.zeros((ITEMS, 3)), "a float32 array of NumPy"),
        ([[0.0]] * ITEMS, "a float32 array of NumPy"),
    ],
    ids=["shifted", "one", "flat", "NaN", "float64", "list"],
)
def test_vectors_that_are_not_of_the_items_are_refused(
    fake: type[Fake], monkeypatch: pytest.MonkeyPatch, given: Any, said: str
) -> None:
    monkeypatch.setattr(fake, "item_vectors", lambda _: given)
    monkeypatch.setattr(fake, "user_vectors", lambda *_: given)
    encoder = fake(FakeSettings())
    with pytest.raises(RecbenchError, match=f"its item_vectors .*{said}"):
        encoders.item_vectors("fake", encoder, ITEMS)
    with pytest.raises(RecbenchError, match=f"its user_vectors .*{said}"):
        encoders.user_vectors("fake", encoder, np.zeros((ITEMS, 2), dtype=np.int32))


def test_an_encoder_is_taken_with_its_defaults(
    fake: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Asking(Settings):
        width: int

    monkeypatch.setattr(fake, "settings_class", Asking)
    with pytest.raises(RecbenchError, match=r"an encoder has the defaults .* 'width'"):
        encoders.build_encoder("fake")
