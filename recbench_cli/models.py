"""`recbench models`: what can be run, and what it can be told."""

import json
from textwrap import fill, indent
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recbench.plain_text import printable
from recbench_cli.options import Cache, Debug, Form, Results, put, put_json, say

if TYPE_CHECKING:
    from recbench.recommender import System

Name = Annotated[
    str | None, typer.Argument(metavar="[MODEL]", help="Print what it is and its settings.")
]


def models(
    name: Name = None,
    llms: Annotated[
        bool, typer.Option("--llms", help="List the language models that --llm knows by name.")
    ] = False,
    form: Form = "text",
    _results: Results = None,
    _cache: Cache = None,
    _debug: Debug = False,
) -> None:
    """List the installed models, ours and those of plug-ins, or explain one or a family of them."""
    from recbench.errors import UserError
    from recbench.registry import listed

    if llms and name is not None:
        raise UserError(f"--llms lists all language models, and reads no name; leave out {name}")
    if llms:
        _list_language_models(form)
    elif name is None:
        _list(form)
    elif name in listed("model_families"):
        _list_family(name, form)
    else:
        _explain(name, form)


def _list(form: str) -> None:
    from recbench.registry import owner, sound

    found = sound("models", say)
    if form == "json":
        page = {name: {"class": p.value, "package": owner(p)} for name, p in found.items()}
        put_json(page)
        return
    width = max(map(len, found), default=0)
    for name, point in found.items():
        put(f"{name:<{width}}  {point.value}  ({owner(point)})")


def _list_language_models(form: str) -> None:
    from recbench.llm.cards import language_models
    from recbench.llm.weights.places import at_hand

    found = language_models(say)
    if form == "json":
        page = {
            name: card.model_dump(mode="json") | {"at_hand": at_hand(card)}
            for name, card in found.items()
        }
        put_json(page)
        return
    for name, card in found.items():
        put(f"{name}: {card.title}. {'at hand' if at_hand(card) else card.way}")
        size = f"{card.parameters / 1e6:.0f} million parameters, {card.context} tokens"
        put(f"  {size}, {card.prompt_style} prompts")
        if tuning := card.lora.model_dump(exclude_none=True):
            put(f"  tuned with LoRA by: {_pairs(tuning)}")
        put(f"  licence: {card.licence} ({card.terms})")


def _list_family(name: str, form: str) -> None:
    from recbench.registry import family, members

    found, models = family(name), members(name, say)
    if form == "json":
        about = {"family": name, "summary": found.summary, "models": models}
        put_json(about | {"left_out": dict(found.left_out)})
        return
    put(f"{name}: {printable(found.summary)}\n\nmodels ({name}:MODEL):")
    put(indent(fill(", ".join(models), 86), "  "))
    put("\nleft out:")
    by_reason: dict[str, list[str]] = {}
    for member, reason in found.left_out.items():
        by_reason.setdefault(reason, []).append(member)
    for reason, left_out in by_reason.items():
        put(indent(fill(f"{', '.join(left_out)}: {reason}", 86), "  "))


def _explain(name: str, form: str) -> None:
    from recbench.models import recommender_class
    from recbench.registry import blamed_if_at_fault

    with blamed_if_at_fault("models", name):
        _print(name, recommender_class(name), form)


def _print(name: str, model: "type[System]", form: str) -> None:
    from recbench.registry import if_usable

    settings = model.settings_class
    # Some hang on the language model: nothing is known of one whose name two packages claim.
    defaults = if_usable(settings.defaults) or settings.own_defaults()
    if form == "json":
        page = {
            "model": name,
            "summary": model.summary,
            "reference": model.reference,
            "settings": [
                {"name": key, "default": defaults.get(key), "meaning": meaning}
                for names, meaning in settings.explained()
                for key in names
            ],
            "presets": settings.presets,
        }
        put_json(page)
        return
    put(printable(f"{name}: {model.summary}"))
    if model.reference:
        put(printable(model.reference))
    if settings.model_fields:
        put("\nsettings and their defaults (--set NAME=VALUE):")
    for names, meaning in settings.explained():
        put(f"  {_pairs({key: defaults.get(key, '?') for key in names})}")
        if meaning:
            put(indent(fill(meaning, 82, break_on_hyphens=False), " " * 6))
    if settings.presets:
        put("\npresets (--preset NAME):")
    for preset, values in settings.presets.items():
        put(f"  {preset}: {_pairs(values)}")


def _pairs(values: dict[str, Any]) -> str:
    """Write settings as `--set` takes them."""
    return "  ".join(f"{name}={_text(value)}" for name, value in values.items())


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(_text, value))
    return value if isinstance(value, str) else json.dumps(value).replace("null", "none")
