"""Starts the processes of a job, one per rank, and waits for their end.

    launch(job, processes=2, progress=StepProgress("slow_sft", sys.stderr))

Each rank is in a session of its own: Ctrl-C reaches only the command, which passes it on once. A rank that dies takes
the others with it. Should the command itself be killed, each rank's guard ends the rank and all that it started: it has
a second for a checkpoint, and else the last one counts.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dqdata import errors
from dqdata.aio import interrupt
from dqdata.errors import DqdataError, Interrupted, RunError, Stopped, Terminated
from dqdata.training.job import Job
from dqdata.training.progress import StepProgress, progress_of
from dqdata.workers.lifetime import guarded

TAIL = 25
"""Lines of the log that are shown when a process breaks."""


def launch(job: Job, processes: int, progress: StepProgress) -> None:
    """Returns when every rank has ended well. Raises what the ranks raised of dqdata's own errors, else RunError with
    the end of their log."""
    folder = Path(job.folder)
    failure, log = folder / "error.json", folder / "log.txt"
    failure.unlink(missing_ok=True)
    path = job.write()
    with log.open("ab") as stderr:
        ranks = [
            subprocess.Popen(
                guarded([sys.executable, "-m", "dqdata.training.worker", str(path)]),
                env=environment,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,
            )
            for environment in environments(processes)
        ]
        readers = [threading.Thread(target=_relay, args=(rank, progress), daemon=True) for rank in ranks]
        for reader in readers:
            reader.start()
        with _signals_passed_on(ranks) as received:
            codes = _wait(ranks)
        for reader in readers:
            reader.join()
        progress.close()
    if any(codes):
        cause = _cause(failure, log, codes)
        if isinstance(cause, Stopped) and received:
            raise (Interrupted if received[0] == signal.SIGINT else Terminated)(str(cause))
        raise cause


def environments(processes: int) -> list[dict[str, str]]:
    """Environment of each rank, in torchrun's terms. The cores are shared out between the ranks, and threads sleep
    rather than spin while they wait, which matters when other programs want the cores too."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shared = {
        "OMP_NUM_THREADS": str(max(1, cores // processes)),
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "TRL_EXPERIMENTAL_SILENCE": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "PYTHONUNBUFFERED": "1",
        **os.environ,
    }
    if processes == 1:
        return [shared]
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(processes)}
    ranks = [
        {"RANK": str(rank), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(processes)} for rank in range(processes)
    ]
    return [{**shared, **address, **rank} for rank in ranks]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _relay(rank: subprocess.Popen[str], progress: StepProgress) -> None:
    assert rank.stdout is not None
    for line in rank.stdout:
        if (done := progress_of(line)) is not None:
            progress.step(*done)
        else:
            progress.say(line.rstrip("\n"))


def _wait(ranks: Sequence[subprocess.Popen[str]]) -> list[int]:
    """Exit codes. Ranks wait for one another, so when one breaks the others would wait for ever: they are ended."""
    while any(rank.poll() is None for rank in ranks):
        if any(rank.returncode for rank in ranks):
            for rank in ranks:
                if rank.poll() is None:
                    _end(rank)
        time.sleep(0.05)
    return [int(rank.returncode) for rank in ranks]


def _end(rank: subprocess.Popen[str], patience: float = 10.0) -> None:
    rank.terminate()
    try:
        rank.wait(patience)
    except subprocess.TimeoutExpired:
        rank.kill()
        rank.wait()


@contextmanager
def _signals_passed_on(ranks: Sequence[subprocess.Popen[str]]) -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM go on to the ranks, which stop after the step under way; a second one ends them at once. Gives
    the list of the signals that were received."""
    received: list[int] = []

    def pass_on(number: int, frame: object = None) -> None:
        received.append(number)
        for rank in ranks:
            if rank.poll() is None:
                rank.send_signal(signal.SIGTERM)

    if threading.current_thread() is not threading.main_thread():
        if (sender := interrupt()) is not None:
            sender.on_send(lambda cause: pass_on(signal.SIGINT))
        yield received
        return

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _cause(failure: Path, log: Path, codes: Sequence[int]) -> DqdataError:
    if failure.exists():
        cause = json.loads(failure.read_text(encoding="utf-8"))
        kind = getattr(errors, cause["type"], RunError)
        kind = kind if _takes_a_message(kind) else RunError
        return kind(cause["message"], code=cause["code"])
    last = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:])
    exit_codes = ", ".join(f"signal {-code}" if code < 0 else str(code) for code in codes)
    return RunError(f"the training process ended with {exit_codes}; the end of {log}:\n{last}")


def _takes_a_message(kind: type[DqdataError]) -> bool:
    return kind.__init__ in (DqdataError.__init__, Exception.__init__)
