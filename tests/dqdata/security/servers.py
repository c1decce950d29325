"""Real HTTP servers on loopback that behave badly, and note what reaches them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Reply(NamedTuple):
    status: int
    body: bytes
    headers: Mapping[str, str] = {}


class Seen(NamedTuple):
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def question(self) -> str:
        """The last message of a chat."""
        return str(self.json["messages"][-1]["content"])


Answer = Callable[[Seen], Reply]


class Running(NamedTuple):
    origin: str
    """Address without a path."""
    seen: list[Seen]

    @property
    def url(self) -> str:
        return f"{self.origin}/v1"


@contextmanager
def serving(answer: Answer) -> Iterator[Running]:
    """A server on a port of its own until the block ends."""
    seen: list[Seen] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            request = Seen(self.command, self.path, dict(self.headers), self.rfile.read(length))
            seen.append(request)
            reply = answer(request)
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_HEAD = do_PUT = _any

        def log_message(self, *_: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    try:
        yield Running(f"http://127.0.0.1:{running.server_port}", seen)
    finally:
        running.shutdown()
        running.server_close()
        thread.join(5)


def completion(content: str, **more: Any) -> Reply:
    """A chat completion that ended by itself."""
    message = {"role": "assistant", "content": content, **more}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 5, "completion_tokens": 5}
    return Reply(200, json.dumps({"model": "m", "choices": [choice], "usage": usage}).encode())


def refusing(status: int, message: str) -> Reply:
    return Reply(status, json.dumps({"error": {"message": message, "code": "invalid"}}).encode())
