"""One call in flight, which everyone waits for who asks the same.

call = InFlight(key, request, context, others, run)     # begins at once; others[key] is it until it ends
completion = await call.wait()
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from dqdata.ledger import CallContext
from dqdata.teacher import Completion, Request


class InFlight:
    """A call from its first attempt to its end. sent: its request is on the way, so that it is paid for. tried: that
    holds for the present attempt. elsewhere: another process was given the answer."""

    __slots__ = ("_others", "_waiting", "attempt", "context", "elsewhere", "key", "request", "sent", "task", "tried")

    def __init__(
        self,
        key: str,
        request: Request,
        context: CallContext,
        others: dict[str, InFlight],
        run: Callable[[InFlight], Awaitable[Completion]],
    ) -> None:
        self.key, self.request, self.context = key, request, context
        self.attempt = 0
        self.sent = self.tried = self.elsewhere = False
        self._waiting: list[asyncio.Future[Completion]] = []
        self._others = others
        others[key] = self
        self.task = asyncio.get_running_loop().create_task(self._work(run))

    async def wait(self) -> Completion:
        """Its answer, or what it raised. A caller that is cancelled doesn't take the call from others; a call already
        sent is paid for, so it ends and is stored even when nobody waits for it any more."""
        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            return await future
        except asyncio.CancelledError:
            self._waiting.remove(future)
            if not self._waiting and not self.sent:
                self._leave()
                self.task.cancel()
            raise

    async def _work(self, run: Callable[[InFlight], Awaitable[Completion]]) -> None:
        """The call, whose end every waiter receives."""
        try:
            completion = await run(self)
        except BaseException as error:
            self._leave()
            for future in self._waiting:
                if isinstance(error, asyncio.CancelledError):
                    future.cancel()
                elif not future.done():
                    future.set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            self._leave()
            for future in self._waiting:
                if not future.done():
                    future.set_result(completion)

    def _leave(self) -> None:
        """Who asks the same from now on begins a call of its own."""
        if self._others.get(self.key) is self:
            del self._others[self.key]
