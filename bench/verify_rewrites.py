"""Rewrites of a reference that say the same in another notation, unit, order or sentence."""

from __future__ import annotations

import random
import re
from fractions import Fraction

from verify_references import FRACTION, NOUNS, Make, Pair, box, items, whole

UNITS = [("km", "m", 1000), ("hours", "minutes", 60), ("kg", "g", 1000), ("feet", "inches", 12), ("m^2", "cm^2", 10**4),
         ("m/s", "km/h", Fraction(18, 5)), ("L", "mL", 1000), ("kJ", "J", 1000), ("days", "hours", 24)]  # fmt: skip
SAME: dict[str, Make] = {}


def same(make: Make) -> Make:
    SAME[make.__name__] = make
    return make


@same
def boxed_as_it_is(ref: str, dice: random.Random) -> Pair | None:
    return ref, box(ref)


@same
def spacing_and_style(ref: str, dice: random.Random) -> Pair | None:
    styled = ref.replace("\\frac", "\\dfrac").replace("\\left", "").replace("\\right", "").replace(",", ",\\, ")
    return ref, box(f"\\displaystyle {styled}\\,")


@same
def fraction_as_decimal(ref: str, dice: random.Random) -> Pair | None:
    if not (match := FRACTION.match(ref)):
        return None
    value = Fraction(int(match[2]), int(match[3]))
    digits = next((d for d in range(1, 7) if value * 10**d == int(value * 10**d)), None)
    return (ref, box(f"{match[1]}{float(value)}")) if digits else None


@same
def fraction_in_a_line(ref: str, dice: random.Random) -> Pair | None:
    return (ref, f"The answer is {m[1]}{m[2]}/{m[3]}.") if (m := FRACTION.match(ref)) else None


@same
def fraction_not_reduced(ref: str, dice: random.Random) -> Pair | None:
    k = dice.randint(2, 6)
    return (ref, box(f"{m[1]}\\frac{{{int(m[2]) * k}}}{{{int(m[3]) * k}}}")) if (m := FRACTION.match(ref)) else None


@same
def repeating_decimal(ref: str, dice: random.Random) -> Pair | None:
    match = FRACTION.match(ref)
    if not match or int(match[3]) not in (3, 9, 11, 33, 99):
        return None
    value = Fraction(int(match[2]), int(match[3]))
    rest = value - int(value)
    return ref, box(f"{match[1]}{int(value)}.\\overline{{{int(rest * 99):02}}}")


@same
def thousands(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref, 1000)
    mark = dice.choice([",", "{,}", "\\,", " "])
    return None if n is None else (ref, box(f"{n:,}".replace(",", mark)))


@same
def hashes_and_prose(ref: str, dice: random.Random) -> Pair | None:
    tail = dice.choice(["to tile the floor", "in all", "for the whole week", "that are left in the jar"])
    return None if whole(ref) is None else (ref, f"We add them up.\n#### {ref} {dice.choice(NOUNS)} {tail}")


@same
def sentence_with_one_number(ref: str, dice: random.Random) -> Pair | None:
    return None if whole(ref) is None else (ref, f"We add.\nTherefore, she has {ref} {dice.choice(NOUNS)} left.")


@same
def bold_sentence(ref: str, dice: random.Random) -> Pair | None:
    return None if whole(ref) is None else (ref, f"**Hence there are {ref} {dice.choice(NOUNS)} in the box.**")


@same
def bold_number_among_others(ref: str, dice: random.Random) -> Pair | None:
    k = dice.randint(2, 9)
    return None if whole(ref, 10) is None else (ref, f"So the {k} friends share **{ref}** {dice.choice(NOUNS)}.")


@same
def markers(ref: str, dice: random.Random) -> Pair | None:
    form = dice.choice(["Answer: {}", "**Final Answer:** {}", "The answer is ${}$.", "<answer>{}</answer>",
                        '{{"answer": "{}"}}', "【答案】{}", "Antwort: {}"])  # fmt: skip
    return None if whole(ref) is None else (ref, "We compute.\n" + form.format(ref))


@same
def equation_in_prose(ref: str, dice: random.Random) -> Pair | None:
    n, k = whole(ref), dice.randint(1, 40)
    return None if n is None or n < k + 1 else (ref, f"Together they have {n - k} + {k} = {n} {dice.choice(NOUNS)}.")


@same
def in_words(ref: str, dice: random.Random) -> Pair | None:
    small = "two three four five six seven eight nine ten eleven twelve".split()
    n = whole(ref, 2, 12)
    return (ref, box(f"\\text{{{small[n - 2]}}}")) if n is not None and n > 1 else None


@same
def noun_on_one_side(ref: str, dice: random.Random) -> Pair | None:
    noun = dice.choice(NOUNS)
    return None if whole(ref) is None else (f"{ref} {noun}", box(ref)) if dice.random() < 0.5 else (
        ref, box(f"{ref} \\text{{ {noun}}}"))  # fmt: skip


@same
def money(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref, 2, 10**5)
    return (
        None
        if n is None or n < 0
        else (f"\\${n}", box(dice.choice([f"{n} \\text{{ dollars}}", f"{100 * n} \\text{{ cents}}", f"\\${n}.00"])))
    )


@same
def other_unit(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref, 2, 10**5)
    big, small, factor = dice.choice(UNITS)
    value = None if n is None else n * Fraction(factor)
    text = "" if value is None else str(value) if value.denominator == 1 else str(float(value))
    return None if n is None else (f"{n} \\text{{ {big}}}", box(f"{text} \\text{{ {small}}}"))


@same
def named_value(ref: str, dice: random.Random) -> Pair | None:
    if whole(ref) is None and not FRACTION.match(ref):
        return None
    return ref, box(f"{dice.choice(['x', 'AB', 'f(2)', 'S', 'a_5', 'P(A)'])} = {ref}")


@same
def worked_out(ref: str, dice: random.Random) -> Pair | None:
    n, k = whole(ref), dice.randint(2, 9)
    return None if n is None else (ref, box(f"\\frac{{{n * k}}}{{{k}}} = {n}"))


@same
def other_order(ref: str, dice: random.Random) -> Pair | None:
    return None if (parts := items(ref)) is None else (ref, box(", ".join(reversed(parts))))


@same
def as_a_set(ref: str, dice: random.Random) -> Pair | None:
    return None if (parts := items(ref)) is None else (ref, box("\\{" + ", ".join(parts) + "\\}"))


@same
def named_pair(ref: str, dice: random.Random) -> Pair | None:
    match = re.fullmatch(r"(?:\\left)?\(([^(),]+),([^(),]+?)(?:\\right)?\)", ref)
    return (ref, box(f"y = {match[2]},\\ x = {match[1]}")) if match else None


@same
def interval_as_inequality(ref: str, dice: random.Random) -> Pair | None:
    match = re.fullmatch(r"([\[(])([^,]+),([^,]+)([\])])", ref.replace("\\left", "").replace("\\right", ""))
    if not match or (match[1], match[4]) == ("(", ")") or "infty" in ref:
        return None
    low, high = ("\\le" if match[1] == "[" else "<"), ("\\le" if match[4] == "]" else "<")
    return ref, box(f"{match[2]} {low} x {high} {match[3]}")


@same
def percent(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref, 2, 100)
    return None if n is None else (f"{n}\\%", box(dice.choice([str(n), f"{n} \\text{{ percent}}", f"{n / 100}"])))


@same
def sum_turned(ref: str, dice: random.Random) -> Pair | None:
    match = re.fullmatch(r"((?:[0-9a-z]|\\sqrt\{?[0-9]+\}?)+)\s*([+-])\s*((?:[0-9a-z]|\\sqrt\{?[0-9]+\}?)+)", ref)
    return (ref, box(f"{'-' if match[2] == '-' else ''}{match[3]} + {match[1]}")) if match else None


@same
def half_a_unit(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref, 2, 500)
    return None if n is None or n < 0 else (f"{n}.5 hours", f"It takes {n} and a half hours.")


@same
def aside(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref, 2, 10**5)
    return None if n is None or n < 0 else (ref, f"There are {n} ways in total (from {n + 5} cards).")


@same
def counts_in_prose(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref, 2, 10**4)
    return None if n is None or n < 0 else (f"{n} chickens and {n + 3} cows", f"She has {n + 3} cows and {n} chickens.")
