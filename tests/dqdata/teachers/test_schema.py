"""Answers against the schemas that they were asked to follow."""

from __future__ import annotations

from typing import Any

import pytest

from dqdata.errors import DataError
from dqdata.teachers.schema import problem

GRADES = {
    "type": "object",
    "properties": {
        "rv": {"type": "integer", "minimum": 0, "maximum": 9},
        "why": {"type": ["string", "null"], "maxLength": 5},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2},
        "deep": {"$ref": "#/definitions/pair"},
    },
    "required": ["rv"],
    "additionalProperties": False,
    "definitions": {"pair": {"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}]}},
}


@pytest.mark.parametrize(
    "value", [{"rv": 0}, {"rv": 9, "why": None}, {"rv": 3, "tags": ["a", "b"]}, {"rv": 1, "deep": [1, 2.5]}]
)
def test_what_fits(value: Any) -> None:
    assert problem(GRADES, value) is None


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"rv": 10}, "answer.rv"),
        ({"rv": True}, "answer.rv"),
        ({"rv": "3"}, "answer.rv"),
        ({}, "rv"),
        ({"rv": 1, "more": 2}, "more"),
        ({"rv": 1, "why": "longer"}, "answer.why"),
        ({"rv": 1, "tags": ["c"]}, "answer.tags"),
        ({"rv": 1, "tags": ["a", "a", "b"]}, "answer.tags"),
        ({"rv": 1, "deep": ["x"]}, "answer.deep"),
        ([], "answer"),
    ],
)
def test_what_does_not(value: Any, says: str) -> None:
    assert says in (problem(GRADES, value) or "")


def test_a_schema_that_is_none_is_named() -> None:
    with pytest.raises(DataError, match="not a JSON schema"):
        problem({"type": "intger"}, 3)
