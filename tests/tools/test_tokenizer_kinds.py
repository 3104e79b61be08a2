"""Every kind of tokenizer of the table: what stands in its prompts, and what is read back."""

from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from recbench.errors import RecbenchError
from recbench.llm.prompts.writer import ITEM_TOKEN, PromptWriter
from recbench.questions.split import PAD

PAGE = Path(__file__).resolve().parents[2] / "docs/tokenizers.md"
ROWS = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")][2:]
NAMES = [row.split(" | ")[0].removeprefix("| ") for row in ROWS]
HISTORY = np.array([[PAD, 0, 4]], dtype=np.int32)
CANDIDATES = np.array([[3, 10, 11, 12]], dtype=np.int32)
ORDINARY = range(10)
"""Titles without names of control tokens and without signs never seen."""


@pytest.fixture(scope="module")
def tool(load) -> ModuleType:
    """Every tokenizer is trained once: the tests only read with it."""
    module = load("tokenizer_kinds")
    module.writer_of = cache(module.writer_of)
    return module


@pytest.fixture
def kind(tool: ModuleType, request: pytest.FixtureRequest) -> Any:
    return tool.KINDS[NAMES.index(request.param)]


def written(tool: ModuleType, kind: Any) -> PromptWriter:
    try:
        return tool.writer_of(kind)
    except RecbenchError:
        pytest.skip("it is refused")


def test_the_table_is_of_these_kinds(tool: ModuleType) -> None:
    assert [kind.name for kind in tool.KINDS] == NAMES
    assert PAGE.read_text("utf-8") == tool.page()


@pytest.mark.parametrize("kind", NAMES, indirect=True)
def test_a_title_brings_no_control_token_into_a_prompt(tool: ModuleType, kind: Any) -> None:
    writer = written(tool, kind)
    unknown = writer.tokenizer.unk_token_id
    control = set(writer.tokenizer.added_tokens_decoder) - {unknown, writer.item_token}
    ordinary = np.full_like(CANDIDATES, 3)
    (prompt,) = writer.prompts(HISTORY, CANDIDATES, [False])
    (plain,) = writer.prompts(HISTORY, ordinary, [False])
    assert [i for i in prompt.ids if i in control] == [i for i in plain.ids if i in control]


@pytest.mark.parametrize("kind", NAMES, indirect=True)
def test_a_prompt_and_its_answer_are_tokens_of_the_whole_text(tool: ModuleType, kind: Any) -> None:
    writer = written(tool, kind)
    candidates = np.array([[3, 5, 9]], dtype=np.int32)
    (prompt,) = writer.prompts(HISTORY, candidates, [False])
    text = writer.text(HISTORY[0], candidates[0], hybrid=False)
    for item in ORDINARY:
        whole = f"{text}{writer.shown[item]}{writer._frame.end}"
        expected = writer.tokenizer(whole, add_special_tokens=False).input_ids
        found = [*prompt.ids, *writer.answers[item]]
        assert found[-len(expected) :] == expected
        assert len(found) - len(expected) <= 1  # what begins a text


@pytest.mark.parametrize("kind", NAMES, indirect=True)
def test_item_tokens_stand_behind_their_titles(tool: ModuleType, kind: Any) -> None:
    writer = written(tool, kind)
    (prompt,) = writer.prompts(HISTORY, CANDIDATES, [True])
    assert prompt.ids.count(writer.item_token) == 6
    text = writer.tokenizer.decode(prompt.ids, clean_up_tokenization_spaces=False)
    before = writer.tokenizer.decode(prompt.ids[: prompt.ids.index(writer.item_token)])
    assert text.count(ITEM_TOKEN) == 6
    assert before.rstrip().lower().endswith("matrix")


@pytest.mark.parametrize("kind", NAMES, indirect=True)
def test_a_title_that_is_not_counted_as_lost_is_read_back(tool: ModuleType, kind: Any) -> None:
    writer = written(tool, kind)
    lost = {shown for shown, _ in writer.losses.damaged}
    everything = np.arange(len(tool.TITLES), dtype=np.int32)
    for item, title in enumerate(tool.TITLES):
        if title not in lost:
            assert writer.read(writer.answers[item], everything) == title
    assert len(lost) < len(tool.TITLES)
