"""Runs one program in the process that it is in, as `python program.py` would, and leaves.

>>> execute("x = 6 * 7", "solution").__dict__["x"]
42
"""

from __future__ import annotations

import atexit
import marshal
import os
import sys
import types
from typing import Any, NoReturn

FILE = "<program>"


def read(descriptor: int) -> Any:
    """The value in a descriptor that a parent filled, as marshal writes it."""
    return marshal.loads(read_bytes(descriptor))


def read_bytes(descriptor: int) -> bytes:
    """All of a file in memory; a buffer larger than that would be mapped, touched and unmapped for nothing."""
    size = os.fstat(descriptor).st_size
    data = os.pread(descriptor, size, 0)
    while len(data) < size and (part := os.pread(descriptor, size - len(data), len(data))):
        data += part
    return data


def write_files(files: dict[str, str]) -> None:
    """Writes files into the scratch folder, where this process is."""
    for name, text in files.items():
        if folder := os.path.dirname(name):
            os.makedirs(folder, exist_ok=True)
        with open(name, "w", encoding="utf-8") as file:
            file.write(text)


def execute(source: str, name: str) -> types.ModuleType:
    """A new module `name` made by running the source; what it raises passes."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(source, FILE, "exec", dont_inherit=True), module.__dict__)
    return module


def keep_source(source: str) -> None:
    """Makes the lines of the program known to tracebacks and to `inspect`."""
    import linecache

    linecache.cache[FILE] = (len(source), None, source.splitlines(True), FILE)


def show(error: BaseException, source: str) -> str:
    """Traceback of an error in the program, without the sandbox's own frames."""
    import traceback

    keep_source(source)
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_filename != FILE:
        frame = frame.tb_next
    return "".join(traceback.format_exception(type(error), error, frame, limit=-6))


def run(job: dict[str, Any], report: int) -> NoReturn:
    """Runs `job["program"]` as __main__ and exits with its code; how it ended is written to `report`."""
    end, code = "finished", 0
    try:
        sys.argv = ["program.py"]
        execute(job["program"], "__main__")
    except SystemExit as error:
        end, code = "exit", _exit_code(error)
    except MemoryError:
        end, code = "memory", 1
        sys.stderr.write("MemoryError\n")
    except BaseException as error:
        end, code = "error", 1
        sys.stderr.write(show(error, job["program"]))
    leave(report, end, code)


def leave(report: int, end: str, code: int) -> NoReturn:
    """Waits for threads, runs exit functions and flushes, as the interpreter would at its end."""
    try:
        if "threading" in sys.modules:
            sys.modules["threading"]._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException as error:
        end, code = ("memory" if isinstance(error, MemoryError) else "error"), 1
    os.write(report, end.encode())
    os._exit(code)


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    sys.stderr.write(f"{error.code}\n")
    return 1
