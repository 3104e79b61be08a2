"""Every fault that a server can have: asked again, or one line."""

import json
import re
from email.utils import formatdate
from time import time

import pytest
from chat_server import KEY, ChatServer, Reply, completion, refusal, request
from recbench_baselines.chatrec import ChatRec

from recbench.endpoint import client
from recbench.endpoint.answer import Answer
from recbench.endpoint.client import PassingError, _asked_pause, check_installed
from recbench.errors import NotInstalledError, RecbenchError, UserError
from recbench.questions.queries import Queries
from recbench.testing.toy import toy_training_data

ANSWER = Answer(
    text="A",
    finish="stop",
    model="served-1",
    fingerprint="fp_1",
    prompt_tokens=100,
    completion_tokens=5,
)
PASSING = {
    "429": refusal(429),
    "429 that says when": refusal(429, Retry_After="0.01"),
    "500": refusal(500),
    "502, a page": Reply(b"<html>Bad Gateway</html>", 502, {"Content-Type": "text/html"}),
    "503": refusal(503, "loading"),
    "408": refusal(408),
    "broken JSON": Reply(b'{"choices": [{"mess'),
    "no JSON": Reply(b"<html>hello</html>", 200, {"Content-Type": "text/html"}),
    "nothing": Reply(b""),
    "a list": Reply([]),
    "bytes that are no text": Reply(b'\xff{"choices": []}'),
    "too deep": Reply(b"[" * 100_000),
    "no choices": Reply({"choices": []}),
    "an error with status 200": Reply({"error": {"message": "overloaded"}}),
    "cut off on the way": Reply(b'{"choices"', 200, {"Content-Length": "500"}),
    "bad compression": Reply(b"none", 200, {"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_what_may_pass_is_asked_again(complete, chat_server, fault):
    chat_server.faults.extend([fault, fault])
    assert complete() == ANSWER
    assert len(chat_server.bodies) == 3
    assert chat_server.bodies[0] == chat_server.bodies[2] == request()


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_what_does_not_pass_ends_with_one_line(complete, chat_server, fault):
    chat_server.faults.extend([fault] * 3)
    with pytest.raises(RecbenchError) as failed:
        complete()
    line = str(failed.value)
    assert line.startswith(chat_server.url)
    assert line.endswith("; tried 3 times; the same command goes on where this one stopped")
    assert "\n" not in line
    assert len(line) < 500
    assert len(chat_server.bodies) == 3


LASTING = {
    "wants a key: put it into the environment variable OPENAI_API_KEY": (refusal(401), None),
    "does not take the key in the environment variable OPENAI_API_KEY": (refusal(401), KEY),
    "has no language model 'm', or is no address of one": (refusal(404), KEY),
    "wants more credit": (refusal(429, "no money", "insufficient_quota"), KEY),
    "refuses the question (Error code: 400 - no)": (refusal(400), KEY),
    "refuses the question (Error code: 413": (Reply(b"", 413), KEY),
    "refuses the question (Error code: 422": (refusal(422), KEY),
    "refuses the question (Error code: 303": (Reply(b"", 303), KEY),
}


def test_a_completion_that_cannot_be_read_is_not_paid_for_again(complete, chat_server):
    chat_server.faults.append(Reply({"choices": [{"message": 3}]}))
    with pytest.raises(RecbenchError, match="is no chat completion that can be read: ") as failed:
        complete()
    assert not isinstance(failed.value, PassingError)
    assert len(chat_server.bodies) == 1


def test_a_byte_order_mark_is_no_fault(complete, chat_server):
    content = json.dumps(completion("A")).encode("utf-8-sig")
    chat_server.faults.append(Reply(content, 200, {"Content-Type": "application/json"}))
    assert complete() == ANSWER


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_named_and_not_followed(complete, chat_server, status):
    with ChatServer().running() as other:
        chat_server.faults.append(Reply(b"", status, {"Location": f"{other.url}/?key={KEY}"}))
        with pytest.raises(UserError) as failed:
            complete()
        assert other.bodies == []
    said = f"redirects to {other.url}/?key=[key], and no question follows: set endpoint to that"
    assert said in str(failed.value)
    assert len(chat_server.bodies) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "nonsense://secret@127.0.0.1:1"),
        ("SSL_CERT_FILE", "/no/such/secret.pem"),
        ("OPENAI_ORG_ID", "secret-\u2713"),
    ],
)
def test_a_variable_that_lets_nothing_be_asked_is_named(complete, monkeypatch, name, value):
    for known in client.PROXIES + client.CERTIFICATES + client.ACCOUNTS:
        monkeypatch.delenv(known, raising=False)
        monkeypatch.delenv(known.lower(), raising=False)
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=f"as the environment says .*; look at {name}$") as failed:
        complete()
    assert name == "SSL_CERT_FILE" or "secret" not in str(failed.value)


def test_a_proxy_that_is_not_there_is_named(complete, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://user:secret@127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(RecbenchError, match="and the proxy that http_proxy names") as failed:
        complete(address="http://recbench.invalid/v1", retries=0)
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize(("words", "fault"), LASTING.items(), ids=LASTING)
def test_what_cannot_pass_ends_at_once(complete, chat_server, words, fault):
    reply, key = fault
    chat_server.faults.append(reply)
    with pytest.raises(UserError) as failed:
        complete(key=key)
    assert str(failed.value).startswith(f"{chat_server.url} {words}")
    assert len(chat_server.bodies) == 1


REFUSED = [
    ("max_tokens", "no", "max_tokens", "--set limit=max_completion_tokens"),
    ("max_completion_tokens", "unknown max_completion_tokens", None, "--set limit=max_tokens"),
    ("temperature", "temperature does not support 0", None, "--set temperature=none"),
    ("seed", "Unrecognized request argument: seed", None, "--set sampling_seed=none"),
    ("seed", "no", "seed", "--set sampling_seed=none"),
    (
        "max_tokens",
        "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        None,
        "--set limit=max_completion_tokens",
    ),
]


@pytest.mark.parametrize(("field", "words", "param", "remedy"), REFUSED)
def test_a_field_that_is_refused_is_named_with_the_way_to_do_without_it(
    complete, chat_server, field, words, param, remedy
):
    error = {"error": {"message": words, "code": None, "param": param}}
    chat_server.faults.extend([Reply(error, 400)] * 2)
    body = {"model": "m", "messages": [], field: 0}
    with pytest.raises(UserError) as failed:
        complete(body)
    assert str(failed.value).partition("); ")[2].startswith(f"{remedy} sends ")
    with pytest.raises(UserError) as failed:  # what was not sent is not to blame
        complete({"model": "m", "messages": []})
    assert "--set" not in str(failed.value)


@pytest.mark.parametrize(
    ("words", "code", "param"),
    [
        (
            "'max_tokens' or 'max_completion_tokens' is too large: 64. This model's maximum "
            "context length is 2048 tokens and your request has 2030 input tokens",
            *(None, "max_tokens"),
        ),
        ("the request exceeds the available context size", None, None),
        ("too many tokens", "context_length_exceeded", "messages"),
    ],
)
def test_what_does_not_fit_is_not_sent_under_another_name(
    complete, chat_server, words, code, param
):
    error = {"error": {"message": words, "code": code, "param": param}}
    chat_server.faults.append(Reply(error, 400))
    with pytest.raises(UserError) as failed:
        complete({"model": "m", "messages": [], "max_tokens": 64, "seed": 0})
    assert "--set limit" not in str(failed.value)
    assert str(failed.value).endswith(client.TOO_LONG)
    name = re.search(r"--set (\w+)=N", client.TOO_LONG)[1]  # the way out is a setting
    given = {"endpoint": "http://127.0.0.1:1/v1", "chat_model": "m", name: 8}
    assert ChatRec.settings_class.build(given).answer_tokens == 8


def test_the_ways_around_a_field_are_settings_that_do_so():
    data = toy_training_data()

    def sent(**settings):
        given = {"endpoint": "http://127.0.0.1:1/v1", "chat_model": "m", **settings}
        model = ChatRec(ChatRec.settings_class.build(given))
        model.prompt(data, Queries(data.train.histories[:1], data.train.histories[:1]))
        return {*model._body([1], [2, 3])} - {"model", "messages"}

    assert sent() == {"max_tokens", "temperature", "seed"}
    for field, remedy in client.REMEDIES.items():
        name, _, value = remedy.split()[1].partition("=")
        before = {"limit": field} if name == "limit" else {}
        assert field in sent(**before)
        assert field not in sent(**{name: value})


def test_403_is_the_key_too(complete, chat_server):
    chat_server.faults.append(refusal(403))
    with pytest.raises(UserError, match="does not take the key"):
        complete()


def test_a_server_that_asks_for_a_long_wait_is_gone_on_with_later(complete, chat_server):
    chat_server.faults.append(refusal(429, Retry_After="3600"))
    with pytest.raises(RecbenchError, match=r"asks to wait for 3,600 s .*; then the same command"):
        complete()
    assert len(chat_server.bodies) == 1


def test_a_pause_that_would_be_noticed_is_said(complete, chat_server, said, monkeypatch):
    monkeypatch.setattr(client, "NOTICED", 0.0)
    chat_server.faults.append(refusal(503, "loading"))
    complete()
    assert said == [
        f"{chat_server.url} does not answer now (Error code: 503 - loading); asked again in 0 s"
    ]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        *((None, None), ("2", 2), ("0.5", 0.5), ("-3", 0), ("soon", None), ("nan", None)),
        *(("inf", float("inf")), (formatdate(0, usegmt=True), 0), ("", None)),
    ],
)
def test_how_long_to_wait_is_read(header, seconds):
    assert _asked_pause(header) == seconds


def test_how_long_to_wait_may_be_a_date():
    assert 50 < _asked_pause(formatdate(time() + 60, usegmt=True)) <= 60


def test_a_pause_is_never_shorter_than_asked(monkeypatch):
    state = type("State", (), {"attempt_number": 1})
    state.outcome = type("O", (), {"exception": lambda _: client.PassingError("x", 7.0)})()
    assert client._pause(state) == 7.0
    state.outcome = type("O", (), {"exception": lambda _: client.PassingError("x")})()
    assert 0 < client._pause(state) < 1


def test_silence_is_asked_again_then_one_line_with_the_setting(complete, chat_server):
    chat_server.faults.append(Reply(hangs=True))
    assert complete(timeout=0.3, retries=20) == ANSWER  # a slow machine is silent for longer
    chat_server.faults.extend([Reply(hangs=True)] * 2)
    with pytest.raises(RecbenchError, match=r"was silent for 0\.3 s; --set timeout=SECONDS waits"):
        complete(timeout=0.3, retries=1)


def test_nobody_there(complete):
    with pytest.raises(RecbenchError, match=r"cannot be reached \(.*refused\): check the address"):
        complete(address="http://127.0.0.1:1/v1")


def test_a_wrong_path_is_told_from_a_wrong_model_by_what_the_server_says(complete, chat_server):
    with pytest.raises(UserError, match="no /v2/chat/completions here"):
        complete(address=chat_server.url.replace("v1", "v2"))


def test_a_prompt_that_a_filter_does_not_let_through_is_an_empty_answer(complete, chat_server):
    chat_server.faults.append(refusal(400, "filtered", "content_filter"))
    assert complete() == Answer(text="", finish="content_filter")


def test_the_key_is_sent_and_never_shown(complete, endpoint, chat_server):
    assert complete() == ANSWER
    assert chat_server.headers[0]["authorization"] == f"Bearer {KEY}"
    assert KEY not in repr(endpoint())
    echo = completion(KEY, model=KEY, system_fingerprint=f"fp {KEY}", finish=KEY)
    chat_server.faults.append(Reply(echo))
    assert KEY not in repr(complete())
    for fault in (refusal(401, KEY), refusal(400, KEY), refusal(500, KEY), Reply(KEY.encode())):
        chat_server.faults.append(fault)
        with pytest.raises(RecbenchError) as failed:
            complete(retries=0)
        assert "[key]" in str(failed.value)
        assert KEY not in str(failed.value)


ODD_KEY = "abc/def+123456"
ESCAPES = {"/": r"\/", "+": r"\u002B", "d": r"\u0064"}


def escaped(page):
    """Return a page as JSON in which the key is escaped, as PHP and .NET do."""
    return "".join(ESCAPES.get(sign, sign) for sign in json.dumps(page)).encode()


def test_a_key_that_the_server_escapes_is_never_shown(complete, chat_server):
    said = {"model": ODD_KEY, "system_fingerprint": f"fp {ODD_KEY}", "finish": ODD_KEY}
    chat_server.faults.append(Reply(escaped(completion(f"x {ODD_KEY}", **said))))
    answer = complete(key=ODD_KEY)
    assert (answer.text, answer.finish, answer.model) == ("x [key]", "[key]", "[key]")
    assert answer.fingerprint == "fp [key]"
    broken = completion(ODD_KEY) | {"choices": [ODD_KEY]}
    for reply in (
        *(Reply(escaped({"error": {"message": ODD_KEY}}), status) for status in (400, 401, 500)),
        *(Reply(content) for content in (escaped(broken), escaped(completion(ODD_KEY))[:-1])),
    ):
        chat_server.faults.append(reply)
        with pytest.raises(RecbenchError) as failed:
            complete(key=ODD_KEY, retries=0)
        assert "[key]" in str(failed.value)
        assert "123456" not in str(failed.value)


def test_without_a_key_nothing_secret_is_sent(complete, chat_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)  # only who read it may send it
    assert complete(key=None) == ANSWER
    assert KEY not in str(chat_server.headers)


def test_without_the_client_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr(client, "find_spec", lambda name: None)
    with pytest.raises(NotInstalledError, match=r"pip install 'recbench\[endpoint\]'"):
        check_installed()
