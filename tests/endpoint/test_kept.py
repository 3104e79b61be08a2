import errno
import json

import pytest
from chat_server import request

from recbench.endpoint.answer import Answer
from recbench.endpoint.kept import KeptAnswers, key_of

URL = "http://127.0.0.1:1/v1"
ANSWER = Answer(text="Heat\nof", finish="stop", prompt_tokens=3, completion_tokens=1)


@pytest.fixture
def kept(tmp_path, said):
    return KeptAnswers(tmp_path / "answers", said.append)


@pytest.fixture
def path(tmp_path, kept):
    kept.keep(URL, request(), ANSWER)
    (path,) = (tmp_path / "answers").rglob("*.json")
    return path


def test_an_answer_is_found_by_address_and_request_alone(kept, path, said):
    assert kept.find(URL, request()) == ANSWER
    for url, body in [
        ("http://127.0.0.1:2/v1", request()),
        (URL, request("B")),
        *((URL, {**request(), name: 1}) for name in ("model", "temperature", "seed", "max_tokens")),
    ]:
        assert kept.find(url, body) is None
    assert path.stem == key_of(URL, request())
    assert said == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: text.replace("Heat", "Heap"),
        lambda text: text.replace('"prompt_tokens": 3', '"prompt_tokens": 4'),
        lambda text: json.dumps({**json.loads(text), "address": "http://127.0.0.1:2/v1"}),
        lambda text: "[]",
        lambda text: "\x00" * 50,
    ],
)
def test_a_damaged_answer_is_none_and_said(kept, path, said, damage):
    assert kept.holds(path.stem)
    path.write_text(damage(path.read_text()))
    assert not kept.holds(path.stem)
    assert kept.find(URL, request()) is None
    assert said == [f"{path}: this kept answer is damaged; it is asked for again"]
    kept.keep(URL, request(), ANSWER)
    assert kept.find(URL, request()) == ANSWER


def test_an_answer_that_cannot_be_read_now_is_not_paid_for_again(kept, path, said, monkeypatch):
    def fails(_):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(type(path), "read_bytes", fails)
        with pytest.raises(OSError, match="Input/output error"):
            kept.find(URL, request())
    assert said == []
    assert kept.find(URL, request()) == ANSWER


def test_a_kept_answer_under_the_name_of_another_is_none(kept, path, said):
    other = path.parents[1] / key_of(URL, request("B"))[:2] / f"{key_of(URL, request('B'))}.json"
    other.parent.mkdir(exist_ok=True)
    other.write_bytes(path.read_bytes())
    assert kept.find(URL, request("B")) is None
    assert len(said) == 1


def test_nothing_half_written_is_left(kept, path):
    assert [one.name for one in path.parent.iterdir()] == [path.name]
