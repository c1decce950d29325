"""GPQA: multiple choice, whose options are published with the right one first and are put in an order of their own."""

from __future__ import annotations

import random
from string import ascii_uppercase

from dqdata.benchmarks.layout import Benchmark, Record, Row, optional, text_of
from dqdata.ids import digest

_OPTIONS = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")


def _gpqa(record: Record, seed: int) -> Row:
    """The order depends on the seed and the question alone, so that a row keeps it wherever it is read."""
    question = text_of(record, "Question").strip()
    texts = [text_of(record, name).strip() for name in _OPTIONS]
    order = list(range(len(texts)))
    random.Random(digest("gpqa", str(seed), question)).shuffle(order)
    choices = [texts[place] for place in order]
    return {
        "question": question,
        "answer": ascii_uppercase[order.index(0)],
        "choices": choices,
        "options": "\n".join(f"({letter}) {text}" for letter, text in zip(ascii_uppercase, choices, strict=False)),
        "subject": optional(record, "High-level domain"),
        "subdomain": optional(record, "Subdomain"),
        "benchmark_id": optional(record, "Record ID"),
    }


SCIENCE = (
    Benchmark(
        name="gpqa_diamond",
        hub="Idavidrein/gpqa",
        config="gpqa_diamond",
        license="cc-by-4.0",
        split="train",
        problem="Question",
        answer_type="choice",
        domain="science",
        columns={
            "answer": "VARCHAR",
            "choices": "VARCHAR[]",
            "options": "VARCHAR",
            "subject": "VARCHAR",
            "subdomain": "VARCHAR",
        },
        read=_gpqa,
        user="{{question}}\n\n{{options}}\n\nReason step by step, and end with a line `Answer: X`, X being the letter.",
        by=("subject",),
    ),
)
