r"""Rewrites of real references that must be accepted, near misses that must not, beside Math-Verify in the same run.

    python bench/verify_metamorphic.py [--data ../shared/data] [--each 150] [--seed 1] [--show accepted|rejected]

References: GSM8K (whole numbers), MATH-500 (LaTeX) and AIME 2025. A rewrite says the same in another notation, unit,
order or sentence; a near miss changes one thing: a sign, a digit, a unit, an order, a name, a connective, a bound. Each
line of the table is one transformation; an undecided answer is neither accepted nor rejected. --show prints every
rewrite that was not accepted, or every near miss that was.
"""

from __future__ import annotations

import argparse
import collections
import json
import logging
import random
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import polars as pl
from dqdata_operators.lib.maths import compare
from dqdata_operators.lib.maths.structure import read
from math_verify import parse, verify

Pair = tuple[str, str]
Make = Callable[[str, random.Random], Pair | None]

NOUNS = "apples books marbles students tickets pages coins stamps cards chairs".split()
SAME: dict[str, Make] = {}
NEAR: dict[str, Make] = {}
INTEGER = re.compile(r"-?[0-9]+\Z")
FRACTION = re.compile(r"(-?)\\[dt]?frac\{([0-9]+)\}\{([0-9]+)\}\Z")


def same(make: Make) -> Make:
    SAME[make.__name__] = make
    return make


def near(make: Make) -> Make:
    NEAR[make.__name__] = make
    return make


def box(text: str) -> str:
    return f"So we get \\boxed{{{text}}}."


def whole(text: str, least: int = 2, most: int = 10**6) -> int | None:
    return int(text) if INTEGER.match(text) and least <= abs(int(text)) <= most else None


def items(text: str) -> list[str] | None:
    parts = [part.strip() for part in text.split(",")]
    grouped = re.fullmatch(r"[^A-Za-z]*[0-9]{1,3}(,(\\!)?[0-9]{3})+", text)
    listed = len(parts) > 1 and len(set(parts)) == len(parts) and not grouped
    return parts if listed and not re.search(r"[()\[\]{}]", text) else None


# the same


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


UNITS = [("km", "m", 1000), ("hours", "minutes", 60), ("kg", "g", 1000), ("feet", "inches", 12), ("m^2", "cm^2", 10**4),
         ("m/s", "km/h", Fraction(18, 5)), ("L", "mL", 1000), ("kJ", "J", 1000), ("days", "hours", 24)]  # fmt: skip


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


# near misses


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


WORDS = [("boys", "girls"), ("increase", "decrease"), ("profit", "loss"), ("north", "south"), ("men", "women"),
         ("days early", "days late"), ("apples", "pears"), ("km east", "km west"), ("March", "April")]  # fmt: skip


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


def references(data: Path) -> dict[str, list[str]]:
    gsm8k = pl.read_ndjson(data / "gsm8k_test.jsonl").to_dicts()
    found = [str(row.get("answer", "")).rpartition("####")[2].strip().replace(",", "") for row in gsm8k]
    math = [json.loads(line)["answer"] for line in (data / "math500.jsonl").open()]
    aime = [str(json.loads(line).get("answer")) for line in (data / "aime25.jsonl").open()]
    return {"GSM8K": [ref for ref in found if ref], "MATH-500": math, "AIME": aime}


def ours(pair: Pair) -> str:
    return compare(reference=pair[0], response=pair[1]).verdict


def theirs(pair: Pair) -> str:
    return "correct" if verify(parse(f"${pair[0]}$"), parse(pair[1])) else "incorrect"


def made(make: Make, refs: list[str], each: int, dice: random.Random) -> Iterator[Pair]:
    count = 0
    for ref in dice.sample(refs, len(refs)):
        pair = make(ref, dice)
        if pair is not None:
            yield pair
            count += 1
            if count >= each:
                return


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    arguments.add_argument("--each", type=int, default=150, help="pairs of one transformation")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--show", choices=["accepted", "rejected"])
    options = arguments.parse_args()
    logging.disable(logging.CRITICAL)
    refs = [ref for group in references(options.data).values() for ref in dict.fromkeys(group)]
    for title, makes in (("must be accepted", SAME), ("must not be accepted", NEAR)):
        print(f"\n{title:30} {'pairs':>6} {'accepted':>9} {'undecided':>10} {'Math-Verify accepts':>20}")
        total: collections.Counter[str] = collections.Counter()
        for name, make in makes.items():
            read.cache_clear()
            pairs = list(made(make, refs, options.each, random.Random(f"{options.seed} {name}")))
            verdicts = [ours(pair) for pair in pairs]
            count = {
                "pairs": len(pairs), "accepted": verdicts.count("correct"), "undecided": verdicts.count("unverifiable"),
                "theirs": [theirs(pair) for pair in pairs].count("correct"),
            }  # fmt: skip
            total.update(count)
            _line(name.replace("_", " "), count)
            for pair, verdict in zip(pairs, verdicts, strict=True):
                if options.show == ("rejected" if makes is SAME else "accepted") and (verdict == "correct") != (
                    makes is SAME
                ):
                    print(f"    {verdict}: {pair[0]} | {pair[1]}")
        _line("all", total)


def _line(name: str, count: dict[str, int] | collections.Counter[str]) -> None:
    print(f"{name:30} {count['pairs']:6} {count['accepted']:9} {count['undecided']:10} {count['theirs']:20}")


if __name__ == "__main__":
    main()
