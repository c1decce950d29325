"""What a version and a store look like from above: rejects by reason, charts, costs, runs, models."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dqdata.catalog.answers import first_rows
from dqdata.columns import is_number
from dqdata.history.scores import scoreboard
from dqdata.ledger.choice import has_ledger
from dqdata.sql import quoted
from dqdata.view import charts
from dqdata.view.filters import Condition, Selection
from dqdata.view.opened import PAGE_SECONDS, OpenStore, Table
from dqdata.view.pages.site import address, render, site
from dqdata.view.progress import unfinished

CHARTS = 12
"""Histograms of a page; others are chosen by name."""

DRAWN_AT_ONCE = 3
"""Queries of one page of charts that run at a time."""

RUNS, MODELS = 100, 20


def rejects(request: Request) -> Response:
    store = site(request).store
    table = store.table(request.path_params["table"])
    dropped = store.table(table.rejects_name)
    found = store.rows(
        "select kind, step, op, reason, count(*) as n, any_value(left(detail, 300)) as detail "
        f"from {dropped.sql} group by kind, step, op, reason order by n desc, step, reason"
    )
    for one in found:
        conditions = [
            Condition(name, "eq" if one[name] is not None else "null", one[name] or "") for name in ("step", "reason")
        ]
        one["href"] = address(f"/c/{dropped.name}/rows", Selection(dropped.name, conditions))
    return render(request, "rejects.html", table=table, found=found, marks=store.state().marks)


def pictures(request: Request) -> Response:
    store = site(request).store
    table = store.table(request.path_params["table"])
    wanted = [name for name in request.query_params.getlist("column") if name in table.columns]
    names = wanted or [name for name in table.columns if name != table.key]
    with ThreadPoolExecutor(DRAWN_AT_ONCE) as pool:  # one query of a column leaves a core idle at its ends
        heat_map = pool.submit(store.pictures.of, (table.name, "heat map"), lambda: charts.heat(store, table))
        drawn = pool.map(lambda name: _kept(store, table, name, bool(wanted)), names)
        found = [one for one in drawn if one is not None][:CHARTS]
        heat = [] if wanted else heat_map.result()
    links = {
        (cell.cd, cell.rv): address(
            f"/c/{table.name}/rows",
            Selection(table.name, where=f"round(cd) = {cell.cd} and round(rv) = {cell.rv}"),
        )
        for cell in heat
    }
    marks = store.state().marks
    return render(request, "charts.html", table=table, found=found, wanted=wanted, heat=heat, links=links, marks=marks)


def _kept(store: OpenStore, table: Table, name: str, wanted: bool) -> charts.Histogram | None:
    return store.pictures.of((table.name, name, wanted), lambda: _histogram(store, table, name, wanted))


def _histogram(store: OpenStore, table: Table, name: str, wanted: bool) -> charts.Histogram | None:
    kind = table.columns[name]
    if is_number(kind):
        return charts.numbers(store, table, quoted(name), name)
    if kind == "BOOLEAN" or (kind == "VARCHAR" and not name.endswith(("_id", "_key"))):
        few = None if name in ("question", "reasoning", "response") else charts.classes(store, table, name)
        if few is not None or kind == "BOOLEAN":
            return few
        if wanted or name in ("question", "reasoning", "response"):
            return charts.numbers(store, table, f"length({quoted(name)})", f"characters of {name}")
    return None


def costs(request: Request) -> Response:
    store = site(request).store
    if not has_ledger(store.reader.ledger_place):
        return render(request, "costs.html", teachers=[], versions=[])
    teachers = _ask(
        store,
        "select teacher, model, count(*) as calls, sum(input_tokens)::bigint as input_tokens, "
        "sum(output_tokens)::bigint as output_tokens, sum(cost_usd) as usd, bool_and(cost_usd is not null) as priced, "
        "avg(seconds) as seconds from ledger.calls group by all order by usd desc nulls last, calls desc",
    )
    failures = _ask(
        store,
        "select teacher, count(*) as failures, sum(cost_usd) as usd from ledger.failures where kind <> 'duplicate' "
        "group by all",
    )
    by_teacher = {one["teacher"]: one for one in failures}
    for one in teachers:
        one["failures"] = by_teacher.pop(one["teacher"], {}).get("failures", 0)
    versions = _ask(store, "select * from dq_costs order by usd desc nulls last, catalog, version limit 100")
    return render(request, "costs.html", teachers=teachers, versions=versions)


def runs(request: Request) -> Response:
    store = site(request).store
    found = _ask(store, f"select * from dq_runs order by started_at desc limit {RUNS}")
    return render(request, "runs.html", runs=found, now=unfinished(store.reader))


def now(request: Request) -> Response:
    """Runs that have not ended, for the pages that ask again and again."""
    return render(request, "now.html", now=unfinished(site(request).store.reader))


def models(request: Request) -> Response:
    store = site(request).store
    found = store.reader.models()[::-1][:MODELS]
    metrics = _ask(store, "select model, version, step, name, value from dq_metrics", rows=200_000)
    by_model: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in metrics:
        by_model.setdefault((row["model"], row["version"]), []).append(row)
    names = [(one["name"], one["version"]) for one in found]
    curves = {name: charts.curves(by_model.get(name, [])) for name in names}
    boards = scoreboard(store.reader) if _ask(store, "select 1 as n from dq_evals limit 1") else []
    return render(request, "models.html", models=found, curves=curves, boards=boards)


def _ask(store: OpenStore, sql: str, rows: int = 1000) -> list[dict[str, Any]]:
    """The rows of a query over the record tables and the ledger."""
    found = first_rows(store.reader, sql, rows=rows, seconds=PAGE_SECONDS).rows
    listed: list[dict[str, Any]] = found.to_pylist()
    return listed


ROUTES = [
    Route("/c/{table}/rejects", rejects),
    Route("/c/{table}/charts", pictures),
    Route("/costs", costs),
    Route("/runs", runs),
    Route("/runs/now", now),
    Route("/models", models),
]
