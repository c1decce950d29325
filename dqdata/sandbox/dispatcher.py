"""The thread that owns the fork servers: sends tasks, collects replies, replaces servers that die.

    dispatcher = Dispatcher("bwrap", workers=2)
    dispatcher.submit(task)

One thread does it all, so that asyncio loops and other threads may come and go, and so that the servers, which die
with the thread that started them, live exactly as long as it does.

Every task ends: with its result, or with an error. A task whose server died is a *suspect*. It runs again alone, on a
server that started after the loss, so that it takes no neighbour with it a second time and no server that was dying
already is counted against it. Whatever else goes wrong in a turn of the loop costs that turn: the servers are replaced
and their tasks run again; after `MOST_BROKEN_TURNS` such turns in a row all tasks fail.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import selectors
import threading
import time
from typing import Any

from dqdata.errors import DqdataError, RowError, SandboxError
from dqdata.sandbox.worker import Task, Worker

IN_FLIGHT = 4
"""Jobs that one server has at a time: while one waits on the kernel, another computes."""
MOST_LOSSES = 3
"""Servers that may die under one task before the task fails."""
MOST_FAILED_STARTS = 2
MOST_BROKEN_TURNS = 3
log = logging.getLogger("dqdata")


class Dispatcher:
    def __init__(self, mode: str, workers: int) -> None:
        self.mode, self.most = mode, workers
        self.waiting: collections.deque[Task] = collections.deque()
        self.suspects: collections.deque[Task] = collections.deque()
        self.workers: list[Worker] = []
        self.lock = threading.Lock()
        self.closing = False
        self.in_hand: Task | None = None
        """A task that is in no queue and with no server while a step of the loop is at work on it."""
        self.failed_starts = self.broken_turns = 0
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
            if not self.closing:
                self.closing = True
                self._signal()
        self.thread.join()

    def _signal(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self.wake, b"x")

    def _run(self) -> None:
        try:
            while not self.closing:
                try:
                    self._turn()
                except Exception as error:
                    self._recover(error)
        finally:
            with self.lock:
                self.closing = True
            self._fail_all(SandboxError("the sandbox was closed"))
            with self.lock:
                self.selector.close()
                os.close(self.woken)
                os.close(self.wake)

    def _turn(self) -> None:
        self._hand_out()
        for key, _ in self.selector.select(self._patience()):
            if key.fd == self.woken:
                with contextlib.suppress(BlockingIOError):
                    os.read(self.woken, 4096)
            elif key.data in self.workers:  # else it was dropped in this very turn
                self._collect(key.data)
        for worker in [worker for worker in self.workers if worker.overdue() <= 0]:
            self._lost(worker, "it did not answer in time")

    def _patience(self) -> float | None:
        """Seconds until the first server is overdue; None while nothing is awaited."""
        left = min((worker.overdue() for worker in self.workers), default=float("inf"))
        return None if left == float("inf") else max(0.0, left)

    def _recover(self, error: Exception) -> None:
        """After a failure of this thread's own: new servers, and their tasks once more."""
        log.warning(
            "sandbox: %s: %s; its servers are replaced",
            type(error).__name__,
            error,
            extra={"code": "sandbox-restarted"},
        )
        self.broken_turns += 1
        tasks = [task for worker in list(self.workers) for task in self._drop(worker)]
        if self.in_hand is not None and self.in_hand not in tasks and not self.in_hand.future.done():
            tasks.append(self.in_hand)
        self.in_hand = None
        self._requeue(tasks, f"{type(error).__name__}: {error}")
        if self.broken_turns >= MOST_BROKEN_TURNS:
            self.broken_turns = 0
            self._fail_all(SandboxError(f"the sandbox ({self.mode}) broke: {type(error).__name__}: {error}"))

    def _hand_out(self) -> None:
        reserved = self._hand_out_suspects()
        while self.waiting:
            free = [
                worker
                for worker in self.workers
                if worker.ready and not worker.alone and worker is not reserved and len(worker.tasks) < IN_FLIGHT
            ]
            if not any(not worker.tasks for worker in free):
                self._start()
            if not free or not self.waiting:
                return
            self._send(self.waiting, min(free, key=lambda worker: len(worker.tasks)))

    def _hand_out_suspects(self) -> Worker | None:
        """Sends each suspect to an idle server that is younger than its loss. Returns a server that a suspect waits
        for, which takes no other tasks meanwhile."""
        while self.suspects:
            young = [worker for worker in self.workers if worker.started > self.suspects[0].lost_at]
            idle = [worker for worker in young if worker.ready and not worker.tasks]
            if not idle:
                if not young:
                    self._start()
                return young[0] if young else None
            idle[0].alone = True
            self._send(self.suspects, idle[0])
        return None

    def _send(self, queue: collections.deque[Task], worker: Worker) -> None:
        self.in_hand = task = queue.popleft()
        if task.future.running() or task.future.set_running_or_notify_cancel():
            try:
                task.open()
            except OSError as error:
                _fail(task, SandboxError(f"the sandbox can't hand a program over: {error}"))
            else:
                try:
                    worker.send(task)
                except OSError as error:
                    if task not in worker.tasks.values():
                        worker.tasks[-1] = task
                    self._lost(worker, str(error))
        self.in_hand = None

    def _start(self) -> None:
        """One more server, where there is room and none is starting. Fails all tasks where none can be started."""
        if len(self.workers) >= self.most or any(not worker.ready for worker in self.workers):
            return
        try:
            worker = Worker(self.mode)
        except (DqdataError, OSError) as error:
            self._fail_all(error)
            return
        self.workers.append(worker)
        self.selector.register(worker.socket, selectors.EVENT_READ, worker)

    def _collect(self, worker: Worker) -> None:
        try:
            reply = worker.receive()
        except ValueError as error:
            self._lost(worker, f"it sent a reply that can't be read: {error}")
            return
        if reply is not None and "ready" in reply:
            worker.ready = True
            self.failed_starts = 0
            return
        self.in_hand = task = worker.tasks.pop(reply["id"], None) if reply is not None and "id" in reply else None
        if reply is None or task is None:
            self._lost(worker, (reply or {}).get("failure", ""))
            return
        worker.alone = False
        self._finish(task, reply)
        self.in_hand = None
        self.broken_turns = 0

    def _finish(self, task: Task, reply: dict[str, Any]) -> None:
        if reply.get("unjudged") and task.kind == "judge":  # not the candidate's doing: it gets a checker of its own
            task.kind = "check"
            self.waiting.appendleft(task)
            return
        try:
            if reply["failure"]:
                raise SandboxError(f"the sandbox ({self.mode}) could not isolate a program: {reply['failure']}")
            result = task.outcome(reply, task.written())
        except Exception as error:
            _fail(task, error)
        else:
            _close(task)
            task.future.set_result(result)

    def _lost(self, worker: Worker, reason: str) -> None:
        """A server has ended by itself. Its tasks get another try; where servers don't even start, nothing does."""
        reason = "; ".join(part for part in (reason, worker.complaint()) if part) or "it ended without a word"
        self.failed_starts += not worker.ready
        self._requeue(self._drop(worker), reason)
        if self.failed_starts >= MOST_FAILED_STARTS:
            self.failed_starts = 0
            self._fail_all(
                SandboxError(
                    f"the sandbox ({self.mode}) does not start: {reason}. `dqdata.sandbox.probe()` reports the cause"
                )
            )

    def _requeue(self, tasks: list[Task], reason: str) -> None:
        for task in tasks:
            task.losses += 1
            task.lost_at = time.monotonic()
            if task.losses < MOST_LOSSES:
                self.suspects.append(task)
            else:
                _fail(task, RowError("sandbox_lost", f"{task.losses} servers ({self.mode}) died under it: {reason}"))

    def _drop(self, worker: Worker) -> list[Task]:
        """Forgets a server and ends it; whatever fails on the way, it is forgotten. Returns the tasks it had."""
        tasks = list(worker.tasks.values())
        worker.tasks.clear()
        if worker in self.workers:
            self.workers.remove(worker)
        with contextlib.suppress(KeyError, ValueError):  # it may never have been registered
            self.selector.unregister(worker.socket)
        try:
            worker.stop()
        except Exception as error:
            log.warning(
                "sandbox: a server could not be ended: %s: %s",
                type(error).__name__,
                error,
                extra={"code": "sandbox-restarted"},
            )
        return tasks

    def _fail_all(self, error: Exception) -> None:
        """Every task that isn't done fails, and every server ends."""
        tasks = [task for worker in list(self.workers) for task in self._drop(worker)]
        for queue in (self.suspects, self.waiting):
            while queue:
                tasks.append(queue.popleft())
        for task in tasks:
            if task.future.running() or task.future.set_running_or_notify_cancel():
                _fail(task, error)


def _fail(task: Task, error: Any) -> None:
    _close(task)
    task.future.set_exception(error)


def _close(task: Task) -> None:
    try:
        task.close()
    except OSError as error:
        log.warning(
            "sandbox: a descriptor of a program could not be closed: %s", error, extra={"code": "sandbox-restarted"}
        )
