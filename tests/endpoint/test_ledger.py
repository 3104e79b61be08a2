from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest

from recbench.endpoint.answer import Answer
from recbench.endpoint.ledger import Ledger, Line
from recbench.errors import DataError


def line(key, kept=False, most=(50, 8), **said):
    usual = {"text": "a", "finish": "stop", "prompt_tokens": 10, "completion_tokens": 2}
    return Line.of(key, Answer(**{**usual, **said}), kept, most)


def filled(path):
    ledger = Ledger(path)
    ledger.add(line("a"))
    ledger.add(line("b", kept=True, finish="length"))
    ledger.add(line("c", prompt_tokens=None, finish="content_filter", model="m"))
    return ledger


def test_tokens_are_counted_once_a_question_paid_or_not(tmp_path):
    ledger = filled(tmp_path / "l")
    ledger.add(line("a", kept=True))  # it was asked again, and found
    assert ledger.record() == {
        "questions": 3,
        "from_cache": 1,
        "prompt_tokens": 60,
        "completion_tokens": 10,
        "tokens_from_cache": 12,
        "not_counted": 1,
        "cut_off": 1,
        "filtered": 1,
        "servers": [{"model": "m", "system_fingerprint": None, "answers": 1}],
    }
    assert (ledger.spent, ledger.paid) == (70, 2)
    assert "a" in ledger
    assert "z" not in ledger


def test_what_must_be_known_is_said(tmp_path):
    assert filled(tmp_path / "l").lines() == [
        "3 questions, 1 of them answered before: 60 tokens read and 10 written",
        "of 1 answers the server counted no tokens: they stand for the most that they can have "
        "taken",
        "1 answers were cut off, at the most tokens of an answer or among thoughts, before their "
        "first line ended; they are judged as far as they go",
        "1 answers were withheld by the server's content filter; they are judged as far as they go",
    ]
    ledger = Ledger(tmp_path / "other")
    ledger.add(line("a"))
    assert len(ledger.lines()) == 1


def test_the_next_process_reads_it_but_for_a_line_that_was_cut_off(tmp_path):
    path = tmp_path / "l"
    whole = filled(path).record()
    assert Ledger(path).record() == whole
    path.write_bytes(path.read_bytes()[:-9])
    second = Ledger(path)
    assert second.record()["questions"] == 2
    second.add(line("d"))
    assert Ledger(path).record()["questions"] == 3


def test_a_line_for_which_there_was_no_room_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "l"
    ledger, whole = filled(path), path.read_bytes()
    real = Path.open

    @contextmanager
    def small(*arguments, **how):
        with real(*arguments, **how) as file:
            wrapped = Mock(wraps=file)
            wrapped.write = lambda content: file.write(content[:20])
            yield wrapped

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", small)
        with pytest.raises(OSError, match="No space left"):
            ledger.add(line("d"))
    assert path.read_bytes() == whole
    ledger.add(line("d"))
    assert Ledger(path).record()["questions"] == 4


def test_another_server_is_told_once(tmp_path):
    ledger = Ledger(tmp_path / "l")
    told = [
        ledger.add(line(key, model=model, fingerprint=mark))
        for key, model, mark in [
            ("a", "m", "1"),
            ("b", "m", "1"),
            ("c", "m", "2"),
            ("d", "m", "2"),
            ("e", "m", "1"),
            ("f", "n", "1"),
        ]
    ]
    assert told == [False, False, True, False, False, True]
    assert Ledger(tmp_path / "l").add(line("g", model="o"))


def test_a_question_that_a_filter_refuses_is_of_no_other_server(tmp_path):
    ledger = Ledger(tmp_path / "l")
    filtered = {"text": "", "finish": "content_filter", "prompt_tokens": None}
    told = [
        ledger.add(line("a", **filtered)),
        ledger.add(line("b", model="m", fingerprint="1")),
        ledger.add(line("c", **filtered)),
        ledger.add(line("d", model="m", fingerprint="1")),
    ]
    assert told == [False] * 4
    one = {"model": "m", "system_fingerprint": "1", "answers": 2}
    assert ledger.record()["servers"] == Ledger(tmp_path / "l").record()["servers"] == [one]


@pytest.mark.parametrize("damage", [b'"prompt": 90', b'"prompt": x0', b'"pronpt": 10', b"\xff"])
def test_a_changed_line_is_refused_and_the_remedy_helps(tmp_path, damage):
    path = tmp_path / "l"
    filled(path)
    path.write_bytes(path.read_bytes().replace(b'"prompt": 10', damage, 1))
    with pytest.raises(DataError, match=r"line 1: .* changed since; remove the file") as refused:
        Ledger(path)
    assert str(path) in str(refused.value)
    path.unlink()
    assert filled(path).record()["questions"] == 3


def test_a_ledger_from_before_its_lines_had_digests_is_read(tmp_path):
    path = tmp_path / "l"
    path.write_text(line("a").model_dump_json() + "\n")
    assert Ledger(path).record()["prompt_tokens"] == 10
