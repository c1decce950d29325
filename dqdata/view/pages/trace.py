"""One row whole: question, thinking, response and chat as people read them, what was judged, and where it came from."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from dqdata.columns import is_chat
from dqdata.errors import QueryError
from dqdata.history.why import Occurrence, why
from dqdata.sql import literal, quoted
from dqdata.thinking import split
from dqdata.view.opened import OpenStore, Table
from dqdata.view.pages.rows import selection_of
from dqdata.view.pages.site import render, site
from dqdata.view.paging import page, row, rowid_of
from dqdata.view.row_marks import MarkLog, marks_of

_TEXTS = ("question", "reasoning", "response")
_JUDGED = (
    "verdict correct verdict_reason extracted answer judge_verdict judge_reason judge_agreement judge_by tests_passed "
    "tests_total error rv cd score quality level finish_reason teacher output_tokens step op kind reason detail"
).split()
"""What stands beside a trace, in this order, where it has it."""

SIBLINGS = 12


@dataclass(frozen=True)
class Shown:
    """A row as the page shows it. values: of rejects those of the rejected row too. texts: question, reasoning,
    response. chats: columns of messages. judged: verdicts and grades. rest: everything else."""

    table: Table
    rowid: int
    key: str
    values: dict[str, Any]
    texts: dict[str, str]
    chats: dict[str, list[dict[str, Any]]]
    judged: dict[str, Any]
    rest: dict[str, Any]

    @property
    def place(self) -> str:
        """The row in an address: `traces@3:15`."""
        return f"{self.table.name}:{self.rowid}"


@dataclass
class Ancestor:
    """A row that another was made from, with those that it was made from itself."""

    id: str
    found: Occurrence | None
    up: list[Ancestor]


def trace(request: Request) -> Response:
    at = site(request)
    table = at.store.table(request.path_params["table"])
    shown = load(at.store, table, int(request.path_params["rowid"]))
    waiting, committed, key, row_id = marked(at.store, shown)
    return render(
        request,
        "trace.html",
        shown=shown,
        siblings=_siblings(at.store, shown),
        chosen=selection_of(request, table),
        waiting=waiting,
        committed=committed,
        mark_key=key,
        mark_id=row_id,
    )


def beside(request: Request) -> Response:
    """Links to the rows before and after this one in the selection that it was opened from."""
    at = site(request)
    table, rowid = at.store.table(request.path_params["table"]), int(request.path_params["rowid"])
    chosen = selection_of(request, table)
    after = page(at.store, table, chosen, after=rowid, rows=1).ids
    before = page(at.store, table, chosen, before=rowid, rows=1).ids
    return render(request, "beside.html", table=table, chosen=chosen, before=before, after=after)


def history(request: Request) -> Response:
    """Where the row came from: versions that hold it, ancestors, calls with their cost."""
    store = site(request).store
    table = store.table(request.path_params["table"])
    shown = load(store, table, int(request.path_params["rowid"]))
    if not shown.key:
        return HTMLResponse("<p>This row has no id.</p>")
    try:
        found = why(store.reader, shown.key)
    except QueryError:  # the newest versions lack it
        found = why(store.reader, shown.key, within=(table.catalog, table.version.version))
    tree = _tree(shown.values, found.ancestors)
    return render(request, "history.html", found=found, tree=tree, cost=_cost(found.calls))


def compare(request: Request) -> Response:
    """`/compare?a=traces@1:15&b=traces@2:16`; `id` instead of `b` names a row of the table of `a`."""
    store, given = site(request).store, request.query_params
    one = _placed(store, given.get("a", ""))
    other = None
    if given.get("b"):
        other = _placed(store, given["b"])
    elif given.get("id"):
        found = rowid_of(store, one.table, given["id"].strip())
        if found is None:
            raise QueryError(f"{one.table.name} has no row {given['id']!r}", code="unknown-row")
        other = load(store, one.table, found)
    return render(request, "compare.html", one=one, other=other, same=_same(one, other))


def load(store: OpenStore, table: Table, rowid: int) -> Shown:
    """A row by its number. Raises QueryError where there is none."""
    values = row(store, table, rowid)
    if values is None:
        raise QueryError(f"{table.name} has no row number {rowid}", code="unknown-row")
    if table.rejects:
        values = {**_inner(values.pop("row")), **{name: value for name, value in values.items() if value is not None}}
    chats = {name: value for name, value in values.items() if _is_chat(table, name, value)}
    texts = {name: str(values[name]) for name in _TEXTS if values.get(name)}
    judged = {name: values[name] for name in _JUDGED if values.get(name) is not None}
    hidden = {*chats, *texts, *judged}
    rest = {name: value for name, value in values.items() if name not in hidden and value is not None}
    key = str(values.get(table.key) or "")
    messages = {name: _messages(value) for name, value in chats.items()}
    return Shown(table, rowid, key, values, texts, messages, judged, rest)


def marked(store: OpenStore, shown: Shown) -> tuple[list[Any], dict[str, Any] | None, str, str]:
    """Marks of a row that wait, its row in NAME_marks, and the column and value that name it in marks; "" for a row
    that can't be marked."""
    table = shown.table
    key = store.reader.schema(table.catalog, table.version.version).key
    row_id = str(shown.values.get(key) or "")
    if not row_id:
        return [], None, "", ""
    log = MarkLog(store.reader.place)
    waiting = [one for one in log.pending() if (one.catalog, one.id) == (table.catalog, row_id)]
    return waiting, marks_of(store.reader, table.catalog, key, row_id).get(row_id), key, row_id


def _inner(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {"row": text}
    return found if isinstance(found, dict) else {"row": text}


def _is_chat(table: Table, name: str, value: Any) -> bool:
    if not table.rejects:
        return is_chat(table.columns[name]) and bool(value)
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) and "role" in one for one in value)


def _messages(value: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages with the names that the template reads, thinking between its tags taken out of the content; calls of
    tools as JSON on lines of its own."""
    found = []
    for one in value:
        role, content = str(one.get("role") or ""), str(one.get("content") or "")
        thinking = str(one.get("reasoning_content") or "")
        if role == "assistant" and not thinking:
            inside, content = split(content)
            thinking = inside or ""
        found.append(
            {
                "role": role,
                "name": str(one.get("name") or one.get("tool_call_id") or ""),
                "thinking": thinking,
                "content": content,
                "calls": [_call(call) for call in _listed(one.get("tool_calls"))],
            }
        )
    return found


def _listed(calls: Any) -> list[Any]:
    if isinstance(calls, str):
        try:
            calls = json.loads(calls)
        except (ValueError, RecursionError):
            return [calls]
    return calls if isinstance(calls, list) else [calls] if calls else []


def _call(call: Any) -> tuple[str, str]:
    """Name and arguments of a call of a tool."""
    function = call.get("function", call) if isinstance(call, dict) else {}
    if not isinstance(function, dict):
        function = {}
    arguments = function.get("arguments", call if not function else "")
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            return str(function.get("name", "")), arguments
    if isinstance(arguments, dict) and len(arguments) == 1 and isinstance(next(iter(arguments.values())), str):
        return str(function.get("name", "")), str(next(iter(arguments.values())))
    return str(function.get("name", "")), json.dumps(arguments, indent=2, ensure_ascii=False, default=str)


def _siblings(store: OpenStore, shown: Shown) -> list[dict[str, Any]]:
    """Other rows of the version for the same problem."""
    table, problem = shown.table, shown.values.get("problem_id")
    if table.rejects or table.key == "problem_id" or "problem_id" not in table.columns or problem is None:
        return []
    extra = "".join(f", {quoted(name)}" for name in ("verdict", "teacher") if name in table.columns)
    return store.rows(
        f"select rowid as _rowid, {quoted(table.key)} as _key{extra} from {table.sql} where problem_id = "
        f"{literal(str(problem))} and rowid <> {shown.rowid} order by rowid limit {SIBLINGS}"
    )


def _placed(store: OpenStore, text: str) -> Shown:
    found = re.fullmatch(r"(\w+@\w+):(\d{1,18})", text)
    if found is None:
        raise QueryError(f"{text!r} names no row: traces@3:15 is the row number 15 of traces@3")
    return load(store, store.table(found[1]), int(found[2]))


def _same(one: Shown, other: Shown | None) -> list[tuple[str, Any, Any, bool]]:
    """Short values of both side by side, and whether they are equal."""
    if other is None:
        return []
    names = dict.fromkeys([*one.judged, *other.judged, *one.rest, *other.rest])
    pairs = [(name, one.values.get(name), other.values.get(name)) for name in names]
    return [(name, left, right, left == right) for name, left, right in pairs]


def _tree(values: dict[str, Any], ancestors: list[Occurrence]) -> list[Ancestor]:
    """What `why` found as a list, as a tree. A row that occurs a second time has no branches there."""
    by_id = {str(value): one for one in ancestors for name in ("pair_id", "trace_id", "problem_id")
             if (value := one.row.get(name))}  # fmt: skip
    seen: set[str] = set()

    def parents(of: dict[str, Any]) -> list[Ancestor]:
        ids = [str(one) for one in (of.get("parent_id"), *(of.get("parent_ids") or ())) if one]
        found = []
        for name in dict.fromkeys(ids):
            again, known = name in seen, by_id.get(name)
            seen.add(name)
            found.append(Ancestor(name, known, parents(known.row) if known is not None and not again else []))
        return found

    return parents(values)


def _cost(calls: list[dict[str, Any]]) -> float | None:
    """What the calls cost together; None where one has no price."""
    costs = [call["cost_usd"] for call in calls]
    return None if any(cost is None for cost in costs) else sum(costs)


ROUTES = [
    Route("/c/{table}/row/{rowid:int}", trace),
    Route("/c/{table}/row/{rowid:int}/beside", beside),
    Route("/c/{table}/row/{rowid:int}/history", history),
    Route("/compare", compare),
]
