"""Near misses of a reference: a sign, a digit, a unit, an order, a name, a connective or a bound is another."""

from __future__ import annotations

import random
import re
from fractions import Fraction

from verify_references import FRACTION, NOUNS, Make, Pair, box, items, whole

WORDS = [("boys", "girls"), ("increase", "decrease"), ("profit", "loss"), ("north", "south"), ("men", "women"),
         ("days early", "days late"), ("apples", "pears"), ("km east", "km west"), ("March", "April")]  # fmt: skip
NEAR: dict[str, Make] = {}


def near(make: Make) -> Make:
    NEAR[make.__name__] = make
    return make


@near
def sign(ref: str, dice: random.Random) -> Pair | None:
    if not (whole(ref) or FRACTION.match(ref) or re.fullmatch(r"-?[0-9]*\\sqrt\{?[0-9]+\}?", ref)):
        return None
    return ref, box(ref[1:] if ref.startswith("-") else f"-{ref}")


@near
def one_digit(ref: str, dice: random.Random) -> Pair | None:
    places = [m.start() for m in re.finditer("[0-9]", ref)]
    if not places or "begin" in ref:
        return None
    at = dice.choice(places)
    changed = ref[:at] + str((int(ref[at]) + dice.randint(1, 8)) % 10) + ref[at + 1 :]
    return (ref, box(changed)) if _differs(ref, changed) else None


def _differs(a: str, b: str) -> bool:
    """Not merely another notation: \\frac{0}{5} and \\frac{0}{7}."""
    numbers = [re.findall("[0-9]+", text) for text in (a, b)]
    return [n.lstrip("0") for n in numbers[0]] != [n.lstrip("0") for n in numbers[1]] and "{0}" not in a + b


@near
def thousandth(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref, 1, 999)
    return None if n is None or n < 0 else (f"{n},000", box(str(n)))


@near
def reciprocal(ref: str, dice: random.Random) -> Pair | None:
    match = FRACTION.match(ref)
    return (ref, box(f"{match[1]}\\frac{{{match[3]}}}{{{match[2]}}}")) if match and match[2] != match[3] else None


@near
def rounded_to_two_digits(ref: str, dice: random.Random) -> Pair | None:
    match = FRACTION.match(ref)
    value = Fraction(int(match[2]), int(match[3])) if match else None
    return (ref, box(f"{match[1]}{float(value):.2f}")) if match and value and value < 10 and value * 100 % 1 else None


@near
def unit_swapped(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref)
    a, b = dice.sample(["km", "m", "m/s", "km/h", "hours", "minutes", "kg", "m^2", "cm^3", "dollars", "cents", "J"], 2)
    return None if n is None else (f"{n} \\text{{ {a}}}", box(f"{n} \\text{{ {b}}}"))


@near
def currency_swapped(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref)
    a, b = dice.sample(["\\$", "€", "£", "¥"], 2)
    return None if n is None or n < 0 else (f"{a}{n}", box(f"{b}{n}"))


@near
def word_swapped(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref, 2, 30)
    a, b = dice.choice(WORDS)
    return None if n is None or n < 0 else (f"{n} {a}", box(f"{n} \\text{{ {b}}}"))


@near
def counts_swapped(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref, 2, 10**4)
    a, b = dice.sample(NOUNS, 2)
    return None if n is None else (f"{n} {a}, {n + 3} {b}", box(f"{n + 3} {a}, {n} {b}"))


@near
def name_swapped(ref: str, dice: random.Random) -> Pair | None:
    a, b = dice.choice(
        [("AB", "CD"), ("f(2)", "f(3)"), ("a_3", "a_4"), ("x", "y"), ("P(A)", "P(B)"), ("\\angle A", "\\angle C")]
    )
    return None if whole(ref) is None else (f"{a} = {ref}", box(f"{b} = {ref}"))


@near
def parts_swapped(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref)
    return None if n is None else (f"(a) {n} (b) {n + 1}", box(f"(a) {n + 1} \\quad (b) {n}"))


@near
def pair_swapped(ref: str, dice: random.Random) -> Pair | None:
    match = re.fullmatch(r"(?:\\left)?\(([^(),]+),([^(),]+?)(?:\\right)?\)", ref)
    return (ref, box(f"({match[2]}, {match[1]})")) if match and match[1].strip() != match[2].strip() else None


@near
def bracket_opened(ref: str, dice: random.Random) -> Pair | None:
    plain = ref.replace("\\left", "").replace("\\right", "")
    match = re.fullmatch(r"([\[(])([^,()\[\]]+),([^,()\[\]]+)([\])])", plain)
    if not match or (match[4] == ")" and match[1] == "("):
        return None
    return ref, box(f"({match[2]},{match[3]})")


@near
def interval_as_its_ends(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref)
    return None if n is None else (f"{n} < x < {n + 2}", box(f"x = {n}, x = {n + 2}"))


@near
def variable_of_inequality(ref: str, dice: random.Random) -> Pair | None:
    return None if whole(ref) is None else (f"x > {ref}", box(f"t > {ref}"))


@near
def connective_of_inequalities(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref)
    return None if n is None else (f"x < {n} or x > {n + 5}", box(f"x < {n} \\text{{ and }} x > {n + 5}"))


@near
def strictness(ref: str, dice: random.Random) -> Pair | None:
    return None if whole(ref) is None else (f"x > {ref}", box(f"x \\ge {ref}"))


@near
def equation_for_its_right_side(ref: str, dice: random.Random) -> Pair | None:
    left = dice.choice(["\\frac{1}{x}", "x^2", "2x", "x + 1", "\\sqrt{x}"])
    return None if whole(ref) is None else (ref, box(f"{left} = {ref}"))


@near
def more_than(ref: str, dice: random.Random) -> Pair | None:
    word = dice.choice(["more than", "less than", "at least", "negative"])
    return None if (n := whole(ref)) is None or n < 0 else (ref, box(f"\\text{{{word} }} {n}"))


@near
def one_of_two(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref)
    return None if n is None else (ref, box(f"{n + dice.randint(1, 9)} \\text{{ or }} {n}"))


@near
def item_missing(ref: str, dice: random.Random) -> Pair | None:
    return None if (parts := items(ref)) is None else (ref, box(", ".join(parts[:-1])))


@near
def multiplicity(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref)
    return None if n is None else (f"{n}, {n}, {n + 1}", box(f"{n}, {n + 1}, {n + 1}"))


@near
def root_in_prose(ref: str, dice: random.Random) -> Pair | None:
    k = dice.randint(2, 9)
    n = whole(ref, 2, 1000)
    return None if n is None or n < 0 or k * k == n else (ref, f"Thus, the side is {k}√{n} centimeters.")


@near
def given_in_the_sentence(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref, 10, 10**5)
    return None if n is None or n < 0 else (ref, f"She can make {n + 7} pairs from the {n} cards on the table.")


@near
def contradicts_itself(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref)
    return None if n is None else (ref, box(f"{n} + 1 = {n}"))


@near
def exponent(ref: str, dice: random.Random) -> Pair | None:
    match = re.search(r"\^\{?([0-9])\}?", ref)
    return (ref, box(ref[: match.start(1)] + str(int(match[1]) + 1) + ref[match.end(1) :])) if match else None


@near
def counts_in_prose_swapped(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref, 2, 10**4)
    return None if n is None or n < 0 else (f"{n} chickens and {n + 3} cows", f"She has {n} cows and {n + 3} chickens.")


@near
def below_zero(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref, 1, 1000)
    return None if n is None or n < 0 else (ref, f"The temperature is {n} degrees below zero.")


@near
def denied_by_contraction(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref, 1, 10**5)
    return None if n is None or n < 0 else (ref, f"Hence the number of cards can't be {n}.")


@near
def per_another_time(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref, 1, 10**4)
    return None if n is None or n < 0 else (f"{n} hours per week", box(f"{n} hours per day"))


@near
def inequality_in_prose(ref: str, dice: random.Random) -> Pair | None:
    n = whole(ref, 1, 10**4)
    return None if n is None or n < 0 else (rf"x \le {n}", f"So x < {n}.")
