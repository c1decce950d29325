"""Processes that start on the same work at the same moment."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable

LONGEST = 300.0
"""Seconds after which a child is killed: none needs a tenth of them."""


def together(work: Callable[[int], None], count: int = 2) -> list[int]:
    """Exit statuses of `count` forks of this process that call work(0), work(1), ... at once; 0 where it returned.
    `work` may not use what lives in threads, such as polars' reader of files: threads are not in a fork."""
    gate, opened = os.pipe()
    children = []
    for number in range(count):
        child = os.fork()
        if child:
            children.append(child)
            continue
        try:
            os.close(opened)
            os.read(gate, 1)  # until every process has closed the other end
            work(number)
        except BaseException:
            traceback.print_exc()
            os._exit(9)
        os._exit(0)
    os.close(opened)
    statuses = [ended(child) for child in children]
    os.close(gate)
    return statuses


def ended(child: int) -> int:
    """Status of a child once it ends; one that waits for ever is killed."""
    killed = threading.Timer(LONGEST, os.kill, (child, signal.SIGKILL))
    killed.start()
    try:
        return os.waitpid(child, 0)[1]
    finally:
        killed.cancel()
