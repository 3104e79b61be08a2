import pytest
from pydantic import ValidationError

from recbench.endpoint.answer import Answer, Completion


def read(*choices, **more):
    return Completion.model_validate({"choices": list(choices), **more}).answer


def choice(content, **more):
    return {"message": {"content": content}, **more}


def test_what_is_used_is_kept():
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    more = {"model": "m-1", "system_fingerprint": "fp", "usage": usage, "object": "x"}
    answer = read(choice("Heat\n", finish_reason="stop"), choice("other"), **more)
    assert answer == Answer(
        text="Heat\n",
        finish="stop",
        model="m-1",
        fingerprint="fp",
        prompt_tokens=7,
        completion_tokens=2,
    )
    assert answer.line == "Heat"


@pytest.mark.parametrize(
    ("total", "written"),
    [(399, 387), (13, 1), (12, 1), (0, 1), (None, 1), ("399", 1), (-1, 1), (True, 1)],
)
def test_thoughts_that_are_in_the_total_alone_are_counted(total, written):
    usage = {"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": total}
    answer = read(choice("a"), usage=usage)
    assert (answer.prompt_tokens, answer.completion_tokens) == (12, written)


@pytest.mark.parametrize(("finish", "is_cut_off"), [("length", True), ("tool_calls", False)])
def test_content_that_is_left_out_is_an_empty_answer_where_it_is_said_why(finish, is_cut_off):
    answer = read({"message": {"reasoning_content": "Alien?"}, "finish_reason": finish})
    assert answer == Answer(text="", finish=finish)
    assert (answer.line, answer.is_cut_off) == ("", is_cut_off)


def test_what_a_server_does_not_say_is_none():
    assert read(choice("a")) == Answer(text="a")
    assert read(choice(None), usage=None) == Answer(text="")


@pytest.mark.parametrize(
    "usage",
    [7, {}, {"prompt_tokens": 3}, {"prompt_tokens": -1, "completion_tokens": 2}]
    + [{"prompt_tokens": one, "completion_tokens": 2} for one in ("3", 3.5, None, True)],
)
def test_an_answer_is_not_lost_by_broken_counts(usage):
    assert read(choice("a"), usage=usage, model=4, system_fingerprint=[]) == Answer(text="a")


def test_a_message_in_parts_is_its_texts():
    parts = [{"type": "thinking", "thinking": "b"}, {"type": "text", "text": "a\ud800"}]
    assert read(choice([*parts, {"type": "text", "text": "c"}])) == Answer(text="a?c")


def test_half_a_character_is_replaced():
    assert read(choice("a\ud800"), model="m\ud800") == Answer(text="a?", model="m?")


@pytest.mark.parametrize(
    "value",
    [None, [], "text", {}, {"error": {"message": "x"}}, {"choices": []}, {"choices": None}]
    + [{"choices": [one]} for one in ("a", {}, {"message": None}, {"message": {}}, choice(3))]
    + [{"choices": [choice(["a"])]}, {"choices": {"a": 1}}],
)
def test_what_is_no_completion_is_refused(value):
    with pytest.raises(ValidationError):
        Completion.model_validate(value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        *(("Heat", "Heat"), ("\n Heat (1995) \nIt is", "Heat (1995)"), ("", ""), (" \n ", "")),
        *(("<think>\nAlien?\n</think>\n\nHeat\nIt", "Heat"), ("\n<think></think> Heat", "Heat")),
        *(("Alien?\n</think>\nHeat", "Heat"), ("<think>a <think></think>Heat", "Heat")),
        *(("<think>Heat", ""), ("<think>\nHeat\n", ""), ("<think>Alien?</think>\n", "")),
        *(("Heat\n<think>It</think>Alien", "Heat"), ("Heat <think>", "Heat <think>")),
    ],
)
def test_the_first_line_is_judged(text, line):
    assert Answer(text=text).line == line


@pytest.mark.parametrize(
    ("text", "finish", "is_cut_off"),
    [
        *(("Hea", "length", True), ("", "length", True), ("\nHea", "length", True)),
        *(("Heat\nIt", "length", False), ("Heat", "stop", False), ("Heat", None, False)),
        *(("<think>\nAlien?\n", end, True) for end in ("length", "stop", "content_filter", None)),
        *(("<think>\nA\n</think>\nHea", end, end == "length") for end in ("length", "stop")),
        *(("<think>\nA\n</think>\nHeat\n", "length", False), ("Heat <think>", "stop", False)),
    ],
)
def test_what_was_cut_off_behind_the_first_line_is_whole(text, finish, is_cut_off):
    assert Answer(text=text, finish=finish).is_cut_off == is_cut_off
