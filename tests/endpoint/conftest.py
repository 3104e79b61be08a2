from threading import Event

import pytest
from chat_server import KEY, request

from recbench.endpoint import client
from recbench.endpoint.asking import Asking
from recbench.endpoint.client import Endpoint
from recbench.endpoint.kept import KeptAnswers
from recbench.endpoint.ledger import Ledger
from recbench.endpoint.purse import Purse
from recbench.endpoint.under_way import UnderWay


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch):
    monkeypatch.setattr(client, "FIRST_PAUSE", 0.001)


@pytest.fixture
def said():
    return []


@pytest.fixture
def endpoint(chat_server, said):
    """Return a function that makes an endpoint of the local server."""

    def make(key=KEY, timeout=20.0, retries=2, address=chat_server.url):
        return Endpoint(address, key, timeout, retries, said.append)

    return make


@pytest.fixture
def complete(endpoint):
    """Put one question to the local server."""

    def run(body=None, **how):
        to = endpoint(**how)
        with to.connected() as connected:
            return to.complete(connected, body or request(), Event())

    return run


@pytest.fixture
def asking(endpoint, tmp_path, said):
    """Return a function that makes what a process asks: called again, it is the next process."""
    (tmp_path / "run").mkdir()

    def make(most=None, at_once=4, **how):
        ledger = Ledger(tmp_path / "run/ledger.jsonl")
        kept = KeptAnswers(tmp_path / "answers", said.append)
        under_way = UnderWay(tmp_path / "run/under-way", ledger.__contains__, kept.holds)
        purse = Purse(most, ledger.spent + sum(under_way.lost))
        return Asking(endpoint(**how), kept, ledger, purse, under_way, at_once, said.append)

    return make
