from types import SimpleNamespace
from typing import Any

import pytest
from transformers import Gemma3TextConfig

from recbench.llm.weights.scaled_positions import scale_positions


def file(architecture: str, **said: Any) -> Any:
    """Return what a GGUF file says of its positions, without tensors of theirs."""
    fields = {f"{architecture}.rope.scaling.{key}": value for key, value in said.items()}
    fields["general.architecture"] = architecture
    held = {
        key: SimpleNamespace(contents=lambda value=value: value) for key, value in fields.items()
    }
    return SimpleNamespace(get_field=held.get, tensors=[])


def test_layers_that_see_a_window_are_not_scaled() -> None:
    config = Gemma3TextConfig()
    near = dict(config.rope_parameters["sliding_attention"])
    scale_positions("gemma", config, file("gemma3", type="linear", factor=8.0))
    assert config.rope_parameters["sliding_attention"] == near
    far = config.rope_parameters["full_attention"]
    assert (far["rope_type"], far["factor"]) == ("linear", 8.0)


@pytest.mark.parametrize(("architecture", "said"), [("gemma3", {}), ("gpt-oss", {"type": "yarn"})])
def test_what_is_not_scaled_or_read_elsewhere_stays(
    architecture: str, said: dict[str, Any]
) -> None:
    config = Gemma3TextConfig()
    before = config.to_dict()
    scale_positions("it", config, file(architecture, **said))
    assert config.to_dict() == before
