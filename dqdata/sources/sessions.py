"""Session traces of the Hub: a file with a line for the session and one for each message becomes a row with a chat.

>>> lines = [{"type": "session", "id": "s"}, {"type": "message", "message": {"role": "user", "content": "2+2?"}}]
>>> next(sessions(iter(enumerate(lines, 1))))[1]["messages"]
[{'role': 'user', 'content': '2+2?'}]
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from dqdata.errors import DataError
from dqdata.sources.chat_rows import Row, value_of


def is_session(columns: Collection[str], rows: Sequence[Row]) -> bool:
    """Whether the first line is a session, and messages follow."""
    if not {"type", "message"} <= set(columns) or not rows or rows[0].get("type") != "session":
        return False
    return any(row.get("type") == "message" and isinstance(value_of(row, "message"), Mapping) for row in rows)


def sessions(lines: Iterator[tuple[int, Row]]) -> Iterator[tuple[int, Row]]:
    """A row for each session, by the number of its line: what that line says, its messages, and in `events`
    the types of all other lines. Raises DataError for a message before the first session."""
    number, session = 0, dict[str, Any]()
    for place, line in lines:
        if line.get("type") == "session":
            if session:
                yield number, session
            number, session = place, {**line, "messages": [], "events": []}
        elif not session:
            raise DataError(f"row {place} comes before the first line whose type is 'session'")
        elif line.get("type") == "message":
            session["messages"].append(value_of(line, "message"))
        else:
            session["events"].append(f"a line of type {line.get('type')!r}")
    if session:
        yield number, session
