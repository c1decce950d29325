"""The request to a judge, and the validation of its answer.

    >>> asked = {"cd": Scale(0, 9)}
    >>> read('{"cd": 4}', asked)
    {'cd': 4}
    >>> read("I'd say 4 of 9.", asked)
    Traceback (most recent call last):
    dqdata_operators.lib.asking.judgement.UnreadableError: not one JSON object: Expecting value

Nothing is guessed: a number in prose, "8/10", 42 on a scale to 9, true for 1, a key given twice, two objects, and an
object that breaks off are all unreadable. A fence around the answer and sentences around its one valid object are taken
off.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple, NoReturn, Protocol


class UnreadableError(ValueError):
    """An answer that isn't what was asked for; the message says why, to a person and to the judge."""


@dataclass(frozen=True)
class Scale:
    """A whole number from low to high. Votes are combined by their median, agreement is 1 less the mean distance from
    it as a share of the scale."""

    low: int
    high: int
    nullable: bool = False
    """null is an answer as well, such as "no step is wrong"; a majority of nulls gives null."""

    @property
    def schema(self) -> dict[str, Any]:
        kind = ["integer", "null"] if self.nullable else "integer"
        return {"type": kind, "minimum": self.low, "maximum": self.high}

    def check(self, value: Any) -> int | None:
        if value is None and self.nullable:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UnreadableError(f"{json.dumps(value, ensure_ascii=False)[:60]} is not a number")
        if isinstance(value, float) and not value.is_integer():
            raise UnreadableError(f"{value} is not a whole number")
        if not self.low <= value <= self.high:
            raise UnreadableError(f"{value} is not from {self.low} to {self.high}")
        return int(value)

    def settle(self, votes: Sequence[Any]) -> Settled:
        given = [vote for vote in votes if vote is not None]
        if 2 * len(given) < len(votes) or not given:
            return Settled(None, 1 - len(given) / len(votes))
        middle = float(median(given))
        spread = sum(abs(vote - middle) for vote in given) / len(given)
        return Settled(middle, (1 - spread / max(1, self.high - self.low)) * len(given) / len(votes))


@dataclass(frozen=True)
class Choice:
    """One of several words. The word most votes name; of equals `tie`, or else the first in this order. Agreement is
    the share of votes that name it."""

    options: tuple[str, ...]
    tie: str | None = None

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.options)}

    def check(self, value: Any) -> str:
        if not isinstance(value, str) or value not in self.options:
            shown = json.dumps(value, ensure_ascii=False)[:60]
            raise UnreadableError(f"{shown} is none of {', '.join(self.options)}")
        return value

    def settle(self, votes: Sequence[Any]) -> Settled:
        counts = Counter(votes)
        most = max(counts.values())
        tied = [option for option in self.options if counts[option] == most]
        word = tied[0] if len(tied) == 1 or self.tie is None else self.tie
        return Settled(word, counts[word] / len(votes))


@dataclass(frozen=True)
class YesNo:
    """true or false. What most votes say; of equals `tie`."""

    tie: bool = False

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}

    def check(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise UnreadableError(f"{json.dumps(value, ensure_ascii=False)[:60]} is not true or false")
        return value

    def settle(self, votes: Sequence[Any]) -> Settled:
        yes = sum(votes)
        said = self.tie if 2 * yes == len(votes) else 2 * yes > len(votes)
        return Settled(said, (yes if said else len(votes) - yes) / len(votes))


class Asked(Protocol):
    """What is asked about one key of the answer."""

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the value."""
        ...

    def check(self, value: Any) -> Any:
        """The value in its type. Raises UnreadableError."""
        ...

    def settle(self, votes: Sequence[Any]) -> Settled:
        """What several checked values come to."""
        ...


class Settled(NamedTuple):
    """What the votes come to. agreement: 0 to 1, 1 where all said the same."""

    value: Any
    agreement: float


def schema_of(asked: Mapping[str, Asked]) -> dict[str, Any]:
    """JSON schema of the answer; no other key is allowed, so that endpoints can hold a judge to it."""
    return {
        "type": "object",
        "properties": {name: question.schema for name, question in asked.items()},
        "required": list(asked),
        "additionalProperties": False,
    }


def read(text: str, asked: Mapping[str, Asked], *, whole: bool = True) -> dict[str, Any]:
    """The values of an answer, each of its type and in its range. Raises UnreadableError.

    whole: the judge ended by itself. An answer that was cut may have said more, so no object is picked out of it.
    """
    try:
        found = _parsed(_bare(text))
    except UnreadableError as error:
        if whole and (picked := _only_object(text, asked)) is not None:
            return picked
        raise error from None
    return _values(found, asked)


def _values(found: Any, asked: Mapping[str, Asked]) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise UnreadableError(f"not a JSON object but {json.dumps(found, ensure_ascii=False)[:60]}")
    for name in asked:
        if name not in found:
            raise UnreadableError(f"{name!r} is missing")
    for name in found:
        if name not in asked:
            raise UnreadableError(f"{name[:60]!r} wasn't asked for")
    values = {}
    for name, question in asked.items():
        try:
            values[name] = question.check(found[name])
        except UnreadableError as error:
            raise UnreadableError(f"{name}: {error}") from None
    return values


def _only_object(text: str, asked: Mapping[str, Asked]) -> dict[str, Any] | None:
    """The values of the one valid object that has sentences around it; None where there are none or several, or where
    it is inside other brackets, which may belong to a larger value."""
    valid: list[dict[str, Any]] = []
    at = depth = tried = 0
    for mark in _BRACKETS.finditer(text):
        if mark.start() < at:
            continue
        if mark[0] == "{" and tried < MOST_OBJECTS:
            tried += 1
            try:
                found, at = _DECODER.raw_decode(text, mark.start())
            except (ValueError, RecursionError):
                depth += 1
                continue
            with suppress(UnreadableError):
                valid.append(_values(found, asked))
                if depth or len(valid) > 1:
                    return None
        else:
            depth = max(0, depth + (1 if mark[0] in "[{" else -1))
    return valid[0] if len(valid) == 1 and tried < MOST_OBJECTS else None


_TRAILING = re.compile(r'("(?:[^"\\]|\\.)*+")|,(?=\s*[}\]])')
"""A JSON string, or a comma behind the last member."""


def _parsed(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except UnreadableError:
        raise
    except (ValueError, RecursionError) as error:
        bare = _TRAILING.sub(lambda match: match[1] or "", text)
        if bare != text:
            return _parsed(bare)
        reason = error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
        raise UnreadableError(f"not one JSON object: {reason}") from None


def _bare(text: str) -> str:
    """The text without white space, or a Markdown fence, around the whole of it."""
    text = text.strip().removeprefix("\ufeff")
    if text.startswith("```") and text.endswith("```") and text.count("```") == 2:
        opening, _, rest = text.partition("\n")
        if opening in ("```", "```json"):
            return rest.removesuffix("```").strip()
    return text


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise UnreadableError(f"{name[:60]!r} is given twice")
        found[name] = value
    return found


def _no_constant(word: str) -> NoReturn:
    raise UnreadableError(f"{word} is no JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)
_BRACKETS = re.compile(r"""\[(?=\s{0,20}[\[{"])|[\]{}]""")
"""Those that may enclose an object: not the bracket of an interval such as [0, 9)."""
MOST_OBJECTS = 200
"""Opening braces of an answer that are looked at; one with more is no judgement."""
