r"""The principles of comparison as properties: equal rewrites are accepted, near misses are not, nothing raises."""

from __future__ import annotations

import sys
from fractions import Fraction

import pytest
from dqdata_operators.lib.maths import Judgement, compare
from dqdata_operators.lib.maths.units import unit_of
from hypothesis import given, settings
from hypothesis import strategies as st

repeatable = settings(derandomize=True, deadline=None, max_examples=50, database=None)

WHOLE = st.integers(2, 10**6)
SMALL = st.integers(2, 99)
UNITS = st.sampled_from("km m cm feet inches hours minutes seconds kg g L mL m/s km/h g/cm^3 kJ J dollars m^2".split())
NAMES = st.sampled_from(["x", "y", "AB", "CD", "f(2)", "f(3)", "a_1", "a_2", "P(A)", "P(B)", r"\angle A", r"\angle B"])
CONTRASTS = st.sampled_from(
    "boys/girls increase/decrease profit/loss north/south early/late men/women March/April apples/pears".split()
)
BRACKETS = st.sampled_from(["()", "[]", "[)", "(]"])


def verdict(reference: str, answer: str, question: str | None = None) -> str:
    return compare(reference=reference, response=rf"\boxed{{{answer}}}", question=question).verdict


@repeatable
@given(WHOLE)
def test_grouped_digits_have_one_reading(n: int) -> None:
    assert verdict(str(n), f"{n:,}") == "correct"
    if n >= 1000:
        assert verdict(f"{n:,}", str(n / 1000)) == "incorrect"


@repeatable
@given(WHOLE, UNITS, UNITS)
def test_units_convert_within_a_dimension_and_contradict_across(n: int, one: str, other: str) -> None:
    a, b = unit_of(one), unit_of(other)
    assert a is not None and b is not None
    if a.dims != b.dims:
        assert verdict(rf"{n} \text{{ {one}}}", rf"{n} \text{{ {other}}}") == "incorrect"
        return
    converted = Fraction(n) * a.factor / b.factor
    text = rf"\frac{{{converted.numerator}}}{{{converted.denominator}}}"
    assert verdict(rf"{n} \text{{ {one}}}", rf"{text} \text{{ {other}}}") == "correct"
    assert (verdict(rf"{n} \text{{ {one}}}", rf"{n} \text{{ {other}}}") == "correct") == (a.factor == b.factor)


@repeatable
@given(WHOLE, UNITS)
def test_what_one_side_lacks_is_dropped(n: int, unit: str) -> None:
    assert verdict(str(n), rf"{n} \text{{ {unit}}}") == verdict(rf"{n} \text{{ {unit}}}", str(n)) == "correct"


@repeatable
@given(st.integers(2, 30), CONTRASTS)
def test_words_that_exclude_each_other(n: int, words: str) -> None:
    one, other = words.split("/")
    assert verdict(f"{n} {one}", f"{n} {other}") == "incorrect"
    assert verdict(f"{n} {one}", f"{n} {one}") == "correct"


@repeatable
@given(WHOLE, NAMES, NAMES)
def test_names_agree(n: int, one: str, other: str) -> None:
    assert verdict(f"{one} = {n}", f"{other} = {n}") == ("correct" if one == other else "incorrect")
    assert verdict(str(n), f"{one} = {n}") == "correct"


@repeatable
@given(st.lists(st.integers(-50, 50), min_size=2, max_size=4, unique=True))
def test_named_values_go_by_name(values: list[int]) -> None:
    pairs = [f"{name} = {value}" for name, value in zip("abpq", values, strict=False)]
    assert verdict(", ".join(pairs), ", ".join(reversed(pairs))) == "correct"
    moved = [f"{name} = {value}" for name, value in zip("abpq", values[1:] + values[:1], strict=False)]
    assert verdict(", ".join(pairs), ", ".join(moved)) == "incorrect"


@repeatable
@given(WHOLE, SMALL)
def test_parts_go_by_label(a: int, more: int) -> None:
    b = a + more
    assert verdict(f"(a) {a} (b) {b}", rf"\text{{(a) }} {a} \quad \text{{(b) }} {b}") == "correct"
    assert verdict(f"(a) {a} (b) {b}", rf"(a) {b} \quad (b) {a}") == "incorrect"


@repeatable
@given(st.lists(st.integers(-50, 50), min_size=2, max_size=5, unique=True))
def test_lists_in_any_order_and_tuples_in_one(values: list[int]) -> None:
    forward, backward = (", ".join(map(str, some)) for some in (values, values[::-1]))
    assert verdict(forward, backward) == "correct"
    assert verdict(f"({forward})", f"({backward})") == "incorrect"
    assert verdict(forward, ", ".join(map(str, values[:-1]))) == "incorrect"


@repeatable
@given(SMALL, SMALL)
def test_multiplicity(a: int, b: int) -> None:
    if a != b:
        assert verdict(f"{a}, {a}, {b}", f"{a}, {b}, {b}") == "incorrect"
        assert verdict(f"x < {a} or x > {a + b}", rf"x < {a} \text{{ and }} x > {a + b}") == "incorrect"


@repeatable
@given(st.integers(-50, 50), st.integers(1, 50), BRACKETS, BRACKETS)
def test_brackets_of_intervals(low: int, width: int, one: str, other: str) -> None:
    a, b = (f"{kind[0]}{low}, {low + width}{kind[1]}" for kind in (one, other))
    assert verdict(a, b) == ("correct" if one == other else "incorrect")
    left, right = (r"\le" if one[0] == "[" else "<"), (r"\le" if one[1] == "]" else "<")
    assert verdict(a, rf"{low} {left} x {right} {low + width}") == "correct"
    assert verdict(f"{low} < x < {low + width}", f"x = {low}, x = {low + width}") == "incorrect"


@repeatable
@given(WHOLE, st.sampled_from([r"\frac{1}{x}", "x^2", "2x", "x + 3", r"\sqrt{x}"]))
def test_a_right_side_is_no_answer_to_an_equation(n: int, left: str) -> None:
    assert verdict(str(n), f"{left} = {n}") == "incorrect"
    assert verdict(str(n), f"{left} = {n}", question=f"What is ${left}$?") == "correct"


@repeatable
@given(st.integers(1, 998), st.integers(1, 3))
def test_repeating_decimals_are_exact(period: int, digits: int) -> None:
    text = str(period % 10**digits).zfill(digits)
    value = Fraction(int(text), 10**digits - 1)
    assert verdict(rf"\frac{{{value.numerator}}}{{{value.denominator}}}", rf"0.\overline{{{text}}}") == "correct"
    assert verdict(rf"0.\overline{{{text}}}", rf"0.0\overline{{{text}}}") == ("incorrect" if value else "correct")


@repeatable
@given(st.integers(2, 100))
def test_percent_is_the_one_exception(n: int) -> None:
    assert verdict(rf"{n}\%", str(n)) == verdict(rf"{n}\%", str(Fraction(n, 100))) == "correct"
    assert verdict(rf"{n}\%", str(Fraction(n, 100)), question="What percent is it?") == "incorrect"
    assert verdict(str(n), rf"{n}\%", question="What is the probability?") == "incorrect"


@repeatable
@given(
    WHOLE, st.sampled_from(["{} boxes in all", "{} to tile the floor", "{} since we add them", "${}.00 for the day"])
)
def test_a_marker_is_followed_by_an_answer_and_prose(n: int, prose: str) -> None:
    assert compare(reference=str(n), response=f"We add.\n#### {prose.format(n)}").verdict == "correct"
    assert compare(reference=str(n + 1), response=f"We add.\n#### {prose.format(n)}").verdict == "incorrect"


@repeatable
@given(WHOLE, WHOLE)
def test_a_sentence_with_two_candidates_is_ambiguous(n: int, other: int) -> None:
    if n != other:
        judged = compare(reference=str(n), response=f"She makes {other} pairs from {n} cards.")
        assert (judged.verdict, judged.reason) == ("unverifiable", "ambiguous")


PIECES = st.lists(
    st.sampled_from(
        [*r"0123456789xyk\{}()[]^_+-*/=<>|,.;:!%$&°'√π三个 ", r"\frac", r"\boxed{", r"\text{", " or ", "####"]
    ),
    max_size=30,
).map("".join)


@settings(repeatable, max_examples=300)
@given(PIECES, PIECES)
def test_no_rule_breaks(reference: str, response: str) -> None:
    for text in (response, rf"\boxed{{{response}}}", rf"\boxed{{{reference}}}"):
        assert not compare(reference=reference, response=text).reason.startswith("error")


def test_an_error_in_a_rule_is_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**named: object) -> bool:
        raise TypeError("cannot create mpf from Fraction(8, 1)")

    monkeypatch.setattr(sys.modules[Judgement.__module__], "equal", broken)
    judged = compare(reference=r"\sin x", response=r"\boxed{\cos x}")
    assert judged.verdict == "unverifiable" and judged.reason.startswith("error: TypeError: cannot create mpf")


@pytest.mark.parametrize("reference", [r"z \pmod |\sqrt[2]{0}|", r"5 \bmod 0", r"x \mod (1-1)"])
def test_what_has_no_value_is_no_error(reference: str) -> None:
    judged = compare(reference=reference, response="The answer is 9,000 boys.")
    assert judged.verdict != "correct" and not judged.reason.startswith("error")
