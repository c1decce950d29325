"""The filters of both machines, run by an interpreter of their instructions: what each system call is answered.

The kernel runs only the filter of the machine it is on; the attacks go through that one.
"""

from __future__ import annotations

import platform
import re
import struct
from pathlib import Path

import pytest

from dqdata.sandbox.inside import seccomp

ALLOWED, KILLED, REFUSED, UNKNOWN, DONE = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026, 0x00050000
MACHINES = {"x86_64": 0, "aarch64": 1}
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
HEADERS = {
    "x86_64": [Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm/unistd_64.h")],
    "aarch64": [Path("/usr/include/asm-generic/unistd.h")],
}
NEEDED = (
    *("read", "write", "close", "mmap", "munmap", "mprotect", "brk", "exit_group", "futex", "openat", "getrandom"),
    *("rt_sigaction", "clock_gettime", "fstat", "lseek", "ioctl", "fcntl", "socketpair", "wait4", "pipe2", "dup3"),
)
"""Calls that Python can't live without, with arguments of all zeros but for those below."""
HARMLESS = {"socketpair": (1, 1)}


def filter_of(machine: str, monkeypatch: pytest.MonkeyPatch, **given: object) -> bytes:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    seccomp.made.cache_clear()
    try:
        return bytes(seccomp.made(**given).memory.raw[:-1])  # type: ignore[arg-type]
    finally:
        seccomp.made.cache_clear()


def answer(program: bytes, machine: str, number: int, *arguments: int) -> int:
    """What the kernel would do: classic BPF over `struct seccomp_data` (see seccomp(2))."""
    padded = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("=IIQ6Q", number, ARCHITECTURES[machine], 0, *padded)
    code = list(struct.iter_unpack("=HBBI", program))
    at = accumulator = 0
    while True:
        operation, when_true, when_false, value = code[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif operation == 0x54:
            accumulator &= value
        elif operation == 0x05:
            at += value
        elif operation == 0x06:
            return int(value)
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}
            at += when_true if holds[operation] else when_false


def numbers(machine: str) -> dict[str, int]:
    """Calls by name, from the kernel's own header."""
    header = next((path for path in HEADERS[machine] if path.is_file()), None)
    if header is None:
        pytest.skip("the kernel's headers aren't here")
    found = re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text(), re.MULTILINE)
    return {name: int(number) for name, number in found}


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_of_the_tables_are_the_kernels(machine: str) -> None:
    known, column = numbers(machine), MACHINES[machine]
    tables = seccomp._REFUSED | seccomp._REFUSED_UNDER_LANDLOCK | seccomp._FORK | seccomp._LOCKS | seccomp._SPECIAL
    wrong = {
        name: (numbers[column], known[name])
        for name, numbers in tables.items()
        if name in known and numbers[column] is not None and numbers[column] != known[name]
    }
    assert wrong == {}
    missing = [name for name, numbers in tables.items() if numbers[column] is None and name in known]
    assert missing == []


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("landlock", [False, True])
@pytest.mark.parametrize("processes", [False, True])
def test_each_call_is_answered_as_the_tables_say(
    machine: str, landlock: bool, processes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = filter_of(machine, monkeypatch, processes=processes, landlock=landlock, pid=7)
    column = MACHINES[machine]
    tables = seccomp._REFUSED | (seccomp._REFUSED_UNDER_LANDLOCK if landlock else {})
    tables |= {} if processes else seccomp._FORK
    refused = {pair[column] for pair in tables.values()} - {None}
    done = set() if processes else {pair[column] for pair in seccomp._LOCKS.values()}
    special = {pair[column] for pair in seccomp._SPECIAL.values()}
    for number in range(seccomp._NEWEST + 1):
        if number not in special:
            wanted = REFUSED if number in refused else DONE if number in done else ALLOWED
            assert answer(program, machine, number) == wanted, number
    for number in (seccomp._NEWEST + 1, 1000, 0x40000000, 0xFFFFFFFF):
        assert answer(program, machine, number) == UNKNOWN


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_that_are_refused_for_their_arguments(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = filter_of(machine, monkeypatch, processes=False, landlock=True, pid=7)
    forking = filter_of(machine, monkeypatch, processes=True, landlock=False)
    calls = {name: pair[MACHINES[machine]] for name, pair in seccomp._SPECIAL.items()}

    def asked(program: bytes, name: str, *arguments: int) -> int:
        return answer(program, machine, calls[name], *arguments)

    thread, namespace = 0x10000, 0x20000000
    assert asked(alone, "clone", thread) == ALLOWED
    assert asked(alone, "clone", 17) == REFUSED
    assert asked(forking, "clone", 17) == ALLOWED
    assert asked(forking, "clone", 17 | namespace) == REFUSED
    assert asked(alone, "clone", thread | namespace) == REFUSED
    assert asked(forking, "clone3") == UNKNOWN, "its flags are behind a pointer, so libraries must fall back on clone"
    assert asked(alone, "socketpair", 1, 1 | 0o2000000) == ALLOWED
    assert asked(alone, "socketpair", 1, 2) == REFUSED
    assert asked(alone, "socketpair", 2, 1) == REFUSED
    assert asked(alone, "prlimit64", 0) == ALLOWED
    assert asked(alone, "prlimit64", 1) == REFUSED
    assert asked(alone, "prctl", 1) == REFUSED
    assert asked(alone, "prctl", 15) == ALLOWED
    for command in (8, 15, 1024, 1026, 5, 36):
        assert asked(alone, "fcntl", 3, command) == REFUSED
    for command in (6, 7, 37, 38):
        assert asked(alone, "fcntl", 3, command) == DONE, "locks tell other programs nothing"
        assert asked(forking, "fcntl", 3, command) == ALLOWED
    for command in (0, 1, 2, 3, 4, 1030):
        assert asked(alone, "fcntl", 3, command) == ALLOWED
    for request in seccomp._OF_FILES:
        assert asked(alone, "ioctl", 3, request) == REFUSED
    assert asked(alone, "ioctl", 0, 0x5401) == ALLOWED
    assert asked(alone, "ioctl", 0, 0x5412) == REFUSED
    for name in ("kill", "tgkill"):
        assert asked(alone, name, 7, 9) == ALLOWED
        assert asked(alone, name, 1, 9) == REFUSED
        assert asked(alone, name, 0xFFFFFFFF, 9) == REFUSED
        assert asked(forking, name, 1, 9) == ALLOWED, "its pid namespace holds only its own processes"


@pytest.mark.parametrize("machine", MACHINES)
def test_python_can_live_under_it(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program, known = filter_of(machine, monkeypatch, processes=False, landlock=True, pid=7), numbers(machine)
    for name in NEEDED:
        if name in known:
            assert answer(program, machine, known[name], *HARMLESS.get(name, ())) == ALLOWED, name


@pytest.mark.parametrize("machine", MACHINES)
def test_a_call_of_another_architecture_ends_the_process(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = filter_of(machine, monkeypatch, processes=False, landlock=False)
    for other in set(MACHINES) - {machine}:
        assert answer(program, other, 0) == KILLED
    assert len(program) // 8 <= 4096, "the kernel takes no longer filter"


def test_a_machine_without_a_table_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="no table of system calls for riscv64"):
        filter_of("riscv64", monkeypatch, processes=False, landlock=False)
