"""The sandbox as its users see it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Literal

from dqdata.errors import SandboxError
from dqdata.sandbox.limits import Limits, Result
from dqdata.sandbox.probe import probe


class Sandbox:
    """Starts at the first program; usable from asyncio and from threads at once; leaves nothing running."""

    def __init__(
        self,
        mode: Literal["auto", "bwrap", "landlock", "none"] = "auto",
        workers: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.mode, self.workers, self.limits = mode, workers, limits or Limits()

    async def run(
        self, program: str, *, stdin: str = "", limits: Limits | None = None, files: Mapping[str, str] | None = None
    ) -> Result:
        """Runs a program in fresh state. Raises SandboxError where no isolation works here."""
        return await asyncio.wrap_future(self.submit(program, stdin=stdin, limits=limits, files=files))

    def submit(
        self, program: str, *, stdin: str = "", limits: Limits | None = None, files: Mapping[str, str] | None = None
    ) -> Future[Result]:
        """`run` for threads."""
        raise SandboxError(f"no working sandbox: {probe().reasons}")

    def close(self) -> None:
        """Ends every process; safe to call twice."""

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
