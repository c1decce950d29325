"""A real OpenAI-compatible endpoint on loopback, with scripted answers, latency and faults.

    def test_something(loopback):          # or async: the server has a thread of its own
        loopback.answer = lambda body: "It is 4."
        loopback.faults = {"429": 0.1, "cut": 0.03}
        teacher = OpenAI(EndpointParams(base_url=loopback.url, model="m"))

`loopback.asked` holds every body that arrived, `loopback.answered` those that were answered whole.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web


def echo(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


class Loopback:
    """Answers POST /v1/chat/completions. Faults, by share of the calls: an HTTP status such as "429" or "500", "never"
    (no answer), "cut" (the connection breaks in the body), "malformed" (200, but no JSON)."""

    def __init__(self) -> None:
        self.answer: Callable[[dict[str, Any]], Any] = echo
        """What the content is; a dict is taken as the whole message; an Exception of aiohttp.web is raised."""
        self.latency = 0.0
        self.faults: Mapping[str, float] = {}
        self.retry_after: str | None = "0"
        self.key: str | None = None
        """Where set, calls without it get 401."""
        self.finish_reason = "stop"
        self.usage: dict[str, Any] | None = {"prompt_tokens": 10, "completion_tokens": 5}
        self.asked: list[dict[str, Any]] = []
        self.answered: list[dict[str, Any]] = []
        self.headers: Mapping[str, str] = {}
        self.most_at_once = 0
        self.given: Counter[str] = Counter()
        """How many calls got each fault."""
        self.port = 0
        self._at_once = 0
        self._hang = asyncio.Event()
        self._random = random.Random(0)
        self._runner: web.AppRunner | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """Listens, on the port it had before where it was stopped; runs in a thread of its own."""
        self._loop = asyncio.new_event_loop()
        self._hang = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loopback", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(300)

    def stop(self) -> None:
        """Cuts every connection; nobody listens any more."""
        if self._loop is None:
            return
        assert self._runner is not None and self._thread is not None
        self._loop.call_soon_threadsafe(self._hang.set)
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(300)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = None

    async def _listen(self) -> None:
        self._runner = web.AppRunner(self.app(), shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True, backlog=2048).start()
        self.port = self._runner.addresses[0][1]

    def app(self) -> web.Application:
        """The routes. An application serves one loop, so each start makes its own."""
        app = web.Application(client_max_size=2**28)
        app.router.add_post("/v1/chat/completions", self._chat)
        return app

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        self.asked.append(body)
        self.headers = request.headers
        if self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}":
            said = request.headers.get("Authorization", "nothing")
            return web.json_response({"error": {"message": f"Incorrect API key provided: {said}"}}, status=401)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if self.latency:
                await asyncio.sleep(self.latency)
            return await self._fault(request) or self._whole(body)
        finally:
            self._at_once -= 1

    async def _fault(self, request: web.Request) -> web.StreamResponse | None:
        drawn = self._random.random()
        for fault, share in self.faults.items():
            drawn -= share
            if drawn >= 0:
                continue
            self.given[fault] += 1
            if fault == "never":
                await self._hang.wait()
                return web.Response(status=500)
            if fault == "malformed":
                return web.Response(text='{"choices": [{"message": {"content": "', content_type="application/json")
            if fault == "cut":
                response = web.StreamResponse(headers={"Content-Length": "1000"})
                await response.prepare(request)
                await response.write(b'{"choices": [')
                assert request.transport is not None
                request.transport.close()
                return response
            headers = {"Retry-After": self.retry_after} if self.retry_after is not None else {}
            return web.json_response({"error": {"message": f"scripted {fault}"}}, status=int(fault), headers=headers)
        return None

    def _whole(self, body: dict[str, Any]) -> web.Response:
        said = self.answer(body)
        if isinstance(said, Exception):
            raise said
        message = said if isinstance(said, dict) else {"role": "assistant", "content": said}
        self.answered.append(body)
        answer = {
            "id": f"chatcmpl-{len(self.answered)}",
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish_reason}],
        }
        return web.json_response({**answer, "usage": self.usage} if self.usage is not None else answer)
