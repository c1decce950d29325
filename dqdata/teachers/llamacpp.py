"""llama.cpp in this process: GGUF models on CPU or GPU, many sequences at once.

    [teachers.small]
    provider = "llamacpp"
    model = "smollm2-135m"          # or a .gguf file, or hf:owner/name/file.gguf

The model is loaded with the first call that isn't in the ledger. Each answer has a seed, its ledger key where none is
given: samples differ, and a rerun on the same machine gives the same texts.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field

from dqdata.errors import DataError, PluginError, TeacherError
from dqdata.masking import masker
from dqdata.models import gguf
from dqdata.params import NameOrPath
from dqdata.teacher import Completion, Request, Teacher
from dqdata.teachers import chat
from dqdata.teachers.refusals import refusal
from dqdata.teachers.stream import Assembly


class LlamaCppParams(chat.ReadingParams):
    model: NameOrPath = gguf.BUNDLED
    """A GGUF file, `hf:owner/name/file.gguf`, or `smollm2-135m`, which is installed with the package."""
    context_tokens: int = Field(2048, ge=64)
    """Tokens of one sequence, prompt and answer together; memory is set aside for all sequences."""
    sequences: int = Field(8, ge=1, le=256)
    """How many answers are decoded together; more calls than that wait. On a CPU more than 8 gain nothing."""
    threads: int | None = Field(None, ge=1)
    """Threads that compute. Unset: one for each core that is idle now; more than are free make it many times slower."""
    gpu_layers: int = -1
    """Layers on the GPU; -1: as many as fit."""
    prompt_cache: bool = False
    """Reuse the beginning of a prompt between calls: faster for long common prompts, and no longer reproducible."""


class LlamaCpp(Teacher[LlamaCppParams]):
    """Answers with a GGUF model through llama.cpp, inside this process."""

    provider = "llamacpp"
    free = True
    Params = LlamaCppParams

    def __init__(self, params: LlamaCppParams) -> None:
        super().__init__(params)
        self._server: Any = None
        self._pool: ThreadPoolExecutor | None = None
        self._closing = threading.Event()
        self._revision: str | None = None

    @property
    def model(self) -> str:
        return gguf.short_name(self.params.model)

    def requires(self) -> tuple[str, ...]:
        return ("xllamacpp",)

    @property
    def revision(self) -> str:
        """Hash of the model file."""
        if self._revision is None:
            self._revision = gguf.file_hash(gguf.locate(self.params.model))
        return self._revision

    @property
    def identity(self) -> list[str]:
        return [*super().identity, *self.params.reading]

    def present(self, completion: Completion) -> Completion:
        return chat.present(completion, self.params)

    async def start(self) -> None:
        path = gguf.locate(self.params.model)
        self._pool = ThreadPoolExecutor(self.params.sequences, thread_name_prefix="llamacpp")
        self._server = await asyncio.get_running_loop().run_in_executor(self._pool, _load, path, self.params)

    async def complete(self, request: Request) -> Completion:
        if self._pool is None:
            await self.start()
        assert self._pool is not None
        given = chat.seed(request)
        body = chat.body(request, _AS_CHAT) | {
            "seed": int(self.key(request)[:8], 16) & 0x7FFFFFFF if given is None else given,
            "cache_prompt": self.params.prompt_cache,
            "stream": True,  # the only way to stop an answer that nobody waits for any more
            "stream_options": {"include_usage": True},
        }
        stopped = threading.Event()
        work = asyncio.get_running_loop().run_in_executor(self._pool, self._answer, body, stopped)
        try:
            data, seconds = await work
        except asyncio.CancelledError:
            stopped.set()
            raise
        return replace(chat.completion(data, request, self.params), model=self.model, seconds=seconds)

    async def close(self) -> None:
        self._closing.set()
        if self._pool is not None:
            await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)
            self._pool = None
        if self._server is not None:
            self._server = None
            await asyncio.to_thread(gc.collect)  # frees the model: it goes with its last reference

    def _answer(self, body: dict[str, Any], stopped: threading.Event) -> tuple[dict[str, Any], float]:
        """Runs in a thread of the pool until the answer is whole, or nobody wants it."""
        began = time.monotonic()
        whole = Assembly()

        def add(chunk: Any) -> bool:
            """llama.cpp swallows what this raises; true stops the answer."""
            whole.add(chunk)
            return stopped.is_set() or self._closing.is_set()

        try:
            self._server.handle_chat_completions(body, add)
        except ValueError as error:
            raise TeacherError(f"llama.cpp refuses this request: {error}", kind="row", reason="bad_request") from None
        if whole.error is not None:
            raise _refused(whole.error, self.params)
        if whole.finish_reason is None:
            raise TeacherError("llama.cpp was stopped in the middle of an answer", kind="retryable", reason="stopped")
        return whole.data(), time.monotonic() - began


_AS_CHAT = chat.ChatParams(model="local")


def free_cores() -> int:
    """Cores that this process may use and that nobody uses now; at least one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if (limit := os.environ.get("OMP_NUM_THREADS", "")).isdigit():
        allowed = min(allowed, int(limit))
    busy = int(os.getloadavg()[0]) if hasattr(os, "getloadavg") else 0
    return max(1, allowed - busy)


def _load(path: Path, params: LlamaCppParams) -> Any:
    try:
        import xllamacpp
    except ImportError:
        raise PluginError(
            "provider 'llamacpp' needs xllamacpp: pip install 'dqdata[llamacpp]'", code="missing-extra"
        ) from None
    threads = params.threads or free_cores()
    options = xllamacpp.CommonParams()
    options.model.path = str(path)
    options.n_parallel = params.sequences
    options.n_ctx = params.context_tokens * params.sequences
    options.n_gpu_layers = params.gpu_layers
    options.cpuparams.n_threads = options.cpuparams_batch.n_threads = threads
    options.cache_ram_mib = 512 if params.prompt_cache else 0
    options.verbosity = 0
    # Its HTTP side can't be switched off: it listens on loopback only, and nobody knows this key.
    key = secrets.token_urlsafe(32)
    masker.add(key)
    options.api_keys = [key]
    options.ui = False
    try:
        return xllamacpp.Server(options)
    except RuntimeError as error:
        raise DataError(
            f"llama.cpp can't load {path}: {error} The file may be damaged or of an unknown kind, or memory too small "
            f"for {params.sequences} sequences of {params.context_tokens} tokens"
        ) from error


def _refused(error: Any, params: LlamaCppParams) -> TeacherError:
    status = int(error.get("code") or 500)
    found = refusal(400, json.dumps({"error": error}).encode(), {}, "llama.cpp")
    # The same request would break the same engine again, so nothing here is worth another try.
    return TeacherError(str(found), kind="row", reason=found.reason, status=status)
