"""A Files and Batches endpoint on loopback: batches are executed when the test says so.

server = BatchLoopback()
server.start()
...
server.finish()                 # every batch is answered; or finish(answered=2, status="expired")
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web
from loopback import Loopback


class BatchLoopback(Loopback):
    """What it was given lives longer than one listening, as at a real endpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.lose_answer = False
        """The next batch is made, but the connection breaks before its id is said."""
        self.refuse: tuple[str, str] | None = None
        """(code, message) with which every file is refused as a whole."""
        self.look: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = lambda lines: []
        """Errors of a file, as the endpoint's validation finds them; with any, the file is refused."""
        self.upload: Callable[[list[dict[str, Any]]], int] = lambda lines: 200
        """Status of an upload."""

    def app(self) -> web.Application:
        app = super().app()
        app.router.add_post("/v1/files", self._upload)
        app.router.add_get("/v1/files/{id}/content", self._content)
        app.router.add_post("/v1/batches", self._create)
        app.router.add_get("/v1/batches", self._list)
        app.router.add_get("/v1/batches/{id}", self._retrieve)
        return app

    def lines(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]

    def submitted(self) -> list[str]:
        """Every question in every batch, in the order of submission."""
        return [
            line["body"]["messages"][-1]["content"] for batch in self.batches.values() for line in self.lines(batch)
        ]

    def finish(self, answered: int | None = None, status: str = "completed") -> None:
        """Ends the batches under way: the first requests of each answered, the others expired."""
        for batch in list(self.batches.values()):
            if batch["status"] != "in_progress":
                continue
            lines = self.lines(batch)
            cut = len(lines) if answered is None else answered
            good = [self._result(line) for line in lines[:cut]]
            error = {"code": "batch_expired", "message": "too late"}
            bad = [{"custom_id": line["custom_id"], "response": None, "error": error} for line in lines[cut:]]
            for name, results in (("output_file_id", good[::-1]), ("error_file_id", bad)):
                if results:
                    batch[name] = f"file-{name}-{batch['id']}"
                    self.files[batch[name]] = b"".join(json.dumps(one).encode() + b"\n" for one in results)
            batch["status"] = status

    def _result(self, line: dict[str, Any]) -> dict[str, Any]:
        said = self.answer(line["body"])
        if isinstance(said, dict):
            return {"custom_id": line["custom_id"], **said}
        if isinstance(said, int):
            body: dict[str, Any] = {"error": {"message": f"scripted {said}"}}
            return {"custom_id": line["custom_id"], "response": {"status_code": said, "body": body}, "error": None}
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        body = {"model": "m", "choices": [choice], "usage": self.usage}
        return {"custom_id": line["custom_id"], "response": {"status_code": 200, "body": body}, "error": None}

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        field = form["file"]
        assert isinstance(field, web.FileField) and form["purpose"] == "batch"
        name = f"file-{len(self.files)}"
        content = field.file.read()
        status = self.upload([json.loads(line) for line in content.splitlines()])
        if status != 200:
            return web.json_response({"error": {"message": f"scripted {status}"}}, status=status)
        self.files[name] = content
        return web.json_response({"id": name, "object": "file", "bytes": 1, "purpose": "batch"})

    async def _content(self, request: web.Request) -> web.Response:
        return web.Response(body=self.files[request.match_info["id"]])

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        name = f"batch_{len(self.batches)}"
        made = {**body, "id": name, "object": "batch", "status": "in_progress"}
        errors = self.look(self.lines(made))
        if self.refuse:
            code, message = self.refuse
            errors = [{"code": code, "message": message}]
        if errors:
            made |= {"status": "failed", "errors": {"object": "list", "data": errors}}
        self.batches[name] = made
        if self.lose_answer:
            self.lose_answer = False
            assert request.transport is not None
            request.transport.close()
        return web.json_response(self.batches[name])

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": list(self.batches.values()), "has_more": False})

    async def _retrieve(self, request: web.Request) -> web.Response:
        batch = self.batches.get(request.match_info["id"])
        return web.json_response(batch or {"error": {"message": "no such batch"}}, status=200 if batch else 404)
