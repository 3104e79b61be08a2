"""Where trainings are kept below a results folder, and how a model on disk is told from another."""

import json
from pathlib import Path

from recbench.atomic_write import atomic_file
from recbench.errors import RecbenchError
from recbench.file_digests import folder_digest
from recbench.runs.places import training_place
from recbench.runs.record import RunRecord, Trained
from recbench.sealed import sealed, unsealed
from recbench.settings import digest

TRAINING = "training.json"
MODEL = "model"


def kept_model(results: Path, record: RunRecord) -> Path:
    """Return the folder of the model that a run asked, which need not exist any more."""
    assert record.trained is not None  # nobody looks for that of what came from outside
    named = record.trained.training_id
    return training_place(results, record.dataset, record.model, named) / MODEL


def read_training(folder: Path) -> Trained | None:
    """
    Read what was written down of a training; None where it is missing, damaged or changed.

    An OSError where the disk does not let it be read: it may be whole, and is made again by nobody.
    """
    try:
        return Trained.model_validate(unsealed(json.loads((folder / TRAINING).read_bytes())))
    except (FileNotFoundError, NotADirectoryError, ValueError):
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


def check_stands(folder: Path, trained: Trained) -> None:
    """
    Refuse to go on with a training in whose place there is another by now, or none.

    Raises
    ------
    RecbenchError
        If it was made anew (``--fresh``), or forgotten, since it was found.
    """
    if not _stands(folder, trained):
        raise RecbenchError(
            f"{folder}: another run has made this training anew, or its audit has refused it, "
            "while it was asked here; the same command goes on"
        )


def forget(folder: Path, trained: Trained) -> None:
    """Have a training made again, unless another stands by now."""
    if _stands(folder, trained):
        (folder / TRAINING).unlink(missing_ok=True)


def _stands(folder: Path, trained: Trained) -> bool:
    standing = read_training(folder)
    return standing is not None and is_same(standing, trained)


def is_same(one: Trained, other: Trained) -> bool:
    """Tell whether two are one training, as it was made or as it was read."""
    first, second = (digest(trained.model_dump(mode="json")) for trained in (one, other))
    return first == second


def parts(folder: Path) -> dict[str, str]:
    """Return the digest of each folder in a saved model: of what was fitted by itself."""
    return {one.name: folder_digest(one) for one in sorted(folder.glob("*")) if one.is_dir()}
