"""Problems of one to four operations whose structure and numbers are known, with a written solution.

    python bench/controlled/problems.py problems.jsonl

    {"question": "Mei has 12 shells. Mei finds 7 more. Then the number doubles. How many shells are there?",
     "answer": "38", "reasoning": "12 + 7 = 19\\n19 * 2 = 38", "level": 2, "structure": "+*", "split": "train"}

A structure is the sequence of operations. One in four structures of two or more operations occurs in the split
`test_structures` alone, one in ten of the other problems, by its numbers, in `test_numbers`, and as many in `dev`. The
rest is divided between `base` (what the student knows before), `teacher`, `train` and `practice`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from pathlib import Path

NAMES = ("Ada", "Ivo", "Mei", "Omar", "Rosa", "Uma")
THINGS = ("apples", "beads", "cards", "shells", "stamps")
WORDS = {
    "+": ("{name} finds {n} more.", "{n} {things} are added."),
    "-": ("{name} loses {n}.", "{n} {things} are given away."),
    "*": ("Then the number doubles.", "Then there are twice as many."),
    "^": ("Then the number triples.", "Then there are three times as many."),
}
LEVELS = (1, 2, 3, 4)
COUNTS = {
    "base": 240,
    "teacher": 4000,
    "train": 1200,
    "practice": 240,
    "dev": 200,
    "test_numbers": 400,
    "test_structures": 400,
}
"""Problems of each split, the same number at each level (of test_structures: at levels 2 to 4)."""
LARGEST = 99
TRIES = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--one-in", type=int, default=1, help="so many times fewer problems")
    given = parser.parse_args()
    rows = made(random.Random(0), {split: count // given.one_in for split, count in COUNTS.items()})
    given.path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def made(rng: random.Random, counts: dict[str, int]) -> list[dict[str, str | int]]:
    wanted = {
        (split, level): count // len(levels_of(split)) for split, count in counts.items() for level in levels_of(split)
    }
    rows: list[dict[str, str | int]] = []
    seen: set[str] = set()
    for _ in range(TRIES):
        if not any(wanted.values()):
            return rows
        row, core = problem(rng, rng.choice(LEVELS))
        open_splits = [
            split for split in splits_of(str(row["structure"]), core) if wanted.get((split, int(row["level"])))
        ]
        if core in seen or not open_splits:
            continue
        seen.add(core)
        split = rng.choice(open_splits)
        wanted[split, int(row["level"])] -= 1
        rows.append({**row, "split": split})
    raise ValueError(f"{TRIES} tries were too few for {wanted}")


def levels_of(split: str) -> tuple[int, ...]:
    return LEVELS[1:] if split == "test_structures" else LEVELS


def splits_of(structure: str, core: str) -> tuple[str, ...]:
    """The splits in which a problem may occur; `core` is the structure with its numbers."""
    if len(structure) > 1 and _share(structure) < 0.25:
        return ("test_structures",)
    place = _share(core)
    if place < 0.2:
        return ("dev",) if place < 0.1 else ("test_numbers",)
    return ("base", "teacher", "train", "practice")


def problem(rng: random.Random, level: int) -> tuple[dict[str, str | int], str]:
    name, things = rng.choice(NAMES), rng.choice(THINGS)
    start = value = rng.randint(2, 60)
    sentences, steps, structure = [f"{name} has {start} {things}."], [], ""
    core = str(start)
    for _ in range(level):
        sign, n = operation(rng, value)
        result = {"+": value + n, "-": value - n, "*": value * n, "^": value * n}[sign]
        sentences.append(rng.choice(WORDS[sign]).format(name=name, things=things, n=n))
        steps.append(f"{value} {'*' if sign == '^' else sign} {n} = {result}")
        structure, core, value = structure + sign, f"{core}{sign}{n}", result
    question = " ".join([*sentences, f"How many {things} are there?"])
    row: dict[str, str | int] = {"question": question, "answer": str(value), "reasoning": "\n".join(steps)}
    return row | {"level": level, "response": f"\\boxed{{{value}}}", "structure": structure}, core


def operation(rng: random.Random, value: int) -> tuple[str, int]:
    """An operation and its number such that the result lies between 1 and 99."""
    possible = (
        ["+"] * (value < LARGEST)
        + ["-"] * (value > 1)
        + ["*"] * (value * 2 <= LARGEST)
        + ["^"] * (value * 3 <= LARGEST)
    )
    sign = rng.choice(possible)
    if sign == "+":
        return sign, rng.randint(1, min(30, LARGEST - value))
    if sign == "-":
        return sign, rng.randint(1, min(30, value - 1))
    return sign, 2 if sign == "*" else 3


def _share(text: str) -> float:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 16**8


if __name__ == "__main__":
    main()
