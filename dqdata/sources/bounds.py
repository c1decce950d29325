"""Limits on a row of a file: size, columns, nesting and digits, each with its message.

Time and memory of everything behind a source grow with the number of columns (each is planned, typed and written by
itself), so that one row whose keys are data, such as `{"word": count, ...}`, would cost minutes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from dqdata.errors import DataError
from dqdata.sources.record import at

MOST_COLUMNS = 1000
DEEPEST = 64
_DIGITS = "a number of more than 4,300 digits; write it as text, in quotes"


def check_columns(names: Sequence[str], path: Path) -> None:
    """Raises DataError for a file of more than MOST_COLUMNS columns."""
    if len(names) > MOST_COLUMNS:
        raise DataError(f"{path} has {len(names):,} columns; at most {MOST_COLUMNS:,} can be read. {_ADVICE}")


def read_json(text: str, path: Path, line: int, cut: str = "", *, exact: bool = False) -> Any:
    """The value of a JSON text; with `exact` fractions are Decimal. Raises DataError that names the line and what is
    wrong: no JSON (`cut` is added to that), nested too deeply, a number that is too long."""
    try:
        return json.loads(text, parse_float=Decimal if exact else None)
    except json.JSONDecodeError as error:
        part = text[max(0, error.pos - 30) : error.pos + 30] if error.pos > 60 else text[:60]
        shown = repr(part if len(text) <= 60 else part + "...")
        raise at(path, line, f"not JSON: {error.msg} at column {error.colno} of {shown}{cut}") from None
    except RecursionError:
        raise at(path, line, "JSON nested too deeply to be read") from None
    except ValueError:  # Python reads no longer number: its time grows with the square of the digits
        raise at(path, line, _DIGITS) from None


def decode_json(decoder: json.JSONDecoder, text: str, place: int, path: Path, line: int) -> tuple[Any, int]:
    """The value that begins at a place, and where it ends. Raises DataError as `read_json` does."""
    try:
        return decoder.raw_decode(text, place)
    except json.JSONDecodeError as error:
        problem = f"not JSON: {error.msg} at column {error.colno}; is the array whole?"
        raise at(path, error.lineno, problem) from None
    except RecursionError:
        raise at(path, line, "JSON nested too deeply to be read") from None
    except ValueError:
        raise at(path, line, _DIGITS) from None


def check_record(record: dict[str, Any], path: Path, line: int) -> None:
    """Raises DataError for an object of too many keys, in the row or nested in it, and for nesting too deep."""
    level: list[tuple[str, Any]] = [("", record)]
    depth = 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise at(path, line, f"values nested more than {DEEPEST} deep; write them as text (a JSON string)")
        deeper: list[tuple[str, Any]] = []
        for name, value in level:
            if isinstance(value, dict):
                if len(value) > MOST_COLUMNS:
                    where = f"column {name!r} holds an object" if name else "the row is an object"
                    raise at(
                        path, line, f"{where} of {len(value):,} keys; at most {MOST_COLUMNS:,} can be read. {_ADVICE}"
                    )
                deeper += [(name or key, item) for key, item in value.items() if isinstance(item, dict | list)]
            else:
                deeper += [(name, item) for item in value if isinstance(item, dict | list)]
        level = deeper


_ADVICE = "If the keys are data, write them as a list of objects with a key and a value, or as text (a JSON string)"
