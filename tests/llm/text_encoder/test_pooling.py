import json
from pathlib import Path
from typing import Any

import pytest
import torch

from recbench.errors import RecbenchError, UserError
from recbench.llm.text_encoder.pooling import Pooling, own_pooling

HIDDEN = torch.tensor([[[1.0, 4.0], [3.0, 0.0], [9.0, 9.0]], [[2.0, 2.0], [4.0, 4.0], [0.0, 6.0]]])
MASK = torch.tensor([[1, 1, 0], [1, 1, 1]])


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        (Pooling("mean"), [[2.0, 2.0], [2.0, 4.0]]),
        (Pooling("cls"), [[1.0, 4.0], [2.0, 2.0]]),
        (Pooling("max"), [[3.0, 4.0], [4.0, 6.0]]),
        (Pooling("last"), [[3.0, 0.0], [0.0, 6.0]]),
        (Pooling("last", normalised=True), [[1.0, 0.0], [0.0, 1.0]]),
    ],
    ids=str,
)
def test_padding_is_no_part_of_it(pooling: Pooling, expected: list[list[float]]) -> None:
    assert pooling(HIDDEN, MASK).tolist() == expected


def written(folder: Path, kinds: list[str], config: Any) -> str:
    """Write down how an encoder pools; return its name."""
    modules = [{"type": f"sentence_transformers.models.{kind}", "path": kind} for kind in kinds]
    (folder / "config.json").write_text("{}")
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "Pooling").mkdir()
    (folder / "Pooling" / "config.json").write_text(json.dumps(config))
    return str(folder)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_max_tokens": True}, "max"),
        ({"pooling_mode_lasttoken": True, "include_prompt": True}, "last"),
        ({"pooling_mode": "mean", "embedding_dimension": 32}, "mean"),
    ],
)
def test_an_encoder_says_how_it_pools(tmp_path: Path, config: Any, expected: Any) -> None:
    name = written(tmp_path, ["Transformer", "Pooling"], config)
    assert own_pooling(name) == Pooling(expected)


def test_one_that_says_nothing_pools_by_the_mean(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert own_pooling(str(tmp_path)) == Pooling("mean")


@pytest.mark.parametrize(
    ("kinds", "config", "named"),
    [
        (["Transformer", "Pooling", "Dense"], {}, "Transformer and Pooling and Dense"),
        (
            ["Transformer", "Pooling"],
            {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
            "pooling_mode_cls_token, pooling_mode_mean_tokens",
        ),
        (
            ["Transformer", "Pooling"],
            {"pooling_mode_cls_token": True, "pooling_mode_weightedmean_tokens": True},
            "pooling_mode_cls_token, pooling_mode_weightedmean_tokens",
        ),
        (["Transformer", "Pooling"], {"pooling_mode": "odd"}, "odd"),
    ],
)
def test_what_is_not_computed_here_is_refused(
    tmp_path: Path, kinds: list[str], config: Any, named: str
) -> None:
    with pytest.raises(UserError) as caught:
        own_pooling(written(tmp_path, kinds, config))
    assert f"not computed here ({named}); take --set pooling=mean" in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[1]", "{}", '[{"type": 3}]'])
def test_a_broken_file_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "modules.json").write_text(text)
    with pytest.raises(RecbenchError, match=r"^(the text encoder|'/).*modules\.json|not computed"):
        own_pooling(str(tmp_path))
