"""Every page over a small store: what it shows, and that texts of models stay text on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from inert import check_inert

from dqdata.catalog import Store
from dqdata.catalog.records import Measured
from dqdata.ledger import Ledger

pytestmark = [pytest.mark.needs("starlette"), pytest.mark.needs("jinja2")]
HOST = "http://127.0.0.1:8764"


@pytest.fixture(scope="module")
def pages(store_path: Path) -> Iterator[Any]:
    from starlette.testclient import TestClient

    from dqdata.view.app import make_app
    from dqdata.view.opened import OpenStore
    from dqdata.view.security import Keys

    opened, keys = OpenStore(store_path), Keys()
    client = TestClient(make_app(opened, keys, 8764, who="ann"), base_url=HOST)
    client.get("/", params={"token": keys.token})
    client.headers["x-csrf-token"] = keys.csrf
    yield SimpleNamespace(client=client, store=opened, path=store_path)
    opened.close()


def rowid(pages: Any, table: str, key: str) -> int:
    answer = pages.client.get(f"/c/{table}/by", params={"id": key}, follow_redirects=False)
    assert answer.status_code == 303
    return int(answer.headers["location"].rpartition("/")[2])


PATHS = [
    "/c/traces@1/rejects",
    "/c/problems@1/rejects",
    "/c/traces@2/charts",
    "/c/traces@2/charts?column=reasoning",
    "/c/traces__rejects@2/charts",
    "/c/traces__rejects@2/row/3",
    "/c/problems@1/row/3",
    "/costs",
    "/runs",
    "/runs/now",
    "/models",
    "/marks",
    "/sql",
    "/sql?query=%3C/textarea%3E%3Cscript%3Ealert(1)%3C/script%3E",
    "/compare?a=traces@2:1&b=traces@2:4",
    "/compare?a=traces@2:1&b=traces__rejects@2:4",
    "/compare?a=traces@2:1",
    *(f"/c/traces@1/row/{number}" for number in range(0, 30, 3)),
    *(f"/c/traces@2/row/1/{part}" for part in ("history", "beside")),
]


@pytest.mark.parametrize("path", PATHS)
def test_pages_answer_and_texts_stay_text(pages: Any, path: str) -> None:
    answer = pages.client.get(path)
    assert answer.status_code == 200, answer.text[-600:]
    check_inert(answer.text)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/c/traces@1/row/9999", 404),
        ("/c/traces@1/by?id=nothing", 404),
        ("/c/traces@7/rejects", 404),
        ("/c/nothing/charts", 404),
        ("/compare?a=traces@1", 400),
        ("/compare?a=../../etc:1&b=x", 400),
        ("/compare?a=traces@1:1&id=nothing", 404),
        ("/c/traces@1/rows?after=-1", 400),
        ("/c/traces@1/rows?column=rv&op=ge", 400),
        ("/c/..%2f..%2fetc/rows", 404),
        ("/c/traces@1/row/x", 404),
    ],
)
def test_what_is_not_there_is_said(pages: Any, path: str, status: int) -> None:
    answer = pages.client.get(path)
    assert answer.status_code == status and "Traceback" not in answer.text
    check_inert(answer.text)


def test_rejects_by_reason_lead_to_their_rows(pages: Any) -> None:
    import re

    text = pages.client.get("/c/traces@1/rejects").text
    links = re.findall(r'href="(/c/traces__rejects@1/rows\?column[^"]+)"', text)
    counts = [int(one) for one in re.findall(r'<td class="num">(\d+)</td>', text)]
    assert len(links) == len(counts) > 2 and sum(counts) == 12
    for link, wanted in zip(links, counts, strict=True):
        count = link.replace("&amp;", "&").replace("/rows?", "/count?")
        assert pages.client.get(count).text == f"{wanted} of 12 rows"


def test_a_chosen_column_stays_chosen_and_a_diff_names_what_changed(pages: Any) -> None:
    assert "<option selected>reasoning</option>" in pages.client.get("/c/traces@2/charts?column=reasoning").text
    assert "selected" not in pages.client.get("/c/traces@2/charts").text
    same = pages.client.get("/diff?before=traces@1&after=traces@1").text
    assert "Changed values" not in same and "Numbers that differ" not in same
    other = pages.client.get("/diff?before=traces@1&after=traces@2").text
    assert "Numbers that differ" in other and "output_tokens" in other


def test_the_heat_map_counts_every_row_with_both_grades(pages: Any) -> None:
    from dqdata.view import charts

    table = pages.store.table("traces@2")
    cells = charts.heat(pages.store, table)
    both = pages.store.rows(f"select count(*) as n from {table.sql} where isfinite(rv) and isfinite(cd)")[0]["n"]
    assert sum(cell.rows for cell in cells) == both > 50 and max(cell.share for cell in cells) == 1


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([1, 2, 2, 9], [1, 2, 0, 0, 0, 0, 0, 0, 1]),
        ([5], [1]),
        ([-3.0, -3.0, 0.0], [2, 0, 0, 1]),
        ([0.5], None),
        ([1e300, -1e300], None),
        ([1.7e308, -1.7e308, 0.0], None),
        ([-1, 22], None),
        ([0.1 * number for number in range(60)], None),
        ([float("nan"), float("inf"), None, 2], [1]),
    ],
)
def test_a_histogram_counts_every_value_once(pages: Any, values: list[Any], wanted: list[int] | None) -> None:
    from dqdata.sql import literal
    from dqdata.view import charts

    rows = ", ".join(f"({literal(value)}::double)" for value in values)
    found = charts.numbers(pages.store, SimpleNamespace(sql=f"(values {rows}) t(v)"), "v", "v")  # type: ignore[arg-type]
    assert found is not None
    finite = [value for value in values if value is not None and abs(value) < float("inf")]
    assert sum(bar.rows for bar in found.bars) == len(finite) and found.empty == len(values) - len(finite)
    assert wanted is None or [bar.rows for bar in found.bars] == wanted


def test_classes_are_the_same_whether_the_first_rows_are_counted_before(
    pages: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dqdata.view import charts

    table = pages.store.table("traces@1")
    plain = {name: charts.classes(pages.store, table, name) for name in table.columns}
    for first in (1, 20, table.count - 1):
        monkeypatch.setattr(charts, "FIRST", first)
        assert {name: charts.classes(pages.store, table, name) for name in table.columns} == plain
    assert plain["verdict"] is not None and plain["question"] is None


def test_what_is_computed_over_a_version_is_computed_once_and_the_oldest_is_forgotten() -> None:
    from dqdata.view.opened import KEPT, Kept

    kept, computed = Kept(), []
    for _ in range(2):
        assert kept.of(("traces@1", "rv"), lambda: computed.append(1)) is None
    assert len(computed) == 1
    for number in range(KEPT):
        assert kept.of(("traces@2", number), lambda number=number: number) == number
    kept.of(("traces@1", "rv"), lambda: computed.append(2))
    assert computed == [1, 2]


def test_a_column_without_a_number_has_no_histogram(pages: Any) -> None:
    from dqdata.view import charts

    assert charts.numbers(pages.store, SimpleNamespace(sql="(select null::double as v)"), "v", "v") is None  # type: ignore[arg-type]


def test_ancestry_is_a_tree_and_a_circle_ends(pages: Any) -> None:
    from dqdata.history.why import Occurrence
    from dqdata.view.pages.trace import _tree

    def of(name: str, **more: Any) -> Occurrence:
        return Occurrence("traces@1", True, "", "", "", {"trace_id": name, **more})

    known = [of("b", parent_ids=["c", "d"]), of("c", parent_id="a"), of("d"), of("a", parent_id="b")]
    [root] = _tree({"trace_id": "a0", "parent_id": "b"}, known)
    assert root.id == "b" and [one.id for one in root.up] == ["c", "d"]
    assert [one.id for one in root.up[0].up] == ["a"] and root.up[0].up[0].up[0].up == []
    text = pages.client.get(f"/c/traces@2/row/{rowid(pages, 'traces@2', 't021')}/history").text
    assert "t020" in text and "kept" in text


def test_the_sql_box_answers_escapes_and_refuses(pages: Any) -> None:
    answer = pages.client.post("/sql", data={"query": "select '<script>x</script>' as \"<b>\", 1.5 as n"})
    check_inert(answer.text)
    assert "1.5" in answer.text and "&lt;script&gt;" in answer.text
    for query in ("", "select", "drop table x", "from '/etc/passwd'", "select * from read_text('/etc/passwd')"):
        refused = pages.client.post("/sql", data={"query": query})
        assert refused.status_code == 200 and 'role="alert"' in refused.text and "root:" not in refused.text


def test_neighbours_follow_the_selection(pages: Any) -> None:
    given = {"column": "verdict", "op": "eq", "value": "correct", "sort": "output_tokens"}
    rows = pages.client.get("/c/traces@2/rows", params=given).text
    import re

    ids = [int(one) for one in dict.fromkeys(re.findall(r"/c/traces@2/row/(\d+)", rows))]
    found = pages.client.get(f"/c/traces@2/row/{ids[3]}/beside", params=given).text
    assert [int(one) for one in re.findall(r"/c/traces@2/row/(\d+)", found)] == [ids[2], ids[4]]


def test_a_chat_shows_messages_thinking_and_calls() -> None:
    from dqdata.view.pages.trace import _messages

    calls = [
        [{"function": {"name": "python", "arguments": '{"code": "print(1)"}'}}],
        json.dumps([{"name": "search", "arguments": {"query": "x", "n": 2}}]),
        [{"function": {"name": "broken", "arguments": "{"}}],
        "no JSON",
        None,
    ]
    made = _messages(
        [{"role": "assistant", "content": None, "tool_calls": one, "reasoning_content": "h"} for one in calls]
    )
    assert made[0]["calls"] == [("python", "print(1)")] and made[0]["thinking"] == "h"
    assert made[1]["calls"][0][0] == "search" and '"n": 2' in made[1]["calls"][0][1]
    assert made[2]["calls"] == [("broken", "{")] and made[3]["calls"] == [("", "no JSON")] and made[4]["calls"] == []


def test_costs_runs_and_models_of_a_store(tmp_path: Path) -> None:
    from starlette.testclient import TestClient

    from dqdata.view.app import make_app
    from dqdata.view.opened import OpenStore
    from dqdata.view.security import Keys

    with Store.open(tmp_path / "s") as store:
        store.record_run(
            {"run_id": "r", "pipeline": "<b>p</b>", "catalog": "c", "status": "failed", "error": "<script>1</script>",
             "started_at": datetime.now(UTC)}
        )  # fmt: skip
        store.record_model(
            {"name": "m", "path": "models/m", "base_model": "<i>base</i>", "trainer": "sft", "data": {}, "recipe": {}},
            [Measured(step, "loss", 1 / (step + 1)) for step in range(1000)] + [Measured(0, "nan", float("nan"))],
        )
        with Ledger(store.ledger_place):
            pass
        work = store.work / "going"
        work.mkdir()
        (work / "run.json").write_text('{"run_id": "r9"}')
        (store.work / "other").mkdir()
    opened, keys = OpenStore(tmp_path / "s"), Keys()
    client = TestClient(make_app(opened, keys, 8764), base_url=HOST)
    client.get("/", params={"token": keys.token})
    texts = {path: client.get(path).text for path in ("/costs", "/runs", "/models", "/", "/runs/now")}
    opened.close()
    for text in texts.values():
        check_inert(text)
    assert "No call to a teacher" in texts["/costs"] and "failed" in texts["/runs"]
    assert "stopped" in texts["/runs/now"] and "going" in texts["/runs/now"] and "other" not in texts["/runs/now"]
    assert "polyline" in texts["/models"] and "loss" in texts["/models"]
