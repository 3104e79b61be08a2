import errno
import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE, Popen
from threading import Barrier, Event
from time import sleep

import pytest
from chat_server import Reply, completion, refusal, request

from recbench.endpoint.asking import price
from recbench.endpoint.kept import LOOKED, KeptAnswers
from recbench.endpoint.ledger import Ledger
from recbench.endpoint.purse import EmptyError
from recbench.errors import RecbenchError, UserError

TITLES = [f"T{number}" for number in range(24)]
BODIES = [request(title) for title in TITLES]


def texts(answers):
    return [one.text for one in answers]


def test_answers_stand_as_their_questions_do(asking, chat_server):
    assert texts(asking().answers(BODIES)) == TITLES
    assert sorted(chat_server.prompts) == sorted(one["messages"][0]["content"] for one in BODIES)


def test_nothing_is_asked_twice_by_this_process_or_the_next(asking, chat_server):
    first = asking()
    assert texts(first.answers([*BODIES, *BODIES])) == [*TITLES, *TITLES]
    assert texts(first.answers(BODIES)) == texts(asking().answers(BODIES)) == TITLES
    assert len(chat_server.bodies) == len(BODIES)
    assert asking().ledger.record()["from_cache"] == 0


def test_another_run_pays_nothing_for_what_is_kept(asking, tmp_path):
    asking().answers(BODIES)
    (tmp_path / "run/ledger.jsonl").unlink()
    other = asking(most=0)
    assert texts(other.answers(BODIES)) == TITLES
    found = other.ledger.record()
    assert (found["from_cache"], found["prompt_tokens"]) == (24, 0)
    assert found["tokens_from_cache"] == 24 * 105


OTHER = """
import json
import sys
from pathlib import Path
from threading import Event
from recbench.endpoint.answer import Answer
from recbench.endpoint.kept import KeptAnswers

folder, key, address, body = sys.argv[1:]
kept = KeptAnswers(Path(folder), print)
with kept.turns(Event()) as turn, turn(key):
    print("asking", flush=True)
    sys.stdin.readline()
    kept.keep(address, json.loads(body), Answer(text="theirs"))
"""


def test_two_processes_that_ask_at_once_pay_once(asking, chat_server, tmp_path):
    one = asking()
    address, body = one.endpoint.address, json.dumps(BODIES[0])
    told = [str(tmp_path / "answers"), one.key(BODIES[0]), address, body]
    with (
        Popen([sys.executable, "-c", OTHER, *told], stdin=PIPE, stdout=PIPE, text=True) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        assert other.stdout.readline() == "asking\n"
        found = pool.submit(one.answers, BODIES[:2])
        while not chat_server.bodies:  # the second question, of which nobody else knows
            sleep(0.01)
        sleep(3 * LOOKED)
        assert not found.done()
        other.communicate("\n")
        assert texts(found.result()) == ["theirs", TITLES[1]]
    assert len(chat_server.bodies) == 1
    assert (one.ledger.paid, one.ledger.record()["from_cache"]) == (1, 1)


def test_a_turn_is_waited_for_no_more_when_it_is_stopped(tmp_path):
    stop = Event()
    stop.set()
    with KeptAnswers(tmp_path, print).turns(stop) as turn, turn("a" * 64):
        pass


def test_as_many_are_under_way_as_may_be(asking, chat_server):
    together = Barrier(3, timeout=20)
    usual = chat_server.answer

    def answer(body):
        together.wait()  # with fewer at a time, nobody would ever pass
        return usual(body)

    chat_server.answer = answer
    asking(at_once=3).answers(BODIES)
    assert chat_server.most_at_once == 3


def test_one_at_a_time(asking, chat_server):
    asking(at_once=1).answers(BODIES[:5])
    assert chat_server.most_at_once == 1


def test_a_fault_ends_it_and_loses_nothing(asking, chat_server):
    usual, heard = chat_server.answer, chat_server.bodies
    chat_server.answer = lambda body: refusal(400) if heard.index(body) >= 10 else usual(body)
    with pytest.raises(UserError, match="refuses the question"):
        asking().answers(BODIES)
    assert 10 < len(chat_server.bodies) <= 14  # no more than were under way
    chat_server.answer = usual
    chat_server.bodies.clear()
    assert texts(asking().answers(BODIES)) == TITLES
    assert len(chat_server.bodies) == len(BODIES) - 10


def test_an_interrupt_among_the_first_questions_asks_no_more(asking, chat_server, monkeypatch):
    """Those that wait for their turn are not asked, and not paid for."""
    usual, told, given = chat_server.answer, Event(), []
    submit = ThreadPoolExecutor.submit

    def interrupted(*question):
        given.append(question)
        if len(given) == len(BODIES):
            told.set()
            raise KeyboardInterrupt
        return submit(*question)

    def answer(body):
        told.wait()
        return usual(body)

    chat_server.answer = answer
    monkeypatch.setattr(ThreadPoolExecutor, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        asking(at_once=2).answers(BODIES)
    assert len(chat_server.bodies) <= 4


def test_a_fault_that_passes_is_not_seen(asking, chat_server):
    chat_server.faults.extend([refusal(429), refusal(500), Reply(b"{")])
    assert texts(asking(retries=3).answers(BODIES)) == TITLES  # one may meet all three
    assert len(chat_server.bodies) == len(BODIES) + 3


@pytest.mark.parametrize("at_once", [1, 8])
def test_a_purse_is_never_overspent_and_nothing_is_lost(asking, chat_server, at_once):
    most = 1000
    with pytest.raises(EmptyError):
        asking(most, at_once).answers(BODIES)
    spent = asking().ledger.spent
    assert most - sum(price(BODIES[0])) < spent <= most
    assert spent == 105 * len(chat_server.bodies)
    assert asking(10**6).purse.spent == spent
    asking(10**6).answers(BODIES)
    assert len(chat_server.bodies) == len(BODIES)


class Killed(BaseException):
    """Ends a process; nothing that would be cleared up is."""


def killed(asking, monkeypatch, room, method):
    """Kill a process, of which one question is under way, in that method."""

    def die(*_, **__):
        raise Killed

    one = asking(at_once=1)
    with monkeypatch.context() as patch:
        patch.setattr(room, method, die)
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(Killed):
            one.answers(BODIES[:1])
    return asking(10**6)


def test_what_a_killed_process_waited_for_counts_as_spent(asking, chat_server, monkeypatch):
    after = killed(asking, monkeypatch, KeptAnswers, "keep")
    assert after.under_way.lost == [sum(price(BODIES[0]))]
    assert texts(after.answers(BODIES[:1])) == TITLES[:1]
    assert after.purse.spent == 105 + sum(price(BODIES[0]))
    assert asking(10**6).purse.spent == after.purse.spent  # and in all processes to come
    assert (after.ledger.paid, len(chat_server.bodies)) == (1, 2)


def test_what_a_killed_process_had_answered_was_paid_for(asking, chat_server, monkeypatch):
    after = killed(asking, monkeypatch, Ledger, "add")
    assert after.under_way.lost == []
    assert texts(after.answers(BODIES[:1])) == TITLES[:1]
    assert (after.ledger.paid, after.ledger.spent, after.purse.spent) == (1, 105, 105)
    assert len(chat_server.bodies) == 1
    assert asking(10**6).under_way.lost == []


def refuse(*_, **__):
    """Do as a full disk does."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_where_no_answer_can_be_kept_nothing_is_asked(asking, chat_server, monkeypatch):
    one = asking()
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(OSError, match="No space left"):
        one.answers(BODIES)
    assert chat_server.bodies == []


def test_what_is_answered_and_cannot_be_kept_counts_as_spent(asking, chat_server, monkeypatch):
    one, most = asking(10**6), sum(price(BODIES[0]))
    with monkeypatch.context() as patch:
        patch.setattr(KeptAnswers, "keep", refuse)
        with pytest.raises(OSError, match="No space left"):
            one.answers(BODIES[:1])
    after = asking(10**6)
    assert one.under_way.lost == after.under_way.lost == [most]
    assert one.purse.spent == after.purse.spent == most
    assert texts(after.answers(BODIES[:1])) == TITLES[:1]
    assert (after.purse.spent, len(chat_server.bodies)) == (105 + most, 2)


@pytest.mark.parametrize("whose", ["this process", "the next"])
def test_what_is_kept_and_cannot_be_written_down_was_paid_for(
    asking, chat_server, monkeypatch, whose
):
    one = asking(10**6)
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "_write", refuse)
        with pytest.raises(OSError, match="No space left"):
            one.answers(BODIES[:1])
    after = one if whose == "this process" else asking(10**6)
    assert texts(after.answers(BODIES[:1])) == TITLES[:1]
    assert (after.ledger.paid, after.ledger.spent, after.purse.spent) == (1, 105, 105)
    assert len(chat_server.bodies) == 1
    last = asking(10**6)
    assert (last.under_way.lost, last.under_way.answered) == ([], set())


def test_a_damaged_answer_that_is_asked_for_again_and_not_kept_is_lost(
    asking, tmp_path, monkeypatch
):
    asking().answers(BODIES[:1])
    (path,) = (tmp_path / "answers").rglob("*.json")
    path.write_text("")
    (tmp_path / "run/ledger.jsonl").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(KeptAnswers, "keep", refuse)
        with pytest.raises(OSError, match="No space left"):
            asking().answers(BODIES[:1])
    assert asking().under_way.lost == [sum(price(BODIES[0]))]


def test_what_fails_is_not_under_way_any_more(asking, chat_server):
    chat_server.answer = lambda body: refusal(400)
    with pytest.raises(UserError):
        asking().answers(BODIES[:1])
    assert asking().under_way.lost == []


def test_where_a_server_counts_nothing_the_most_is_spent(asking, chat_server):
    chat_server.answer = lambda body: completion("A", usage=None)
    one = asking()
    one.answers(BODIES[:3])
    assert one.ledger.spent == 3 * sum(price(BODIES[0]))
    assert one.ledger.record()["not_counted"] == 3


def test_a_server_that_becomes_another_is_said_once(asking, chat_server, said):
    chat_server.answer = lambda body: completion(
        "A", system_fingerprint="fp_1" if len(chat_server.bodies) < 9 else "fp_2"
    )
    asking(at_once=1).answers(BODIES)
    assert said == [
        f"{chat_server.url} says now that it is served-1 (fp_2), which it did not before: the "
        "figures are of both"
    ]


def test_it_fails_with_the_fault_not_with_what_that_stopped(asking, chat_server):
    chat_server.answer = lambda body: refusal(500)
    with pytest.raises(RecbenchError, match="does not answer now"):
        asking(at_once=8, retries=1).answers(BODIES)
    assert not list(asking().kept._folder.rglob("*.json"))


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_what_a_question_may_take_is_its_bytes_and_the_longest_answer(field):
    body = {"messages": [{"role": "user", "content": "h\u00e9"}], field: 9}
    assert price(body) == (3 + 128, 9)
