"""Training processes without their start: one process imports torch and TRL, and forks a child for each job.

Importing them is most of what a training of a tiny model costs. The child runs the same code as `python -m
dqdata.training.worker`, with its own environment, output, session and exit code. Jobs of several ranks, commands that
run in a process of their own, and the tests marked slow start the real one.

    python warm.py serve SOCKET          python warm.py run SOCKET JOB
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any

IMPORTED = (
    "datasets", "peft", "transformers.trainer", "transformers.models.llama.modeling_llama",
    "trl.trainer.sft_trainer", "trl.trainer.dpo_trainer", "trl.trainer.reward_trainer", "trl.trainer.grpo_trainer",
    "dqdata.engine.runtime", "dqdata.catalog", "dqdata.project.tables", "dqdata.training.worker", "dqdata.training.run",
)  # fmt: skip
LARGEST = 1 << 20
LOOK_SECONDS = 0.02


def serve(path: str) -> None:
    """Forks a child for each connection until the process that started this one ends."""
    import gc

    from dqdata.workers.lifetime import end_with

    end_with(os.getppid())
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the process between reports how the job ended
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(path)
    listening.listen()
    for name in IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    while True:
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _watch(connection)
        connection.close()


def _watch(connection: socket.socket) -> None:
    """Runs one job in a child; passes signals to it and its exit code back."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        message, descriptors, _, _ = socket.recv_fds(connection, LARGEST, 2)
        while not message.endswith(b"\n"):
            message += connection.recv(LARGEST)
        pid = os.fork()
        if pid == 0:
            _become(json.loads(message), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        connection.sendall(f"{pid}\n".encode())
        ended = status = 0
        while not ended:
            if select.select([connection], [], [], LOOK_SECONDS)[0]:  # whoever asked is gone
                os.kill(pid, signal.SIGKILL)
            ended, status = os.waitpid(pid, os.WNOHANG)
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    finally:
        os._exit(0)


def _become(job: dict[str, Any], descriptors: list[int]) -> None:
    code = 1
    try:
        os.setsid()
        os.chdir(job["folder"])
        os.environ.clear()
        os.environ.update(job["environment"])
        for number, descriptor in enumerate(descriptors, 1):
            os.dup2(descriptor, number)
        sys.path += [path for path in os.environ.get("PYTHONPATH", "").split(":") if path and path not in sys.path]
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        sys.argv = ["worker", *job["arguments"]]
        importlib.import_module("dqdata.training.worker").main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def run(path: str, arguments: list[str]) -> int:
    """The exit code of a job in a child of the process that listens at `path`; signals go on to it."""
    job = {"folder": str(Path.cwd()), "environment": dict(os.environ), "arguments": arguments}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        socket.send_fds(connection, [json.dumps(job).encode()], [1, 2])
        connection.sendall(b"\n")
        with connection.makefile() as replies:
            pid = int(replies.readline())
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda number, frame: os.kill(pid, number))
            code = int(replies.readline())
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    sys.exit(run(sys.argv[2], sys.argv[3:]))
