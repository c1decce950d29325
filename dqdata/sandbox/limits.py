"""What a program in the sandbox may use, and what is known of it afterwards.

    >>> Limits(cpu=2.0).scaled(memory=1 << 30).memory
    1073741824
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

Why = Literal["exit", "error", "wall", "cpu", "memory", "output", "signal"]
"""How a program ended.

exit: it ran to its end, or left by `sys.exit(0)`. error: an uncaught exception or another exit code. wall, cpu, memory,
output: that limit. signal: killed by a signal of its own making (`os.abort()`, a crash).
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one program. A program that runs in two processes (checker and candidate) has them for each.

    wall, cpu: seconds. memory: bytes of address space. output: bytes of stdout and stderr together. disk: bytes in its
    scratch folder. processes: how many it may start (threads are always allowed); each may use `memory`.
    """

    wall: float = 10.0
    cpu: float = 5.0
    memory: int = 512 << 20
    output: int = 1 << 20
    disk: int = 32 << 20
    processes: int = 0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value < 0 or (value == 0 and name != "processes"):
                raise ValueError(f"limit {name!r} is {value!r}; it must be more than 0")

    def scaled(self, **changes: Any) -> Limits:
        """These limits with some of them changed."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Result:
    """What a program did.

    finished: it ran past its last line; `os._exit(0)` half-way leaves this false. code: exit status, or minus the
    signal. A hostile program can forge all of these about itself: verdicts come from `Sandbox.check` or from
    comparing `stdout` here, outside.
    """

    why: Why
    code: int
    finished: bool
    stdout: str
    stderr: str
    seconds: float
    cpu_seconds: float

    @property
    def ok(self) -> bool:
        return self.why == "exit" and self.code == 0


@dataclass(frozen=True, slots=True)
class Check:
    """Verdict of tests on a candidate, reached in a process that the candidate can't touch.

    passed, total: test cases. outside: false where a test needs real objects across the line, so that nothing was
    decided. error: first failure, as text. why: how the candidate's process ended, where it did.
    """

    passed: int
    total: int
    outside: bool
    error: str
    why: Why
    seconds: float
    cpu_seconds: float
    details: dict[str, Any] = field(default_factory=dict)
