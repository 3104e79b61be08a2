"""The frozen recommender that guides a language model: fitted once, shared through the cache."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbench.atomic_write import atomic_folder
from recbench.errors import PluginError, UserError
from recbench.file_digests import folder_digest
from recbench.hardware.devices import way_of
from recbench.locks import in_turn
from recbench.models import ingredients_of, recommender_class
from recbench.neural.precision import FLOAT32
from recbench.recommender import Encoder, Runtime, TrainingData
from recbench.registry import blamed, find, foreign_package
from recbench.sealed import sealed, unsealed
from recbench.settings import digest

ABOUT = "about.json"

_VERSION = 2
"""
Of the training, for the names of kept encoders: raise it when the same settings, data and seed give
another encoder, whether by a change in `recbench.neural` or in one of the models.
"""


def build_encoder(name: str) -> Encoder:
    """
    Make an encoder that has learnt nothing, with its own default settings.

    Raises
    ------
    UserError
        If no model has that name, or it has no vectors to guide another.
    """
    with as_encoder(name):
        model_class = recommender_class(name)
        if not issubclass(model_class, Encoder):
            raise UserError(
                f"'{name}' cannot be an encoder: it has no item and user vectors; try sasrec"
            )
        try:
            settings = model_class.settings_class.build({})
        except UserError as error:
            raise PluginError(f"an encoder has the defaults of its settings: {error}") from None
        return model_class(settings)


@contextmanager
def as_encoder(name: str) -> Iterator[None]:
    """Name the encoder, if it is a plug-in's, where it fails; not the model that it guides."""
    if foreign_package("models", name):
        with blamed(find("models", name)):
            yield
    else:
        yield


def item_vectors(name: str, encoder: Encoder, items: int) -> NDArray[np.float32]:
    """
    Return what an encoder gives for the items, float32 [items, d].

    Raises
    ------
    PluginError
        If it gives anything else: rows too many would give every item the vector of its neighbour.
    """
    with as_encoder(name):
        return _checked(encoder.item_vectors(), "item_vectors", items)


def user_vectors(name: str, encoder: Encoder, histories: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return what it sees in histories, float32 [rows, d]; as `item_vectors` otherwise."""
    with as_encoder(name):
        return _checked(encoder.user_vectors(histories), "user_vectors", len(histories))


def _checked(found: Any, what: str, rows: int) -> NDArray[np.float32]:
    if not isinstance(found, np.ndarray) or found.dtype != np.float32:
        raise PluginError(f"its {what} must give a float32 array of NumPy")
    if found.ndim != 2 or len(found) != rows:
        raise PluginError(
            f"its {what} must give {rows} rows of numbers, not the shape {found.shape}"
        )
    if not np.isfinite(found).all():
        raise PluginError(f"its {what} gives numbers that are not finite")
    return found


def made_of(name: str, encoder: Encoder) -> dict[str, Any]:
    """
    Return what decides what an encoder learns besides settings, data and seed; as a rule nothing.

    Its own ingredients, and the package and version of a plug-in: the code of recbench's own
    encoders is known by `_VERSION` and the figure version.
    """
    with as_encoder(name):
        own = ingredients_of(encoder)
    found = {
        "encoder_ingredients": own,
        "encoder_package": foreign_package("models", name),
    }
    return {part: value for part, value in found.items() if value}


def fitted_encoder(name: str, data: TrainingData, runtime: Runtime) -> Encoder:
    """
    Return an encoder fitted on the training rows, from the cache where it is there.

    One process fits it by itself, so that several have the encoder that one would have; the others,
    and runs that need it meanwhile, wait and find it in the cache, which is keyed by the model, its
    settings, what it is `made_of`, the digest of the split, the seed, `_VERSION` and, for a GPU,
    its kind, precision and ``--deterministic``: what is fitted there differs by rounding. One that
    is not as it was kept is fitted again; so is a plug-in's where all is made afresh, since its
    code may have changed under one version. One that was trained for itself before is there by
    `share`.

    Parameters
    ----------
    name
        A registered model that is an `Encoder`.
    data, runtime
        As for `Recommender.fit`.
    """
    encoder = build_encoder(name)
    folder = _place(name, encoder, data, runtime)
    own = replace(runtime.alone(), checkpoints=runtime.checkpoints / "encoder")
    with runtime.processes.main_first():
        foreign = foreign_package("models", name)
        anew = runtime.fresh and bool(foreign) and runtime.processes.is_main
        if anew or not _loaded(name, encoder, folder, data, own):
            with in_turn(folder, runtime.report):
                if anew or not _loaded(name, encoder, folder, data, own):
                    _fit(name, encoder, folder, data, own)
                    return encoder
        runtime.report(f"encoder {name}: from the cache")
    return encoder


def _loaded(name: str, encoder: Encoder, folder: Path, data: TrainingData, own: Runtime) -> bool:
    """Load an encoder, and tell whether it was there as it was kept."""
    whole = folder.is_dir() and _is_whole(folder)
    if whole:
        with as_encoder(name):
            encoder.load(folder, data, own)
    return whole


def _fit(name: str, encoder: Encoder, folder: Path, data: TrainingData, own: Runtime) -> None:
    if folder.is_dir() and not _is_whole(folder):
        own.report(f"{folder} was changed after it was kept; it is made again")
    own.report(f"encoder {name}: training it first")
    own.checkpoints.mkdir(parents=True, exist_ok=True)
    with as_encoder(name):
        details = encoder.fit(data, own)
    _keep(folder, name, encoder, own.seed, details)


def share(
    name: str, trained: Encoder, data: TrainingData, runtime: Runtime, details: dict[str, Any]
) -> None:
    """
    Keep a model that was trained for itself where `fitted_encoder` looks for the same.

    What one process has trained in float32, with the default settings, is the encoder bit for bit;
    anything else is not kept, nor is a plug-in's, which no audit has looked at yet. A cache that
    cannot be written is left alone.

    Parameters
    ----------
    name
        The registered name of `trained`.
    trained
        Fitted.
    data, runtime, details
        Those of its `fit`, and what that returned.
    """
    if foreign_package("models", name) or runtime.processes.count > 1:
        return
    usual = trained.settings.record() == build_encoder(name).settings.record()
    whole = details.get("precision", FLOAT32.name) == FLOAT32.name
    folder = _place(name, trained, data, runtime)
    with suppress(OSError):
        if usual and whole and not folder.exists():
            _keep(folder, name, trained, runtime.seed, details)


def _place(name: str, encoder: Encoder, data: TrainingData, runtime: Runtime) -> Path:
    made, way = made_of(name, encoder), way_of(runtime.device)
    where = [way[0], FLOAT32.name, *way[1:]] if way else []
    settings, also = encoder.settings.identity(), [made] if made else []
    key = digest([_VERSION, name, settings, data.digest, runtime.seed, *where, *also])
    return runtime.cache / "encoders" / f"{name}-{key[:16]}"


def _keep(folder: Path, name: str, encoder: Encoder, seed: int, details: dict[str, Any]) -> None:
    with atomic_folder(folder) as partial:
        encoder.save(partial)
        about = {"model": name, "seed": seed, "fit": details}
        about["files"] = folder_digest(partial)
        (partial / ABOUT).write_text(json.dumps(sealed(about), indent=1), encoding="utf-8")


def _is_whole(folder: Path) -> bool:
    """Tell whether a kept encoder is as it was kept, if that was written down."""
    try:
        about = unsealed(json.loads((folder / ABOUT).read_bytes()))
    except (FileNotFoundError, ValueError):  # what cannot be read now may be whole
        return False
    files = folder_digest(folder, without=ABOUT)
    return about.get("files", files) == files
