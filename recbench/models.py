"""Models by their names: their classes, and what they say of themselves, checked."""

import json
from functools import partial
from typing import Any

from recbench import registry
from recbench.data.toml_cards import folder_name
from recbench.errors import PluginError
from recbench.recommender import Answerer, System
from recbench.settings import Settings


def recommender_class(name: str) -> type[System]:
    """
    Return the class of a model: a `Recommender`, an `Answerer`, or both.

    Raises
    ------
    UserError
        If nothing has that name.
    RecbenchError
        If it cannot be imported; a PluginError if it falls short of the contract, with in what.
    """
    found = registry.load("models", name)
    if not (isinstance(found, type) and issubclass(found, System)):
        raise PluginError("it is no class made from recbench's Recommender or Answerer")
    if lacking := _lacking(found):
        raise PluginError(f"it lacks {', '.join(sorted(lacking))}")
    settings = found.settings_class
    if not (isinstance(settings, type) and issubclass(settings, Settings)):
        raise PluginError("its settings_class is no class made from recbench's Settings")
    check_declared(settings)
    try:
        folder_name(name)
    except ValueError as error:
        raise PluginError(f"its name cannot be used: {error}") from None
    return found


def check_declared(settings: type[Settings]) -> None:
    """Refuse a class that speaks of settings which it has not: it would fail after a training."""
    known = settings.model_fields.keys()
    for declared in ("runtime", "passing", "added"):
        names = getattr(settings, declared)
        if not isinstance(names, set | frozenset):
            raise PluginError(f"{declared} of its settings must be a frozenset, not {names!r}")
        if strange := sorted(set(names) - known, key=repr):
            raise PluginError(f"{declared} of its settings names {strange[0]!r}, which is none")
    beside = {name: other for name, (other, _) in settings.counts_with.items()}
    if strange := sorted({*beside, *beside.values()} - known, key=repr):
        raise PluginError(f"counts_with of its settings names {strange[0]!r}, which is none")
    if not settings.passing <= settings.runtime:
        raise PluginError("passing of its settings must be a part of their runtime")
    for name, values in settings.presets.items():
        if strange := sorted(set(values) - known, key=repr):
            raise PluginError(f"its preset '{name}' sets {strange[0]!r}, which is no setting")


def class_at_hand(name: str) -> type[System] | None:
    """Return the class of a model; None where it cannot be had, as its own run will say."""
    return registry.if_usable(partial(recommender_class, name))


def _lacking(model_class: type[System]) -> frozenset[str]:
    """Return what a class falls short in: of an `Answerer` half of what it ranks by, too."""
    offered, ranking = set(dir(model_class)), {"score", "title_lengths"}
    lacking = model_class.__abstractmethods__ | ({"settings_class"} - offered)
    if issubclass(model_class, Answerer):
        return lacking | (ranking - offered if ranking & offered else set())
    return lacking | (set() if "score" in offered else {"score or answer"})


def check_words(model: System) -> None:
    """Refuse what a model says of itself, if it is not what names a run."""
    if not isinstance(getattr(model, "settings", None), Settings):
        raise PluginError("it has no settings; its __init__ must call that of Recommender")
    check_line(model.caption, "caption")


def check_line(text: Any, name: str) -> None:
    """Refuse what a plug-in gives for a line of a table: no reader would trust another record."""
    if not (isinstance(text, str) and text.isprintable()):
        raise PluginError(f"its {name} must be one line of text that can be printed, not {text!r}")


def ingredients_of(model: System) -> dict[str, Any]:
    """Return what else decides the figures of a model (`System.ingredients`)."""
    return as_json(model.ingredients(), "ingredients", finite=True)


def as_json(said: Any, name: str, finite: bool = False) -> dict[str, Any]:
    """
    Return what a model said of itself, as whoever reads a record will find it there.

    A record holds null for a number that is not `finite`: what names a run must be.
    """
    try:
        text = json.dumps(said, ensure_ascii=False, allow_nan=not finite)
        text.encode()  # half a character is no text for a file
    except (TypeError, ValueError) as error:
        raise PluginError(f"its {name} must be JSON values: {error}") from error
    if not isinstance(said, dict):
        raise PluginError(f"its {name} must be a dict, not {said!r}")
    held: dict[str, Any] = json.loads(text)
    return held
