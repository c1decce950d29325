"""`doctor --ping`: what endpoints of many kinds say, and what is to be done."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dqdata.cli.ping import ADDRESS, ping_endpoint

ANSWERS = {
    "has": (200, json.dumps({"data": [{"id": "m"}]})),
    "other": (200, json.dumps({"data": [{"id": "x"}, {"id": "y"}]})),
    "none": (404, "no such page"),
    "failed": (500, "boom"),
    "refused": (400, "no"),
    "page": (200, "<html>hello</html>"),
    "odd": (200, "[1, 2]"),
    "odder": (200, '{"data": [3]}'),
    "moved": (302, ""),
}


class Endpoint(BaseHTTPRequestHandler):
    """Answers by the first part of the path."""

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        status, text = ANSWERS.get(kind, ANSWERS["has"])
        if kind == "keyed" and self.headers.get("Authorization") != "Bearer right":
            status = 401
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/has/v1/models")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing is written to standard error."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("kind", "key", "says", "fix"),
    [
        ("has", "", "answers, and has m", ""),
        ("other", "", "has no model 'm' (has: x, y)", "correct model"),
        ("none", "", "answers 404 to /models", ""),
        ("failed", "", "answers 500", "see the server's log"),
        ("refused", "", "answers 400", ADDRESS),
        ("page", "", "not in JSON", "correct base_url"),
        ("odd", "", "answers", ""),
        ("odder", "", "answers", ""),
        ("moved", "", "answers 302 and points to /has/v1", "write that as base_url"),
        ("keyed", "wrong", "401, the key is missing or wrong", "correct api_key"),
        ("keyed", "", "401, the key is missing or wrong", "correct api_key"),
        ("keyed", "right", "answers, and has m", ""),
    ],
)
def test_what_an_endpoint_says(port: int, kind: str, key: str, says: str, fix: str) -> None:
    found = ping_endpoint(f"http://127.0.0.1:{port}/{kind}/v1", key, "m", 30.0)
    assert (says in found.says, found.fix, found.works) == (True, fix, not fix), found


@pytest.mark.parametrize(
    ("url", "fix"), [("http://127.0.0.1:9/v1", ADDRESS), ("https://127.0.0.1:{port}/v1", "correct base_url")]
)
def test_an_endpoint_that_is_not_there(port: int, url: str, fix: str) -> None:
    found = ping_endpoint(url.format(port=port), "", "m", 30.0)
    assert (found.works, found.fix) == (False, fix), found
