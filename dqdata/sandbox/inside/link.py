"""The checker's end of the socket to a candidate: asks, waits within limits, and decodes what is answered.

    >>> add = link.get("add")
    >>> add(2, 3)
    5

What the candidate answers is decoded to exact types, so every comparison in a test is Python's own.
"""

from __future__ import annotations

import builtins
import marshal
import select
import sys
import time
import types
from collections.abc import Callable
from typing import Any

from . import plain, pure
from .channel import Channel
from .clock import EXCUSED, LOOK_SECONDS, Clock, Watched, cpu_of
from .remote import Remote, kind_of
from .stops import Gone, Handed, NeedsInside, Starved, Stop, TooLong

OF_CANDIDATE = "__of_candidate__"
DEEPER = 4
LOOKS = frozenset("len iter next getitem eq bool repr str isinstance issubclass".split())
"""Operations that leave an object as it is, as far as tests may rely on it."""


class Link:
    """The checker's end. `seconds` bounds the CPU time of one call; waiting may take `patience` times as long, and time
    in which the candidate could not run, as `watched` shows, does not count."""

    patience = 4.0

    def __init__(self, descriptor: int, pid: int, seconds: float, watched: Watched, *, stops: bool = False) -> None:
        """stops: StopIteration that the candidate raises is raised here; else it becomes RuntimeError."""
        self.stops = stops
        self.lengths: dict[int, int] = {}  # what objects said of themselves since anything could change them
        self.channel, self.pid, self.seconds = Channel(descriptor, marshal.dumps, plain.loads), pid, seconds
        self.watched = watched
        self.answers: list[Any] = []
        self.awaited = 0
        self.poll = select.poll()
        self.poll.register(descriptor, select.POLLIN)
        self.classes: dict[int, type] = {}
        self.known: dict[int, Remote] = {}

    def request(self, operation: str, *arguments: Any) -> Any:
        """What the candidate answers. Raises what it raises, or Stop."""
        if operation not in LOOKS:
            self.lengths.clear()
        try:
            given: Any = [plain.encode(item, self._refer) for item in arguments]
        except RecursionError:
            given = self._encoded_deep(arguments)
        return self._exchange([operation, given], arguments)

    def _encoded_deep(self, arguments: tuple[Any, ...]) -> Any:
        """Arguments nested as deeply as an answer can be, and then deeper by the tests' own doing. Raises NeedsInside
        where they are nested deeper still, or contain themselves: no answer does."""
        usual = sys.getrecursionlimit()
        sys.setrecursionlimit(DEEPER * usual)
        try:
            return [plain.encode(item, self._refer) for item in arguments]
        except RecursionError as error:
            raise NeedsInside("an argument contains itself") from error
        finally:
            sys.setrecursionlimit(usual)

    def get(self, name: str) -> Any:
        """A global of the candidate's module. Raises KeyError."""
        value = self._exchange(["global", name], ())
        if isinstance(value, Remote):
            value._known_as(name)
        return value

    def names(self) -> list[str]:
        return [str(name) for name in self._exchange(["names", ""], ())]

    def loaded(self) -> None:
        """Waits until the candidate's module has run. Raises ImportError with its traceback."""
        self._read(())

    def reply(self) -> Any:
        """The answer to a message that was sent otherwise."""
        return self._read(())

    def get_ahead(self, names: list[str]) -> None:
        """Asks for globals, the first questions of all; `answered` gives each by its place in `names`."""
        for name in names:
            self.channel.hold(["global", name])
        self.awaited += len(names)
        self._flush()

    def call_ahead(self, functions: list[Remote], calls: bytes) -> int:
        """Asks for many calls, each with arguments from the marshalled `calls`. Returns the number of the first, for
        `answered`."""
        first = len(self.answers) + self.awaited
        self.channel.hold(["calls", [function._number for function in functions], calls])
        self.awaited += len(functions)
        self._flush()
        return first

    def _flush(self) -> None:
        try:
            self.channel.flush()
        except OSError as error:
            raise Gone("the candidate's process has ended") from error

    def answered(self, number: int) -> Any:
        """What the candidate answered to a question asked ahead. Raises what it raised."""
        while len(self.answers) <= number:
            self._take_answer()
        return self._opened(self.answers[number], ())

    def _take_answer(self) -> None:
        self.answers.append(self._reply())
        self.awaited -= 1

    def _exchange(self, message: list[Any], arguments: tuple[Any, ...]) -> Any:
        while self.awaited:
            self._take_answer()
        try:
            self.channel.send(message)
        except OSError as error:
            raise Gone("the candidate's process has ended") from error
        return self._read(arguments)

    def _read(self, arguments: tuple[Any, ...]) -> Any:
        return self._opened(self._reply(), arguments)

    def _reply(self) -> Any:
        try:
            reply = self.channel.receive(self._patience())
        except (OSError, ValueError, RecursionError, MemoryError) as error:
            raise Gone(f"the candidate's process sent no answer that can be read: {error}") from error
        if reply is None:
            raise Gone("the candidate's process has ended")
        return reply

    def _opened(self, reply: Any, arguments: tuple[Any, ...]) -> Any:
        """The value of a reply; raises what was raised. Changes of arguments that nobody else has are left out."""
        try:
            if "raised" in reply:
                error_class, values = self._raised(*reply["raised"])
            else:
                for place, after in reply.get("changed", {}).items() if arguments else ():
                    update(arguments[int(place)], plain.decode(after, self._resolve))
                return plain.decode(reply["value"], self._resolve)
        except Stop:
            raise
        except Exception as error:
            raise Gone(f"the candidate's process sent {type(error).__name__}: {error}") from error
        raised = error_class(*values)
        raised.__dict__[OF_CANDIDATE] = True
        raise raised

    def _raised(self, own: Any, base: Any, values: Any) -> tuple[type[Exception], list[Any]]:
        kind = self._error_class(own, base)
        values = plain.decode(values)
        if kind.__init__ is not Exception.__init__:  # UnicodeDecodeError and others want arguments of certain types
            try:
                kind(*values)
            except TypeError:
                return RuntimeError, [base, *values]
        return kind, values

    def _patience(self) -> Callable[[], None]:
        """Waits until there is something to read; all waits for one answer share one time limit."""
        begun, started = cpu_of(self.pid), time.monotonic()
        clock: Clock | None = None

        def wait() -> None:
            nonlocal clock
            left = min(self.seconds, LOOK_SECONDS)
            while not self.poll.poll(1000 * left):
                clock = clock or self._clock(started)  # few calls come here
                cpu, wall = self.seconds - cpu_of(self.pid) + begun, clock.left()
                if clock.starved:
                    raise Starved(f"a call of {self.seconds:g} s was not finished after {clock.limit * EXCUSED:g} s")
                left = min(cpu, wall)
                if left <= 0:
                    raise TooLong(f"a call took more than {self.seconds:g} s")
                left = max(left, 0.01)

        return wait

    def _clock(self, started: float) -> Clock:
        before = self.watched.scheduled()
        limit = self.patience * self.seconds
        return Clock(limit, started, lambda: self.watched.scheduled().since(before), self.watched.is_stopped)

    def _refer(self, value: Any) -> Any:
        if isinstance(value, Remote):
            return {"ref": [value._number, "object", ""]}
        if isinstance(value, type) and issubclass(value, Exception):
            for number, known in self.classes.items():
                if known is value:
                    return {"ref": [number, "error", [], ""]}
        if id(value) in plain.HANDED:
            return {"ref": ["builtin", plain.HANDED[id(value)]]}
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        if _of_candidate(value):
            raise Handed(f"a test hands over what came of the candidate's answer, an object of {kind}")
        raise NeedsInside(f"a test hands over an object of {kind}")

    def _resolve(self, parts: Any) -> Any:
        number, kind, *more = parts
        if kind == "error":
            return self._error_class(*more)
        if type(number) is not int:
            raise ValueError("no reference")
        remote = self.known.get(number)
        if remote is None:
            (methods,) = more
            remote = self.known[number] = kind_of(frozenset(methods))(self, number, kind == "class")
        return self._coroutine(remote) if kind == "coroutine" else remote

    async def _coroutine(self, remote: Remote) -> Any:
        return self.request("await", remote)

    def _error_class(self, own: Any, base: Any) -> type[Exception]:
        name = str(base)
        kind: Any = getattr(builtins, name) if name in pure.ERRORS else Exception
        if name in ("StopIteration", "StopAsyncIteration"):
            kind = getattr(builtins, name) if self.stops else RuntimeError
        for number, name in reversed(own):
            if number not in self.classes:
                self.classes[number] = type(str(name), (kind,), {})
            kind = self.classes[number]
        return kind  # type: ignore[no-any-return]


def _of_candidate(value: Any) -> bool:
    """Whether an object represents one of the candidate's, or is an exception that the candidate raised."""
    if isinstance(value, types.CoroutineType):
        return value.cr_code is Link._coroutine.__code__
    if isinstance(value, types.GeneratorType):
        return value.gi_code is Remote._items.__code__
    if isinstance(value, types.MethodType):
        return isinstance(value.__self__, Remote)
    return isinstance(value, BaseException) and OF_CANDIDATE in value.__dict__


def update(value: Any, after: Any) -> None:
    """Makes a container equal to `after` in place, and containers in it where they are still there."""
    if type(value) is list and type(after) is list:
        value[:] = [_updated(old, new) for old, new in zip(value, after, strict=False)] + after[len(value) :]
    elif isinstance(value, dict) and isinstance(after, dict):
        for key in [key for key in value if key not in after]:
            del value[key]
        for key, new in after.items():
            value[key] = _updated(value[key], new) if key in value else new
    elif isinstance(value, set) and isinstance(after, set):
        value &= after
        value |= after
    elif isinstance(value, tuple) and isinstance(after, tuple):
        for old, new in zip(value, after, strict=False):
            _updated(old, new)
    elif hasattr(value, "clear") and hasattr(value, "extend"):
        value.clear()
        value.extend(after)
    elif type(value).__module__ == "numpy":
        value[...] = after


def _updated(old: Any, new: Any) -> Any:
    if type(old) is type(new) and isinstance(new, list | dict | set | tuple):
        update(old, new)
        return old
    return new
