"""Downloads from a server on this machine that fails in every way we know of."""

import gzip
import hashlib
import http.client
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from recbench.data import transfer
from recbench.data.card import WebFile
from recbench.data.download import fetched
from recbench.errors import RecbenchError

CONTENT = bytes(range(256)) * 4096  # 1 MiB
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


class Server(ThreadingHTTPServer):
    """What it serves, how well, and what it was asked."""

    content = CONTENT
    etag = '"one"'
    ranges = True
    status = 200
    cuts: tuple[int, ...] = ()  # bytes after which the next connections end
    shift = 0  # how far before the byte asked for it begins
    silent_after: int | None = None  # bytes of a body, behind which nothing comes any more

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/some/data%20file.bin?x=1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        served, wanted = self.server, self.headers.get("Range")
        served.asked.append(wanted)
        if served.silent_after == -1:  # not even a status
            served.over.wait()
            return
        if served.status != 200:
            self.send_error(served.status)
            return
        start = 0
        same = self.headers.get("If-Range") == served.etag
        if wanted and served.ranges and same:
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) - served.shift
            if start >= len(served.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(served.content)}")
                self.end_headers()
                return
        self.send_response(206 if start else 200)
        body = served.content[start:]
        if start:
            end = len(served.content) - 1
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(served.content)}")
        if served.etag:
            self.send_header("ETag", served.etag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if served.cuts:
            body, served.cuts = body[: served.cuts[0]], served.cuts[1:]
        if served.silent_after is not None:
            self.wfile.write(body[: served.silent_after])
            served.over.wait()
            return
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.over.set()
        made.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(transfer._go_on.retry, "sleep", lambda _: None)


@pytest.fixture
def fetch(server, tmp_path):
    def run(checksum: str = MD5, name: str | None = None):
        url = server.url if name is None else f"http://127.0.0.1:{server.server_port}/{name}"
        told.clear()
        return fetched(
            WebFile.model_construct(url=url, checksum=checksum),
            tmp_path / "d",
            "REMEDY",
            told.append,
        )

    told: list[str] = []
    run.told = told
    return run


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_fetched_once_under_its_own_name(fetch, server):
    file = fetch()
    assert file.read_bytes() == CONTENT
    assert names(file.parent) == ["data file.bin"]
    assert fetch() == file
    assert server.asked == [None]


def test_a_broken_connection_is_gone_on_with_at_once(fetch, server):
    server.cuts = (300_000, 100_000)
    assert fetch().read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=400000-"]


def test_what_was_interrupted_goes_on_with_the_next_command(fetch, server, tmp_path, monkeypatch):
    copy = transfer._copy

    def interrupted(response, stream, there, progress):
        stream.write(response.read(200_000))
        raise KeyboardInterrupt

    monkeypatch.setattr(transfer, "_copy", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch()
    partial = tmp_path / "d" / "data file.bin.partial"
    assert partial.stat().st_size == 200_000
    monkeypatch.setattr(transfer, "_copy", copy)
    file = fetch()
    assert file.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=200000-"]
    assert names(file.parent) == ["data file.bin"]


def test_a_site_that_fails_keeps_what_came_and_says_how_to_go_on(fetch, server, tmp_path):
    server.cuts = (1000, *[0] * 9)
    with pytest.raises(RecbenchError) as caught:
        fetch()
    assert "cannot be reached (the connection ended after 1000 of 1048576 bytes)" in str(
        caught.value
    )
    assert "the same command goes on where this one stopped, or REMEDY" in str(caught.value)
    assert caught.value.exit_code == 1
    server.cuts = ()
    assert fetch().read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=1000-"


@pytest.mark.parametrize("change", ["no ranges", "another version", "a weak tag"])
def test_a_file_is_fetched_from_its_start_where_the_rest_cannot_be_trusted(fetch, server, change):
    if change == "a weak tag":
        server.etag = 'W/"one"'
    server.cuts = (300_000, *[0] * 9)
    with pytest.raises(RecbenchError):
        fetch()
    server.cuts, server.asked = (), []
    checksum = MD5
    if change == "no ranges":
        server.ranges = False
    elif change == "another version":
        server.etag, server.content = '"two"', CONTENT[::-1]
        checksum = f"md5:{hashlib.md5(CONTENT[::-1]).hexdigest()}"
    assert fetch(checksum).read_bytes() == server.content
    assert server.asked == [None if change == "a weak tag" else "bytes=300000-"]


def test_a_part_that_begins_elsewhere_is_not_put_to_the_end(fetch, server):
    server.cuts, server.shift = (300_000,), 5
    assert fetch().read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", None]


def test_a_file_that_is_whole_but_was_not_checked_is_not_fetched_again(fetch, server, tmp_path):
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "data file.bin.partial").write_bytes(CONTENT)
    (folder / "data file.bin.partial.version").write_text('"one"')
    assert fetch().read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"]


def test_a_wrong_checksum_leaves_nothing(fetch, tmp_path):
    with pytest.raises(RecbenchError, match=r"sent a file with MD5 \w+, expected 0{32}; REMEDY"):
        fetch("md5:" + "0" * 32)
    assert names(tmp_path / "d") == []


def test_a_file_that_was_changed_here_is_fetched_again(fetch, server):
    file = fetch()
    file.write_bytes(b"changed")
    assert fetch().read_bytes() == CONTENT


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (403, 1), (503, 5), (429, 5)])
def test_what_a_server_refuses_is_one_line(fetch, server, tmp_path, status, tries):
    server.status = status
    with pytest.raises(
        RecbenchError, match=rf"cannot be reached \({status} .*\); REMEDY"
    ) as caught:
        fetch()
    assert len(server.asked) == tries
    assert "\n" not in str(caught.value)
    assert names(tmp_path / "d") == []


def test_nobody_there_is_one_line(fetch, server, tmp_path):
    server.shutdown()
    server.server_close()
    with pytest.raises(RecbenchError, match=r"cannot be reached \(.*refused.*\); REMEDY"):
        fetch()
    assert names(tmp_path / "d") == []


def test_without_a_published_checksum_the_first_one_is_kept(fetch, server):
    file = fetch("")
    record = file.with_name("data file.bin.sha256")
    assert record.read_text().strip() == hashlib.sha256(CONTENT).hexdigest()
    assert "has no published checksum" in fetch.told[0]
    assert str(record) in fetch.told[0]
    assert fetch("") == file
    assert (len(server.asked), fetch.told) == (1, [])
    file.unlink()
    server.content = b"something else"
    with pytest.raises(RecbenchError, match=r"as at first \(delete .*\.sha256 to take"):
        fetch("")
    record.unlink()
    assert fetch("").read_bytes() == b"something else"


@pytest.mark.parametrize("content", [gzip.compress(CONTENT)[:-20], b"no gzip", b"\x1f\x8b\x08"])
def test_a_damaged_gzip_file_leaves_nothing(fetch, server, tmp_path, content):
    server.content = content
    with pytest.raises(RecbenchError, match=r"refused: .* is not a sound gzip file: .*; REMEDY"):
        fetch("", "reviews.json.gz")
    assert names(tmp_path / "d") == []


def test_a_gzip_bomb_leaves_nothing(fetch, server, tmp_path):
    server.content = gzip.compress(bytes(8 << 20))
    with pytest.raises(RecbenchError, match="unpacks to more than 100 times its size"):
        fetch("", "reviews.json.gz")
    assert names(tmp_path / "d") == []


def test_a_sound_gzip_file_stays_packed(fetch, server):
    server.content = gzip.compress(CONTENT)
    assert fetch("", "reviews.json.gz").read_bytes() == server.content


def test_a_full_disk_is_not_blamed_on_the_site(fetch, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(transfer, "_copy", full)
    with pytest.raises(OSError, match="No space left") as caught:
        fetch()
    assert not isinstance(caught.value, RecbenchError)


def test_an_answer_that_breaks_the_rules_is_one_line(fetch, monkeypatch):
    def odd(*_):
        raise http.client.IncompleteRead(b"")

    monkeypatch.setattr(transfer, "_copy", odd)
    with pytest.raises(RecbenchError, match=r"cannot be reached \(.*IncompleteRead"):
        fetch()


def test_two_that_want_one_file_fetch_it_once(fetch, server):
    """Threads have open files of their own, so the lock parts them like processes."""
    done = []
    both = [threading.Thread(target=lambda: done.append(fetch())) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert [file.read_bytes() == CONTENT for file in done] == [True, True]
    assert server.asked == [None]


@pytest.mark.parametrize("ranges", [True, False], ids=["can send a part", "cannot"])
@pytest.mark.parametrize("checksum", [True, False], ids=["checksum", "none"])
def test_cut_at_any_byte_it_ends_whole(fetch, server, ranges, checksum):
    server.content, server.ranges = CONTENT[:40], ranges
    wanted = f"md5:{hashlib.md5(server.content).hexdigest()}" if checksum else ""
    for byte in range(len(server.content)):
        server.cuts, server.asked = (byte, byte // 2), []
        file = fetch(wanted)
        assert file.read_bytes() == server.content, byte
        assert len(server.asked) >= 2
        file.unlink()
        assert not list(file.parent.glob("*.partial*"))


@pytest.mark.parametrize("after", [-1, 0, 5])
def test_a_server_that_falls_silent_is_one_line(fetch, server, monkeypatch, after):
    monkeypatch.setattr(transfer, "_TIMEOUT", 0.1)
    server.silent_after = after
    with pytest.raises(
        RecbenchError, match=r"cannot be reached \(.*timed out\); .*REMEDY$"
    ) as said:
        fetch()
    assert ("goes on where this one stopped" in str(said.value)) == (after == 5)
    until = time.monotonic() + 60  # it may hear of the last try after that was given up
    while len(server.asked) < transfer._TRIES and time.monotonic() < until:
        time.sleep(0.01)
    assert len(server.asked) == transfer._TRIES
    server.silent_after = None
    assert fetch().read_bytes() == CONTENT
