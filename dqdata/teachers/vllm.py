"""vLLM on this machine: in this process, or as a server that starts and stops with the run.

    [teachers.r1]
    provider = "vllm"
    model = "Qwen/QwQ-32B"
    tensor_parallel = 4
    context_tokens = 32768
    serve = true                        # own process; `python = "..."` names the environment that has vLLM

Either way requests join the running batch one by one, and prompts that begin alike share their prefix.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from dqdata.aio import settle
from dqdata.errors import PluginError, TeacherError
from dqdata.ids import digest
from dqdata.models import folder_hash
from dqdata.params import LocalPath, ModelName, NameOrPath
from dqdata.teacher import Completion, ModelServer, Request, Teacher
from dqdata.teachers import chat
from dqdata.teachers.openai import EndpointParams, OpenAI
from dqdata.teachers.refusals import refusal
from dqdata.teachers.vllm_server import VllmServer

_ADAPTER = "adapter"


class VllmParams(chat.ReadingParams):
    model: ModelName = Field(min_length=1)
    """A hub name, a folder, or `trained:NAME@version`."""
    revision: str = ""
    """Commit of the hub model. A folder needs none: its files are hashed."""
    adapter: LocalPath | None = None
    """Folder of a LoRA adapter."""
    tensor_parallel: int = Field(1, ge=1)
    """GPUs that share the model."""
    prefix_caching: bool = True
    """Keep what was computed for the beginnings of prompts: the samples of a problem share theirs."""
    dtype: str = "auto"
    """Of the weights and activations, by vLLM's names; auto: as the model says."""
    engine_args: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of vLLM's engine, by its own names: `{ gpu_memory_utilization = 0.85 }`."""
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Handed to the chat template, such as `{ enable_thinking = false }`."""
    serve: bool = False
    """Run vLLM as a server of its own, which `python` starts and the run ends; else it runs in this process."""
    python: NameOrPath = sys.executable
    """Interpreter of the environment that has vLLM, for `serve`."""
    env: dict[str, str] = Field(default_factory=dict)
    """Environment variables of the server."""
    address: str = Field("", pattern=r"^(https?://.+)?$")
    """Of a server of this model that runs already, `http://HOST:PORT/v1`: none is started."""
    address_key: SecretStr = SecretStr("")
    """What that server asks for."""
    start_timeout: float = Field(1800.0, gt=0)
    """Seconds until the server must be healthy: large models load for long."""

    @property
    def engine(self) -> dict[str, Any]:
        """Arguments of the engine, by its own names."""
        said: dict[str, Any] = {
            "model": self.model,
            "dtype": self.dtype,
            "tensor_parallel_size": self.tensor_parallel,
            "enable_prefix_caching": self.prefix_caching,
        }
        if self.revision and not Path(self.model).is_dir():
            said["revision"] = self.revision
        if self.context_tokens is not None:
            said["max_model_len"] = self.context_tokens
        if self.adapter is not None:
            said["enable_lora"] = True
        return {**said, **self.engine_args}


LOOK_SECONDS = 0.5
END_SECONDS = 3.0
"""Seconds that a server whose connection broke is given to end, before the call is taken for retryable."""


class Vllm(Teacher[VllmParams]):
    """Answers with vLLM: `vllm.LLM` in this process, or its server."""

    provider = "vllm"
    free = True
    Params = VllmParams
    usual_limits: ClassVar[Mapping[str, Any]] = {"concurrency": 256}

    def __init__(self, params: VllmParams) -> None:
        super().__init__(params)
        self._engine: _Engine | None = None
        self._server: VllmServer | None = None
        self._endpoint: OpenAI | None = None
        self._revision: str | None = None
        self._starting = asyncio.Lock()

    @property
    def model(self) -> str:
        folder = Path(self.params.model)
        name = super().model if self.trained or not folder.is_dir() else folder.name
        return f"{name}+{self.params.adapter.name}" if self.params.adapter else name

    @property
    def revision(self) -> str:
        if self._revision is None:
            folders = [Path(self.params.model)] if Path(self.params.model).is_dir() else []
            parts = [self.params.revision, *map(folder_hash, folders)]
            if self.params.adapter is not None:
                parts.append(folder_hash(self.params.adapter))
            if self.params.chat_template_kwargs:
                parts.append(digest("template", json.dumps(self.params.chat_template_kwargs, sort_keys=True))[:12])
            self._revision = "+".join(part for part in parts if part)
        return self._revision

    @property
    def identity(self) -> list[str]:
        return [*super().identity, *self.params.reading]

    def requires(self) -> tuple[str, ...]:
        elsewhere = self.params.address or (self.params.serve and self.params.python != sys.executable)
        return () if elsewhere else ("vllm",)

    def present(self, completion: Completion) -> Completion:
        return chat.present(completion, self.params)

    async def start(self) -> None:
        if self.params.address:
            await self._connect(self.params.address, self.params.address_key)
        elif self.params.serve:
            server = await self.serve("127.0.0.1")
            await self._connect(server.url, SecretStr(server.key))
        else:
            self._engine = _Engine(self.params)
            await self._engine.start()

    def model_server(self) -> ModelServer | None:
        return None if self.params.address else _Shared(self)

    async def serve(self, host: str) -> VllmServer:
        """Starts vLLM's server on this address; `close` ends it. Raises TeacherError."""
        self._server = VllmServer(_arguments(self.params), python=self.params.python, env=self.params.env, host=host)
        await self._server.start(self.params.start_timeout)
        return self._server

    async def _connect(self, url: str, key: SecretStr) -> None:
        template = self.params.chat_template_kwargs
        self._endpoint = OpenAI(
            EndpointParams(
                base_url=url,
                api_key=key,
                model=_ADAPTER if self.params.adapter else self.params.model,
                extra_body={"chat_template_kwargs": template} if template else {},
                reasoning_tags=self.params.reasoning_tags,
                reasoning_prefilled=self.params.reasoning_prefilled,
                finished=self.params.finished,
            )
        )
        await self._endpoint.start()

    async def complete(self, request: Request) -> Completion:
        async with self._starting:  # many calls may come before the first has started it
            if self._engine is None and self._endpoint is None:
                await self.start()
        if self._endpoint is None:
            assert self._engine is not None
            data, seconds = await self._engine.answer(request)
            return replace(chat.completion(data, request, self.params), model=self.model, seconds=seconds)
        try:
            return replace(await self._endpoint.complete(request), model=self.model)
        except TeacherError as error:
            if self._server is None:
                raise
            if error.status is None:  # no answer came: a server that died ends a moment after its connections broke
                await self._server.ended(END_SECONDS)
            self._server.check()
            raise

    async def close(self) -> None:
        if self._endpoint is not None:
            await self._endpoint.close()
        if self._server is not None:
            await self._server.stop()
        if self._engine is not None:
            await asyncio.to_thread(self._engine.stop)
        self._endpoint = self._server = self._engine = None


class _Shared:
    """The server of a teacher's model, for the machines of a cluster."""

    def __init__(self, teacher: Vllm) -> None:
        self._teacher = teacher
        self._server: VllmServer | None = None

    @property
    def gpus(self) -> int:
        return self._teacher.params.tensor_parallel

    async def start(self, host: str) -> Mapping[str, Any]:
        self._server = await self._teacher.serve(host)
        return {"address": self._server.url, "address_key": SecretStr(self._server.key)}

    async def failed(self) -> None:
        assert self._server is not None
        while True:
            self._server.check()
            await asyncio.sleep(LOOK_SECONDS)


class _Engine:
    """`vllm.LLM` in a thread of its own, stepped by hand so that a request joins the batch that is running."""

    def __init__(self, params: VllmParams) -> None:
        self._params = params
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="vllm", daemon=True)
        self._ready: asyncio.Future[Any] = self._loop.create_future()
        self._llm: Any = None
        self._ended = False
        self._end = TeacherError("vLLM was stopped", kind="retryable", reason="stopped")

    async def start(self) -> None:
        self._thread.start()
        await self._ready

    async def answer(self, request: Request) -> tuple[dict[str, Any], float]:
        work = _Work(request, self._loop.create_future())
        self._queue.put(work)
        if self._ended:  # looked at after the request was handed in: either this sees it or the thread's last look does
            raise self._end
        try:
            result: tuple[dict[str, Any], float] = await work.future
        except asyncio.CancelledError:
            work.wanted = False
            raise
        return result

    def stop(self) -> None:
        self._queue.put(None)
        self._thread.join(60)

    def _run(self) -> None:
        try:
            self._llm = _load(self._params)
        except Exception as error:
            settle(self._ready, error=error)
            return
        settle(self._ready)
        running: dict[str, _Work] = {}
        try:
            while self._take(running):
                if not self._llm.llm_engine.has_unfinished_requests():  # a step would never end
                    raise RuntimeError(f"the engine lost {len(running)} requests")
                for output in self._llm.llm_engine.step():
                    work = running.pop(output.request_id, None) if output.finished else None
                    if work is not None:
                        settle(work.future, (_as_chat(output), time.monotonic() - work.began))
        except Exception as error:
            self._end = TeacherError(f"vLLM broke: {type(error).__name__}: {error}", kind="fatal", reason="broken")
        self._llm, self._ended = None, True
        with contextlib.suppress(queue.Empty):
            while True:
                if (work := self._queue.get_nowait()) is not None:
                    running[str(id(work))] = work
        for work in running.values():
            settle(work.future, error=self._end)

    def _take(self, running: dict[str, _Work]) -> bool:
        """Lets new requests in and unwanted ones out; waits where there is nothing to do, because a step without a
        request never ends. False: the end."""
        while True:
            self._drop_unwanted(running)
            try:
                work = self._queue.get(block=not running)
            except queue.Empty:
                return True
            if work is None:
                return False
            try:
                running[self._enqueue(work.request)] = work
            except Exception as error:
                if "Engine" in type(error).__name__:  # EngineDeadError and its like: no request can work
                    running[str(id(work))] = work
                    raise
                body = json.dumps({"error": {"message": f"{type(error).__name__}: {error}"}}).encode()
                settle(work.future, error=refusal(400, body, {}, "vLLM"))

    def _drop_unwanted(self, running: dict[str, _Work]) -> None:
        unwanted = [name for name, work in running.items() if not work.wanted]
        if unwanted:
            self._llm.llm_engine.abort_request(unwanted)
            for name in unwanted:
                del running[name]

    def _enqueue(self, request: Request) -> str:
        from vllm import SamplingParams
        from vllm.lora.request import LoRARequest

        sampling, limit = request.sampling, self._llm.model_config.max_model_len
        said: dict[str, Any] = {"max_tokens": sampling.max_tokens or limit, "seed": chat.seed(request)}
        for name in ("temperature", "top_p"):
            if getattr(sampling, name) is not None:
                said[name] = getattr(sampling, name)
        if sampling.stop:
            said["stop"] = list(sampling.stop)
        if sampling.top_logprobs is not None:
            said["logprobs"] = sampling.top_logprobs
        if request.schema is not None:
            from vllm.sampling_params import StructuredOutputsParams

            said["structured_outputs"] = StructuredOutputsParams(json=dict(request.schema))
        adapter = self._params.adapter
        names = self._llm.enqueue_chat(
            [{"role": message.role, "content": message.content} for message in request.messages],
            SamplingParams(**{**said, **sampling.extra}),
            use_tqdm=False,
            lora_request=LoRARequest(_ADAPTER, 1, str(adapter)) if adapter else None,
            chat_template_kwargs=self._params.chat_template_kwargs or None,
        )
        # The engine adds a suffix of its own to the number that its outputs carry.
        return str(names[0]).partition("-")[0]


class _Work:
    def __init__(self, request: Request, future: asyncio.Future[Any]) -> None:
        self.request, self.future = request, future
        self.began = time.monotonic()
        self.wanted = True


def _load(params: VllmParams) -> Any:
    try:
        from vllm import LLM
    except ImportError as error:
        raise PluginError(
            f"provider 'vllm' needs vLLM ({error}): pip install 'dqdata[vllm]', or serve = true with `python` naming "
            "the interpreter of an environment that has it",
            code="missing-extra",
        ) from None
    if not hasattr(LLM, "enqueue_chat"):
        raise PluginError(
            "this vLLM is too old to take requests one by one: pip install -U vllm, or set serve = true",
            code="missing-extra",
        )
    return LLM(**params.engine)


def _as_chat(output: Any) -> dict[str, Any]:
    """A RequestOutput in the chat-completions format."""
    one = output.outputs[0]
    choice: dict[str, Any] = {"message": {"content": one.text}, "finish_reason": one.finish_reason}
    if one.logprobs:
        chosen = zip(one.token_ids, one.logprobs, strict=False)
        choice["logprobs"] = {"content": [_logprob(token, options) for token, options in chosen]}
    usage = {
        "prompt_tokens": len(output.prompt_token_ids or ()),
        "completion_tokens": len(one.token_ids),
        "prompt_tokens_details": {"cached_tokens": output.num_cached_tokens or 0},
    }
    return {"choices": [choice], "usage": usage}


def _logprob(token: int, options: Mapping[int, Any]) -> dict[str, Any]:
    top = [{"token": one.decoded_token, "logprob": one.logprob} for one in options.values()]
    return {"token": options[token].decoded_token, "logprob": options[token].logprob, "top_logprobs": top}


def _arguments(params: VllmParams) -> list[str]:
    """The engine's arguments as its server takes them on the command line."""
    arguments: list[str] = []
    for name, value in params.engine.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            arguments.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            arguments += [f"--{flag}", json.dumps(value) if isinstance(value, dict | list) else str(value)]
    if params.adapter is not None:
        arguments += ["--lora-modules", f"{_ADAPTER}={params.adapter}"]
    return arguments
