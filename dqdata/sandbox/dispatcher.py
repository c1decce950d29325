"""The thread that owns the fork servers: hands out tasks, collects replies, replaces servers that die.

    dispatcher = Dispatcher("bwrap", workers=2)
    dispatcher.submit(task)

One thread does it all, so that asyncio loops and other threads may come and go, and so that the servers, which die
with the thread that started them, live exactly as long as it does.
"""

from __future__ import annotations

import collections
import contextlib
import os
import selectors
import threading
from typing import Any

from dqdata.errors import DqdataError, SandboxError
from dqdata.sandbox.worker import Task, Worker

IN_FLIGHT = 4
"""Jobs that one server has at a time: while one waits on the kernel, another computes."""
MOST_ATTEMPTS = 2


class Dispatcher:
    def __init__(self, mode: str, workers: int) -> None:
        self.mode, self.most = mode, workers
        self.waiting: collections.deque[Task] = collections.deque()
        self.workers: list[Worker] = []
        self.lock = threading.Lock()
        self.closing = False
        self.failed_starts = 0
        self.woken, self.wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.woken, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self._run, name="dqdata-sandbox", daemon=True)
        self.thread.start()

    def submit(self, task: Task) -> None:
        with self.lock:
            if self.closing:
                raise SandboxError("the sandbox is closed; make another one")
            self.waiting.append(task)
            if len(self.waiting) == 1:  # else the thread knows that there is work, and no server is free
                self._signal()

    def close(self) -> None:
        """Ends every server and fails what is unfinished. Safe to call twice."""
        with self.lock:
            if self.closing:
                return
            self.closing = True
            self._signal()
        self.thread.join()

    def _signal(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self.wake, b"x")

    def _run(self) -> None:
        try:
            while not self.closing:
                self._hand_out()
                for key, _ in self.selector.select():
                    if key.fd == self.woken:
                        with contextlib.suppress(BlockingIOError):
                            os.read(self.woken, 4096)
                    else:
                        self._collect(key.data)
        except BaseException as error:
            self._fail_all(error if isinstance(error, DqdataError) else SandboxError(f"the sandbox broke: {error!r}"))
            raise
        finally:
            with self.lock:
                self.closing = True
            for worker in list(self.workers):
                self._drop(worker)
            self._fail_all(SandboxError("the sandbox was closed"))
            self.selector.close()
            os.close(self.woken)
            os.close(self.wake)

    def _hand_out(self) -> None:
        while self.waiting:
            free = [worker for worker in self.workers if worker.ready and len(worker.tasks) < IN_FLIGHT]
            starting = any(not worker.ready for worker in self.workers)
            if len(self.workers) < self.most and not starting and not any(not worker.tasks for worker in free):
                try:
                    self._start()
                except (DqdataError, OSError) as error:
                    self._fail_all(error)
                    return
            if not free:
                return
            task = self.waiting.popleft()
            if not (task.future.running() or task.future.set_running_or_notify_cancel()):
                continue
            worker = min(free, key=lambda worker: len(worker.tasks))
            try:
                worker.send(task)
            except OSError as error:
                self._lost(worker, str(error))

    def _start(self) -> None:
        worker = Worker(self.mode)
        self.workers.append(worker)
        self.selector.register(worker.socket, selectors.EVENT_READ, worker)

    def _collect(self, worker: Worker) -> None:
        reply = worker.receive()
        if reply is None or "id" not in reply:
            if reply is not None and "ready" in reply:
                worker.ready = True
                worker.settle()
                self.failed_starts = 0
            else:
                self._lost(worker, (reply or {}).get("failure", ""))
            return
        task = worker.tasks.pop(reply["id"])
        if reply.get("unjudged") and task.kind == "judge":  # not the candidate's doing: it gets a checker of its own
            task.kind = "check"
            self.waiting.appendleft(task)
            return
        try:
            if reply["failure"]:
                raise SandboxError(f"the sandbox ({self.mode}) could not isolate a program: {reply['failure']}")
            task.future.set_result(task.outcome(reply, task.written()))
        except Exception as error:
            task.future.set_exception(error)
        finally:
            task.close()

    def _lost(self, worker: Worker, reason: str) -> None:
        """A server has ended by itself. Its tasks get another try; where servers don't even start, nothing does."""
        complaint = worker.complaint()
        reason = "; ".join(part for part in (reason, complaint) if part) or "it ended without a word"
        tasks = list(worker.tasks.values())
        worker.tasks.clear()
        self._drop(worker)
        for task in reversed(tasks):
            if task.attempts < MOST_ATTEMPTS:
                self.waiting.appendleft(task)
            else:
                _fail(task, SandboxError(f"the sandbox's server ({self.mode}) died under a program: {reason}"))
        self.failed_starts += not worker.ready
        if self.failed_starts >= MOST_ATTEMPTS:
            self._fail_all(
                SandboxError(f"the sandbox ({self.mode}) does not start: {reason}. `dqdata.sandbox.probe()` tells more")
            )

    def _drop(self, worker: Worker) -> None:
        self.selector.unregister(worker.socket)
        self.workers.remove(worker)
        worker.stop()
        for task in worker.tasks.values():
            _fail(task, SandboxError("the sandbox was closed"))

    def _fail_all(self, error: Any) -> None:
        while self.waiting:
            task = self.waiting.popleft()
            if task.future.running() or task.future.set_running_or_notify_cancel():
                _fail(task, error)


def _fail(task: Task, error: BaseException) -> None:
    task.close()
    task.future.set_exception(error)
