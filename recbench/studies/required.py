"""
What a study requires of the models that the user names, checked before anything is trained.

A model that cannot be had is let through: its own run says why, and stops no other.
"""

from collections.abc import Sequence
from inspect import get_annotations

from recbench.errors import UserError
from recbench.models import class_at_hand
from recbench.studies.study import Asked

ONLY_DECLARED = "trained, it lacks what its class declares: encoder"
"""What a trained model is told that passed `check_members` and is not what it promised."""


def has_setting(model: str, name: str) -> bool | None:
    """Tell whether a model has a setting of that name; None where the model cannot be had."""
    found = class_at_hand(model)
    return None if found is None else name in found.settings_class.model_fields


def check_settings(model: str, names: Sequence[str]) -> None:
    """
    Refuse a model that lacks a setting by which a study goes.

    Raises
    ------
    UserError
        With the setting.
    """
    for name in names:
        if has_setting(model, name) is False:
            raise UserError(
                f"{model} has no setting {name}, by which this study goes; name with --models one "
                "that has it, such as ilora"
            )


def only_model(asked: Asked, names: Sequence[str]) -> str:
    """
    Return the model of a study that takes one, which has the settings by which the study goes.

    Raises
    ------
    UserError
        If several are named, or as `check_settings`.
    """
    model, *others = asked.models
    if others:
        raise UserError(f"this study takes one model; leave out --models, or name {model} alone")
    check_settings(model, names)
    return model


def check_members(model: str, contract: type, remedy: str) -> None:
    """
    Refuse a model whose class lacks what a study calls of a trained one.

    Parameters
    ----------
    model
        Its name.
    contract
        The protocol; an attribute that comes with `fit` and `load` need but be declared in the
        class, as ``encoder: Encoder``.
    remedy
        What to do instead.

    Raises
    ------
    UserError
        With all that is lacking, and the remedy.
    """
    found = class_at_hand(model)
    lacking = set() if found is None else _members(contract) - _members(found)
    if lacking:
        raise UserError(f"{model} has no {', '.join(sorted(lacking))}; {remedy}")


def _members(kind: type) -> set[str]:
    """Return the public names of a class, and those that it or a base of it declares."""
    declared = (name for base in kind.__mro__ for name in get_annotations(base))
    return {name for name in (*dir(kind), *declared) if not name.startswith("_")}
