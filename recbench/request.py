"""What a user asks for."""

from pathlib import Path
from typing import Any

from pydantic import Field

from recbench.defaults import DRAWS, PACK_SEED
from recbench.evaluation.answers import Matching
from recbench.questions.controls import Control
from recbench.settings import Settings, as_text

NEEDED = {"model", "dataset"}
"""What ``recbench run`` must be told."""


class Experiment(Settings):
    """
    What a user asks for; with the data it decides every figure.

    Attributes
    ----------
    model, dataset, protocol
        Registered names; the protocol's may say what is changed (``paper,candidates=30``),
        and None is the dataset's own.
    preset, settings
        Of the model: a named set of values, and what is set on top of it.
    seed
        Of training; it never changes the questions.
    draws, pack_seed
        How often the negatives of each test row are drawn, and from which seed; of no use where all
        items are ranked.
    matching
        Rule by which a written answer names a candidate.
    control
        What the trained model is shown otherwise when it is asked (`recbench.questions.controls`).
    limit
        How many test rows to ask about, the first ones; None for all. What comes of fewer is no
        result.
    train_fraction
        Part of the training users to learn from, in (0, 1].
    train_dataset, train_data_dir
        Another dataset to learn from, and the folder with its raw files.
    device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    deterministic
        Whether to use only operations that give the same bits every time
        (`recbench.hardware.devices.deterministic`); on a GPU they are slower.
    fresh
        Whether to train and ask anew, going on with nothing. A finished run or a training that
        stands is replaced when the new one is done.
    audit
        Whether a copy of the model is asked some rows again (`recbench.evaluation.audit`), if it
        says that a copy can be.
    show_prompt
        Whether the prompt of the first test row is shown, before anything is trained.
    data_dir
        Folder with the raw files; None for the card's sources.
    results, cache
        Folders; None for the defaults of `recbench.runs.places`.
    """

    model: str
    dataset: str = "movielens"
    protocol: str | None = None
    preset: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    seed: int = 0
    draws: int = Field(DRAWS, ge=1)
    pack_seed: int = PACK_SEED
    matching: Matching = "exact"
    control: Control | None = None
    limit: int | None = Field(default=None, ge=1)
    train_fraction: float = Field(1.0, allow_inf_nan=True)  # `with_fraction` refuses by its name
    train_dataset: str | None = None
    train_data_dir: Path | None = None
    device: str = "auto"
    deterministic: bool = False
    fresh: bool = False
    audit: bool = True
    show_prompt: bool = False
    data_dir: Path | None = None
    results: Path | None = None
    cache: Path | None = None

    @property
    def elsewhere(self) -> str | None:
        """The dataset that is learnt from, where it is not the one asked about."""
        return self.train_dataset if self.train_dataset != self.dataset else None

    @property
    def arguments(self) -> list[str]:
        """Those of ``recbench run`` that mean this, those that have their default left out."""
        changes = [f"{name}={as_text(value)}" for name, value in self.settings.items()]
        words = [word for change in changes for word in ("--set", change)]
        for field, known in type(self).model_fields.items():
            value, option = getattr(self, field), f"--{field.replace('_', '-')}"
            if field == "settings" or (field not in NEEDED and value == known.default):
                continue
            if isinstance(value, bool):
                words.append(option if value else f"--no-{field}")
            else:
                words += [option, str(value)]
        return words

    @property
    def goes_on(self) -> list[str]:
        """The `arguments` by which it is gone on with, but for the folders of results and cache."""
        at = None if self.data_dir is None else self.data_dir.absolute()
        learnt_at = None if self.train_data_dir is None else self.train_data_dir.absolute()
        places = {"results": None, "cache": None, "data_dir": at, "train_data_dir": learnt_at}
        once = {"fresh": False, "show_prompt": False}
        return self.model_copy(update={**places, **once}).arguments
