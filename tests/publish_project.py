"""The project of the tests of `dqdata publish`: two licensed sources, and a teacher that is right in five of six."""

from __future__ import annotations

import json

PROJECT = """
[teachers.sage]
provider = "scripted"
model = "sage-1"
script = "answers.toml"
price = { input = 1.0, output = 2.0 }

[pipelines.algebra]
from = "algebra.jsonl"
license = "MIT"

[pipelines.benchmark]
from = "geometry.jsonl"
license = "cc-by-nc-nd-4.0"

[pipelines.traces]
from = "select * from algebra union all by name select * from geometry"
steps = [
  { op = "generate", teacher = "sage" },
  { op = "verify_math" },
  { op = "filter", where = "correct" },
  { op = "to_messages" },
  { op = "sql", query = "select *, 'part ' || (answer::int % 4 // 2 + 1)::varchar as split from rows" },
]

[pipelines.clean]
from = "algebra"
steps = [ { op = "decontaminate", benchmarks = [ { name = "own", catalog = "benchmark" } ] } ]

[pipelines.only_mit]
from = "traces"
licenses = ["mit"]
"""
ANSWERS = """
records = "records.jsonl"
[[rules]]
where = { good = true }
answers = ["<think>I add <b>them</b> & look at /home/ada/notes.txt.</think>The sum is {{answer}}."]
[[rules]]
answers = ["<think>I guess.</think>It is 0."]
"""
KEY = "sk-proj-" + "Zq81LmXw27TcB4f9" * 2


def problems(name: str, first: int) -> list[dict[str, object]]:
    return [
        {"question": f"{name}: what is {at} + {at}?", "answer": str(2 * at), "good": at % 6 != 0, "area": name}
        for at in range(first, first + 6)
    ]


def lines(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)
