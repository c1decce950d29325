"""Names of columns and catalogs that mean something to SQL, to DuckDB's readers, or to the engine's own tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Invoke = Callable[..., Any]

ODD = (
    *"filename pos key row rows other reason detail _at _again _reason _detail start number path".split(),
    *"file index made select order".split(),
    *("step", "kind", "literal", "a\nb", 'c"d', "e'f", "tab\tx", "x" * 300, "é", "{}", "a.b", "$x", "-", "1"),
)
PROJECT = """
[pipelines.p]
from = "p.jsonl"
max_failed_rate = 1.0
steps = [
    { op = "sql", query = "select * from rows" },
    { op = "length", column = "question" },
    { op = "split", near = false },
    { op = "dedup", column = "question" },
]

[pipelines.q]
from = "select problem_id, question from p"
steps = [ { op = "join", catalog = "p" } ]
"""


def test_any_text_names_a_column(dqdata: Invoke, tmp_path: Path) -> None:
    questions = ["What is 0 + 1?", "What is 1 + 1?", "What is 0 + 1?"]
    rows = [{"question": q, "answer": "1", **dict.fromkeys(ODD, f"v{n}")} for n, q in enumerate(questions)]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "pipelines.toml").write_text(PROJECT)
    for pipeline in ("p", "q"):
        assert dqdata("run", pipeline, "-q").code == 0
    for kind in ("jsonl", "json", "csv", "parquet"):
        assert dqdata("export", "q", "-o", f"q.{kind}").code == 0
    records = json.loads((tmp_path / "q.json").read_text())
    assert sorted(tuple(record[name] for name in ODD) for record in records) == [
        tuple("v0" for _ in ODD),
        tuple("v1" for _ in ODD),
    ]
    [rejected] = json.loads(dqdata("sql", "select row from p__rejects", "--json").out)["rows"]
    assert {json.loads(rejected["row"])[name] for name in ODD} == {"v2"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"question": "q", "": 1}', "column 2 has no name"),
        ('{"question": "q", "  ": 1}', "column 2 has no name"),
        ('{"question": "q", "a": 1, "A": 2}', "'a' and 'A' would have one name in SQL"),
        ('{"question": "q", "\\ud800": 1}', "is no text that SQL can hold"),
        ('{"question": "q", "a\\u0000": 1}', "is no text that SQL can hold"),
        ('{"question": "q", "a": {"b": 1, "B": 2}}', "column 'a': two columns are named 'B'"),
        ('{"question": "q", "a": [{"": 1}]}', "column 'a': column 1 has no name"),
        ('{"question": "q", "dq_key": 1}', "'dq_key': dq_... and file_row_number are names that dqdata uses"),
    ],
)
def test_a_name_that_no_column_can_have_is_named(dqdata: Invoke, tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "p.jsonl").write_text(line + "\n")
    (tmp_path / "pipelines.toml").write_text('[pipelines.p]\nfrom = "p.jsonl"\nsteps = []\n')
    done = dqdata("plan", "p")
    assert done.code == 2 and said in done.error


@pytest.mark.parametrize("name", "left natural at semi anti asof positional order select main temp join is".split())
def test_a_word_of_sql_is_no_name_for_a_catalog(dqdata: Invoke, tmp_path: Path, name: str) -> None:
    (tmp_path / "pipelines.toml").write_text(f'[pipelines.p]\ninto = "{name}"\nfrom = "p.jsonl"\n')
    done = dqdata("plan", "p")
    assert done.code == 2 and f"'{name}' is no name for a catalog: it means something else in SQL" in done.error
