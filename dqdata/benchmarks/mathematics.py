"""GSM8K, MATH-500 and AIME: problems with one short answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from dqdata.benchmarks.layout import Benchmark, Record, Row, optional, text_of

BOXED = "{{question}}\n\nReason step by step, and give the final answer in \\boxed{}."

_LEVEL = re.compile(r"\d+")


def _gsm8k(record: Record, seed: int) -> Row:
    """The published answer is a solution that ends in `#### 18`; a copy may have 18 alone."""
    solution, mark, final = text_of(record, "answer").rpartition("####")
    return {
        "question": text_of(record, "question"),
        "answer": final.strip(),
        "solution": solution.strip() if mark else optional(record, "solution"),
        "benchmark_id": optional(record, "id"),
    }


def _math500(record: Record, seed: int) -> Row:
    level = _LEVEL.search(text_of(record, "level")) if record.get("level") is not None else None
    return {
        "question": text_of(record, "problem", "question"),
        "answer": text_of(record, "answer"),
        "solution": optional(record, "solution"),
        "subject": optional(record, "subject", "type"),
        "level": int(level[0]) if level else None,
        "benchmark_id": optional(record, "unique_id", "id"),
    }


def _aime(record: Record, seed: int) -> Row:
    return {
        "question": text_of(record, "problem", "question"),
        "answer": text_of(record, "answer"),
        "solution": optional(record, "solution"),
        "benchmark_id": optional(record, "id", "problem_idx"),
    }


def _benchmark(name: str, hub: str, read: Callable[[Record, int], Row], split: str, problem: str) -> Benchmark:
    return Benchmark(
        name=name,
        hub=hub,
        split=split,
        problem=problem,
        answer_type="math",
        domain="math",
        columns={"answer": "VARCHAR", "solution": "VARCHAR"},
        read=read,
        user=BOXED,
    )


_MATH500 = _benchmark("math500", "HuggingFaceH4/MATH-500", _math500, "test", "problem")
MATHEMATICS = (
    replace(_benchmark("gsm8k", "openai/gsm8k", _gsm8k, "test", "question"), config="main", license="mit"),
    replace(
        _MATH500,
        columns={**_MATH500.columns, "subject": "VARCHAR", "level": "BIGINT"},
        by=("level", "subject"),
        license="mit",
    ),
    _benchmark("aime24", "HuggingFaceH4/aime_2024", _aime, "train", "problem"),
    _benchmark("aime25", "math-ai/aime25", _aime, "test", "problem"),
)
