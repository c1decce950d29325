"""A stateful Python session for a model that calls a tool: what one call defines, later calls see.

    >>> session = Session(Sandbox())
    >>> await session.run("x = 6 * 7")
    Output(text='', ok=True, ...)
    >>> (await session.run("x")).text
    '42\\n'

Each call is a program of its own in the sandbox: it runs the earlier calls again, their output discarded, and then the
new one. So no process waits while a model thinks, nothing outlives a call, and the isolation is that of `Sandbox.run`.
Random draws are seeded and repeat, those of numpy, `uuid` and `secrets` too; clocks do not. What goes to stderr is part
of the output. A call that was ended by a limit, or that ended the interpreter, is not run again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dqdata.sandbox.limits import Limits, Result

if TYPE_CHECKING:
    from dqdata.sandbox.client import Sandbox

CALL = Limits(wall=10.0, cpu=5.0, output=64 << 10)
"""Limits of one call where none are given."""

LEFT = 97
"""Exit code of a call that raised: any other one is of code that ended the interpreter itself."""

_PROGRAM = """\
def _session(cells, left):
    import ast, os, random, sys, traceback, types
    random.seed(0)
    os.urandom = random._urandom = random.Random(1).randbytes
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    known = main.__dict__
    known["__builtins__"] = __builtins__
    sys.stderr = sys.stdout

    def run(code, name):
        tree = ast.parse(code, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec"), known)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), name, "eval"), known)
            if value is not None:
                known["_"] = value
                print(repr(value))

    nowhere, real = os.open(os.devnull, os.O_WRONLY), os.dup(1)
    for number, code in enumerate(cells[:-1], 1):
        os.dup2(nowhere, 1)
        try:
            run(code, f"<call {number}>")
        except BaseException:
            pass
        sys.stdout.flush()
        os.dup2(real, 1)
    try:
        run(cells[-1], f"<call {len(cells)}>")
    except BaseException as error:
        sys.stdout.flush()
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith("<call")]
        if frames:
            print("Traceback (most recent call last):")
            print("".join(traceback.format_list(frames)), end="")
        print("".join(traceback.format_exception_only(type(error), error)), end="")
        sys.stdout.flush()
        os._exit(left)

_session(%r, %r)
"""


@dataclass(frozen=True, slots=True)
class Output:
    """What a call gave. text: what it printed, the value of its last expression, and the traceback of what it raised.
    ok: it came to its end. ended: the limit or exit that ended it, empty for none. seconds: time of the call, with the
    earlier calls that ran again."""

    text: str
    ok: bool
    ended: str = ""
    seconds: float = 0.0


class Session:
    """The calls of one trace. limits: of one call. calls, seconds: of the whole session; once they are used up, `run`
    gives an output that says so and runs nothing. characters: of the text of an output, whose middle is cut out."""

    def __init__(
        self,
        sandbox: Sandbox,
        limits: Limits = CALL,
        *,
        calls: int = 16,
        seconds: float = 60.0,
        characters: int = 8000,
    ) -> None:
        self._sandbox, self._limits = sandbox, limits
        self._calls, self._seconds, self._characters = calls, seconds, characters
        self._cells: list[str] = []
        self.calls = 0
        self.seconds = 0.0

    async def run(self, code: str) -> Output:
        """Runs one call. Raises SandboxError where no isolation works; what the code does raises nothing."""
        if self.calls >= self._calls:
            return Output(f"No call was made: the limit of {self._calls} calls is reached.\n", False, "calls")
        if self.seconds >= self._seconds:
            return Output(f"No call was made: the limit of {self._seconds:g} seconds is reached.\n", False, "seconds")
        self.calls += 1
        began = time.monotonic()
        result = await self._sandbox.run(_PROGRAM % ([*self._cells, code], LEFT), limits=self._limits_now())
        self.seconds += result.seconds
        ended = "" if result.finished or (result.why == "error" and result.code == LEFT) else result.why
        if not ended:
            self._cells.append(code)
        return Output(self._text(result, ended), result.finished and not ended, ended, time.monotonic() - began)

    def _limits_now(self) -> Limits:
        """The limits of a call, with time for the earlier ones, within what is left of the session."""
        times = len(self._cells) + 1
        left = max(0.1, self._seconds - self.seconds)
        return self._limits.scaled(
            wall=min(times * self._limits.wall, left), cpu=min(times * self._limits.cpu, max(0.1, left))
        )

    def _text(self, result: Result, ended: str) -> str:
        text = result.stdout + (result.stderr if ended else "")
        if len(text) > self._characters:
            half = self._characters // 2
            text = f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"
        words = {
            "wall": "time", "cpu": "time", "starved": "time", "memory": "memory", "output": "output", "disk": "disk",
        }  # fmt: skip
        if ended in ("exit", "error", "signal"):
            return f"{text}The call ended the interpreter (exit code {result.code}): nothing that it did is kept.\n"
        return text + (f"The call was ended: over its limit of {words.get(ended, ended)}.\n" if ended else "")
