"""HumanEval, MBPP and LiveCodeBench: tasks whose answer is a program, judged by tests.

`tests` is JSON of the published fields, as `verify_code` reads them.
"""

from __future__ import annotations

import json
from typing import Any

from dqdata.benchmarks.layout import Benchmark, Record, Row, optional, text_of

_STDIN = "The program reads from standard input and writes to standard output."


def _humaneval(record: Record, seed: int) -> Row:
    prompt, entry_point = text_of(record, "prompt"), text_of(record, "entry_point")
    return {
        "question": prompt,
        "tests": json.dumps({"prompt": prompt, "test": text_of(record, "test"), "entry_point": entry_point}),
        "entry_point": entry_point,
        "benchmark_id": optional(record, "task_id"),
    }


def _mbpp(record: Record, seed: int) -> Row:
    """The sanitized configuration has `prompt` and `test_imports`, the full one `text` and `test_setup_code`."""
    listed = _list(record, "test_list")
    beside = {name: record[name] for name in ("test_setup_code", "test_imports") if record.get(name)}
    return {
        "question": text_of(record, "text", "prompt"),
        "tests": json.dumps({"test_list": listed, **beside}),
        "shown_tests": "\n".join(listed),
        "benchmark_id": optional(record, "task_id"),
    }


def _livecodebench(record: Record, seed: int) -> Row:
    starter = (optional(record, "starter_code") or "").strip()
    tests = {name: _plain(record[name]) for name in ("private_test_cases", "public_test_cases") if record.get(name)}
    if not tests:
        raise KeyError("private_test_cases")
    if record.get("metadata"):
        tests["metadata"] = _plain(record["metadata"])
    title, task = optional(record, "question_title"), text_of(record, "question_content", "question")
    return {
        "question": task,
        "title": title,
        "tests": json.dumps(tests),
        "instructions": f"Complete this:\n\n```python\n{starter}\n```" if starter else _STDIN,
        "level": optional(record, "difficulty", "level"),
        "platform": optional(record, "platform"),
        "released": (optional(record, "contest_date") or "")[:10] or None,
        "benchmark_id": optional(record, "question_id"),
    }


def _plain(value: Any) -> Any:
    """A list or table that is written as JSON text; other text, such as encoded tests, as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        return json.loads(value)
    return value


def _list(record: Record, name: str) -> list[str]:
    value = record.get(name)
    listed = json.loads(value) if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed:
        raise KeyError(name)
    return [str(one) for one in listed]


_FENCE = "Answer with the whole program in one ```python block."

PROGRAMS = (
    Benchmark(
        name="humaneval",
        hub="openai/openai_humaneval",
        license="mit",
        split="test",
        problem="prompt",
        answer_type="code",
        domain="code",
        columns={"tests": "VARCHAR", "entry_point": "VARCHAR"},
        read=_humaneval,
        user="Complete this function.\n\n```python\n{{question}}\n```\n\n" + _FENCE,
    ),
    Benchmark(
        name="mbpp",
        hub="google-research-datasets/mbpp",
        config="full",
        license="cc-by-4.0",
        split="test",
        problem="text",
        answer_type="code",
        domain="code",
        columns={"tests": "VARCHAR", "shown_tests": "VARCHAR"},
        read=_mbpp,
        user="{{question}}\n\nIt must pass these tests:\n\n```python\n{{shown_tests}}\n```\n\n" + _FENCE,
    ),
    Benchmark(
        name="livecodebench",
        hub="livecodebench/code_generation_lite",
        split="train",
        problem="question_content",
        answer_type="code",
        domain="code",
        columns={
            "title": "VARCHAR",
            "tests": "VARCHAR",
            "instructions": "VARCHAR",
            "level": "VARCHAR",
            "platform": "VARCHAR",
            "released": "VARCHAR",
        },
        read=_livecodebench,
        user="{{question}}\n\n{{instructions}}\n\n" + _FENCE,
        by=("level", "platform"),
        files=("test.jsonl", "test2.jsonl", "test3.jsonl", "test4.jsonl", "test5.jsonl", "test6.jsonl"),
    ),
)
