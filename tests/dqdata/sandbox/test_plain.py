"""What crosses the line is plain data, whoever wrote it."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import json
import math
from typing import Any

import pytest

from dqdata.sandbox.inside.plain import NotPlain, decode, dumps, encode

Point = collections.namedtuple("Point", "x y")


class Text(str):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__


class Numbers(list[int]):
    def __iter__(self) -> Any:
        return iter([9, 9])


class Colour(enum.IntEnum):
    RED = 3


PLAIN = [
    None, True, 0, -1, 2**62, 2**200, -(2**70), 1.5, -0.0, math.inf, "", "a\ud800é", b"\0x", bytearray(b"y"), 1 + 2j,
    [], [1, [2, "x"]], (1, (2, [])), {(1, 2): {3.5}}, {1: 2, "1": 3}, {1, 2}, frozenset((1, "a")), range(1, 9, 2),
    slice(1, None), ..., collections.deque([1], 3), collections.Counter("aab"), collections.OrderedDict(b=1, a=2),
    collections.defaultdict(int, {1: 2}), {1: 2}.keys(), decimal.Decimal("1.50"), fractions.Fraction(1, 3),
    datetime.date(2020, 1, 2), datetime.time(1, 2, 3, 4), datetime.timedelta(1, 2, 3),
    datetime.datetime(2020, 1, 2, 3, tzinfo=datetime.timezone(datetime.timedelta(hours=2))), int, len, ValueError,
    Point(1, [2]),
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=[f"{place}-{type(value).__name__}" for place, value in enumerate(PLAIN)])
def test_plain_values_come_back(value: Any) -> None:
    found = decode(json.loads(dumps(encode(value))))
    assert found == value
    if not isinstance(value, collections.defaultdict | Point):
        assert type(found) is type(value)
    if isinstance(value, Point):
        assert (found.x, found.y) == (1, [2])


def test_nan_comes_back() -> None:
    assert math.isnan(decode(json.loads(dumps(encode(math.nan)))))


@pytest.mark.parametrize(("value", "base"), [(Text("q"), "q"), (Numbers([1, 2]), [1, 2]), (Colour.RED, 3)])
def test_a_subclass_is_what_its_base_holds(value: Any, base: Any) -> None:
    found = decode(json.loads(dumps(encode(value))))
    assert type(found) is type(base)
    assert found == base
    assert base != "p" and [found] != ["p"]


@pytest.mark.parametrize("value", [object(), lambda: 1, iter([]), eval, open, type("X", (), {})()])
def test_what_is_not_plain_is_referred(value: Any) -> None:
    with pytest.raises(NotPlain):
        encode(value)
    assert encode([value], lambda it: {"ref": [7]}) == [{"ref": [7]}]


def test_what_contains_itself_is_an_error() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(RecursionError):
        encode(value)


@pytest.mark.parametrize(
    "text",
    ['{"set": [[1]]}', '{"x": 1}', '{"set": 1, "list": 2}', "{}", '{"int": "zz"}', '{"builtin": "eval"}',
     '{"builtin": "__import__"}', '{"record": ["a b", ["x"], [1]]}', '{"array": ["O", [1], "00"]}', '{"dict": [[1]]}',
     '{"dict": [[[], 1]]}', '{"Decimal": ["x"]}', '{"range": ["a"]}', '{"ref": [0]}'],
)  # fmt: skip
def test_what_nobody_encodes_is_refused(text: str) -> None:
    with pytest.raises((TypeError, KeyError, ValueError, decimal.InvalidOperation, NotPlain)):
        decode(json.loads(text))
