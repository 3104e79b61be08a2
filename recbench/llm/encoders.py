"""The frozen recommender that guides a language model: fitted once, shared through the cache."""

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from recbench.errors import UserError
from recbench.recommender import Encoder, Runtime, TrainingData
from recbench.registry import load
from recbench.settings import digest


def build_encoder(name: str) -> Encoder:
    """
    Make an encoder that has learnt nothing, with its own default settings.

    Raises
    ------
    UserError
        If no model has that name, or it has no vectors to guide another.
    """
    model_class = load("models", name)
    if not (isinstance(model_class, type) and issubclass(model_class, Encoder)):
        raise UserError(
            f"'{name}' cannot be an encoder: it has no item and user vectors; try sasrec"
        )
    return model_class(model_class.settings_class.build({}))


def fitted_encoder(name: str, data: TrainingData, runtime: Runtime) -> Encoder:
    """
    Return an encoder fitted on the training rows, from the cache where it is there.

    The cache is keyed by the model, its settings, the digest of the split and the seed.

    Parameters
    ----------
    name
        A registered model that is an `Encoder`.
    data, runtime
        As for `Recommender.fit`.
    """
    encoder = build_encoder(name)
    key = digest([name, encoder.settings.record(), data.digest, runtime.seed])
    folder = runtime.cache / "encoders" / f"{name}-{key[:16]}"
    own = replace(runtime, checkpoints=runtime.checkpoints / "encoder")
    if folder.is_dir():
        encoder.load(folder, data, own)
        runtime.report(f"encoder {name}: from the cache")
        return encoder
    runtime.report(f"encoder {name}: training it first")
    own.checkpoints.mkdir(parents=True, exist_ok=True)
    details = encoder.fit(data, own)
    _store(encoder, folder, {"model": name, "seed": runtime.seed, "fit": details})
    return encoder


def _store(encoder: Encoder, folder: Path, about: dict[str, object]) -> None:
    """Write a fitted encoder aside and rename it, so that a folder in the cache is always whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".partial", dir=folder.parent))
    try:
        encoder.save(partial)
        (partial / "about.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
        try:
            partial.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another run was faster and stored the same
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
