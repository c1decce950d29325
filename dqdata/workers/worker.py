"""What runs inside a CPU worker: `python -m dqdata.workers.worker PARENT CONTROL BEAT`: the id of the process that
started it, and two inherited descriptors.

The process is a fork server: it forks a child that does the work and, when that child is killed at a deadline, forks
the next one, so a replacement costs milliseconds. Each child has a socket of its own to the caller, so that what a
killed child had half read or half written is gone with it. A child that ends before it took a task counts as a failed
start; after MOST_FAILED_STARTS of them in a row the fork server ends.

    control  to the caller: b"PID" with the caller's end of a new child's socket
    socket   to the child: ("rows", operator, [row, ...]) | ("call", function, args), pickles behind 8 bytes of length
             from it: ("rows", [(outcome, changed), ...]) ... ("done",) | ("value", x) | ("error", exception)
    beat     shared memory: index of the row being worked on; tasks that the current child has taken
"""

from __future__ import annotations

import contextlib
import functools
import mmap
import os
import pickle
import resource
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Mapping
from typing import Any

from dqdata.errors import DqdataError, described, row_failure
from dqdata.operator import Reject, Row, RowOperator
from dqdata.workers.lifetime import POLL_SECONDS, end_with, orphaned
from dqdata.workers.logs import hide_prints, show_logs

MEMORY = 8 << 30
"""Bytes of data one worker may hold: a runaway power ends in MemoryError, not in the machine's out-of-memory killer."""
FLUSH_SECONDS = 0.02
SILENCE_SECONDS = 30.0
"""How long one side of a message waits for the other to go on with it."""
MOST_FAILED_STARTS = 3
LENGTH = struct.Struct("<Q")
BEAT_BYTES = 2 * LENGTH.size
NOT_BEGUN = (1 << 64) - 1
"""In place of a row's index: the task is being unpickled, which may import modules for seconds."""


def send(descriptor: int, message: Any) -> None:
    """Raises OSError where the other side is gone, TimeoutError where it doesn't read."""
    raw = pickle.dumps(message, protocol=5)
    data = memoryview(LENGTH.pack(len(raw)) + raw)
    while data:
        if not ready(descriptor, select.POLLOUT, SILENCE_SECONDS):
            raise TimeoutError("the other side of a CPU worker's socket doesn't read")
        data = data[os.write(descriptor, data[: 1 << 16]) :]


def receive(descriptor: int) -> bytearray:
    """The next message, a pickle. Raises EOFError where the other side is gone, or falls silent within a message."""
    (size,) = LENGTH.unpack(_read(descriptor, LENGTH.size, None))
    return _read(descriptor, size, SILENCE_SECONDS)


def ready(descriptor: int, event: int, seconds: float | None) -> bool:
    """Whether a descriptor can be read (POLLIN) or written (POLLOUT), or has ended, within `seconds`."""
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(None if seconds is None else 1000 * max(0.0, seconds)))


def _read(descriptor: int, size: int, patience: float | None) -> bytearray:
    data = bytearray()
    while len(data) < size:
        if not ready(descriptor, select.POLLIN, SILENCE_SECONDS if data else patience):
            raise EOFError
        try:
            more = os.read(descriptor, min(size - len(data), 1 << 20))
        except ConnectionError:
            more = b""
        if not more:
            raise EOFError
        data += more
    return data


def main(parent: int, control: int, beat: int) -> int:
    """The fork server: one child at a time, until the caller closes `control` or ends. The exit code."""
    end_with(parent, watch=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    caller = socket.socket(fileno=control)
    poll = select.poll()
    for descriptor in (control, woken):
        poll.register(descriptor, select.POLLIN)
    shared = mmap.mmap(beat, BEAT_BYTES)
    failed_starts = 0
    while failed_starts < MOST_FAILED_STARTS:
        shared[LENGTH.size :] = bytes(LENGTH.size)  # not the row: the caller asks which one killed the child
        child = _started(caller, beat, (woken, wake))
        if child is None:
            return 0
        while os.waitpid(child, os.WNOHANG)[0] == 0:
            ended = {descriptor for descriptor, _ in poll.poll(1000 * POLL_SECONDS)}
            if woken in ended:
                os.read(woken, 4096)
            if control in ended or orphaned(parent):  # nothing is ever sent here: the caller is gone
                os.kill(child, signal.SIGKILL)
                return 0
        failed_starts = 0 if shared[LENGTH.size :] != bytes(LENGTH.size) else failed_starts + 1
    return 1


def _started(caller: socket.socket, beat: int, wakeup: tuple[int, int]) -> int | None:
    """A new child, whose socket the caller has; None where the caller is gone."""
    theirs, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    server, child = os.getpid(), os.fork()
    if child == 0:
        try:
            end_with(server)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in (*wakeup, theirs.detach(), caller.detach()):
                os.close(descriptor)
            _work(ours.detach(), beat)
        except (EOFError, OSError):
            os._exit(0)  # the caller is gone
        finally:
            os._exit(1)
    ours.close()
    try:
        socket.send_fds(caller, [str(child).encode()], [theirs.fileno()])
    except OSError:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return None
    finally:
        theirs.close()
    return child


def _work(caller: int, beat: int) -> None:
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    os.dup2(2, 1)
    printed = hide_prints()
    show_logs()
    shared = mmap.mmap(beat, BEAT_BYTES)
    taken = 0
    while True:
        task = receive(caller)
        taken += 1
        shared[LENGTH.size :] = LENGTH.pack(taken)
        try:
            kind, target, payload = pickle.loads(task)
            if kind == "rows":
                target = _operator(target)
            shared[: LENGTH.size] = LENGTH.pack(0)
            if kind == "rows":
                _rows(target, payload, caller, shared)
                printed.finish()
                continue
            answer = ("value", target(*payload))
        except BaseException as error:
            answer = ("error", _portable(error))
        printed.finish()
        try:
            send(caller, answer)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            send(caller, ("error", RuntimeError(f"{type(error).__name__}: {error}")))


@functools.lru_cache(maxsize=64)
def _operator(pickled: bytes) -> RowOperator[Any]:
    operator: RowOperator[Any] = pickle.loads(pickled)
    return operator


def _rows(operator: RowOperator[Any], rows: list[Row], caller: int, shared: mmap.mmap) -> None:
    done: list[Any] = []
    flushed = time.monotonic()
    for number, row in enumerate(rows):
        shared[: LENGTH.size] = LENGTH.pack(number)
        try:
            done.append(_changes(operator.process(row), row))
        except (DqdataError, MemoryError) as error:
            done.append(_portable(error))
        except BaseException as error:  # SIGINT is ignored here: whatever it is, the operator raised it
            done.append(row_failure(error))
        if time.monotonic() - flushed > FLUSH_SECONDS:
            send(caller, ("rows", done))
            done, flushed = [], time.monotonic()
    send(caller, ("rows", done))
    send(caller, ("done",))


def _changes(outcome: Row | Reject, row: Row) -> Row | Reject:
    """Only what the operator made or changed: long texts that pass through needn't travel back."""
    if isinstance(outcome, Mapping):
        return {name: value for name, value in outcome.items() if name not in row or value is not row[name]}
    return outcome


def _portable(error: BaseException) -> BaseException:
    """The exception if it survives pickling, else one with its type and text; so too for `sys.exit()` and what else is
    no error."""
    if not isinstance(error, Exception):
        return RuntimeError(described(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(described(error))
    return error


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:4])))
