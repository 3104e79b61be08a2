"""
A model asked in a process of its own, which has been given histories and candidates alone.

    python -P -m recbench.evaluation.fresh_process FOLDER LEASH

The folder is a new one and holds what to load and what to ask, as JSON and plain arrays; no
target, no scores and no cache of the run. The rows are asked singly, in the order given. Answers
are written beside them. LEASH is the end of one that the run holds (`recbench.leash`).
"""

import errno
import gc
import importlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbench.atomic_write import atomic_file, naming
from recbench.data.catalogue import Catalogue
from recbench.data.ragged import Ragged
from recbench.errors import PluginError
from recbench.evaluation.asking import ask
from recbench.file_digests import folder_digest
from recbench.hardware.devices import deterministic, is_deterministic
from recbench.leash import Leash, on_a_leash, signal_name
from recbench.processes import ALONE, OnHost, Sharding
from recbench.questions.controls import Control
from recbench.questions.queries import Queries
from recbench.questions.split import Examples
from recbench.recommender import Runtime, System, TrainingData
from recbench.settings import Settings

REQUEST, FAILURE = "request.json", "failure.txt"
SCORES, TEXTS = "scores.npy", "texts.json"  # written in this order

Asked = tuple[NDArray[np.float32] | None, list[str]]
"""
Scores float32 [rows, C] (None of a model that only writes), and one text a row (none of a model
that only scores).
"""


class ChangedModelError(PluginError):
    """A model has written into its folder since it was saved."""


@dataclass(frozen=True)
class SavedModel:
    """
    A model on disk, and what it takes to load it.

    Attributes
    ----------
    model
        Its class, which must be importable.
    settings
        All its settings.
    folder
        What it was saved into.
    weights
        `folder_digest` of that folder since it was saved.
    data
        What it is loaded with.
    control
        Under which it is asked; None for none.
    told
        Whether it is told who asks.
    """

    model: type[System]
    settings: Settings
    folder: Path
    weights: str
    data: TrainingData
    control: Control | None = None
    told: bool = False

    def check_unchanged(self) -> None:
        """
        Refuse a model that has written into its folder since.

        Raises
        ------
        ChangedModelError
            If what stands there is not what was saved.
        """
        if folder_digest(self.folder) != self.weights:
            raise ChangedModelError(
                f"{self.model.__name__} has changed what it had saved while it was asked: "
                f"{self.folder}; what was learnt is kept once, after fit"
            )


def ask_fresh(saved: SavedModel, queries: Queries, runtime: Runtime) -> Asked:
    """
    Have a fresh process load a model from disk and answer queries one by one.

    Parameters
    ----------
    saved
        The model.
    queries
        What it is asked.
    runtime
        Seed and device; a new folder below its `checkpoints` is used, and removed. The process
        keeps to operations that give the same bits every time where this one does, and a language
        model that was sharded in the host's memory, for the device may be too small for it.

    Raises
    ------
    PluginError
        As `SavedModel.check_unchanged`, or if the process fails; the reason is given.
    """
    saved.check_unchanged()
    release_memory()
    with tempfile.TemporaryDirectory(prefix="fresh-process-", dir=runtime.checkpoints) as new:
        with naming(Path(new)):
            _write_request(saved, queries, runtime, Path(new))
        return _run(Path(new), saved.model.__name__)


def _write_request(saved: SavedModel, queries: Queries, runtime: Runtime, folder: Path) -> None:
    request = {
        "module": saved.model.__module__,
        "name": saved.model.__qualname__,
        "settings": saved.settings.record(),
        "model": str(saved.folder.resolve()),
        "seed": runtime.seed,
        "device": runtime.device,
        "sharded": isinstance(runtime.processes, Sharding),
        "deterministic": is_deterministic(),
        "all items": None if queries.shared is None else len(queries.shared),
        "control": saved.control,
    }
    (folder / REQUEST).write_text(json.dumps(request), encoding="utf-8")
    _write_data(saved.data, folder)
    np.save(folder / "asked histories.npy", queries.histories)
    if saved.told and queries.users is not None:
        np.save(folder / "asked users.npy", queries.users)
    if queries.shared is None:
        np.save(folder / "asked candidates.npy", queries.candidates)


def _run(folder: Path, name: str) -> Asked:
    # What a model has put into the user's cache is out of its reach.
    environment = os.environ | {"RECBENCH_CACHE": str(folder / "cache")}
    with Leash() as leash:
        done = subprocess.run(
            [sys.executable, "-P", "-m", __name__, str(folder), str(leash.end)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=environment,
            pass_fds=(leash.end,),
        )
    if not (folder / TEXTS).is_file():
        reason = _reason(folder, done.returncode)
        if (full := os.strerror(errno.ENOSPC)) in reason + done.stderr:
            raise OSError(errno.ENOSPC, full, str(folder))
        error = PluginError(f"{name}, loaded by a fresh process, could not be asked: {reason}")
        error.add_note(done.stderr)  # shown with --debug
        raise error
    texts: list[str] = json.loads((folder / TEXTS).read_text(encoding="utf-8"))
    scores = np.load(folder / SCORES, allow_pickle=False) if (folder / SCORES).is_file() else None
    return scores, texts


def _reason(folder: Path, code: int) -> str:
    """Say in one line why a process gave no answers."""
    if (folder / FAILURE).is_file() and (said := (folder / FAILURE).read_text(encoding="utf-8")):
        return said
    if code < 0:
        return f"it was ended by {signal_name(-code)}"
    return f"it ended with exit code {code} before it had answered"


def release_memory() -> None:
    """Give back what a deleted model held, on a GPU as well: the next one needs as much."""
    gc.collect()
    torch = sys.modules.get("torch")  # loaded only where a model has loaded it
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def answer(folder: Path) -> None:
    """Do what a request says, in this process."""
    request = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    found = importlib.import_module(request["module"])
    for part in request["name"].split("."):
        found = getattr(found, part)
    model_class: type[System] = found  # type: ignore[assignment]
    model = model_class(model_class.settings_class.build(request["settings"]))
    runtime = Runtime(
        seed=request["seed"],
        device=request["device"],
        processes=OnHost() if request["sharded"] else ALONE,
        checkpoints=folder / "checkpoints",
        cache=folder / "cache",
    )
    for place in (runtime.checkpoints, runtime.cache):
        place.mkdir(exist_ok=True)
    with deterministic(request["deterministic"]):
        model.load(Path(request["model"]), _read_data(folder), runtime)
        if request["control"] is not None:
            model.begin(request["control"])
        given = [ask(model, row, runtime) for row in _single_rows(folder, request["all items"])]
    scores = [np.asarray(one) for one, _ in given if one is not None]
    texts = [text for _, own in given if own is not None for text in own]
    with naming(folder):
        if scores:
            np.save(folder / SCORES, np.concatenate(scores))
        with atomic_file(folder / TEXTS) as partial:
            partial.write_text(json.dumps(texts), encoding="utf-8")


def _single_rows(folder: Path, items: int | None) -> list[Queries]:
    histories = _array(folder, "asked histories")
    named = (folder / "asked users.npy").is_file()
    users = _array(folder, "asked users") if named else None
    if items is not None:
        together = Queries.of_all(histories, items).by(users)
    else:
        together = Queries(histories, _array(folder, "asked candidates")).by(users)
    return [together[i : i + 1] for i in range(len(together))]


def _write_data(data: TrainingData, folder: Path) -> None:
    arrays: dict[str, NDArray[Any]] = {
        "sequence values": data.sequences.values,
        "sequence offsets": data.sequences.offsets,
        "sequence users": data.sequence_users,
        "left out users": data.left_out_users,
    }
    for part, rows in (("train", data.train), ("validation", data.validation)):
        arrays |= {
            f"{part} histories": rows.histories,
            f"{part} targets": rows.targets,
            f"{part} users": rows.users,
        }
    if data.times is not None:
        arrays["sequence times"] = data.times
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    about = {
        "ids": data.catalogue.raw_ids.tolist(),
        "titles": data.catalogue.titles,
        "items": data.catalogue.digest,
        "noun": data.noun,
        "verb": data.verb,
        "digest": data.digest,
        "timed": data.times is not None,
        "users known": data.users_known,
    }
    (folder / "data.json").write_text(json.dumps(about), encoding="utf-8")


def _read_data(folder: Path) -> TrainingData:
    about = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    ids = about["ids"]
    codes = np.array(ids, dtype=np.int64 if all(isinstance(one, int) for one in ids) else object)
    train, validation = (
        Examples(*(_array(folder, f"{part} {name}") for name in ("histories", "targets", "users")))
        for part in ("train", "validation")
    )
    return TrainingData(
        catalogue=Catalogue(codes, tuple(about["titles"]), about["items"]),
        noun=(about["noun"][0], about["noun"][1]),
        verb=about["verb"],
        sequences=Ragged(_array(folder, "sequence values"), _array(folder, "sequence offsets")),
        sequence_users=_array(folder, "sequence users"),
        train=train,
        validation=validation,
        digest=about["digest"],
        times=_array(folder, "sequence times") if about["timed"] else None,
        users_known=about["users known"],
        left_out_users=_array(folder, "left out users"),
    )


def _array(folder: Path, name: str) -> NDArray[Any]:
    """Read an array, of which only what is looked at is loaded."""
    array: NDArray[Any] = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    return array


def main(folder: Path) -> None:
    """Answer; what is raised is written down in one line besides."""
    try:
        answer(folder)
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"
        (folder / FAILURE).write_text(said, encoding="utf-8")
        raise


if __name__ == "__main__":
    on_a_leash(int(sys.argv[2]), lambda: os._exit(1))
    main(Path(sys.argv[1]))
