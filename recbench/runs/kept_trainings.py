"""Where trainings are kept below a results folder, and how a model on disk is told from another."""

import json
from pathlib import Path

from recbench.atomic_write import atomic_file
from recbench.file_digests import folder_digest
from recbench.runs.record import RunRecord, Trained
from recbench.sealed import sealed, unsealed

TRAININGS = "trainings"
TRAINING = "training.json"
MODEL = "model"


def kept_model(results: Path, record: RunRecord) -> Path:
    """Return the folder of the model that a run asked, which need not exist any more."""
    assert record.trained is not None  # nobody looks for that of what came from outside
    named = record.trained.training_id
    return results / record.dataset / TRAININGS / record.model / named / MODEL


def read_training(folder: Path) -> Trained | None:
    """Read what was written down of a training; None where it is missing, damaged or changed."""
    try:
        return Trained.model_validate(unsealed(json.loads((folder / TRAINING).read_bytes())))
    except (OSError, ValueError):
        return None


def whole_training(folder: Path) -> Trained | None:
    """Return what was written down of a training; None where its model is not as it was kept."""
    trained, model = read_training(folder), folder / MODEL
    # A folder copied under the name of another seed would count that seed's training twice.
    if trained is None or trained.training_id != folder.name:
        return None
    own = folder_digest(model), parts(model)
    return trained if (trained.weights, trained.parts) == own else None


def write_training(folder: Path, trained: Trained) -> None:
    """Write down a training, aside first."""
    text = json.dumps(sealed(trained.model_dump(mode="json")), indent=2)
    with atomic_file(folder / TRAINING) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def parts(folder: Path) -> dict[str, str]:
    """Return the digest of each folder in a saved model: of what was fitted by itself."""
    return {one.name: folder_digest(one) for one in sorted(folder.glob("*")) if one.is_dir()}
