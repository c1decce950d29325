"""Generates word problems of one to three steps with integer answers from templates.

    >>> story(3, random.Random(1)).question
    'Priya has 11 buttons. Omar has 3 more than Priya. How many buttons do they have together?'

Levels 1 and 2 take one step, with one-digit and two-digit numbers; 3 and 4 take two, with small and larger numbers; 5
takes three.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from dqdata.sources.arithmetic import Problem

NAMES = (
    *("Ada", "Bilal", "Carmen", "Dmitri", "Elif", "Farah", "Goran", "Hana", "Ivo", "Jamila", "Kofi", "Lucia"),
    *("Mei", "Nadia", "Omar", "Priya", "Quentin", "Rosa", "Samir", "Tuva", "Uma", "Viktor", "Wanda", "Yusuf"),
)
THINGS = (
    *("apples", "marbles", "stickers", "pencils", "cards", "shells", "buttons", "stamps", "beads", "cookies"),
    *("postcards", "pebbles", "balloons", "ribbons", "acorns", "magnets"),
)
HOLDERS = (("box", "boxes"), ("bag", "bags"), ("basket", "baskets"), ("tray", "trays"), ("jar", "jars"))
RANGES = {1: (2, 9, 2, 9), 2: (10, 99, 2, 9), 3: (2, 12, 2, 6), 4: (10, 60, 3, 12), 5: (2, 20, 2, 9)}
"""Numbers by level: the ends between which a and b lie, and those of c and d."""

Of: TypeAlias = Callable[[int, int, int, int], int]


class Template(NamedTuple):
    """Text with drawn numbers a, b, c, d; `x` is one more number of the text, computed from them."""

    text: str
    answer: Of
    x: Of = lambda a, b, c, d: 1


ONE_STEP = (
    Template(
        "{n1} has {a} {t}. {n2} gives {n1} {b} more. How many {t} does {n1} have now?",
        lambda a, b, c, d: a + b,
    ),
    Template(
        "{n1} had {x} {t} and gave {b} of them to {n2}. How many {t} does {n1} have left?",
        lambda a, b, c, d: a,
        x=lambda a, b, c, d: a + b,
    ),
    Template(
        "There are {a} {t} on the table and {b} {t} on the floor. How many {t} are there altogether?",
        lambda a, b, c, d: a + b,
    ),
    Template(
        "{n1} needs {x} {t} for a game but has only {b}. How many more {t} does {n1} need?",
        lambda a, b, c, d: a,
        x=lambda a, b, c, d: a + b,
    ),
    Template(
        "{n1} found {a} {t} in the morning and {b} in the afternoon. How many {t} did {n1} find that day?",
        lambda a, b, c, d: a + b,
    ),
    Template(
        "{n1} has {x} {t}. {n2} has {b} fewer than {n1}. How many {t} does {n2} have?",
        lambda a, b, c, d: a,
        x=lambda a, b, c, d: a + b,
    ),
    Template(
        "A {p} held {x} {t}. After {n1} took some out, {b} were left. How many {t} did {n1} take?",
        lambda a, b, c, d: a,
        x=lambda a, b, c, d: a + b,
    ),
)
TWO_STEPS = (
    Template(
        "{n1} fills {c} {ps} with {d} {t} each and has {b} {t} left over. How many {t} are there in all?",
        lambda a, b, c, d: c * d + b,
    ),
    Template(
        "{n1} had {x} {t}, lost {b} of them and then found {c}. How many {t} does {n1} have in the end?",
        lambda a, b, c, d: a + c,
        x=lambda a, b, c, d: a + b,
    ),
    Template(
        "{n1} has {a} {t}. {n2} has {b} more than {n1}. How many {t} do they have together?",
        lambda a, b, c, d: 2 * a + b,
    ),
    Template(
        "{n1} and {n2} pick {x} {t}, put {b} aside and share the rest equally. How many {t} does each of the two get?",
        lambda a, b, c, d: a,
        x=lambda a, b, c, d: 2 * a + b,
    ),
    Template(
        "A {p} of {t} costs {c} coins. {n1} buys {d} {ps} and pays with {x} coins. How many coins does {n1} get back?",
        lambda a, b, c, d: b,
        x=lambda a, b, c, d: c * d + b,
    ),
    Template(
        "{n1} finds {a} {t} on Monday, {b} on Tuesday and {c} on Wednesday. How many {t} does {n1} find in these days?",
        lambda a, b, c, d: a + b + c,
    ),
    Template(
        "{x} {t} lie in {c} equal rows. {n1} takes away one whole row. How many {t} are still there?",
        lambda a, b, c, d: a * c - a,
        x=lambda a, b, c, d: a * c,
    ),
    Template(
        "{n1} reads {c} pages a day for {d} days. The book has {x} pages. How many pages are left to read?",
        lambda a, b, c, d: b,
        x=lambda a, b, c, d: c * d + b,
    ),
)
THREE_STEPS = (
    Template(
        "{n1} packs {c} {ps} with {d} {t} each. {n2} packs {b} {t} more than {n1}. How many {t} do they pack together?",
        lambda a, b, c, d: 2 * c * d + b,
    ),
    Template(
        "A shop had {x} {t}. It sold {c} {ps} of {d} {t} each, and then {b} single {t}. How many {t} has it left?",
        lambda a, b, c, d: a,
        x=lambda a, b, c, d: a + b + c * d,
    ),
    Template(
        "{n1} saves {c} coins a week for {d} weeks, and {n2} adds {b} coins. Together they buy a game for {x} coins. "
        "How many coins are left?",
        lambda a, b, c, d: a,
        x=lambda a, b, c, d: c * d + b - a,
    ),
    Template(
        "{n1} has {a} {t}. {n2} has {c} times as many as {n1}. {n3} has {b} more than {n2}. "
        "How many {t} do the three have together?",
        lambda a, b, c, d: a + 2 * a * c + b,
    ),
    Template(
        "{n1} finds {d} {t} on each of {c} days. There were {b} {t} before, and {n2} takes {a} of them all away. "
        "How many {t} are there at the end?",
        lambda a, b, c, d: c * d + b - a,
        x=lambda a, b, c, d: c * d + b - a,
    ),
    Template(
        "{x} {t} are shared equally among {c} children. Each of them had {d} {t} already. "
        "How many {t} do two of the children have together now?",
        lambda a, b, c, d: 2 * (a + d),
        x=lambda a, b, c, d: a * c,
    ),
)
TEMPLATES = {1: ONE_STEP, 2: ONE_STEP, 3: TWO_STEPS, 4: TWO_STEPS, 5: THREE_STEPS}


def story(level: int, rng: random.Random) -> Problem:
    low, high, small, large = RANGES[level]
    template = rng.choice(TEMPLATES[level])
    while True:
        a, b, c, d = (
            rng.randint(low, high),
            rng.randint(low, high),
            rng.randint(small, large),
            rng.randint(small, large),
        )
        x = template.x(a, b, c, d)
        if x >= 1:
            break
    numbers = {"a": a, "b": b, "c": c, "d": d, "x": x}
    n1, n2, n3 = rng.sample(NAMES, 3)
    place, places = rng.choice(HOLDERS)
    words = {"n1": n1, "n2": n2, "n3": n3, "t": rng.choice(THINGS), "p": place, "ps": places}
    core = template.text.format(**numbers, **dict.fromkeys(words, "_"))
    return Problem(template.text.format(**numbers, **words), template.answer(a, b, c, d), core)
