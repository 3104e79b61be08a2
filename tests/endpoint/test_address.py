import pytest

from recbench.endpoint.address import HIDDEN, checked_address, key_from_environment, without_key
from recbench.errors import UserError


@pytest.mark.parametrize(
    "given",
    [
        "http://127.0.0.1:8000/v1",
        " http://127.0.0.1:8000/v1/ ",
        "HTTP://127.0.0.1:8000/v1/chat/completions",
        "http://127.0.0.1:8000/v1/chat/completions/",
    ],
)
def test_one_address_has_one_name(given):
    assert checked_address(given) == "http://127.0.0.1:8000/v1"


@pytest.mark.parametrize(
    "given", ["http://[::1]:8000/v1", "http://my_host.:80/x", "http://b\u00fcr.de"]
)
def test_hosts_of_all_kinds_are_addresses(given):
    assert checked_address(given).isascii()


@pytest.mark.parametrize("given", ["https://api.openai.com", "https://api.openai.com:443/"])
def test_an_address_may_be_a_host_alone(given):
    assert checked_address(given) == "https://api.openai.com"


@pytest.mark.parametrize(
    "given",
    [
        *("", "localhost:8000", "ftp://host/v1", "http://", "http://a b/v1"),
        *("http://host:99999/v1", "http://[::1/v1", "http://a..b/v1", f"http://{'a' * 64}/v1"),
        "no-secret-shown",
    ],
)
def test_what_is_none_is_refused_and_not_shown(given):
    with pytest.raises(UserError, match="must be an address such as") as refused:
        checked_address(given)
    assert "no-secret-shown" not in str(refused.value)


@pytest.mark.parametrize("secret", ["u:hidden@host/v1", "host/v1?key=hidden", "host/v1#hidden"])
@pytest.mark.parametrize("scheme", ["http://", "https://", ""])
def test_what_may_hold_a_key_is_refused_and_not_shown(scheme, secret):
    with pytest.raises(UserError, match="environment variable OPENAI_API_KEY") as refused:
        checked_address(scheme + secret)
    assert "hidden" not in str(refused.value)


def test_the_key_is_the_environments(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", " sk-1\n")
    assert key_from_environment() == "sk-1"
    for nothing in ("", "  "):
        monkeypatch.setenv("OPENAI_API_KEY", nothing)
        assert key_from_environment() is None
    monkeypatch.delenv("OPENAI_API_KEY")
    assert key_from_environment() is None


@pytest.mark.parametrize("broken", ["sk-hidden\nx", "sk-hidden\u00fc", "sk-hidden\x7fx"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_shown(monkeypatch, broken):
    monkeypatch.setenv("OPENAI_API_KEY", broken)
    with pytest.raises(UserError, match="OPENAI_API_KEY holds a character") as refused:
        key_from_environment()
    assert "hidden" not in str(refused.value)


ESCAPED = {
    "as PHP does": r"abc\/def+123456",
    "as .NET does": r"abc/def\u002B123456",
    "as either": r"abc\/def\u002b123456",
    "from its beginning": r"\u0061bc/def+123456",
    "twice": r"abc\\\/def\\u002B123456",
    "in an address": "abc%2Fdef%2b123456",
    "twice in an address": "abc%252Fdef%252B123456",
    "in a page": "abc&#x2F;def&#43;123456",
    "twice in a page": "abc&amp;#x2f;def&amp;#43;123456",
}


@pytest.mark.parametrize("text", ESCAPED.values(), ids=ESCAPED)
def test_it_is_hidden_however_it_is_escaped(text):
    shown = without_key(f"<{text}>", "abc/def+123456")
    assert shown.replace("\\", "") == f"<{HIDDEN}>"


def test_what_takes_long_to_look_through_does_not():
    for part in ("\\", "%25", "&amp;", "abc/def\\", "0"):
        text = part * 100_000
        assert without_key(text, "abc/def+123456") == text


def test_what_a_server_repeats_of_the_key_is_hidden_but_no_word():
    assert without_key("no sk-12345678", "sk-12345678") == f"no {HIDDEN}"
    assert without_key("EMPTY Nest", "EMPTY") == "EMPTY Nest"
    assert without_key("any", None) == "any"
