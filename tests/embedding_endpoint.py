"""An endpoint for embeddings on loopback, which counts letters."""

from __future__ import annotations

import base64
import contextlib
import json
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Embeddings:
    """An OpenAI-compatible /v1/embeddings on loopback. `fault` gets the number of the call, from 0, and says what is
    sent instead of an answer: (status, body), "cut", or None for an answer."""

    def __init__(self, *, packed: bool = True) -> None:
        self.packed = packed
        self.fault: Callable[[int], Any] = lambda call: None
        self.asked: list[list[str]] = []
        self.keys: list[str | None] = []
        self.bodies: list[dict[str, Any]] = []
        lock, outer = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    call = len(outer.asked)
                    outer.asked.append(body["input"])
                    outer.bodies.append(body)
                    outer.keys.append(self.headers["Authorization"])
                fault = outer.fault(call)
                if fault == "cut":
                    self.send_response(200)
                    self.send_header("Content-Length", "1000")
                    self.end_headers()
                    self.wfile.write(b'{"data": [')
                    return
                status, said = fault or (200, outer.answer(body["input"], body.get("encoding_format", "")))
                raw = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Retry-After", "0")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # who asked may be gone
                    self.wfile.write(raw)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, texts: list[str], form: str) -> dict[str, Any]:
        """Letters counted; the vectors last first, as the order of `data` is nowhere promised."""
        made = [[float(text.lower().count(letter)) + 0.1 for letter in "abcdefghijklmnop"] for text in texts]
        said = [self._packed(one) if form == "base64" and self.packed else one for one in made]
        data = [{"object": "embedding", "index": at, "embedding": one} for at, one in enumerate(said)]
        return {
            "object": "list",
            "model": "small",
            "data": data[::-1],
            "usage": {"prompt_tokens": sum(map(len, texts)), "total_tokens": sum(map(len, texts))},
        }

    @staticmethod
    def _packed(vector: list[float]) -> str:
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
