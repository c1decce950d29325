"""GSM8K, MATH-500 and AIME: problems with one short answer."""

from __future__ import annotations

import re

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


_SOLVED = {"answer": "VARCHAR", "solution": "VARCHAR"}

MATHEMATICS = (
    Benchmark(
        name="gsm8k",
        hub="openai/gsm8k",
        config="main",
        split="test",
        problem="question",
        answer_type="math",
        domain="math",
        columns=_SOLVED,
        read=_gsm8k,
        user=BOXED,
    ),
    Benchmark(
        name="math500",
        hub="HuggingFaceH4/MATH-500",
        split="test",
        problem="problem",
        answer_type="math",
        domain="math",
        columns={**_SOLVED, "subject": "VARCHAR", "level": "BIGINT"},
        read=_math500,
        user=BOXED,
        by=("level", "subject"),
    ),
    Benchmark(
        name="aime24",
        hub="HuggingFaceH4/aime_2024",
        split="train",
        problem="problem",
        answer_type="math",
        domain="math",
        columns=_SOLVED,
        read=_aime,
        user=BOXED,
    ),
    Benchmark(
        name="aime25",
        hub="math-ai/aime25",
        split="test",
        problem="problem",
        answer_type="math",
        domain="math",
        columns=_SOLVED,
        read=_aime,
        user=BOXED,
    ),
)
