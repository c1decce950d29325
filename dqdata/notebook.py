"""Results as tables of HTML, for notebooks: every text is escaped, for models and servers wrote parts of it.

>>> table(["answer"], [["<b>4</b>"]])
'<table><thead><tr><th>answer</th></tr></thead><tbody><tr><td>&lt;b&gt;4&lt;/b&gt;</td></tr></tbody></table>'
"""

from __future__ import annotations

import html
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

CELL = 300
"""Characters of a cell; the rest is left out."""


class Shown(ABC):
    """A result that notebooks show as a table of what `as_json` gives."""

    @abstractmethod
    def as_json(self) -> dict[str, Any]:
        """The result as JSON values."""

    def _repr_html_(self) -> str:
        return fields(self.as_json())


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows below their columns."""
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{cell(value)}</td>' for value in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def fields(values: Mapping[str, Any]) -> str:
    """Names beside their values; what is empty is left out."""
    rows = "".join(
        f"<tr><th>{html.escape(str(name))}</th><td>{cell(value)}</td></tr>"
        for name, value in values.items()
        if value is not None and value not in ("", (), [], {})
    )
    return f"<table><tbody>{rows}</tbody></table>"


def cell(value: Any) -> str:
    """One value. Mappings and lists of mappings are tables inside the table."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return fields(value)
    if isinstance(value, list | tuple):
        if value and all(isinstance(one, Mapping) for one in value):
            columns = list(dict.fromkeys(str(name) for one in value for name in one))
            return table(columns, [[one.get(name) for name in columns] for one in value])
        value = json.dumps(value, ensure_ascii=False, default=str)
    text = str(value)
    return html.escape(text if len(text) <= CELL else text[: CELL - 1] + "…")
