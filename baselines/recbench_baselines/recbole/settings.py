"""RecBole's hyper-parameters as settings, read from its own property files."""

import re
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import Field, TypeAdapter, create_model

from recbench.errors import UserError
from recbench.settings import Settings, parsed
from recbench_baselines.recbole.installed import property_file
from recbench_baselines.recbole.members import MEMBERS

_OF_TRAINING = (
    *("learning_rate", "weight_decay", "batch_size"),
    *("epochs", "patience", "averaged_epochs"),
)


class RecBoleSettings(Settings):
    """
    What every model of RecBole can be told besides its own hyper-parameters.

    Attributes
    ----------
    max_length
        Most items of a history that the model sees; RecBole's ``MAX_ITEM_LIST_LENGTH``, which is 50
        there. The protocols show 10.
    learning_rate, weight_decay, batch_size
        Of AdamW; a batch is so many targets. The values are RecBole's defaults, but for the batch,
        which is 2048 there.
    epochs, patience
        Epochs at most, and how many without a better validation NDCG@10 end training. The values
        are those of RecBole's ``epochs`` and ``stopping_step``, which lets one epoch more pass and
        takes an equal figure for a better one.
    averaged_epochs
        Epochs over which the weights that are judged and kept are averaged; 0 for the weights
        themselves, as in RecBole.
    checkpoint
        A file that RecBole saved (.pth), which is judged instead of training; it is read without
        running anything that is in it.
    item_tokens
        With it: a text file of the items in RecBole's order, one id a line, ``[PAD]`` first.
    """

    max_length: int = Field(default=10, ge=2, le=1000)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    batch_size: int = Field(default=512, ge=1)
    epochs: int = Field(default=300, ge=1)
    patience: int = Field(default=10, ge=1)
    averaged_epochs: float = Field(default=0.0, ge=0)
    checkpoint: Path | None = None
    item_tokens: Path | None = None

    counts_with: ClassVar[dict[str, tuple[str, tuple[Any, ...]]]] = dict.fromkeys(
        _OF_TRAINING, ("checkpoint", (None,))
    )

    fixed: ClassVar[dict[str, Any]] = {}
    """What its models read besides, though nothing follows from it: as in the property file."""

    model: ClassVar[str] = ""
    """A key of `MEMBERS`."""

    def check_counts(self, given: Collection[str]) -> None:
        """Refuse as well what decides nothing beside some values of others (`Member.idle`)."""
        super().check_counts(given)
        for name, why in self.idle(self.hyperparameters(), self.max_length).items():
            if name in given and self.record()[name] != self.own_defaults()[name]:
                raise UserError(f"setting '{name}' counts for nothing {why}")

    @classmethod
    def idle(cls, given: dict[str, Any], max_length: int) -> dict[str, str]:
        """Return which of some hyper-parameters decide nothing beside the others, and why."""
        member = MEMBERS[cls.model]
        idle = member.idle(given)
        read = member.reads(given)
        if read is not None and read < max_length:
            latest = "item" if read == 1 else f"{read} items"
            idle["max_length"] = f"as it reads the latest {latest} alone; leave it out"
        return idle | {
            name: f"with {other}={given[other]}"
            for name, (other, values) in cls.counts_with.items()
            if other in given and given[other] not in values
        }

    def hyperparameters(self) -> dict[str, Any]:
        """Return RecBole's own, as its models read them."""
        own = self.model_dump(exclude=set(RecBoleSettings.model_fields))
        return {key: list(one) if isinstance(one, tuple) else one for key, one in own.items()}


_TYPES: dict[str, Any] = {
    "int": int,
    "float": float,
    "bool": bool,
    "str": str,
    "list of int": tuple[int, ...],
    "list of float": tuple[float, ...],
}
_CHOICES: dict[str, tuple[str, ...]] = {
    "hidden_act": ("gelu", "relu", "swish", "tanh", "sigmoid"),
    "pooling_type": ("average", "max"),
    "pooling_type_layer_1": ("max", "average"),
    "pooling_type_layer_2": ("max", "average"),
    "dnn_type": ("trm", "ave"),
    "weight_mode": ("", "dynamic", "static", "max_logits"),
    "partition_merging_mode": ("replace", "add", "half"),
    "reranker_merging_mode": ("replace", "add"),
}
"""What RecBole's code tells apart; where it does not look, another word would mean one of these."""

_SIZES = re.compile(r".*_(size|layers|heads|num|interests|order|len|length)|step|nv|nh")

_RANGES: dict[str, tuple[object, ...]] = {
    r".*_eps|temperature|tau_ratio": (Gt(0),),
    r"(mask|ft|spatial|global)_ratio|weight": (Ge(0), Le(1)),
    r".*dropout.*": (Ge(0), Lt(1)),
    r"reg_.*|initializer_range": (Ge(0),),
    r"context_norm|post_remove_context": (Ge(0), Le(1)),
}
"""Where a number means anything: RecBole computes with others, too."""

_ENTRY = re.compile(
    r"(?P<name>\w+):\s*(?P<value>'[^']*'|\"[^\"]*\"|\[[^]]*\]|[^\s#]+)\s*(?P<rest>.*)"
)
_MEANING = re.compile(r"#\s*(?:\w+ )?\((?P<type>[a-z ]+)\):?\s*(?P<text>.*)")


@cache
def settings_class(model: str) -> type[RecBoleSettings]:
    """
    Make the settings of a model from RecBole's property file: names, types, defaults and meanings.

    Raises
    ------
    UserError
        If RecBole is not installed, or its file cannot be read so.
    """
    fields: dict[str, Any] = {}
    meanings: list[str] = []
    fixed: dict[str, Any] = {}
    for name, value, kind, meaning in _entries(model):
        annotation = _annotation(model, name, kind, value)
        default = TypeAdapter(annotation).validate_python(parsed(value, annotation))
        if name in MEMBERS[model].unused:
            fixed[name] = default
            continue
        fields[name] = (annotation, default)
        meanings.append(f"{name}\n    {meaning}")
    about = f"RecBole's settings of {model}.\n\nAttributes\n----------\n"
    made: type[RecBoleSettings] = create_model(
        f"{model}Settings",
        __base__=RecBoleSettings,
        __module__=__name__,
        __doc__=about + "\n".join(meanings),
        **fields,
    )
    made.fixed = fixed
    made.model = model
    made.counts_with = RecBoleSettings.counts_with | dict(MEMBERS[model].counts_with)
    return made


def _entries(model: str) -> list[tuple[str, str, str, str]]:
    """Return name, value, type and meaning of each line; a comment may stand above its line."""
    found, above = [], ""
    for line in property_file(model).splitlines():
        if line.startswith("#"):
            above = f"{above} {line.lstrip('# ')}" if above else line
        elif entry := _ENTRY.fullmatch(line.strip()):
            about = _MEANING.fullmatch(entry["rest"] or above)
            if about is None or about["type"] not in _TYPES:
                raise UserError(
                    f"recbole/properties/model/{model}.yaml: expected '{entry['name']}' with its "
                    "type in a comment, as in recbole 1.2.1: pip install recbole==1.2.1"
                )
            value = entry["value"].strip("'\"")
            found.append((entry["name"], value, about["type"], about["text"].strip()))
            above = ""
    return found


def _annotation(model: str, name: str, kind: str, value: str) -> Any:
    """Return the type of a setting, with the range in which it means anything."""
    choices = MEMBERS[model].losses if name == "loss_type" else _CHOICES.get(name, ())
    if choices:
        return Literal[choices]
    if kind == "int" and _SIZES.fullmatch(name):
        return Annotated[int, Field(ge=1)]
    if kind not in {"int", "float", "list of float"}:
        return _TYPES[kind]
    ranges = [one for names, ones in _RANGES.items() if re.fullmatch(names, name) for one in ones]
    plain = int if kind == "int" else float
    number: Any = Annotated[(plain, *ranges)] if ranges else plain
    if kind != "list of float":
        return number
    places = (number,) * (value.count(",") + 1)  # each has a meaning of its own
    return tuple.__class_getitem__(places)
