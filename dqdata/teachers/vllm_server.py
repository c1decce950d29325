"""Starts a vLLM server for the duration of a run, waits until it is healthy, and stops it with its children.

server = VllmServer(["--model", "Qwen/Qwen2.5-7B-Instruct"], python="/opt/vllm/bin/python", env={})
await server.start(patience=1800)
server.url, server.key
await server.stop()
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from dqdata.errors import TeacherError
from dqdata.masking import masker
from dqdata.workers.lifetime import guarded

STOP_SECONDS = 20.0
_TAIL = 15
"""Lines of its log that an error shows."""


class VllmServer:
    """One `vllm serve` on a port of its own, of loopback unless another host is given, behind a key of its own."""

    def __init__(
        self, arguments: Sequence[str], *, python: str, env: Mapping[str, str], host: str = "127.0.0.1"
    ) -> None:
        self.key = secrets.token_urlsafe(32)
        masker.add(self.key)
        self._host = host
        self._arguments, self._python, self._env = list(arguments), python, env
        self._process: asyncio.subprocess.Process | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="dqdata-vllm-")
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}/v1"

    async def start(self, patience: float) -> None:
        """Returns once /health answers. Raises TeacherError (fatal) with the end of its log where it doesn't."""
        with socket.socket() as probe:
            probe.bind((self._host, 0))
            self._port = probe.getsockname()[1]
        # By module and not by command: CPU builds are installed under another name, which `vllm serve` stumbles over.
        if shutil.which(self._python) is None:
            raise TeacherError(f"can't start {self._python}: no such program", kind="fatal", reason="server")
        command = [self._python, "-m", "vllm.entrypoints.openai.api_server", "--host", self._host]
        with self._log.open("wb") as log:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *guarded([*command, "--port", str(self._port), *self._arguments], STOP_SECONDS),
                    env={**os.environ, **self._env, "VLLM_API_KEY": self.key},
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as error:
                raise TeacherError(f"can't start {self._python}: {error}", kind="fatal", reason="server") from None
        deadline = time.monotonic() + patience
        while not await self._healthy():
            self.check()
            if time.monotonic() > deadline:
                await self.stop()
                raise self._failed(f"the vLLM server wasn't ready within {patience:g} s (`start_timeout`)")
            await asyncio.sleep(0.5)

    def check(self) -> None:
        """Raises TeacherError (fatal) where the server has died."""
        if self._process is not None and self._process.returncode is not None:
            raise self._failed(f"the vLLM server ended by itself with code {self._process.returncode}")

    async def ended(self, seconds: float) -> None:
        """Waits until the server has ended by itself, `seconds` at most."""
        if self._process is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), seconds)

    async def stop(self) -> None:
        """Ends it and every process it started."""
        process = self._process
        if process is None:
            return
        self._process = None
        with contextlib.suppress(ProcessLookupError):
            process.terminate()  # its guard passes this on, and ends what is left
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS + 10)
        except TimeoutError:
            process.kill()
            await process.wait()

    @property
    def _log(self) -> Path:
        return Path(self._folder.name) / "server.log"

    async def _healthy(self) -> bool:
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_connection(self._host, self._port), 5)
            writer.write(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
            status = await asyncio.wait_for(reader.readline(), 5)
            writer.close()
        except (OSError, TimeoutError):
            return False
        return b" 200 " in status

    def _failed(self, problem: str) -> TeacherError:
        lines = self._log.read_text(errors="replace").splitlines()[-_TAIL:]
        tail = masker.hide("\n".join(lines))
        return TeacherError(f"{problem}; the end of its log:\n{tail}", kind="fatal", reason="server")
