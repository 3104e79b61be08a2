"""
Which layers get LoRA.

The papers name the layers of Llama. A model that lacks one of them gets LoRA on all of its linear
layers instead, but for the output head, the experts and routers of a mixture, which not every token
passes, and layers whose weights are read past the layer, where LoRA would have no effect.
"""

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from recbench.errors import UserError
from recbench.llm.settings import ALL, LanguageModelSettings

_ROUTERS = {"router", "router_mlp", "shared_expert_gate"}
_UNHEARD = {"encoder_attn", "cross_attn", "crossattention", "indexer", "pooler"}
"""Parts that a text alone does not pass, or passes without a gradient, as what chooses tokens."""
_OF_EXPERTS = {"gate_proj", "up_proj", "down_proj", "w1", "w2", "w3"}
"""In a mixture peft takes these names for the experts', where dense layers have them too."""
_PAST_THE_LAYER = {"out_proj", "dt_proj", "x_proj"}
"""Of a state space, whose kernels, where they are installed, take the weights of these by hand."""


def resolve(settings: LanguageModelSettings, lm: nn.Module) -> tuple[str, ...]:
    """
    Return the layers of a language model that get LoRA, as peft takes them.

    Parameters
    ----------
    settings
        Their `targets` are taken as they are, where the model has them all; ``all-linear`` stands
        for all linear layers that can be adapted, and so do those that the class or one of its
        presets has, where the model lacks one of their names, even if a user gave the same ones.
    lm
        Without LoRA; its weights are not looked at.

    Returns
    -------
    tuple of str
        Names that peft matches with the end of a layer's own: of a kind of layers, or whole where
        only some of a kind are meant.

    Raises
    ------
    UserError
        If the model has no layer of a name that was asked for, or none that can be adapted.
    """
    linear = linear_layers(lm)
    kinds = {_kind(name) for name in linear}
    missing = [name for name in settings.targets if name not in kinds]
    usual = settings.targets in _usual(type(settings))
    every = settings.targets == (ALL,)
    if missing and not (usual or every):
        raise UserError(
            f"setting 'targets': this language model has no layer '{missing[0]}'; "
            f"it has {', '.join(sorted(kinds))}; targets={ALL} takes what can be adapted"
        )
    if not (usual or every):
        _check_effect(settings.targets, linear, lm)
        return settings.targets
    mixture = any(_kind(name) == "experts" for name, _ in lm.named_modules())
    able = [name for name in linear if _adaptable(name, lm, mixture)]
    chosen = able if missing else [name for name in able if _kind(name) in settings.targets]
    if not chosen:
        raise UserError(
            "setting 'targets': this language model has no linear layer that can be adapted, but "
            f"{', '.join(sorted(kinds)) or 'none at all'}; choose another with --llm"
        )
    found = _shortest(chosen, lm)
    return settings.targets if set(found) == set(settings.targets) else found


def _usual(kind: type[LanguageModelSettings]) -> list[tuple[str, ...]]:
    """Return the targets that a class names by itself: its default, and those of its presets."""
    named = [kind.own_defaults(), *kind.presets.values()]
    return [tuple(one["targets"]) for one in named if "targets" in one]


def linear_layers(lm: nn.Module) -> dict[str, nn.Module]:
    """Return all linear layers below the output head, by their whole names in `lm`."""
    head = lm.get_output_embeddings() if isinstance(lm, PreTrainedModel) else None
    return {
        name: module
        for name, module in lm.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and module is not head
    }


def _adaptable(name: str, lm: nn.Module, mixture: bool) -> bool:
    above, _, kind = name.rpartition(".")
    parts = set(name.split("."))
    beside = hasattr(lm.get_submodule(above), "experts") and not kind.endswith("_proj")
    router = beside or parts & _ROUTERS
    expert = "experts" in above.split(".") or (mixture and kind in _OF_EXPERTS)
    return not (router or expert or parts & _UNHEARD or _past_the_layer(name, lm))


def _past_the_layer(name: str, lm: nn.Module) -> bool:
    above, _, kind = name.rpartition(".")
    owner = lm.get_submodule(above)
    called = kind == "x_proj" and hasattr(owner, "dt_layernorm")  # Jamba's kernels leave it alone
    state_space = hasattr(owner, "A_log") or hasattr(owner, "conv1d")
    return kind in _PAST_THE_LAYER and state_space and not called


def _check_effect(kinds: tuple[str, ...], linear: dict[str, nn.Module], lm: nn.Module) -> None:
    for name in linear:
        if _kind(name) in kinds and _past_the_layer(name, lm):
            raise UserError(
                f"setting 'targets': LoRA on '{_kind(name)}' of this language model would have no "
                f"effect, as its weights are read past the layer; leave it out, or take {ALL}"
            )


def _shortest(chosen: list[str], lm: nn.Module) -> tuple[str, ...]:
    """Name layers by their kind, where all layers of the kind are chosen."""
    taken = set(chosen)
    others = {_kind(name) for name, _ in lm.named_modules() if name not in taken}
    names = (name if _kind(name) in others else _kind(name) for name in chosen)
    return tuple(dict.fromkeys(names))


def _kind(name: str) -> str:
    return name.rsplit(".", 1)[-1]
