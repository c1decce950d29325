"""One small store for all tests of the pages, with texts of a model that would rather be code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dqdata.catalog import Store
from dqdata.columns import REJECTS, Columns

HOSTILE = [
    "<script>window.hacked = 1</script>",
    '<img src=x onerror="window.hacked = 2">',
    '"><svg onload=window.hacked=3>',
    "[a link](javascript:window.hacked=4) and <a href='javascript:window.hacked=5'>another</a>",
    r"$\href{javascript:window.hacked=6}{press}$ and $\includegraphics{http://127.0.0.1:1/x.png}$",
    r"$\htmlData{x=1}{y}$, $\url{http://127.0.0.1:1/}$, $\fcolorbox{red}{blue}{z}$, $\pmb{w}$, $\undefined$",
    "{{ 7 * 7 }} {% raw %} ${7*7} <%= 7 %>",
    "<style>body{display:none}</style><meta http-equiv=refresh content=0><base href=//127.0.0.1:1/>",
    "```html\n<script>window.hacked = 7</script>\n```\nand `<b onclick=alert(1)>`",
    "\x00\x1b[31m\u202e&lt;script&gt; ' \" ` </textarea></pre></code>",
]
ROWS = 130
COLUMNS = {
    "problem_id": "VARCHAR",
    "trace_id": "VARCHAR",
    "parent_id": "VARCHAR",
    "question": "VARCHAR",
    "answer": "VARCHAR",
    "reasoning": "VARCHAR",
    "response": "VARCHAR",
    "verdict": "VARCHAR",
    "teacher": "VARCHAR",
    "output_tokens": "BIGINT",
    "rv": "DOUBLE",
    "cd": "DOUBLE",
    "good enough": "BOOLEAN",
    "made_at": "TIMESTAMPTZ",
    "labels": "VARCHAR[]",
}


def trace(number: int) -> dict[str, Any]:
    hostile = HOSTILE[number % len(HOSTILE)] if number % 3 == 0 else f"so $x_{{{number}}} = {number}$ holds"
    return {
        "problem_id": f"p{number // 2:03}",
        "trace_id": f"t{number:03}",
        "parent_id": f"t{number - 1:03}" if number % 10 == 1 else None,
        "question": f"What is {number} + {number % 7}? It's 'quoted'.",
        "answer": str(number + number % 7),
        "reasoning": hostile,
        "response": f"{hostile}\n\nThe answer is $\\boxed{{{number + number % 7}}}$.\n```python\nprint({number})\n```",
        "verdict": ("correct", "incorrect", "unverifiable", None)[number % 4],
        "teacher": "teacher-a" if number % 2 else "teacher-b",
        "output_tokens": None if number % 9 == 0 else (number * 37) % 100,
        "rv": (number * 7) % 10 if number != 25 else float("nan"),
        "cd": (number * 3) % 10 if number % 11 else None,
        "good enough": number % 2 == 0,
        "made_at": f"2026-01-{number % 28 + 1:02}T12:00:00Z",
        "labels": ["a", f"l{number % 3}"] if number % 5 else None,
    }


def parquet(folder: Path, name: str, rows: list[dict[str, Any]], columns: dict[str, str]) -> Path:
    target, source = folder / f"{name}.parquet", folder / f"{name}.jsonl"
    source.write_text("".join(json.dumps(row).replace("NaN", '"nan"') + "\n" for row in rows), encoding="utf-8")
    types = ", ".join(f"'{column}': '{kind}'" for column, kind in columns.items())
    with duckdb.connect() as con:
        con.execute(
            f"copy (from read_json('{source}', format = 'newline_delimited', columns = {{{types}}})) "
            f"to '{target}' (format parquet, row_group_size 2048)"
        )
    return target


def rejected(number: int) -> dict[str, Any]:
    row = trace(200 + number)
    return {
        "step": "verify" if number % 2 else "filter",
        "op": "verify_math" if number % 2 else "filter",
        "kind": "dropped" if number % 3 else "failed",
        "reason": ("wrong_answer", "too_long", "sql_error")[number % 3],
        "detail": HOSTILE[number % len(HOSTILE)],
        "problem_id": row["problem_id"],
        "trace_id": row["trace_id"],
        "row_key": row["trace_id"],
        "row": json.dumps(row),
    }


def fill(folder: Path, path: Path) -> None:
    """Two versions of `traces`, one of `problems`."""
    rows = [trace(number) for number in range(ROWS)]
    first = parquet(folder, "first", rows[:100], COLUMNS)
    second = parquet(folder, "second", rows[20:], COLUMNS)
    rejects = parquet(folder, "rejects", [rejected(number) for number in range(12)], dict(REJECTS))
    problems = parquet(
        folder,
        "problems",
        [{"problem_id": f"p{number:03}", "question": f"What is {number}?"} for number in range(65)],
        {"problem_id": "VARCHAR", "question": "VARCHAR"},
    )
    steps = [{"id": "generate", "op": "generate", "params": {"teacher": "a"}}]
    with Store.open(path) as store:
        store.commit(
            "problems",
            rows=[problems],
            rejects=[],
            columns=Columns({"problem_id": "VARCHAR", "question": "VARCHAR"}),
            fingerprint="f0",
            recipe={"source": {"kind": "files", "params": {"path": "<b>problems</b>.jsonl"}}},
            run_id="r0",
        )
        for number, file in enumerate((first, second), 1):
            store.commit(
                "traces",
                rows=[file],
                rejects=[rejects],
                columns=Columns(COLUMNS),
                fingerprint=f"f{number}",
                recipe={"inputs": ["problems@1"], "steps": steps, "seed": number},
                run_id=f"r{number}",
                message=HOSTILE[0],
            )


@pytest.fixture(scope="session")
def store_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("view")
    fill(folder, folder / "catalogs")
    yield folder / "catalogs"
