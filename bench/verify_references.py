"""References of public sets, and what the transformations of verify_metamorphic.py share."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

Pair = tuple[str, str]
"""Reference and response."""
Make = Callable[[str, random.Random], Pair | None]
"""A transformation: the pair that it makes of a reference, or None where it does not apply."""

NOUNS = "apples books marbles students tickets pages coins stamps cards chairs".split()
INTEGER = re.compile(r"-?[0-9]+\Z")
FRACTION = re.compile(r"(-?)\\[dt]?frac\{([0-9]+)\}\{([0-9]+)\}\Z")


def box(text: str) -> str:
    return f"So we get \\boxed{{{text}}}."


def whole(text: str, least: int = 2, most: int = 10**6) -> int | None:
    return int(text) if INTEGER.match(text) and least <= abs(int(text)) <= most else None


def items(text: str) -> list[str] | None:
    parts = [part.strip() for part in text.split(",")]
    grouped = re.fullmatch(r"[^A-Za-z]*[0-9]{1,3}(,(\\!)?[0-9]{3})+", text)
    listed = len(parts) > 1 and len(set(parts)) == len(parts) and not grouped
    return parts if listed and not re.search(r"[()\[\]{}]", text) else None


def references(data: Path) -> dict[str, list[str]]:
    gsm8k = pl.read_ndjson(data / "gsm8k_test.jsonl").to_dicts()
    found = [str(row.get("answer", "")).rpartition("####")[2].strip().replace(",", "") for row in gsm8k]
    math = [json.loads(line)["answer"] for line in (data / "math500.jsonl").open()]
    aime = [str(json.loads(line).get("answer")) for line in (data / "aime25.jsonl").open()]
    return {"GSM8K": [ref for ref in found if ref], "MATH-500": math, "AIME": aime}


def made(make: Make, refs: list[str], each: int, dice: random.Random) -> Iterator[Pair]:
    count = 0
    for ref in dice.sample(refs, len(refs)):
        pair = make(ref, dice)
        if pair is not None:
            yield pair
            count += 1
            if count >= each:
                return
