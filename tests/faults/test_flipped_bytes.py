"""
One byte that a disk has changed, in every file that a run leaves and at every stage of it.

Whoever goes on from there ends with the very same numbers, or is told in one line which file is
damaged; and does what that line says, and then ends with the same numbers.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recbench import trained_model
from recbench.errors import RecbenchError
from recbench.evaluation import evaluator, finished_calls
from recbench.experiment import run
from recbench.neural import training
from recbench.runs.store import runs
from recbench_cli import main as cli

from .conftest import Toy, numbers

pytestmark = pytest.mark.honesty

MODELS = "sasrec", "ilora"
FINISHED, ASKED, TRAINED = "finished", "stopped while it was asked", "stopped while it trained"


@pytest.fixture(scope="module")
def states(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    """What runs leave that were stopped late in training, late in answering, and not at all."""
    root = tmp_path_factory.mktemp("states")
    found = {}
    for model in MODELS:
        for state in (TRAINED, ASKED, FINISHED):
            place = found[model, state] = root / model / state
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(finished_calls, "SECONDS", 0.0)
                patch.setattr(training.Checkpoint, "due", True)
                if state == TRAINED:
                    patch.setattr(trained_model, "_checked", stopped)
                elif state == ASKED:
                    patch.setattr(evaluator, "summary", stopped)
                try:
                    run(toy(model, place), silent)
                except KeyboardInterrupt:
                    assert state != FINISHED
    return found


def stopped(*_: Any) -> None:
    raise KeyboardInterrupt


def silent(_: str) -> None:
    pass


def files(place: Path) -> list[Path]:
    """Return what would be read if the run went on, but for locks and what only names a process."""
    return sorted(path.relative_to(place) for path in place.rglob("*") if path.is_file())


def flip(path: Path, part: float) -> None:
    """Change one byte, so far into a file."""
    raw = bytearray(path.read_bytes())
    raw[int(part * (len(raw) - 1))] ^= 0x05
    path.write_bytes(raw)


def harmed(source: Path, target: Path, part: float) -> Iterator[tuple[Path, Path]]:
    """Copy what a run has left once for each of its files, and change a byte of that file."""
    for number, file in enumerate(files(source)):
        place = target / str(number)
        shutil.copytree(source, place)
        flip(place / file, part)
        yield place, place / file
        shutil.rmtree(place)


@pytest.mark.parametrize(
    "part",
    [0.4, *(pytest.param(part, marks=pytest.mark.slow) for part in (0, 0.03, 0.2, 0.7, 0.9, 1))],
)
@pytest.mark.parametrize("state", [TRAINED, ASKED, FINISHED])
@pytest.mark.parametrize("model", MODELS)
def test_the_next_run_gives_the_same_numbers_or_names_the_file(
    model: str, state: str, part: float, toy: Toy, states: Any, tmp_path: Path
) -> None:
    expected = numbers(run(toy(model, states[model, FINISHED]), silent).record)
    for place, file in harmed(states[model, state], tmp_path, part):
        wanted = toy(model, place)
        try:
            record = run(wanted, silent).record
        except RecbenchError as error:
            said = str(error)
            assert "\n" not in said, file
            assert str(file.parent) in said, (file, said)
            shutil.rmtree(file.parent)  # what such a line says: move it away
            record = run(wanted, silent).record
        assert numbers(record) == expected, file


@pytest.mark.parametrize("model", MODELS)
def test_a_table_leaves_a_damaged_run_out_by_name(model: str, states: Any, tmp_path: Path) -> None:
    source = states[model, FINISHED]
    (whole,) = runs(source / "results", cache=source / "cache")
    shutil.copytree(source, tmp_path / "copy")
    results, cache = tmp_path / "copy/results", tmp_path / "copy/cache"
    for name in ("record.json", "examples.parquet"):
        (file,) = results.rglob(name)
        kept = file.read_bytes()
        for part in (0, 0.1, 0.3, 0.5, 0.7, 0.99):
            flip(file, part)
            said: list[str] = []
            found = runs(results, said.append, cache)
            assert [one.record for one in found] in ([], [whole.record]), (name, part)
            assert len(found) + len(said) == 1
            assert not said or str(file.parent) in said[0]
            file.write_bytes(kept)


@pytest.mark.parametrize("model", MODELS)
def test_verify_fails_where_a_kept_model_is_damaged(
    model: str, states: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = states[model, FINISHED] / "results"
    for number, file in enumerate(files(source)):
        place = tmp_path / str(number)
        shutil.copytree(source, place)
        flip(place / file, 0.6)
        with pytest.raises(SystemExit) as left:
            cli.main(["verify", str(place), "--cache", str(tmp_path / "cache")])
        assert left.value.code == 1, file
        assert "1 runs, 1 failed" in capsys.readouterr().out, file
