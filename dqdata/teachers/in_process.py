"""Base of teachers whose model runs in this process, in a thread that batches requests.

    class Transformers(InProcess[TransformersParams, Writing]):
        provider = "transformers"
        def load(self) -> Writing: ...                              # in the thread, once
        def serve(self, model, queue) -> None: ...                   # works = queue.take(room, wait), queue.answer(...)

The model is loaded with the first call that isn't in the ledger. torch is imported then, and not before.
"""

from __future__ import annotations

import asyncio
import threading
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import Field

from dqdata.aio import settle
from dqdata.errors import DqdataError, PluginError, TeacherError
from dqdata.ids import digest
from dqdata.models import ModelRef, folder_hash, gguf, resolve_model
from dqdata.params import ModelName, Params
from dqdata.teacher import Limits, Request, Teacher
from dqdata.teachers.llamacpp import free_cores

M = TypeVar("M")


class InProcessParams(Params):
    model: ModelName = Field(min_length=1)
    """A folder, a hub name, or `trained:NAME@version`."""
    revision: str = ""
    """Commit of a hub model. A folder needs none: its files are hashed."""
    batch_size: int = Field(16, ge=1)
    """Requests that are computed together; more than those wait."""
    context_tokens: int | None = Field(None, ge=1)
    """Tokens that prompt and answer may have together, where that is less than the model can read."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """auto: bfloat16 on a GPU, float32 on a CPU."""
    threads: int | None = Field(None, ge=1)
    """Threads that compute on a CPU. Unset: one for each core that is idle when the model is loaded."""
    trust_remote_code: bool = False
    """Run Python that comes with the model."""
    allow_pickle: bool = False
    """Load weights that are no safetensors: reading a pickle runs what is in it."""


P = TypeVar("P", bound=InProcessParams)


class InProcess(Teacher[P], Generic[P, M]):
    """A model at work in one thread. Subclasses load it and serve what is on its queue."""

    free: ClassVar[bool] = True
    usual_limits: ClassVar[Mapping[str, Any]] = {"max_attempts": 1}

    def __init__(self, params: P) -> None:
        super().__init__(params)
        self._queue: RequestQueue | None = None
        self._starting = asyncio.Lock()

    @cached_property
    def ref(self) -> ModelRef:
        """What the model's name means. Raises ProjectError where it means nothing."""
        return self.trained or resolve_model(self.params.model, None, Path.cwd(), "model")

    def limits(self, given: Limits) -> Limits:
        """Twice as many calls as are computed together, so that one waits for each that ends."""
        usual = super().limits(given)
        if "concurrency" in given.model_fields_set:
            return usual
        return usual.model_copy(update={"concurrency": 2 * self.params.batch_size})

    @property
    def model(self) -> str:
        if self.trained is None and self.ref.kind == "folder":
            return Path(self.ref.path).name
        return gguf.short_name(self.params.model) if self.ref.kind == "gguf" else super().model

    @property
    def revision(self) -> str:
        return "+".join(part for part in (self.params.revision, self._weights) if part)

    @cached_property
    def _weights(self) -> str:
        if self.ref.kind == "folder":
            return folder_hash(Path(self.ref.path))
        if self.ref.kind == "adapter":
            return self.ref.identity
        return gguf.file_hash(Path(self.ref.path)) if self.ref.kind == "gguf" else ""

    @abstractmethod
    def load(self) -> M:
        """The model, ready. Runs in the thread. Raises InputError."""

    @abstractmethod
    def serve(self, model: M, queue: RequestQueue) -> None:
        """Answers what is on the queue until `take` says that it is the end."""

    async def start(self) -> None:
        async with self._starting:  # many calls may come before the first has started it
            if self._queue is None:
                queue = RequestQueue(self.provider)
                await queue.open(self._work)
                self._queue = queue

    async def ask(self, request: Request) -> Any:
        """What `serve` answers to the request. Raises TeacherError."""
        if self._queue is None:
            await self.start()
        assert self._queue is not None
        return await self._queue.ask(request)

    async def close(self) -> None:
        if self._queue is not None:
            await asyncio.to_thread(self._queue.close)
            self._queue = None

    def _work(self, queue: RequestQueue) -> None:
        try:
            import torch
            import transformers  # noqa: F401
        except ImportError as error:
            raise PluginError(
                f"provider {self.provider!r} needs torch and transformers ({error}): pip install 'dqdata[train]'",
                code="missing-extra",
            ) from None
        torch.set_num_threads(self.params.threads or free_cores())
        model = self.load()
        queue.loaded()
        self.serve(model, queue)


class Work:
    """A request on the queue. wanted: false once nobody waits for its answer."""

    def __init__(self, request: Request, future: asyncio.Future[Any]) -> None:
        self.request, self.future = request, future
        self.wanted = True


class RequestQueue:
    """Between an event loop that asks and a thread that answers."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._name = name
        self._waiting: deque[Work] = deque()
        self._open: set[Work] = set()
        self._changed = threading.Condition()
        self.closing = False
        self._ended: DqdataError | None = None
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._thread: threading.Thread | None = None

    async def open(self, work: Callable[[RequestQueue], None]) -> None:
        """Starts the thread. Raises what goes wrong until it says that it has `loaded`."""
        self._thread = threading.Thread(target=self._run, args=(work,), name=self._name, daemon=True)
        self._thread.start()
        await self._ready

    async def ask(self, request: Request) -> Any:
        work = Work(request, self._loop.create_future())
        with self._changed:
            if self._ended is not None:
                raise self._ended
            self._waiting.append(work)
            self._open.add(work)
            self._changed.notify()
        try:
            return await work.future
        except asyncio.CancelledError:
            work.wanted = False
            raise

    def close(self) -> None:
        """Ends the thread; what is unfinished fails as retryable."""
        with self._changed:
            self.closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(60)

    def loaded(self) -> None:
        settle(self._ready)

    def take(self, room: int, wait: bool) -> list[Work] | None:
        """Up to so many requests, in the order they came; with `wait`, only once there is one. None: the end."""
        with self._changed:
            while wait and not self._waiting and not self.closing:
                self._changed.wait()
            if self.closing:
                return None
            taken = [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]
        for work in taken:
            if not work.wanted:
                self._open.discard(work)
        return [work for work in taken if work.wanted]

    def ready(self) -> bool:
        return bool(self._waiting) or self.closing

    def answer(self, work: Work, value: Any = None, *, error: Exception | None = None) -> None:
        self._open.discard(work)
        settle(work.future, value, error=error)

    def _run(self, work: Callable[[RequestQueue], None]) -> None:
        try:
            work(self)
            ended: DqdataError = TeacherError(f"{self._name} was stopped", kind="retryable", reason="stopped")
        except DqdataError as error:
            ended = error
        except Exception as error:
            broke = f"{self._name} broke: {type(error).__name__}: {error}"
            ended = TeacherError(broke, kind="fatal", reason="broken")
        with self._changed:
            self._ended = ended
            unfinished = list(self._open)
        settle(self._ready, error=ended)
        for one in unfinished:
            self.answer(one, error=ended)


def template_hash(kwargs: Mapping[str, Any]) -> str:
    """Part of a revision: the same model with another chat template gives other answers."""
    return digest("template", repr(sorted(kwargs.items())))[:12] if kwargs else ""


def too_long(tokens: int, limit: int | None, name: str) -> TeacherError:
    return TeacherError(
        f"{tokens} tokens are more than {name} reads" + (f" ({limit})" if limit else ""),
        kind="row",
        reason="context_too_long",
    )
