"""The Files and Batches API of OpenAI and compatible services: half the price, answers within a day.

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
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from pydantic import Field

from dqdata.errors import TeacherError
from dqdata.ledger.batches import Batches, OpenBatch
from dqdata.masking import masker
from dqdata.teacher import Completion, Request, Teacher
from dqdata.teachers import chat
from dqdata.teachers.batch_refusals import Invalid, answer_of, invalid
from dqdata.teachers.batch_results import Results
from dqdata.teachers.openai import EndpointParams
from dqdata.teachers.refusals import FORBIDDEN, refusal

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from dqdata.ledger import Ledger

log = logging.getLogger("dqdata.calls")

_ENDPOINT: Final = "/v1/chat/completions"
_MARK = "dqdata_plan"
_ENDED = ("completed", "expired", "cancelled")
MOST_REFUSED = 40
"""Files in a row that may be refused while their bad lines are looked for; halving 50,000 lines takes 16 for each."""


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
    """Sends requests in batches. Answers are the same as `openai` gives for this model, so they share ledger keys."""

    provider = "openai"
    Params = BatchParams
    usual_limits: ClassVar[Mapping[str, Any]] = {"concurrency": 20_000, "timeout": 100_000.0, "patience": 100_000.0}

    def __init__(self, params: BatchParams) -> None:
        super().__init__(params)
        self._client: AsyncOpenAI | None = None
        self._batches: Batches | None = None
        self._results = Results()
        self._waiting: dict[str, _Waiter] = {}
        self._files_refused = 0
        """Files in a row that the endpoint refused to work on."""
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
            # A redirect would take the secret headers to wherever it points.
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
            return self._answer(result, request)
        waiter = _Waiter(request, asyncio.get_running_loop().create_future())
        self._waiting[key] = waiter
        if key not in self._held:
            self._gather(key, request)
        try:
            return self._answer(await waiter.future, request)
        finally:
            if self._waiting.get(key) is waiter:
                del self._waiting[key]
            if (line := self._gathered.pop(key, None)) is not None:
                self._gathered_bytes -= len(line)

    def _answer(self, result: dict[str, Any], request: Request) -> Completion:
        return chat.completion(answer_of(result, self.params.public_url), request, self.params)

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

    def _line(self, key: str, request: Request) -> bytes:
        body = chat.body(request, self.params, instruct=self.params.structured == "instruction")
        asked = {"custom_id": key, "method": "POST", "url": _ENDPOINT, "body": body}
        return json.dumps(asked, ensure_ascii=False).encode("utf-8", "replace") + b"\n"

    def _gather(self, key: str, request: Request) -> None:
        line = self._line(key, request)
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
            self._submit_lines(gathered)

    def _submit_lines(self, lines: Mapping[str, bytes]) -> None:
        batch = OpenBatch(uuid.uuid4().hex, None, tuple(lines))
        self._hold(batch)
        self._spawn(self._submit(batch, b"".join(lines.values())))

    async def _submit(self, batch: OpenBatch, lines: bytes) -> None:
        assert self._client is not None
        await self._save(batch, "planned")
        try:
            file = await self._client.files.create(file=(f"dqdata-{batch.plan_id}.jsonl", lines), purpose="batch")
        except Exception as error:
            await self._not_taken(batch, self._refused(error))
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
                await self._not_taken(batch, refused)
            else:  # it may have been made all the same, and would then be paid for: look before trying again
                await asyncio.sleep(self.params.poll_seconds)
                await self._resume(batch)
            return
        log.info("batch %s: %d requests submitted to %s", made.id, len(batch.ledger_keys), self.params.public_url)
        await self._collect(await self._submitted(batch, made.id))

    async def _not_taken(self, batch: OpenBatch, refused: TeacherError) -> None:
        """The endpoint didn't take the file, or made no batch of it: one of its lines may be why."""
        if refused.kind == "row" or refused.reason == FORBIDDEN:
            await self._invalid(batch, Invalid(_like(refused, kind="row"), {}))
            return
        await self._save(batch, "failed")
        self._let_go(batch, refused)

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
                await self._invalid(batch, invalid(state.errors, self.params.public_url))
                return
            if state.status != "validating":
                self._files_refused = 0
            await asyncio.sleep(self.params.poll_seconds)
        # It stays "submitted" until all its answers are in the ledger: what was handed out isn't stored yet.
        ended = f"batch {batch.batch_id} ended ({state.status}) without an answer to this request"
        self._let_go(batch, _retryable(ended, f"batch_{state.status}"))

    async def _wait_out(self, batch: OpenBatch, error: Exception) -> bool:
        """Whether to look again, after a while; else the batch is given up, because the endpoint doesn't know it."""
        refused = self._refused(error)
        if refused.kind == "retryable":
            log.warning(
                "batch: %s; looking again in %g s", refused, self.params.poll_seconds, extra={"code": "teacher-waits"}
            )
            await asyncio.sleep(self.params.poll_seconds)
            return True
        if refused.status in (404, 410) or refused.kind == "row":
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
            waiter = self._waiting.get(key)
            if waiter is not None and not waiter.future.done():
                waiter.future.set_result(self._results.take(key))
            if count % 200 == 199:
                await asyncio.sleep(0)  # lets those who got an answer store it

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

    def _let_go(self, batch: OpenBatch, error: TeacherError, keys: Sequence[str] | None = None) -> None:
        """Tells those who still wait for this batch (or these of its calls), and for no other, that nothing will
        come."""
        for key in batch.ledger_keys if keys is None else keys:
            if batch.plan_id in self._held.get(key, ()) and self._unhold(key, batch):
                self._refuse(key, error)

    def _refuse(self, key: str, error: TeacherError) -> None:
        waiter = self._waiting.get(key)
        if waiter is not None and not waiter.future.done():
            waiter.future.set_exception(_like(error))

    def _refused(self, error: Exception) -> TeacherError:
        """What the client of the openai package raised, in our words."""
        import openai

        if isinstance(error, openai.APIStatusError):
            answer = error.response
            return self._hidden(refusal(error.status_code, answer.content, answer.headers, self.params.public_url))
        text = f"{self.params.public_url}: {type(error).__name__}: {error}"
        reason = "unreachable" if isinstance(error, openai.APIConnectionError) else "batch_error"
        return self._hidden(_retryable(text, reason))

    async def _invalid(self, batch: OpenBatch, found: Invalid) -> None:
        """The endpoint refused the whole file. Where lines of it are at fault, those fail and the others are submitted
        again: the named ones, or else those that are found by halving the file."""
        await self._save(batch, "failed")
        keys = batch.ledger_keys
        named = {keys[place]: words for place, words in found.lines.items() if place < len(keys)}
        self._files_refused += found.error.kind == "row"
        if found.error.kind == "retryable":
            log.warning(
                "batch: %s; trying again in %g s",
                found.error,
                self.params.poll_seconds,
                extra={"code": "teacher-waits"},
            )
            await asyncio.sleep(self.params.poll_seconds)
            self._again(batch, keys)
        elif found.error.kind == "fatal" or self._files_refused > MOST_REFUSED or 1 < len(keys) == len(named):
            self._let_go(batch, _like(found.error, kind="fatal"))
        elif len(keys) == 1 or named:
            for key in named or keys:
                words = named.get(key, str(found.error))
                self._let_go(batch, TeacherError(words, kind="row", reason="bad_request", status=400), (key,))
            self._again(batch, [key for key in keys if named and key not in named])
        else:
            self._again(batch, keys[: len(keys) // 2])
            self._again(batch, keys[len(keys) // 2 :])

    def _again(self, batch: OpenBatch, keys: Sequence[str]) -> None:
        """Submits requests of a refused batch in a batch of their own, as far as they are waited for in this run."""
        lines = {}
        for key in keys:
            waiter = self._waiting.get(key)
            if self._unhold(key, batch) and waiter is not None and not waiter.future.done():
                lines[key] = self._line(key, waiter.request)
        if lines:
            self._submit_lines(lines)

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
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """What breaks beside the calls, such as a full disk, must not leave them waiting for ever."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            broke = masker.hide(f"collecting batches broke: {type(error).__name__}: {error}")
            for key in list(self._waiting):
                self._refuse(key, TeacherError(broke, kind="fatal", reason="broken"))


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    """A call that is waited for."""

    request: Request
    future: asyncio.Future[Any]


def _like(error: TeacherError, kind: Literal["retryable", "row", "fatal"] | None = None) -> TeacherError:
    """The same error once more, for another call: an exception that is raised twice would grow its traceback."""
    more = {"status": error.status, "retry_after": error.retry_after}
    return TeacherError(str(error), kind=kind or error.kind, reason=error.reason, **more)  # type: ignore[arg-type]


def _retryable(message: str, reason: str) -> TeacherError:
    return TeacherError(message, kind="retryable", reason=reason)
