"""A system that only writes: the one of the documentation, over a local HTTP server."""

import json
import re
from collections import Counter
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from textwrap import dedent
from threading import Thread

import numpy as np
import pytest
from pyarrow import parquet

from recbench.evaluation import evaluator

DOCS = Path(__file__).parents[2] / "docs/extending.md"
ASKED = ("--dataset", "movielens", "--protocol", "next-item", "--draws", "2", "--device", "cpu")
RUN = ("run", "--model", "endpoint", *ASKED)
CALL, USERS = 16, 60
FILM = "Film {}".format
LOCAL = ("auditable", "scores_in")
"""What the example says of a server that may answer otherwise the next time."""


class Server(HTTPServer):
    """
    Completes chats: names the third of the titles listed last.

    Attributes
    ----------
    bodies
        What it was asked, as JSON, in order.
    most
        After so many it fails; None for never.
    slot
        Returns the number of the title that is named, of how often the prompt was met before.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies, self.most = [], None
        self.slot = lambda met: 2

    @property
    def prompts(self):
        return [message["content"] for body in self.bodies for message in body["messages"]]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1/chat/completions"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        if server.most is not None and len(server.bodies) == server.most:
            self.send_error(500)
            return
        prompt = body["messages"][0]["content"]
        slot = server.slot(server.prompts.count(prompt))
        server.bodies.append(body)
        text = listed(prompt)[slot]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"choices": [{"message": {"content": text}}]}).encode())

    def log_message(self, *_):
        """Write nothing on standard error."""


def listed(prompt):
    return prompt.rpartition("alone.\n")[2].split("\n")


@pytest.fixture
def server():
    with Server() as running:
        thread = Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def ask(call_here, raw_folder, install, server, monkeypatch):
    """Run the command line on made-up data, with the endpoint of the documentation installed."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(evaluator, "WRITTEN_AT_ONCE", CALL)
    text = DOCS.read_text(encoding="utf-8")
    (source,) = [
        dedent(one) for one in re.findall("```python\n(.*?)```", text, re.S) if "Endpoint" in one
    ]

    def run(*arguments, without=()):
        if arguments[:3] == RUN[:3]:
            lines = [one for one in source.splitlines() if not one.strip().startswith(without)]
            install("\n".join(lines), name="endpoint", target=":Endpoint")
            arguments = (*arguments, "--set", f"url={server.url}")
        if arguments[0] in {"run", "verify", "candidates"}:
            arguments = (*arguments, "--data-dir", str(raw_folder))
        return call_here(*arguments)

    return run


@pytest.fixture
def pack(ask, tmp_path):
    """Candidates of every row and draw, as `recbench candidates` writes them."""
    out = tmp_path / "pack.parquet"
    assert ask("candidates", *ASKED[:-2], "--out", str(out))[0] == 0
    return parquet.read_table(out).to_pylist()


def record_of(out):
    return Path(json.loads(out)["record"])


def test_its_figures_are_those_of_what_it_wrote(ask, server, pack, tmp_path):
    code, out, err = ask(*RUN, "--json")
    assert code == 0, err
    path = record_of(out)
    figures, record = json.loads(out)["metrics"], json.loads(path.read_text())
    hits = np.array([row["target_position"] == 2 for row in pack])
    assert 0 < hits.mean() < 1
    assert figures.keys() == {
        *("HitRatio@1", "HitRatio@1|valid", "ValidRatio", "SharedTitleRatio"),
    }
    assert figures["HitRatio@1"]["value"] == pytest.approx(hits.mean())
    assert figures["HitRatio@1|valid"]["value"] == pytest.approx(hits.mean())
    assert figures["HitRatio@1"]["n"] == USERS
    assert figures["ValidRatio"]["value"] == 1
    assert (record["writes"], record["ranks"], record["audit"]) == (True, False, None)
    table = parquet.read_table(path.parent / "examples.parquet")
    for name in ("rank", "scores", "title_tokens"):
        assert table[name].null_count == len(table) == 2 * USERS
    assert set(table["answer_slot"].to_pylist()) == {2}


def test_it_is_asked_each_row_once_by_history_and_candidates_alone(ask, server, pack):
    assert ask(*RUN)[0] == 0
    assert all(body.keys() == {"model", "temperature", "messages"} for body in server.bodies)
    assert len(server.prompts) == len(set(server.prompts)) == 2 * USERS
    shown = Counter(tuple(listed(prompt)) for prompt in server.prompts)
    assert shown == Counter(tuple(map(FILM, row["candidates"])) for row in pack)
    for prompt in server.prompts:
        met = prompt.partition(":\n")[2].partition("\n\n")[0].split("\n")
        assert not set(met) & set(listed(prompt))  # under this protocol no target was met before
    users = [prompt.partition("\n\n")[0] for prompt in server.prompts]
    sizes = np.repeat([CALL, CALL, CALL, USERS % CALL], 2)  # every call once a draw
    for call in np.split(users, sizes.cumsum()[:-1]):
        assert len(set(call)) == len(call) > 0


def test_a_second_run_asks_nothing(ask, server):
    first = ask(*RUN)
    server.bodies.clear()
    code, out, err = ask(*RUN)
    assert code == 0
    assert "not audited" not in err  # it cannot be: --fresh would not help
    assert (out.splitlines()[:-1], server.bodies) == (first[1].splitlines()[:-1], [])
    assert "not audited: no copy was asked again" in out


def test_stopped_in_the_middle_it_goes_on_without_asking_finished_calls_again(ask, server):
    server.most = 2 * CALL + 5
    code, out, err = ask(*RUN)
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith(
        "error: the model 'endpoint' of package acme-plugin failed: HTTPError: HTTP Error 500"
    )
    asked, server.most = server.prompts[: 2 * CALL], None
    server.bodies.clear()
    code, _, err = ask(*RUN)
    assert code == 0, err
    assert not set(asked) & set(server.prompts)
    assert len(server.prompts) == 2 * USERS - len(asked)


def test_it_stands_in_tables_with_a_dash_for_what_it_cannot_give(ask):
    assert ask(*RUN)[0] == ask("run", "--model", "popularity", *ASKED)[0] == 0
    code, out, err = ask("leaderboard")
    assert (code, err) == (0, "")
    (line,) = [line for line in out.splitlines() if line.startswith("endpoint  ")]
    (head,) = [line for line in out.splitlines() if line.startswith("model")]
    cells = dict(zip(re.split(r"  +", head), re.split(r"  +", line), strict=False))
    assert cells["seeds"] == "any"
    assert cells["ValidRatio"].startswith("1.000")
    assert cells["MRR"] == "-"
    assert "endpoint: not audited" in out
    for form in ("markdown", "csv", "json"):
        assert ask("leaderboard", "--format", form, "--k", "7")[0] == 0
    assert ask("leaderboard", "--group-by", "target-count")[0] == 0
    assert ask("plan")[0] == 0


def test_it_is_compared_in_what_it_has_and_in_nothing_else(ask):
    assert ask(*RUN)[0] == ask("run", "--model", "popularity", *ASKED)[0] == 0
    code, out, _ = ask("compare", "endpoint", "popularity")
    assert code == 0
    assert "HitRatio@1" in out
    for figure in ("MRR", "HitRatio@3", "MRR|likelihood", "HitRatio@3|likelihood"):
        code, out, err = ask("compare", "endpoint", "popularity", "--metric", figure)
        assert (code, out) == (2, "")
        assert err.startswith("error: unknown figure of ")
        assert err.count("\n") == 1


def test_everything_of_it_is_verified(ask, tmp_path):
    assert ask(*RUN)[0] == 0
    code, out, _ = ask("verify", str(tmp_path / "results"))
    assert code == 0
    found = dict(
        line.split()[1::-1] for line in out.splitlines()[1:-1] if "not checked" not in line
    )
    assert "ranks" not in found
    assert {"answers", "claims", "rows", "examples", "figures"} <= found.keys()
    assert set(found.values()) == {"ok"}


@pytest.mark.parametrize("made", [("rank", [1] * 120), ("scores", [[0.0] * 20] * 120)])
def test_a_rank_that_was_put_in_is_found_out(ask, tmp_path, made):
    import pyarrow as pa

    from recbench.runs.examples import sha256
    from recbench.runs.store import read_record

    code, out, _ = ask(*RUN, "--json")
    folder, (name, values) = record_of(out).parent, made
    table = parquet.read_table(folder / "examples.parquet")
    place, kind = table.column_names.index(name), table.schema.field(name).type
    parquet.write_table(
        table.set_column(place, name, pa.array(values, kind)), folder / "examples.parquet"
    )
    record = read_record(folder)
    forged = record.signed(sha256(folder))
    (folder / "record.json").write_text(forged.model_dump_json())
    code, _, err = ask("leaderboard")
    assert code == 1
    assert "are kept of" in err
    forged = record.model_copy(update={"ranks": True}).signed(sha256(folder))
    (folder / "record.json").write_text(forged.model_dump_json())
    assert ask("leaderboard")[0] == 1


def test_a_full_ranking_is_refused_before_anything_is_read_or_asked(ask, server, tmp_path):
    code, out, err = ask(*RUN[:-4], "--candidates", "all")
    assert (code, out) == (2, "")
    assert err == (
        "error: endpoint reads its candidates in a prompt, which cannot list the whole catalogue; "
        "give --candidates N, for example 20, or as many as the rows bring\n"
    )
    assert server.bodies == []
    assert not (tmp_path / "results").exists()


@pytest.mark.honesty
def test_where_a_copy_answers_the_same_its_texts_are_audited(ask, server):
    code, out, err = ask(*RUN, "--json", without=LOCAL)
    assert code == 0, err
    audit = json.loads(record_of(out).read_text())["audit"]
    assert audit["rows"] == 32
    assert audit["largest_difference"] is None
    assert audit["better_placed"] == audit["worse_placed"] == 0
    assert len(server.bodies) == 2 * USERS + 32


@pytest.mark.honesty
def test_one_that_answers_otherwise_when_it_is_asked_again_is_refused(ask, server, tmp_path):
    server.slot = lambda met: 2 + met
    code, out, err = ask(*RUN, without=LOCAL)
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith("error: answers depend on what else was asked: test row")
    assert err.splitlines()[-1].endswith("; the run is refused")
    assert not list((tmp_path / "results").rglob("record.json"))
