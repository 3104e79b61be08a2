from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chat_server import ChatServer, listed
from recbench_baselines.chatrec import ChatRec, ChatRecSettings

from recbench.errors import UserError
from recbench.questions.split import PAD
from recbench.recommender import Runtime
from recbench.testing.contract import AnswererContract, toy_queries
from recbench.testing.toy import toy_split, toy_training_data

openai = pytest.importorskip("openai")


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[ChatServer]:
    with pytest.MonkeyPatch.context() as patch, ChatServer().running() as running:
        patch.delenv("OPENAI_API_KEY", raising=False)
        patch.setenv("NO_PROXY", "127.0.0.1")
        TestChatRec.settings = {"endpoint": running.url, "chat_model": "m"}
        yield running


class TestChatRec(AnswererContract):
    model_class = ChatRec


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def make(server, tmp_path: Path, said):
    """Return a function that makes a fitted model, and the runtime to ask it in."""
    for name in ("run", "cache"):
        (tmp_path / name).mkdir()
    runtime = Runtime(0, "cpu", tmp_path / "run", tmp_path / "cache", said.append)
    server.bodies.clear()

    def fitted(**values):
        given = {"endpoint": server.url, "chat_model": "m", "concurrency": 1, **values}
        model = ChatRec(ChatRecSettings.build(given))
        assert model.fit(toy_training_data(), runtime) == {"parameters_trained": 0}
        return model, runtime

    return fitted


QUERIES = toy_queries(toy_split())[:3]


def test_what_was_lost_is_of_the_purse_too(make, tmp_path, said):
    under_way = tmp_path / "run" / "under-way"
    under_way.mkdir()
    (under_way / "somekey.700.0a1b2c3d").touch()  # of a process that was ended while it waited
    model, runtime = make(most_tokens=800)
    with pytest.raises(UserError, match="the purse is empty: 700 of 800 tokens are spent"):
        model.answer(QUERIES, runtime)


TITLES = toy_split().catalogue.titles


def test_the_question_is_that_of_the_other_language_models_in_one_message(make, server):
    model, runtime = make()
    answers = model.answer(QUERIES, runtime)
    body = server.bodies[0]
    assert body.keys() == {"model", "messages", "max_tokens", "temperature", "seed"}
    assert (body["model"], body["max_tokens"]) == ("m", 64)
    assert (body["temperature"], body["seed"]) == (0, 0)
    history, shown = (
        [TITLES[item] for item in row] for row in (QUERIES.histories[0], QUERIES.candidates[0])
    )
    (message,) = body["messages"]
    assert message == {
        "role": "user",
        "content": "\n".join(
            [
                "Answer with one title from the list, exactly as it is written there, and nothing "
                "else.",
                "",
                "This user read these books, oldest first:",
                *history,
                "Choose the next book from this list:",
                *shown,
                "The next book is:",
            ]
        ),
    }
    assert answers == [listed(prompt)[2] for prompt in server.prompts]


def test_of_a_user_without_a_history_the_question_says_so(make, server):
    model, runtime = make(instruction="")
    model.answer(replace(QUERIES, histories=np.full_like(QUERIES.histories, PAD)), runtime)
    assert server.prompts[0].startswith("Nothing is known about this user yet.\n")


def test_fields_that_a_server_refuses_can_be_left_out(make, server):
    model, runtime = make(
        temperature="none", sampling_seed="none", limit="max_completion_tokens", answer_tokens=9
    )
    model.answer(QUERIES, runtime)
    assert server.bodies[0].keys() == {"model", "messages", "max_completion_tokens"}
    assert server.bodies[0]["max_completion_tokens"] == 9


def test_before_the_first_question_it_is_said_how_much_it_will_be(make, said):
    model, runtime = make()
    model.announce(1_000, 8, runtime)
    (line,) = said
    mean = np.mean([len(title) + 1 for title in TITLES])
    about = int(line.partition("about ")[2].partition(" tokens")[0].replace(",", ""))
    assert 1_000 * 18 * mean / 4 < about < 1_000 * (18 * mean + 200) / 4
    assert "1,000 questions" in line
    assert "at most 64,000 to write" in line
    assert line.endswith("; --set most_tokens=N ends before more than N are spent")


def test_what_it_came_to_is_accounted(make, said):
    model, runtime = make()
    model.answer(QUERIES, runtime)
    found = model.account(runtime)
    assert (found["questions"], found["prompt_tokens"], found["completion_tokens"]) == (3, 300, 15)
    assert said == ["3 questions, 0 of them answered before: 300 tokens read and 15 written"]


def test_an_empty_purse_says_what_is_left(make):
    model, runtime = make(most_tokens=700)
    model.announce(10, 8, runtime)
    with pytest.raises(UserError) as empty:
        model.answer(QUERIES, runtime)
    line = str(empty.value)
    assert line.startswith("the purse is empty: ")
    assert "of 700 tokens are spent" in line
    assert line.endswith(
        "tokens; with a larger --set most_tokens the same command goes on where this one stopped"
    )


@pytest.mark.parametrize("given", [{}, {"endpoint": "http://h/v1"}, {"chat_model": "m"}])
def test_whom_to_ask_must_be_said(given):
    with pytest.raises(UserError, match=r"by --set endpoint=URL.* and --set chat_model=NAME"):
        ChatRec(ChatRecSettings.build(given))


def test_how_long_to_wait_and_what_to_spend_name_no_row_and_are_not_recorded():
    usual = ChatRecSettings.build({})
    other = {"concurrency": 2, "timeout": 1, "retries": 0, "most_tokens": 5}
    assert ChatRecSettings.build(other).identity() == usual.identity()
    assert usual.runtime == usual.passing == other.keys()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("concurrency", 0), ("concurrency", 33), ("timeout", 0), ("retries", -1)),
        *(("most_tokens", -1), ("answer_tokens", 0), ("temperature", 3), ("limit", "x")),
        *(("chat_model", ""), ("timeout", 1e12), ("retries", 1e12)),
    ],
)
def test_values_out_of_range_are_refused(name, value):
    with pytest.raises(UserError, match=f"setting '{name}'"):
        ChatRecSettings.build({name: value})
