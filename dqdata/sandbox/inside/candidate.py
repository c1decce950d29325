"""Holds a candidate's module and objects, and does with them what the checker in another process asks.

A request is `[operation, arguments]`, plain data but for references to objects held here, or `["calls", functions,
arguments]`, many calls with an answer to each. The reply is one of

    {"value": ..., "changed": {"0": ...}}       result, and arguments that the candidate changed in place
    {"raised": [classes, base, arguments]}      its own exception classes, a built-in one, what it was made with

Nothing here has to be trusted: the candidate shares this process, and all it can reach is what it answers.
"""

from __future__ import annotations

import builtins
import contextlib
import marshal
import operator
import os
import sys
import time
import types
from collections.abc import Callable
from typing import Any, NoReturn

from . import plain, program
from .channel import LONGEST_BATCH, Channel

LONGEST_HOLD = 0.05
"""Seconds that an answer waits for the next, where more questions are here."""


class Objects:
    """Objects that the checker knows by number; the same object always has the same one."""

    def __init__(self) -> None:
        self.objects: list[Any] = []
        self.numbers: dict[int, int] = {}
        self.methods: dict[int, list[str]] = {}

    def number(self, value: Any) -> int:
        known = self.numbers.get(id(value))
        if known is None:
            known = self.numbers[id(value)] = len(self.objects)
            self.objects.append(value)
        return known

    def refer(self, value: Any) -> Any:
        if isinstance(value, type) and issubclass(value, Exception):
            return {"ref": [self.number(value), "error", *self.lineage(value)]}
        kind = "class" if isinstance(value, type) else "coroutine" if type(value) is types.CoroutineType else "object"
        return {"ref": [self.number(value), kind, self.methods_of(type(value))]}

    def methods_of(self, kind: type) -> list[str]:
        """Those of `plain.METHODS` that a class has: none that it sets to None."""
        known = self.methods.get(id(kind))
        if known is None:
            space: dict[str, Any] = {}
            for base in reversed(kind.__mro__):
                space.update(vars(base))
            known = self.methods[id(kind)] = [name for name in plain.METHODS if space.get(name) is not None]
            self.number(kind)  # it lives as long as its id is known here
        return known

    def resolve(self, parts: Any) -> Any:
        return getattr(builtins, parts[1]) if parts[0] == "builtin" else self.objects[parts[0]]

    def lineage(self, kind: type) -> tuple[list[list[Any]], str]:
        """Classes of its own from `kind` up, as [number, name], and the first built-in one."""
        own: list[list[Any]] = []
        for base in kind.__mro__:
            if base.__module__ == "builtins":
                return own, base.__name__
            own.append([self.number(base), base.__name__])
        return own, "Exception"


def _call(function: Callable[..., Any], *parts: Any) -> Any:
    *arguments, names = parts
    return function(*arguments, **names)


def _run_coroutine(coroutine: Any) -> Any:
    import asyncio

    return asyncio.run(coroutine)


def _batch(iterator: Any, count: int) -> list[Any]:
    """Up to `count` items, [found, items...]; where an item raises, those before it come first."""
    items: list[Any] = []
    for _ in range(min(count, LONGEST_BATCH)):
        try:
            items.append(next(iterator))
        except StopIteration:
            return [True, *items]
        except Exception:
            if not items:
                raise
            break
    return [False, *items]


OPERATORS = "index getitem setitem delitem eq ne lt le gt ge add sub mul truediv floordiv mod and_ or_ xor".split()
OPERATIONS: dict[str, Callable[..., Any]] = {
    "call": _call,
    "await": _run_coroutine,
    "attribute": getattr,
    "set": setattr,
    "iter": iter,
    "next": _batch,
    "isinstance": isinstance,
    "issubclass": issubclass,
    **{kind.__name__: kind for kind in (bool, int, float, str)},
    **{function.__name__: function for function in (len, repr, next)},
    **{name: getattr(operator, name) for name in OPERATORS},
    "enter": lambda value: type(value).__enter__(value),
    "exit": lambda value: type(value).__exit__(value, None, None, None),
}
OPERATIONS["next"] = _batch
PASSES_ARGUMENTS = frozenset(("call", "setitem"))


def answer(held: Objects, module: types.ModuleType, request: Any) -> dict[str, Any]:
    """The reply to one request."""
    operation, given = request
    if operation == "global":
        return _answered(held, module.__dict__.__getitem__, given)
    if operation == "names":
        return {"value": [name for name in module.__dict__ if not name.startswith("_")]}
    try:
        arguments = [plain.decode(item, held.resolve) for item in given]
    except Exception as error:
        return _raised(held, error)
    reply = _answered(held, OPERATIONS[operation], *arguments)
    if operation in PASSES_ARGUMENTS:
        try:
            reply["changed"] = _changed(given, arguments, held)
        except RecursionError as error:
            return _raised(held, error)
    return reply


def _answered(held: Objects, function: Callable[..., Any], *arguments: Any, **names: Any) -> dict[str, Any]:
    try:
        return {"value": plain.encode(function(*arguments, **names), held.refer)}
    except BaseException as error:
        return _raised(held, error)


def _raised(held: Objects, error: BaseException) -> dict[str, Any]:
    if isinstance(error, RecursionError):
        return {"raised": [[], "RecursionError", [str(error)[:200]]]}
    if not isinstance(error, Exception):
        return {"raised": [[], "RuntimeError", [f"{type(error).__name__}: {error}"]]}
    own, base = held.lineage(type(error))
    return {"raised": [own, base, _arguments(error)]}


def _changed(given: list[Any], arguments: list[Any], held: Objects) -> dict[str, Any]:
    changed = {}
    for place, (before, value) in enumerate(zip(given, arguments, strict=True)):
        if isinstance(before, list | dict) and before:
            after = plain.encode(value, held.refer)
            if after != before and not _same(before, after):
                changed[str(place)] = after
    return changed


def _same(before: Any, after: Any) -> bool:
    """NaN differs from itself, but not as text."""
    return plain.dumps(before) == plain.dumps(after)


def _arguments(error: BaseException) -> list[Any]:
    try:
        return [plain.encode(item) for item in error.args]
    except (plain.NotPlain, RecursionError):
        return [str(error)]


def serve(job: dict[str, Any], descriptor: int) -> NoReturn:
    """Loads the candidate and answers until the checker is gone."""
    name = job["name"]
    channel = Channel(descriptor, plain.dumps, marshal.loads)
    held = Objects()
    try:
        program.write_files(job["files"])
        module = program.execute(job["program"], name)
        channel.send({"value": None})
    except BaseException as error:
        text = program.show(error, job["program"])
        channel.send({"raised": [[], "ImportError", [f"{type(error).__name__}: {error}", text[-2000:]]]})
        os._exit(1)
    answers = Answers(channel)
    while (request := channel.receive()) is not None:
        if request[0] == "inside":
            from . import cases

            channel.send({"value": plain.encode(cases.inside(request[1], module, job["program"]))})
        elif request[0] == "calls":
            _, numbers, calls = request
            for number, (arguments, names) in zip(numbers, marshal.loads(calls), strict=True):
                answers.add(_answered(held, held.objects[number], *arguments, **names))
            answers.flush()
        else:
            answers.add(answer(held, module, request))
            if not channel.waiting():
                answers.flush()
    sys.stdout.flush()
    os._exit(0)


class Answers:
    """Sends answers together where they come quickly."""

    def __init__(self, channel: Channel) -> None:
        self.channel, self.since = channel, time.monotonic()

    def add(self, reply: dict[str, Any]) -> None:
        self.channel.hold(reply)
        if time.monotonic() > self.since + LONGEST_HOLD:
            self.flush()

    def flush(self) -> None:
        """What was printed goes first: after the last answer nobody waits for this process."""
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        self.channel.flush()
        self.since = time.monotonic()
