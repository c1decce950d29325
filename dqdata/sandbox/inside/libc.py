"""System calls that Python lacks, raising OSError as Python's own would.

>>> prctl(PR_SET_NO_NEW_PRIVS, 1)
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Any

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_SECCOMP = 1, 4, 8, 22
PR_SET_CHILD_SUBREAPER = 36
PR_CAPBSET_DROP, PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS = 24, 28, 38

CLONE_NEWNS, CLONE_NEWPID = 0x20000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 4096, 16384, 1 << 18

SIGKILL, SIGCONT = 9, 18
SECURE_NO_ROOT_LOCKED = 0x2F
"""Being uid 0 gives no capability, at exec or otherwise, and this can't be undone."""

_libc: Any = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_ulong)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_libc.capset.argtypes = (ctypes.c_char_p, ctypes.c_char_p)
_with_gil: Any = ctypes.PyDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def prctl(option: int, value: int, third: bytes | None = None) -> None:
    _checked(_libc.prctl(option, value, third, 0, 0), f"prctl({option})")


def unshare(flags: int) -> None:
    _checked(_libc.unshare(flags), f"unshare({flags:#x})")


def setns(descriptor: int, kind: int) -> None:
    _checked(_libc.setns(descriptor, kind), f"setns({kind:#x})")


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str = "") -> None:
    raw = [None if text is None else text.encode() for text in (source, target, kind)]
    _checked(_libc.mount(*raw, flags, options.encode() or None), f"mount {target}")


def capabilities(keep: int = 0) -> None:
    """Leaves this process the capabilities in the bit mask `keep` and no others."""
    low, high = keep & 0xFFFFFFFF, keep >> 32
    _checked(_libc.capset(struct.pack("=Ii", 0x20080522, 0), struct.pack("=6I", low, low, 0, high, high, 0)), "capset")


def fork() -> int:
    """fork(2) without Python's own bookkeeping, for processes of one thread: `os.fork` reseeds and rebuilds locks of
    every module loaded, which costs a child more than all the rest of its start."""
    return _checked(_with_gil.fork(), "fork")


def syscall(number: int, *args: Any) -> int:
    return _checked(_libc.syscall(ctypes.c_long(number), *args), f"system call {number}")
