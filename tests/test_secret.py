"""Keys are found wherever they stand, and words are left alone."""

import json
from urllib.parse import quote

import pytest

from recbench.errors import UserError
from recbench.secret import HIDDEN, check_no_secret, without_secrets

PLANTED = "p1anted-0123456789"
SHAPED = (
    "sk-proj-0123456789abcdef",
    "hf_abcdefghijklmnopqr",
    "ghp_0123456789abcdefABCD",
    "github_pat_0123456789abcdef_ABCD",
)


@pytest.fixture(autouse=True)
def _no_other_keys(monkeypatch):
    for name in ("OPENAI_API_KEY", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "my_secret", "PGPASSWORD", "OPENAI_APIKEY"])
def test_what_the_environment_calls_a_key_is_hidden(monkeypatch, name):
    monkeypatch.setenv(name, f" {PLANTED}\n")
    assert without_secrets(f"a {PLANTED}b") == f"a {HIDDEN}b"
    with pytest.raises(UserError, match=f"variable {name}, and it would be recorded") as refused:
        check_no_secret({"chat_model": f"x{PLANTED}"}, "setting")
    assert PLANTED not in str(refused.value)


@pytest.mark.parametrize("key", SHAPED)
def test_what_looks_like_a_key_is_hidden(key):
    assert without_secrets(f"no {key}, no") == f"no {HIDDEN}, no"
    with pytest.raises(UserError, match="setting 'x' holds what looks like a key") as refused:
        check_no_secret({"x": [key]}, "setting")
    assert key not in str(refused.value)


def test_it_is_hidden_however_it_is_written(monkeypatch):
    key = "-----BEGIN\nabc+/'\\é==\n-----END"
    monkeypatch.setenv("SIGNING_KEY", key)
    for written in (key, " ".join(key.split()), repr(key), json.dumps(key), quote(key, safe="")):
        assert without_secrets(written).strip("'\"") == HIDDEN
        with pytest.raises(UserError, match="variable SIGNING_KEY"):
            check_no_secret({"x": written}, "setting")


@pytest.mark.parametrize("who", ["user:key", "key", "a:b:c", "user:k@y"])
def test_who_an_address_is_of_is_hidden(who):
    said = f"https://{who}@host:80/v1 cannot be reached (http://{who}@x)"
    assert without_secrets(said) == (
        f"https://{HIDDEN}@host:80/v1 cannot be reached (http://{HIDDEN}@x)"
    )


@pytest.mark.parametrize("text", ["risk-free task-based", "https://host/v1?a@b", "me@host", "hf_x"])
def test_other_words_stay(monkeypatch, text):
    monkeypatch.setenv("SHORT_KEY", "task")
    monkeypatch.setenv("KEYBOARD", "task-based")
    assert without_secrets(text) == text
    check_no_secret({"x": text, "y": 3, "z": None}, "setting")
