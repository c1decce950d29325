"""The Files and Batches API of OpenAI and its like: half the price, answers within a day.

    [teachers.r1]
    provider = "openai_batch"
    model = "gpt-5-mini"
    api_key = { env = "OPENAI_API_KEY" }
    price = { input = 0.125, output = 1.0 }

Requests gather until no more come, or until a file is full; each file is one batch. Which calls are in which batch is
on disk before it is submitted, so that a later run, after Ctrl-C or a crash, collects it and submits nothing twice.
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import Field

from dqdata.errors import TeacherError
from dqdata.ledger.batches import Batches, OpenBatch
from dqdata.masking import masker
from dqdata.teacher import Completion, Request, Teacher
from dqdata.teachers import chat
from dqdata.teachers.batch_results import Results
from dqdata.teachers.openai import EndpointParams
from dqdata.teachers.refusals import refusal

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from dqdata.ledger import Ledger

log = logging.getLogger("dqdata.calls")

_ENDPOINT: Final = "/v1/chat/completions"
_MARK = "dqdata_plan"
_ENDED = ("completed", "expired", "cancelled")


class BatchParams(EndpointParams):
    gather_seconds: float = Field(5.0, gt=0)
    """A batch is submitted when no new request came for so long."""
    poll_seconds: float = Field(60.0, gt=0)
    """Time between two looks at a batch that is under way."""
    max_requests: int = Field(50_000, ge=1)
    """Requests in one file; the endpoint's limit."""
    max_bytes: int = Field(190_000_000, ge=1_000)
    """Bytes of one file; the endpoint's limit is 200 MB."""
    completion_window: str = "24h"
    """Within which the endpoint is to answer, in its own words."""


class OpenAIBatch(Teacher[BatchParams]):
    """Asks through batches. Answers are the same as `openai` gives for this model, so they share ledger keys."""

    provider = "openai"
    Params = BatchParams
    usual_limits: ClassVar[Mapping[str, Any]] = {"concurrency": 20_000, "timeout": 100_000.0}

    def __init__(self, params: BatchParams) -> None:
        super().__init__(params)
        self._client: AsyncOpenAI | None = None
        self._batches: Batches | None = None
        self._results = Results()
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._gathered: dict[str, bytes] = {}
        self._gathered_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: dict[str, set[str]] = {}
        """Calls that batches hold, and which batches: one that expired may have been submitted again."""

    @property
    def revision(self) -> str:
        return self.params.full_revision

    @property
    def identity(self) -> list[str]:
        return [*super().identity, *self.params.reading]

    def present(self, completion: Completion) -> Completion:
        return chat.present(completion, self.params)

    def remember_in(self, ledger: Ledger) -> None:
        self._batches = Batches(ledger, "openai_batch", self.params.public_url, self.params.model)

    async def start(self) -> None:
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        headers = {name: value.get_secret_value() for name, value in self.params.headers.items()}
        key = self.params.api_key.get_secret_value() if self.params.api_key else "none"
        self._client = AsyncOpenAI(
            base_url=self.params.base_url,
            api_key=key,
            default_headers=headers,
            max_retries=0,
            timeout=600,
            # A redirect would carry the secret headers to wherever it points.
            http_client=DefaultAsyncHttpxClient(follow_redirects=False),
        )
        for batch in await self._batches.open() if self._batches else ():
            self._hold(batch)
            self._spawn(self._resume(batch))

    async def complete(self, request: Request) -> Completion:
        if self._client is None:
            await self.start()
        key = self.key(request)
        if (result := self._results.take(key)) is not None:
            return chat.completion(self._body(result), request, self.params)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[key] = future
        if key not in self._held:
            self._gather(key, request)
        try:
            return chat.completion(self._body(await future), request, self.params)
        finally:
            if self._waiting.get(key) is future:
                del self._waiting[key]
            if (line := self._gathered.pop(key, None)) is not None:
                self._gathered_bytes -= len(line)

    def ending(self) -> None:
        """Batches go on at the endpoint; the next run collects them."""
        for key in list(self._waiting):
            where = "is in a batch; run again later to collect it" if key in self._held else "was not submitted"
            self._refuse(key, _retryable(f"the run is ending: this request {where}", "batch_pending"))

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.close()
            self._client = None
        self._results.close()

    def _gather(self, key: str, request: Request) -> None:
        body = chat.body(request, self.params, instruct=self.params.structured == "instruction")
        said = {"custom_id": key, "method": "POST", "url": _ENDPOINT, "body": body}
        line = json.dumps(said, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        if self._gathered_bytes + len(line) > self.params.max_bytes or len(self._gathered) == self.params.max_requests:
            self._send()
        self._gathered[key] = line
        self._gathered_bytes += len(line)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self.params.gather_seconds, self._send)

    def _send(self) -> None:
        gathered, self._gathered, self._gathered_bytes = self._gathered, {}, 0
        if gathered:
            batch = OpenBatch(uuid.uuid4().hex, None, tuple(gathered))
            self._hold(batch)
            self._spawn(self._submit(batch, b"".join(gathered.values())))

    async def _submit(self, batch: OpenBatch, lines: bytes) -> None:
        assert self._client is not None
        await self._save(batch, "planned")
        try:
            file = await self._client.files.create(file=(f"dqdata-{batch.plan_id}.jsonl", lines), purpose="batch")
        except Exception as error:
            await self._save(batch, "failed")
            self._let_go(batch, self._refused(error))
            return
        del lines
        try:
            made = await self._client.batches.create(
                input_file_id=file.id,
                endpoint=_ENDPOINT,
                completion_window=self.params.completion_window,  # type: ignore[arg-type]
                metadata={_MARK: batch.plan_id},
            )
        except Exception as error:
            refused = self._refused(error)
            if refused.status is not None and refused.status < 500:
                await self._save(batch, "failed")
                self._let_go(batch, refused)
            else:  # it may have been made all the same, and would then be paid for: look before trying again
                await asyncio.sleep(self.params.poll_seconds)
                await self._resume(batch)
            return
        log.info("batch %s: %d requests submitted to %s", made.id, len(batch.ledger_keys), self.params.public_url)
        await self._collect(await self._submitted(batch, made.id))

    async def _resume(self, batch: OpenBatch) -> None:
        """A batch of which only the plan is sure: its mark in the endpoint's list tells whether it was submitted."""
        assert self._client is not None
        while batch.batch_id is None:
            try:
                known = [one async for one in self._client.batches.list(limit=100)]
            except Exception as error:
                if not await self._wait_out(batch, error):
                    return
                continue
            found = [one.id for one in known if (one.metadata or {}).get(_MARK) == batch.plan_id]
            if not found:
                await self._save(batch, "failed")
                self._let_go(batch, _retryable("its batch was never submitted", "batch_unsent"))
                return
            batch = await self._submitted(batch, found[0])
        log.info("batch %s of an earlier run: collecting it", batch.batch_id)
        await self._collect(batch)

    async def _collect(self, batch: OpenBatch) -> None:
        """Waits for the end of a batch and hands its results out."""
        assert self._client is not None and batch.batch_id is not None
        while True:
            try:
                state = await self._client.batches.retrieve(batch.batch_id)
                for file in (state.output_file_id, state.error_file_id) if state.status in _ENDED else ():
                    if file:
                        await self._read(file, batch)
            except Exception as error:
                if not await self._wait_out(batch, error):
                    return
                continue
            if state.status in _ENDED:
                break
            if state.status == "failed":
                await self._save(batch, "failed")
                self._let_go(batch, self._invalid(state.errors))
                return
            await asyncio.sleep(self.params.poll_seconds)
        # It stays "submitted" until all its answers are in the ledger: what was handed out isn't stored yet.
        ended = f"batch {batch.batch_id} ended ({state.status}) without an answer to this request"
        self._let_go(batch, _retryable(ended, f"batch_{state.status}"))

    async def _wait_out(self, batch: OpenBatch, error: Exception) -> bool:
        """Whether to look again, after a while; else the batch is given up, because the endpoint doesn't know it."""
        refused = self._refused(error)
        if refused.kind == "retryable":
            log.warning("batch: %s; looking again in %g s", refused, self.params.poll_seconds)
            await asyncio.sleep(self.params.poll_seconds)
            return True
        if refused.status == 404:
            await self._save(batch, "failed")
            refused = _retryable(f"the endpoint has forgotten batch {batch.batch_id}", "batch_gone")
        self._let_go(batch, refused)
        return False

    async def _read(self, file: str, batch: OpenBatch) -> None:
        """Downloads one file of results; those that nobody waits for yet stay on disk until they are asked for."""
        assert self._client is not None
        async with self._client.files.with_streaming_response.content(file) as content:
            keys = await self._results.add(content.iter_bytes())
        for count, key in enumerate(keys):
            self._unhold(key, batch)
            future = self._waiting.get(key)
            if future is not None and not future.done():
                future.set_result(self._results.take(key))
            if count % 200 == 199:
                await asyncio.sleep(0)  # lets those who got an answer store it

    def _body(self, result: dict[str, Any]) -> Any:
        """The answer in one line of results. Raises TeacherError where it is a refusal."""
        response = result.get("response")
        if response and response.get("status_code") == 200:
            return response.get("body")
        if response:
            body = json.dumps(response.get("body")).encode()
            raise self._hidden(refusal(int(response.get("status_code") or 500), body, {}, self.params.public_url))
        error = result.get("error")
        code = error.get("code") if isinstance(error, dict) else error
        reason = masker.hide(str(code or "batch_error"))[:100]
        raise _retryable(f"not answered in its batch: {reason}", reason)

    def _hold(self, batch: OpenBatch) -> None:
        for key in batch.ledger_keys:
            self._held.setdefault(key, set()).add(batch.plan_id)

    def _unhold(self, key: str, batch: OpenBatch) -> bool:
        """Whether no batch holds the call any more."""
        plans = self._held.get(key, set())
        plans.discard(batch.plan_id)
        if not plans:
            self._held.pop(key, None)
        return not plans

    def _let_go(self, batch: OpenBatch, error: TeacherError) -> None:
        """Tells those who still wait for this batch, and for no other, that nothing will come."""
        for key in batch.ledger_keys:
            if batch.plan_id in self._held.get(key, ()) and self._unhold(key, batch):
                self._refuse(key, error)

    def _refuse(self, key: str, error: TeacherError) -> None:
        future = self._waiting.get(key)
        if future is not None and not future.done():
            more = {"status": error.status, "retry_after": error.retry_after}
            future.set_exception(TeacherError(str(error), kind=error.kind, reason=error.reason, **more))  # type: ignore[arg-type]

    def _refused(self, error: Exception) -> TeacherError:
        """What the client of the openai package raised, in our words."""
        import openai

        if isinstance(error, openai.APIStatusError):
            answer = error.response
            return self._hidden(refusal(error.status_code, answer.content, answer.headers, self.params.public_url))
        text = f"{self.params.public_url}: {type(error).__name__}: {error}"
        reason = "unreachable" if isinstance(error, openai.APIConnectionError) else "batch_error"
        return self._hidden(_retryable(text, reason))

    def _invalid(self, errors: Any) -> TeacherError:
        """The endpoint refused the whole file: too much waiting there is worth another try, all else is not."""
        said = [(one.code or "", one.message or "") for one in (errors.data if errors and errors.data else ())]
        text = "; ".join(f"{code}: {message}" for code, message in said[:3]) or "no reason given"
        message = f"{self.params.public_url} refused the batch: {masker.hide(text)[:1000]}"
        if any("limit" in code for code, _ in said):
            return TeacherError(message, kind="retryable", reason="batch_limit", retry_after=self.params.poll_seconds)
        return TeacherError(message, kind="fatal", reason="batch_refused")

    def _hidden(self, error: TeacherError) -> TeacherError:
        error.args = (masker.hide(str(error)),)
        return error

    async def _submitted(self, batch: OpenBatch, batch_id: str) -> OpenBatch:
        batch = OpenBatch(batch.plan_id, batch_id, batch.ledger_keys)
        await self._save(batch, "submitted")
        return batch

    async def _save(self, batch: OpenBatch, status: str) -> None:
        if self._batches is not None:
            await self._batches.save(batch, status)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _retryable(message: str, reason: str) -> TeacherError:
    return TeacherError(message, kind="retryable", reason=reason)
