"""RecBole as it is installed: its version, its property files and its models' classes."""

import importlib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from recbench.errors import NotInstalledError


def package() -> Distribution:
    """Return the installed RecBole, which is not imported; NotInstalledError if none is."""
    try:
        return distribution("recbole")
    except PackageNotFoundError:
        raise NotInstalledError(
            "the models of RecBole need its package, which is not installed: "
            "pip install 'recbench[recbole]' (Python 3.11)"
        ) from None


def property_file(model: str) -> str:
    """Return the text of the file in which RecBole keeps a model's hyper-parameters."""
    file = Path(str(package().locate_file(f"recbole/properties/model/{model}.yaml")))
    if not file.is_file():
        raise NotInstalledError(
            f"{file} is missing from recbole {package().version}; version 1.2.1 has it: "
            "pip install recbole==1.2.1"
        )
    return file.read_text(encoding="utf-8")


def module_class(model: str) -> Any:
    """Import the class of one model."""
    package()
    return getattr(_imported(f"model.sequential_recommender.{model.lower()}"), model)


def interaction(batch: dict[str, Any]) -> Any:
    """Return a batch as RecBole's models read it."""
    return _imported("data.interaction").Interaction(batch)


def mask_transform(configuration: Any) -> Any:
    """Return what masks items of a batch; it writes the names of what it adds into the settings."""
    return _imported("data.transform").MaskItemSequence(configuration)


def _imported(module: str) -> Any:
    """
    Import a module of RecBole and leave torch as it was.

    RecBole's file of SINE, which comes with every model, switches on the detection of anomalies for
    the whole process: each later training, of any model, would be traced, and slow.
    """
    import torch

    with torch.autograd.set_detect_anomaly(
        torch.is_anomaly_enabled(), check_nan=torch.is_anomaly_check_nan_enabled()
    ):
        return importlib.import_module(f"recbole.{module}")
