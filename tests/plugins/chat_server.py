"""A server on this machine that completes chats as OpenAI's does, and fails as it is told to."""

import json
from collections import deque
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any

HEADING = "from this list:\n"
KEY = "sk-very-secret-key"


def request(title: str = "A") -> dict[str, Any]:
    """Return a request whose third listed title is `title`."""
    question = f"Choose the next film {HEADING}X\nY\n{title}\nThe next film is:"
    messages = [{"role": "user", "content": question}]
    return {"model": "m", "messages": messages, "max_tokens": 8, "temperature": 0.0}


def listed(prompt: str) -> list[str]:
    """Return the candidates' titles, as the question lists them."""
    return prompt.rpartition(HEADING)[2].split("\n")[:-1]


def completion(text: Any, finish: Any = "stop", **more: Any) -> dict[str, Any]:
    """Return the JSON of an answer of 100 tokens to read and 5 to write."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}}
    return {
        "choices": [{**choice, "finish_reason": finish}],
        "model": "served-1",
        "system_fingerprint": "fp_1",
        "usage": {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105},
        **more,
    }


def refusal(status: int, message: str = "no", code: str | None = None, **headers: str) -> "Reply":
    """Return an error as OpenAI words it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply({"error": {"message": message, "code": code}}, status, named)


@dataclass
class Reply:
    """
    What the server sends back.

    Attributes
    ----------
    content
        Bytes as they are; anything else as JSON.
    hangs
        Whether nothing is sent at all, until the server ends.
    """

    content: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False


class ChatServer(ThreadingHTTPServer):
    """
    Names the third title listed.

    Attributes
    ----------
    bodies, headers
        What it was asked, in order.
    faults
        Replies to the next requests, before any other.
    answer
        Returns the JSON or `Reply` to a request, of its body.
    most_at_once
        How many requests were under way at a time.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.faults: deque[Reply] = deque()
        self.answer: Callable[[dict[str, Any]], Any] = lambda body: completion(
            listed(body["messages"][0]["content"])[2]
        )
        self.most_at_once = self._at_once = 0
        self.lock, self.ended = Lock(), Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    @property
    def prompts(self) -> list[str]:
        return [body["messages"][0]["content"] for body in self.bodies]

    @contextmanager
    def counted(self):
        with self.lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            yield
        finally:
            with self.lock:
                self._at_once -= 1

    def handle_error(self, *_: Any) -> None:
        """Let clients that hang up go in silence."""

    @contextmanager
    def running(self):
        with self:
            thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self
            finally:
                self.ended.set()
                self.shutdown()
                thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.counted():
            with server.lock:
                server.bodies.append(body)
                server.headers.append({name.lower(): one for name, one in self.headers.items()})
                reply = server.faults.popleft() if server.faults else None
            if self.path != "/v1/chat/completions":
                reply = refusal(404, f"no {self.path} here")
            self._send(reply if reply is not None else server.answer(body))

    def _send(self, reply: Any) -> None:
        reply = reply if isinstance(reply, Reply) else Reply(reply)
        if reply.hangs:
            self.server.ended.wait()
            return
        content = reply.content
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Write nothing on standard error."""
