"""The plain data that candidate and checker exchange: JSON with tags, decoded to exact types and nothing else.

    >>> decode(json.loads(json.dumps(encode({(1, 2): {3.5}}))))
    {(1, 2): {3.5}}

Whoever wrote the text, decoding gives objects whose `==`, `len` and the rest are Python's own. An instance of a
subclass (a `str` that is equal to everything) is sent as its base type holds it, so that its overrides stay behind.
"""

from __future__ import annotations

import builtins
import collections
import importlib
import json
import re
import sys
from collections.abc import Callable
from typing import Any

from . import arrays, pure

_DTYPE = re.compile(r"[<>|=]?[biufc][0-9]{1,2}")
Refer = Callable[[Any], Any]
"""Makes the JSON of a value that isn't plain, or raises NotPlain."""


class NotPlain(Exception):
    """A value that only its own process can hold."""


def refuse(value: Any) -> Any:
    raise NotPlain(f"{type(value).__module__}.{type(value).__qualname__} isn't plain data")


OF_DATA = frozenset(
    name
    for kind in (str, bytes, list, dict, set, tuple, int, float, complex, collections.deque, collections.Counter)
    for name in vars(kind)
    if not name.startswith("_")
) | frozenset("equals isclose allclose array_equal all any item tolist".split())
"""Methods of plain data. A record whose field of such a name can be called would answer in their place."""
METHODS = frozenset(
    f"__{name}__"
    for name in "call iter next len bool int float index getitem setitem delitem contains enter exit"
    " add sub mul truediv floordiv mod and or xor".split()
)
"""What of the language's own methods an object of the candidate's has only if its class does (`remote.py`)."""
SMALL = 1 << 62
MOST_DIGITS = 640
"""The least that Python allows as its limit; SMALL has 19."""
ATOMS = frozenset((str, bool, float, type(None)))
INTEGER = frozenset((int,))
CONTAINERS = frozenset((list, dict))


def encode(value: Any, refer: Refer = refuse) -> Any:
    """JSON of a value. Raises RecursionError where it contains itself."""
    kind = type(value)
    if kind in ATOMS:
        return value
    if kind is int:
        return value if -SMALL < value < SMALL else {"int": hex(value)}
    if kind is list:
        kinds = set(map(type, value))
        if kinds <= ATOMS or (kinds == INTEGER and min(value) > -SMALL and max(value) < SMALL):
            return value
        return [encode(item, refer) for item in value]
    if kind is tuple:
        return {"tuple": [encode(item, refer) for item in value]}
    if kind is dict:
        return {"dict": [[encode(key, refer), encode(item, refer)] for key, item in value.items()]}
    if kind in ENCODERS:
        tag, parts = ENCODERS[kind]
        return {tag: encode(parts(value), refer)}
    if (kind.__module__, kind.__qualname__) in LIBRARY:
        return {kind.__qualname__: encode(LIBRARY[kind.__module__, kind.__qualname__](value), refer)}
    if id(value) in NAMES:
        return {"builtin": NAMES[id(value)]}
    return _of_base(value, kind, refer)


def _of_base(value: Any, kind: type, refer: Refer) -> Any:
    if kind.__module__.partition(".")[0] == "numpy":
        return _of_numpy(value, refer)
    for base in kind.__mro__[1:]:
        if base is tuple and hasattr(kind, "_fields"):
            fields = [str(name) for name in kind._fields]
            return {"record": [kind.__name__, fields, encode(list(tuple.__iter__(value)), refer)]}
        if base in BASES:
            return encode(BASES[base](value), refer)
    return refer(value)


def _of_numpy(value: Any, refer: Refer) -> Any:
    numpy = sys.modules["numpy"]
    if isinstance(value, numpy.generic) and value.dtype.kind in "biufcSU":
        return encode(value.item(), refer)
    if isinstance(value, numpy.ndarray) and value.dtype.kind in "biufc":
        return {"array": [value.dtype.str, list(value.shape), value.tobytes().hex()]}
    return refer(value)


def decode(data: Any, resolve: Callable[[Any], Any] = refuse) -> Any:
    """The value of a JSON text that anyone may have written. Raises ValueError, TypeError and their like."""
    kind = type(data)
    if kind is list:
        return [decode(item, resolve) for item in data] if CONTAINERS & set(map(type, data)) else list(data)
    if kind is not dict:
        return data
    ((tag, parts),) = data.items()
    if tag == "dict":
        return {decode(key, resolve): decode(item, resolve) for key, item in parts}
    if tag == "tuple":
        return tuple([decode(item, resolve) for item in parts])
    if tag == "ref":
        return resolve(parts)
    if tag == "record":
        name, fields, items = parts
        return _record(name, fields, decode(items, resolve))
    if tag == "array":
        dtype, shape, raw = parts
        if not (type(dtype) is str and _DTYPE.fullmatch(dtype)):
            raise ValueError(f"{dtype!r:.80} isn't a type of numbers")
        return arrays.decoded(dtype, shape, raw)
    if tag in LIBRARY_TAGS:
        return LIBRARY_TAGS[tag](decode(parts, resolve))
    return DECODERS[tag](decode(parts, resolve))


def _record(name: str, fields: list[str], items: list[Any]) -> Any:
    for field, item in zip(fields, items, strict=True):
        if field in OF_DATA and callable(item):
            raise ValueError(f"a record's field can't stand in for {field!r} of plain data")
    return collections.namedtuple(name, fields)(*items)


def _fields(*names: str) -> Callable[[Any], list[Any]]:
    return lambda value: [getattr(value, name) for name in names]


def _made(module: str, name: str) -> Callable[[Any], Any]:
    def make(parts: Any) -> Any:
        if module != "decimal" and not all(type(part) is int for part in parts):  # Fraction("1e999999999") takes hours
            raise ValueError(f"a {name} is made of integers")
        return getattr(importlib.import_module(module), name)(*parts)

    return make


def _with_zone(*names: str) -> Callable[[Any], list[Any]]:
    return lambda value: [*_fields(*names)(value), value.utcoffset()]


def _made_with_zone(name: str) -> Callable[[Any], Any]:
    def make(parts: Any) -> Any:
        datetime = importlib.import_module("datetime")
        *numbers, offset = parts
        return getattr(datetime, name)(*numbers, tzinfo=None if offset is None else datetime.timezone(offset))

    return make


_CLOCK = ("hour", "minute", "second", "microsecond")
LIBRARY: dict[tuple[str, str], Callable[[Any], list[Any]]] = {
    ("decimal", "Decimal"): lambda value: [str(value)],
    ("fractions", "Fraction"): _fields("numerator", "denominator"),
    ("datetime", "date"): _fields("year", "month", "day"),
    ("datetime", "time"): _with_zone(*_CLOCK),
    ("datetime", "datetime"): _with_zone("year", "month", "day", *_CLOCK),
    ("datetime", "timedelta"): _fields("days", "seconds", "microseconds"),
}
"""Types of modules that are loaded only where a value has them, and what they are made of."""
LIBRARY_TAGS = {name: _made(module, name) for module, name in LIBRARY}
LIBRARY_TAGS |= {name: _made_with_zone(name) for name in ("time", "datetime")}

# tag: type, its parts as plainer data, the value of those parts
_KINDS: dict[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "set": (set, list, set),
    "frozenset": (frozenset, list, frozenset),
    "bytes": (bytes, bytes.hex, bytes.fromhex),
    "bytearray": (bytearray, bytearray.hex, bytearray.fromhex),
    "complex": (complex, lambda z: [z.real, z.imag], lambda p: complex(*p)),
    "range": (range, lambda r: [r.start, r.stop, r.step], lambda p: range(*p)),
    "slice": (slice, lambda s: [s.start, s.stop, s.step], lambda p: slice(*p)),
    "deque": (collections.deque, lambda d: [list(d), d.maxlen], lambda p: collections.deque(*p)),
    "Counter": (collections.Counter, dict, collections.Counter),
    "OrderedDict": (collections.OrderedDict, lambda d: list(d.items()), collections.OrderedDict),
    "keys": (type({}.keys()), list, lambda p: dict.fromkeys(p).keys()),
    "constant": (type(...), repr, {"Ellipsis": ...}.__getitem__),
}
BUILTINS: dict[str, Any] = {name: getattr(builtins, name) for name in sorted(pure.ANSWERS | pure.ERRORS)}
"""Types and functions that give plain data, which both sides have. A candidate's `iter`, say, stays its own object:
what it returned would be no plain data, in the process of the tests."""
NAMES = {id(value): name for name, value in BUILTINS.items()}
_NO_DATA = "breakpoint compile delattr eval exec exit globals input locals open print quit setattr vars".split()
HANDED = {
    id(value): name
    for name, value in vars(builtins).items()
    if callable(value) and name not in _NO_DATA and not name.startswith("_")
}
"""Names of built-ins that tests may hand to a candidate."""

ENCODERS = {kind: (tag, parts) for tag, (kind, parts, _) in _KINDS.items()}
DECODERS: dict[str, Callable[[Any], Any]] = {tag: build for tag, (_, _, build) in _KINDS.items()}
DECODERS["builtin"] = BUILTINS.__getitem__
DECODERS["int"] = lambda text: int(text, 16)

BASES: dict[type, Callable[[Any], Any]] = {
    int: int.__int__,
    float: float.__float__,
    complex: complex.__complex__,
    str: lambda value: str.__getitem__(value, slice(None)),
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    list: lambda value: list(list.__iter__(value)),
    tuple: lambda value: tuple(tuple.__iter__(value)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    dict: lambda value: dict(dict.items(value)),
}
"""How the value of a subclass is read with the base type's own methods."""


def loads(text: bytes) -> Any:
    """JSON that anyone may have written: integers of many digits, which `encode` never writes in decimal, are refused
    before they cost time. Raises ValueError."""
    usual = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(MOST_DIGITS)
    try:
        return json.loads(text)
    finally:
        sys.set_int_max_str_digits(usual)


def dumps(data: Any) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()
