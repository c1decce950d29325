"""What runs inside a CPU worker: `python -m dqdata.workers.worker TASKS RESULTS BEAT`, three inherited descriptors.

The process is a nursery: it forks a child that does the work and, when that child is killed at a deadline, forks the
next one, so a replacement costs milliseconds. Messages are pickles behind a length of 8 bytes.

    tasks    ("rows", operator, [row, ...]) | ("call", function, args)
    results  ("born", pid) | ("rows", [(outcome, changed), ...]) ... ("done",) | ("value", x) | ("error", exception)
    beat     8 bytes of shared memory: index of the row being worked on
"""

from __future__ import annotations

import contextlib
import functools
import mmap
import os
import pickle
import resource
import signal
import struct
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from dqdata.errors import DqdataError, row_failure
from dqdata.operator import Reject, Row, RowOperator

MEMORY = 8 << 30
"""Bytes of data one worker may hold: a runaway power ends in MemoryError, not in the machine's out-of-memory killer."""
FLUSH_SECONDS = 0.02
LENGTH = struct.Struct("<Q")


def send(descriptor: int, message: Any) -> None:
    raw = pickle.dumps(message, protocol=5)
    data = memoryview(LENGTH.pack(len(raw)) + raw)
    while data:
        data = data[os.write(descriptor, data) :]


def receive(descriptor: int) -> Any:
    """The next message. Raises EOFError where the other side is gone."""
    (size,) = LENGTH.unpack(_read(descriptor, LENGTH.size))
    return pickle.loads(_read(descriptor, size))


def _read(descriptor: int, size: int) -> bytearray:
    data = bytearray()
    while len(data) < size:
        more = os.read(descriptor, min(size - len(data), 1 << 20))
        if not more:
            raise EOFError
        data += more
    return data


def main(tasks: int, results: int, beat: int) -> None:
    """The nursery: one child at a time, until the parent closes the tasks."""
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getpid()
    while True:
        child = os.fork()
        if child == 0:
            _die_with_parent()
            if os.getppid() != parent:
                os._exit(0)
            _work(tasks, results, beat)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) == 0:
            return


def _work(tasks: int, results: int, beat: int) -> None:
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    os.dup2(2, 1)
    index = mmap.mmap(beat, LENGTH.size)
    send(results, ("born", os.getpid()))
    while True:
        try:
            kind, target, payload = receive(tasks)
        except EOFError:
            os._exit(0)
        try:
            if kind == "rows":
                _rows(_operator(target), payload, results, index)
            else:
                send(results, ("value", target(*payload)))
        except BaseException as error:
            send(results, ("error", _portable(error)))


@functools.lru_cache(maxsize=64)
def _operator(pickled: bytes) -> RowOperator[Any]:
    operator: RowOperator[Any] = pickle.loads(pickled)
    return operator


def _rows(operator: RowOperator[Any], rows: list[Row], results: int, index: mmap.mmap) -> None:
    done: list[Any] = []
    flushed = time.monotonic()
    for number, row in enumerate(rows):
        index[:] = LENGTH.pack(number)
        try:
            done.append(_changes(operator.process(row), row))
        except (DqdataError, MemoryError) as error:
            done.append(_portable(error))
        except Exception as error:
            done.append(row_failure(error))
        if time.monotonic() - flushed > FLUSH_SECONDS:
            send(results, ("rows", done))
            done, flushed = [], time.monotonic()
    send(results, ("rows", done))
    send(results, ("done",))


def _changes(outcome: Row | Reject, row: Row) -> Row | Reject:
    """Only what the operator made or changed: long texts that pass through needn't travel back."""
    if isinstance(outcome, Mapping):
        return {name: value for name, value in outcome.items() if name not in row or value is not row[name]}
    return outcome


def _portable(error: BaseException) -> BaseException:
    """The exception if it survives pickling, else one with its type and text."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _die_with_parent() -> None:
    """Linux: SIGKILL when the parent dies, however it dies. Elsewhere closed pipes end the worker."""
    if sys.platform == "linux":
        import ctypes

        prctl: Callable[..., int] = ctypes.CDLL(None).prctl
        prctl(1, signal.SIGKILL)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
