"""A Hub of Hugging Face on the loopback: repositories of data sets, commits, large files by LFS and by Xet.

hub = HubServer(); hub.start(); hub.files["acme/rows"]["README.md"]; hub.stop()

Xet: the client cuts large files into chunks and posts xorbs, which are chunks behind each other, and a shard, which
lists the chunks of each file. The server unpacks the xorbs and finds a file by its SHA-256 among runs of their chunks.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pyarrow as pa

TOKEN = "hf_loopbackTokenThatMayWrite0123456789"
XET_TOKEN = "xetLoopbackTokenOfOneUpload"
XET_SECONDS = 3600
BYTES_PER_GROUP = 4


class HubServer:
    """files: bytes by repository and path. fail: a status by the part of a path that is refused. private: repositories
    that were made private. commits: titles by repository."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.large: dict[str, bytes] = {}
        self.private: set[str] = set()
        self.commits: dict[str, list[str]] = {}
        self.fail: dict[str, int] = {}
        self.calls: list[str] = []
        self.tokens: set[str] = set()
        self.chunks: list[bytes] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, body: bytes, token: str) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON or bytes, and headers."""
        path = path.partition("?")[0]
        self.calls.append(f"{method} {path}")
        self.tokens.add(token)
        for part, status in self.fail.items():
            if part in path:
                return status, {"error": f"refused for the test, token {token}"}, {}
        if path.startswith("/cas/"):
            return self._stored(path.removeprefix("/cas"), body, token)
        if path.startswith("/upload/"):
            self.large[path.rpartition("/")[2]] = body
            return 200, b"", {}
        if token != TOKEN:
            return 401, {"error": "Invalid credentials"}, {}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}, {}
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path.endswith("/info/lfs/objects/batch"):
            return 200, {"objects": [self._slot(one) for one in json.loads(body)["objects"]]}, {}
        repository = "/".join(path.removeprefix("/api/datasets/").split("/")[:2])
        if repository not in self.files:
            return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
        if "/xet-write-token/" in path:
            expires = int(time.time()) + XET_SECONDS
            return 200, {"casUrl": f"{self.url}/cas", "accessToken": XET_TOKEN, "exp": expires}, {}
        if "/tree/" in path:
            return 200, [self._entry(name, data) for name, data in self.files[repository].items()], {}
        if "/preupload/" in path:
            return 200, {"files": [self._mode(one) for one in json.loads(body)["files"]]}, {}
        if "/commit/" in path:
            return self._commit(repository, body)
        return 200, self._info(repository), {}

    def _stored(self, path: str, body: bytes, token: str) -> tuple[int, Any, dict[str, str]]:
        """The content-addressed store of Xet: what it has no answer for is 404, which the client takes as an older
        server or a chunk that is new."""
        if token != XET_TOKEN:
            return 401, {"error": "Invalid credentials"}, {}
        if path.startswith("/v1/xorbs/"):
            self.chunks += unpacked(body)
            return 200, {"was_inserted": True}, {}
        if path == "/v1/shards":
            return 200, {"result": 1}, {}
        return 404, {"error": "not found"}, {}

    def _create(self, wanted: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        name = f"{wanted['organization']}/{wanted['name']}" if wanted.get("organization") else wanted["name"]
        if name in self.files:
            return 409, {"error": "exists", "url": f"{self.url}/datasets/{name}"}, {}
        self.files[name] = {".gitattributes": b"*.parquet filter=lfs"}
        self.commits[name] = []
        if wanted.get("private") or wanted.get("visibility") == "private":
            self.private.add(name)
        return 200, {"url": f"{self.url}/datasets/{name}", "name": name}, {}

    def _slot(self, one: dict[str, Any]) -> dict[str, Any]:
        if one["oid"] in self.large:
            return {"oid": one["oid"], "size": one["size"]}
        href = {"upload": {"href": f"{self.url}/upload/{one['oid']}", "header": {}}}
        return {"oid": one["oid"], "size": one["size"], "actions": href}

    def _mode(self, one: dict[str, Any]) -> dict[str, Any]:
        mode = "lfs" if one["path"].endswith(".parquet") else "regular"
        return {"path": one["path"], "uploadMode": mode, "shouldIgnore": False}

    def _entry(self, name: str, data: bytes) -> dict[str, Any]:
        return {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}

    def _info(self, repository: str) -> dict[str, Any]:
        siblings = [{"rfilename": name} for name in self.files[repository]]
        return {"id": repository, "sha": "0" * 40, "siblings": siblings, "private": False, "tags": [], "downloads": 0}

    def _commit(self, repository: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
        files = dict(self.files[repository])
        title = ""
        for line in body.splitlines():
            one = json.loads(line)
            value = one["value"]
            if one["key"] == "header":
                title = value["summary"]
            elif one["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif one["key"] == "lfsFile":
                files[value["path"]] = self._large(value["oid"], value["size"])
            elif one["key"] in ("deletedFile", "deletedEntry"):
                files.pop(value["path"], None)
        self.files[repository] = files
        self.commits[repository].append(title)
        oid = hashlib.sha1(body).hexdigest()
        return 200, {"commitUrl": f"{self.url}/datasets/{repository}/commit/{oid}", "commitOid": oid}, {}

    def _large(self, oid: str, size: int) -> bytes:
        """A large file by its SHA-256, as it came by LFS or lies in the chunks that came by Xet."""
        for start in range(len(self.chunks) if oid not in self.large else 0):
            ends = itertools.accumulate(map(len, self.chunks[start:]))
            count = next((place for place, end in enumerate(ends, 1) if end >= size), 0)
            data = b"".join(self.chunks[start : start + count])
            if hashlib.sha256(data).hexdigest() == oid:
                self.large[oid] = data
                break
        return self.large[oid]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments: object) -> None: ...

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
                status, answer, headers = hub.answer(self.command, self.path, body, token)
                text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _serve

        return Handler


def unpacked(xorb: bytes) -> list[bytes]:
    """The chunks of a xorb. Each has a header of eight bytes: version, length, kind of compression (0 none, 1 LZ4,
    2 LZ4 of the bytes in four groups), length once unpacked."""
    chunks, place = list[bytes](), 0
    while place < len(xorb) and xorb[place] == 0:
        length, kind = int.from_bytes(xorb[place + 1 : place + 4], "little"), xorb[place + 4]
        size = int.from_bytes(xorb[place + 5 : place + 8], "little")
        data = xorb[place + 8 : place + 8 + length]
        place += 8 + length
        if kind:
            data = pa.decompress(data, size, codec="lz4", asbytes=True)
        chunks.append(ungrouped(data) if kind == 2 else data)
    return chunks


def ungrouped(data: bytes) -> bytes:
    """The bytes whose groups lie behind each other: first those of the places 0, 4, 8, then of 1, 5, 9, and so on."""
    whole, place = bytearray(len(data)), 0
    for group in range(BYTES_PER_GROUP):
        length = len(range(group, len(data), BYTES_PER_GROUP))
        whole[group::BYTES_PER_GROUP] = data[place : place + length]
        place += length
    return bytes(whole)
