"""A teacher that repeats what it hears, and notes each call in a file so that tests can count across processes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from dqdata.errors import TeacherError
from dqdata.operator import Params
from dqdata.teacher import Completion, Request, Teacher, Usage


class ParrotParams(Params):
    model: str = "parrot-1"
    log: Path
    seconds: float = 0.0
    fail: str = ""
    """Questions that hold this text fail, retryable, while the file `log`.down exists."""


class Parrot(Teacher[ParrotParams]):
    """Says the question again."""

    provider = "parrot"
    Params = ParrotParams

    async def complete(self, request: Request) -> Completion:
        await asyncio.sleep(self.params.seconds)
        text = request.messages[-1].content
        if self.params.fail and self.params.fail in text and Path(f"{self.params.log}.down").exists():
            raise TeacherError("down", kind="retryable", reason="down")
        with self.params.log.open("a") as log:
            log.write(f"{self.key(request)}\n")
        return Completion(response=f"{text} #{request.sample}", finish_reason="stop", usage=Usage(10, 20))
