"""A key that is planted everywhere stands in no record, no cache, no message and no page."""

import pytest
from chat_server import Reply, completion, refusal

from recbench.endpoint import client
from recbench.evaluation import evaluator

pytestmark = pytest.mark.honesty

KEY = "sk-p1anted0123456789abcdef"
TOKEN = "hf_P1antedTokenOfTheHub"
ASKED = ("--dataset", "movielens", "--protocol", "next-item", "--draws", "1", "--device", "cpu")


@pytest.fixture
def run(call_here, raw_folder, tmp_path, chat_server, monkeypatch):
    """Run a command with both keys in the environment; neither may be printed."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(client, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(evaluator, "WRITTEN_AT_ONCE", 16)

    def call(*arguments):
        code, out, err = call_here(*arguments, "--debug")
        assert KEY not in out + err
        assert TOKEN not in out + err
        return code, out, err

    yield call
    for path in (one for one in tmp_path.rglob("*") if one.is_file()):
        content = str(path).encode() + path.read_bytes()
        assert KEY.encode() not in content, path
        assert TOKEN.encode() not in content, path


@pytest.fixture
def chat(run, chat_server, raw_folder):
    """Run chatrec against the local server."""

    def call(*settings, endpoint=chat_server.url, model="m"):
        whom = (f"endpoint={endpoint}", f"chat_model={model}", "retries=0", *settings)
        given = [word for one in whom for word in ("--set", one)]
        return run("run", "--model", "chatrec", *ASKED, "--data-dir", str(raw_folder), *given)

    return call


def test_it_is_sent_and_never_kept(chat, chat_server, run, tmp_path):
    chat_server.answer = lambda body: completion(KEY, model=KEY, system_fingerprint=KEY)
    assert chat()[0] == 0
    assert chat_server.headers[0]["authorization"] == f"Bearer {KEY}"
    for command in (("leaderboard",), ("leaderboard", "--format", "json")):
        assert run(*command)[0] == 0


FAULTS = {
    "401": refusal(401, f"{KEY} {TOKEN}"),
    "403": refusal(403, KEY),
    "404": refusal(404, KEY),
    "429": refusal(429, KEY, "insufficient_quota"),
    "500": refusal(500, KEY),
    "303": Reply(KEY.encode(), 303, headers={"Location": f"http://u:{KEY}@127.0.0.1:1/"}),
    "no JSON": Reply(KEY.encode()),
    "no text": Reply(b'{"choices": [], "error": "' + KEY.encode() + b'"}'),
    "half": Reply(KEY.encode()[:12]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_the_server_says_it_is_not_repeated(chat, chat_server, fault):
    chat_server.faults.append(FAULTS[fault])
    assert chat()[0] in (1, 2)


def test_a_server_that_is_not_there(chat, chat_server):
    chat_server.most = 0
    assert chat(endpoint="http://127.0.0.1:1/v1")[0] == 1


@pytest.mark.parametrize(
    "settings",
    [
        (f"temperature={KEY}",),
        (f"api_key={KEY}",),
        (f"api_key={TOKEN}",),
        (f"{KEY}",),
        (f"{KEY}=1",),
        (f"endpoint=http://x/{KEY}",),
        ("temperature=1", f"temperature={KEY}"),
    ],
    ids=["value", "unknown", "another", "no pair", "name", "twice an endpoint", "twice"],
)
def test_what_would_record_it_is_refused(chat, chat_server, tmp_path, settings):
    assert chat(*settings)[0] == 2
    assert chat_server.bodies == []


@pytest.mark.parametrize("address", [f"https://user:{KEY}@host/v1", f"http://{KEY}@127.0.0.1:1/v1"])
def test_an_address_that_holds_it_is_refused(chat, address, tmp_path):
    code, _, err = chat(endpoint=address)
    assert code == 2
    assert "environment variable OPENAI_API_KEY" in err


def test_a_model_that_is_called_so_is_refused_before_it_is_asked(chat, chat_server, tmp_path):
    code, _, err = chat(model=KEY)
    assert (code, chat_server.bodies) == (2, [])
    assert "setting 'chat_model' holds the value of the environment variable OPENAI_API_KEY" in err
