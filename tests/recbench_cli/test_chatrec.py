"""The chat model behind a URL, from the command line, over a local server."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from chat_server import KEY, Reply, completion, listed, refusal

from recbench.endpoint import client
from recbench.evaluation import evaluator

ASKED = ("--dataset", "movielens", "--protocol", "next-item", "--draws", "1", "--device", "cpu")
USERS = 60


@pytest.fixture
def run(call_here, raw_folder, chat_server, monkeypatch):
    """Run chatrec on made-up data against the local server; return as `call` does."""
    monkeypatch.setattr(client, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(evaluator, "WRITTEN_AT_ONCE", 16)
    whom = ("--set", f"endpoint={chat_server.url}", "--set", "chat_model=m")

    def call(*more):
        data = ("--data-dir", str(raw_folder))
        return call_here("run", "--model", "chatrec", *ASKED, *data, *whom, *more)

    return call


def record_of(out):
    return json.loads(Path(json.loads(out)["record"]).read_text())


def everything(folder):
    """Return all bytes below a folder, names included."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return b"\n".join([str(one).encode() + b"\n" + one.read_bytes() for one in files])


def test_it_is_asked_each_row_once_and_its_account_is_recorded(run, chat_server):
    code, out, err = run("--json")
    assert code == 0, err
    record = record_of(out)
    assert len(chat_server.prompts) == len(set(chat_server.prompts)) == USERS
    assert record["account"] == {
        "questions": USERS,
        "from_cache": 0,
        "prompt_tokens": 100 * USERS,
        "completion_tokens": 5 * USERS,
        "tokens_from_cache": 0,
        "not_counted": 0,
        "cut_off": 0,
        "filtered": 0,
        "servers": [{"model": "served-1", "system_fingerprint": "fp_1", "answers": USERS}],
    }
    assert (record["writes"], record["ranks"], record["audit"]) == (True, False, None)
    assert record["metrics"]["ValidRatio"]["value"] == 1
    assert record["settings"]["chat_model"] == "m"
    assert not {"concurrency", "timeout", "retries", "most_tokens"} & record["settings"].keys()
    said = [line for line in err.splitlines() if line.startswith("asking m at")]
    assert re.search(rf"{USERS} questions: about [\d,]+ tokens to read and at most", said[0])
    assert err.splitlines()[-1] == (
        "60 questions, 0 of them answered before: 6,000 tokens read and 300 written"
    )


def test_found_again_it_asks_nothing_and_asked_anew_it_pays_nothing(run, chat_server):
    first = run("--json")[1]
    chat_server.bodies.clear()
    code, again, err = run("--json", "--set", "most_tokens=7", "--set", "concurrency=2")
    assert (code, again) == (0, first)
    assert "--fresh" not in err  # nothing of what was asked for makes another run
    code, out, _ = run("--json", "--fresh")
    found = record_of(out)["account"]
    assert (code, chat_server.bodies) == (0, [])
    assert (found["from_cache"], found["prompt_tokens"]) == (USERS, 0)
    assert json.loads(out)["metrics"] == json.loads(first)["metrics"]


@pytest.mark.parametrize("changed", ["temperature=1", "instruction=Go", "sampling_seed=1"])
def test_another_way_of_asking_is_another_row_and_is_asked(run, chat_server, changed):
    first = record_of(run("--json")[1])
    second = record_of(run("--json", "--set", changed)[1])
    assert first["row"] != second["row"]
    assert len(chat_server.bodies) == 2 * USERS


def test_a_purse_ends_it_in_one_line_and_a_larger_one_goes_on(run, chat_server):
    code, out, err = run("--set", "most_tokens=0")
    assert (code, out, chat_server.bodies) == (2, "", [])
    assert "error: the purse is empty: 0 of 0 tokens are spent" in err
    assert "60 questions are left" in err
    code, out, err = run("--set", "most_tokens=2500")
    asked = len(chat_server.bodies)
    assert (code, out) == (2, "")
    assert 0 < 105 * asked <= 2500
    assert err.splitlines()[-1].startswith(
        f"error: the purse is empty: {105 * asked:,} of 2,500 tokens are spent, and the next "
    )
    assert f"; {USERS - asked} questions are left, about {(USERS - asked) * 105:,} tokens;" in err
    assert run("--set", "most_tokens=2500")[0] == 2  # what was spent stays spent
    assert len(chat_server.bodies) == asked
    code, out, _ = run("--json", "--set", "most_tokens=100000")
    assert code == 0
    assert len(chat_server.bodies) == len(set(chat_server.prompts)) == USERS
    assert record_of(out)["account"]["prompt_tokens"] == 100 * USERS


def test_a_fault_is_one_line_and_the_same_command_goes_on(run, chat_server):
    usual = chat_server.answer
    chat_server.answer = lambda body: (
        refusal(500, "oops") if len(chat_server.bodies) > 30 else usual(body)
    )
    code, out, err = run("--set", "retries=1", "--set", "concurrency=1")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == (
        f"error: {chat_server.url} does not answer now (Error code: 500 - oops); tried 2 times; "
        "the same command goes on where this one stopped"
    )
    chat_server.answer = usual
    chat_server.bodies.clear()
    code, out, _ = run("--json")
    assert (code, len(chat_server.bodies)) == (0, USERS - 30)
    assert record_of(out)["account"]["questions"] == USERS


def test_whom_to_ask_must_be_said_before_anything_is_read(call_here, tmp_path):
    for given in ((), ("--set", "chat_model=m"), ("--set", "endpoint=http://h/v1")):
        code, out, err = call_here("run", "--model", "chatrec", *ASKED, *given)
        assert (code, out) == (2, "")
        assert err == (
            "error: chatrec asks a language model behind a URL: say which by --set endpoint=URL, "
            "such as http://127.0.0.1:8000/v1, and --set chat_model=NAME\n"
        )
    assert not (tmp_path / "results").exists()


def test_without_the_client_it_is_said_what_to_install(run, chat_server, monkeypatch):
    monkeypatch.setattr(client, "find_spec", lambda name: None)
    code, out, err = run()
    assert (code, out, chat_server.bodies) == (2, "", [])
    assert err.splitlines()[-1] == (
        "error: asking an endpoint takes a package: pip install 'recbench[endpoint]'"
    )


def test_a_full_ranking_is_refused(run, chat_server):
    code, _, err = run("--candidates", "all")
    assert (code, chat_server.bodies) == (2, [])
    assert "chatrec reads its candidates in a prompt" in err


def test_a_damaged_answer_is_asked_for_again_and_that_is_said(run, chat_server, tmp_path):
    run()
    path = sorted((tmp_path / "cache/answers").rglob("*.json"))[0]
    path.write_text(path.read_text()[:-20])
    chat_server.bodies.clear()
    code, _, err = run("--fresh")
    assert (code, len(chat_server.bodies)) == (0, 1)
    assert f"{path}: this kept answer is damaged; it is asked for again" in err.splitlines()


def test_answers_that_were_cut_off_or_withheld_are_judged_and_said(run, chat_server):
    chat_server.answer = lambda body: completion(
        listed(body["messages"][0]["content"])[0][:-2], "length"
    )
    chat_server.faults.append(refusal(400, "no", "content_filter"))
    chat_server.faults.append(Reply(completion(None, "content_filter")))
    code, out, err = run("--json")
    assert code == 0
    account = record_of(out)["account"]
    assert (account["cut_off"], account["filtered"]) == (USERS - 2, 2)
    assert json.loads(out)["metrics"]["ValidRatio"]["value"] == 0
    assert "58 answers were cut off, at the most tokens of an answer or among thoughts" in err
    assert "2 answers were withheld by the server's content filter" in err


def test_a_server_that_becomes_another_midway_is_said_and_recorded(run, chat_server):
    chat_server.answer = lambda body: completion(
        "x", model="old" if len(chat_server.bodies) <= 20 else "new"
    )
    code, out, err = run("--json", "--set", "concurrency=1")
    assert code == 0
    (line,) = [line for line in err.splitlines() if "says now that it is" in line]
    assert line.startswith(f"{chat_server.url} says now that it is new (fp_1)")
    servers = record_of(out)["account"]["servers"]
    assert [(one["model"], one["answers"]) for one in servers] == [("old", 20), ("new", 40)]


@pytest.mark.honesty
def test_the_key_stands_nowhere(run, chat_server, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    shown = [run("--set", "retries=0")]
    assert chat_server.headers[0]["authorization"] == f"Bearer {KEY}"
    chat_server.answer = lambda body: completion(KEY, model=KEY, system_fingerprint=KEY)
    shown += [run("--set", "retries=0", "--set", "temperature=1"), run("--json")]
    for fault in (refusal(401, KEY), refusal(404, KEY), refusal(500, KEY), Reply(KEY.encode())):
        chat_server.faults.append(fault)
        shown.append(run("--set", "retries=0", "--set", "temperature=2", "--debug"))
        assert shown[-1][0] != 0
    assert KEY not in str(shown)
    assert KEY.encode() not in everything(tmp_path)
    assert b"served-1" in everything(tmp_path)


def test_in_tables_it_is_not_audited_and_everything_of_it_is_verified(
    run, call_here, raw_folder, tmp_path
):
    assert run()[0] == 0
    assert "not audited: no copy was asked again" in run()[1]
    code, out, err = call_here("leaderboard")
    assert (code, err) == (0, "")
    assert "chatrec: not audited" in out
    code, out, _ = call_here("verify", str(tmp_path / "results"), "--data-dir", str(raw_folder))
    assert code == 0
    assert "FAILED" not in out


PROGRAM = """
import signal, sys
from recbench_cli import leaving
from recbench_cli.main import main
leaving.GRACE = 60  # however slow the machine is
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
try:
    main(sys.argv[1:])
finally:
    print(sorted({"torch", "transformers"} & set(sys.modules)))
"""


def command(raw_folder, tmp_path, url):
    data = ("--data-dir", str(raw_folder), "--results", str(tmp_path / "results"))
    whom = ("--set", f"endpoint={url}", "--set", "chat_model=m", "--cache", str(tmp_path / "cache"))
    return [sys.executable, "-c", PROGRAM, "run", "--model", "chatrec", *ASKED, *data, *whom]


def test_after_ctrl_c_nothing_is_asked_twice(chat_server, raw_folder, tmp_path):
    processes, usual = [], chat_server.answer

    def answer(body):
        if chat_server.bodies.index(body) == 20:
            os.kill(processes[0].pid, signal.SIGINT)
        return usual(body)

    chat_server.answer = answer
    arguments = command(raw_folder, tmp_path, chat_server.url)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    for code in (130, 0):
        with subprocess.Popen(arguments, **pipes) as process:
            processes.append(process)
            out, err = process.communicate()
        assert process.returncode == code, err
        assert out.endswith("[]\n")  # torch is not needed to ask
        if code:
            assert err.endswith("interrupted; the same command goes on where this one stopped\n")
            assert 21 <= len(chat_server.bodies) < USERS
            chat_server.answer = usual
    assert len(chat_server.prompts) == len(set(chat_server.prompts)) == USERS


def test_asked_by_hand_it_writes_and_does_not_rank(run, call, raw_folder, chat_server, tmp_path):
    _, out, _ = run("--json")
    folder = str(Path(json.loads(out)["record"]).parent)
    before = len(chat_server.prompts)
    words = ("--history", "Film 1", "--candidates", "Film 2", "Film 3", "Film 4", "--explain")
    places = ("--data-dir", str(raw_folder), "--cache", str(tmp_path / "cache"))
    code, out, err = call("recommend", "--run", folder, *words, *places, "--format", "json")
    assert code == 0, err
    assert len(chat_server.prompts) == before + 1
    found = json.loads(out)
    assert (found["items"], found["explanation"]["without"]) == ([], [])
    assert (found["text"], found["answer"]["title"]) == ("Film 4", "Film 4")
    assert "Film 3" in found["explanation"]["said"]["prompt"]


def test_under_a_control_the_server_reads_codes_and_no_title(run, chat_server):
    code, out, err = run("--control", "anonymised-titles", "--limit", "3", "--json")
    assert code == 0, err
    assert len(chat_server.prompts) == 3
    assert all("item " in prompt for prompt in chat_server.prompts)
    assert not any("Film " in prompt for prompt in chat_server.prompts)
    record = record_of(out)
    assert (record["control"], record["limit"], record["examples"]) == ("anonymised-titles", 3, 3)


def test_it_is_asked_again_in_other_words(run, call, chat_server, raw_folder, tmp_path):
    record = Path(json.loads(run("--limit", "2", "--json")[1])["record"])
    before = len(chat_server.prompts)
    again = ("--templates", "--data-dir", str(raw_folder), "--cache", str(tmp_path / "cache"))
    code, out, err = call("inspect", str(record.parent), *again, "--format", "json")
    assert code == 0, err
    assert len(json.loads(out)["templates"]) == 4
    new = set(chat_server.prompts[before:])
    assert len(new) == 6  # what it was asked in its own words is kept from before
    assert any("Predict the next movie of this user." in prompt for prompt in new)


@pytest.fixture
def look(run, call, raw_folder, tmp_path):
    """Return a function that asks the model of a run of two rows again; as `call` does."""
    record = Path(json.loads(run("--limit", "2", "--json")[1])["record"])
    places = ("--data-dir", str(raw_folder), "--cache", str(tmp_path / "cache"))
    return lambda *options: call("inspect", str(record.parent), "--templates", *places, *options)


def test_a_look_has_a_purse_and_goes_on_where_it_ended(look, chat_server, tmp_path):
    chat_server.bodies.clear()
    code, out, err = look("--set", "most_tokens=0")
    assert (code, out, chat_server.bodies) == (2, "", [])
    assert "error: the purse is empty: 0 of 0 tokens are spent" in err
    purse = ("--set", "most_tokens=1200", "--set", "concurrency=1")
    code, out, err = look(*purse)
    asked = len(chat_server.bodies)
    assert (code, out) == (2, "")
    assert 0 < asked < 6
    assert f"error: the purse is empty: {105 * asked} of 1,200 tokens are spent" in err
    assert look(*purse)[0] == 2  # what was spent stays spent
    assert len(chat_server.bodies) == asked
    code, _, err = look("--set", "most_tokens=100000")
    assert code == 0, err
    assert len(chat_server.bodies) == len(set(chat_server.prompts)) == 6
    assert err.splitlines()[-1].endswith("answered before: 600 tokens read and 30 written")
    assert list((tmp_path / "cache/looks").iterdir()) == []


def test_a_look_sets_only_what_no_record_holds(look, chat_server):
    code, out, err = look("--set", "temperature=1")
    assert (code, out) == (2, "")
    assert err == (
        "error: chatrec is asked again as its run has set it, and --set takes concurrency, "
        "most_tokens, retries, timeout; leave out --set temperature\n"
    )


def test_asked_by_hand_it_has_a_purse(run, call, raw_folder, chat_server, tmp_path):
    record = Path(json.loads(run("--limit", "2", "--json")[1])["record"])
    chat_server.bodies.clear()
    words = ("--history", "Film 1", "--candidates", "Film 2", "Film 3", "--set", "most_tokens=0")
    places = ("--data-dir", str(raw_folder), "--cache", str(tmp_path / "cache"))
    code, out, err = call("recommend", "--run", str(record.parent), *words, *places)
    assert (code, out, chat_server.bodies) == (2, "", [])
    assert "error: the purse is empty: 0 of 0 tokens are spent" in err
