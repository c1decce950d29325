"""Generates arithmetic exercises with integer answers at five levels.

    >>> exercise(2, random.Random(0)).question
    'Calculate 59 + 63.'

Level 1: sums and differences of single digits. 2: of two digits. 3: small products and exact quotients. 4: two
operations. 5: three. Differences and quotients never leave the natural numbers.
"""

from __future__ import annotations

import random
from typing import NamedTuple

PLAIN = (
    "What is {}?",
    "What is {}?",
    "Compute {}.",
    "Calculate {}.",
    "{} = ?",
    "Work out {}.",
    "Find the value of {}.",
)
SPOKEN = {
    "+": ("What is the sum of {a} and {b}?", "Add {a} and {b}.", "What number is {b} more than {a}?"),
    "-": ("Subtract {b} from {a}.", "What is {a} minus {b}?", "What number is {b} less than {a}?"),
    "*": ("Multiply {a} by {b}.", "What is {a} times {b}?", "What is the product of {a} and {b}?"),
    "/": ("Divide {a} by {b}.", "What is {a} divided by {b}?", "How many times does {b} go into {a}?"),
}
SIGNS = {"+": "+", "-": "-", "*": "×", "/": "÷"}
SPOKEN_SHARE = 0.3


class Problem(NamedTuple):
    """`core` is what is computed, whatever the wording: problems of one core belong to one split."""

    question: str
    answer: int
    core: str


def exercise(level: int, rng: random.Random) -> Problem:
    if level == 4:
        return _worded(*_two_operations(rng), rng)
    if level == 5:
        return _worded(*_three_operations(rng), rng)
    sign, a, b = _operands(level, rng)
    answer = {"+": a + b, "-": a - b, "*": a * b, "/": a // b}[sign]
    first, second = (min(a, b), max(a, b)) if sign in "+*" else (a, b)
    if rng.random() < SPOKEN_SHARE:
        question = rng.choice(SPOKEN[sign]).format(a=a, b=b)
    else:
        question = rng.choice(PLAIN).format(f"{a} {SIGNS[sign]} {b}")
    return Problem(question, answer, f"{first}{sign}{second}")


def _operands(level: int, rng: random.Random) -> tuple[str, int, int]:
    if level == 3:
        a, b = rng.randint(2, 12), rng.randint(2, 12)
        return ("*", a, b) if rng.random() < 0.5 else ("/", a * b, b)
    low, high = (1, 9) if level == 1 else (10, 99)
    a, b = rng.randint(low, high), rng.randint(low, high)
    return ("+", a, b) if rng.random() < 0.5 else ("-", max(a, b), min(a, b))


def _two_operations(rng: random.Random) -> tuple[str, int]:
    a, b, c = rng.randint(2, 20), rng.randint(2, 12), rng.randint(2, 9)
    forms = (
        (f"{a} + {b} × {c}", a + b * c),
        (f"({a} + {b}) × {c}", (a + b) * c),
        (f"{b} × {c} - {min(a, b * c)}", b * c - min(a, b * c)),
        (f"{a + b} - {b} + {c}", a + c),
        (f"{a} + {b * c} ÷ {c}", a + b),
        (f"({a + b} - {b}) × {c}", a * c),
    )
    return rng.choice(forms)


def _three_operations(rng: random.Random) -> tuple[str, int]:
    a, b, c, d = rng.randint(2, 20), rng.randint(2, 12), rng.randint(2, 9), rng.randint(2, 9)
    forms = (
        (f"({a} + {b}) × {c} - {d}", (a + b) * c - d),
        (f"{a} × {c} + {b} × {d}", a * c + b * d),
        (f"({a + b} - {b}) × ({c} + {d})", a * (c + d)),
        (f"{a * c} ÷ {c} + {b} × {d}", a + b * d),
        (f"({a * c} + {b * c}) ÷ {c} + {d}", a + b + d),
        (f"{a} × {b} - {min(c * d, a * b)} + {c}", a * b - min(c * d, a * b) + c),
    )
    return rng.choice(forms)


def _worded(expression: str, value: int, rng: random.Random) -> Problem:
    return Problem(rng.choice(PLAIN).format(expression), value, expression)
