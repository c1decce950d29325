r"""Residue classes, families over the integers and lines with a parameter, in any notation."""

from __future__ import annotations

import pytest
from dqdata_operators.lib.maths import compare
from hypothesis import given, settings
from hypothesis import strategies as st

repeatable = settings(derandomize=True, deadline=None, max_examples=60, database=None)
Z = r"\in \mathbb{Z}"


def verdict(reference: str, answer: str) -> str:
    return compare(reference=reference, response=rf"\boxed{{{answer}}}").verdict


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"n \text{ is even}", f"n = 2k, k {Z}"),
        (r"n \text{ odd}", f"n = 2k - 3, k {Z}"),
        (r"\text{all even integers}", f"2k, k {Z}"),
        (r"\text{all multiples of } 6", rf"\{{6k : k {Z}\}}"),
        (r"7 \mid n", r"n \equiv 0 \pmod 7"),
        (r"7 \mid n", "n = 7k"),
        (r"3 \nmid n", r"n = 3k \pm 1"),
        (r"n \text{ is not divisible by } 3", r"n \not\equiv 0 \pmod 3"),
        (r"n \equiv 2 \pmod 3 \text{ and } n \equiv 3 \pmod 5", r"n \equiv 8 \pmod{15}"),
        (r"n \equiv 1 \pmod 4 \text{ or } n \equiv 3 \pmod 4", r"n \text{ is odd}"),
        (f"x = k\\pi, k {Z}", f"x = 180^\\circ n, n {Z}"),
        (f"x = k\\pi, k {Z}", rf"x = 2k\pi \text{{ or }} x = \pi + 2k\pi, k {Z}"),
        (rf"x = (-1)^k \frac{{\pi}}{{6}} + k\pi, k {Z}", rf"x = \frac{{\pi(3 \pm 2)}}{{6}} + 2\pi n, n {Z}"),
        ("n是偶数", "n = 2k, k是整数"),
        (r"(t, 2t), t \in \mathbb{R}", r"(1 - s, 2 - 2s), s \in \mathbb{R}"),
        (f"(2k, 3k), k {Z}", f"(-2m, -3m), m {Z}"),
    ],
)  # fmt: skip
def test_the_same_set_in_two_notations(one: str, other: str) -> None:
    assert verdict(one, other) == verdict(other, one) == "correct"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"n \text{ is even}", f"n = 2k + 1, k {Z}"),
        (r"n \text{ is even}", f"n = 4k, k {Z}"),
        (r"n \text{ is even}", f"m = 2k, k {Z}"),
        (r"\text{all multiples of } 6", rf"\{{3k : k {Z}\}}"),
        (r"7 \mid n", r"n \equiv 7 \pmod{14}"),
        (r"3 \nmid n", r"n \equiv 1 \pmod 3"),
        (r"n \equiv 2 \pmod 3 \text{ and } n \equiv 3 \pmod 5", r"n \equiv 7 \pmod{15}"),
        (f"x = k\\pi, k {Z}", f"x = 2k\\pi, k {Z}"),
        (f"x = 60^\\circ + 360^\\circ k, k {Z}", rf"x = \frac{{\pi}}{{6}} + 2\pi n, n {Z}"),
        (r"2k + 1, k \in \mathbb{Z}^+", r"2k - 3, k \in \mathbb{Z}^+"),
        (r"(t, 2t), t \in \mathbb{R}", r"(s, 2s + 1), s \in \mathbb{R}"),
        (f"(k, k), k {Z}", f"(2k, 2k), k {Z}"),
        ("a_n = 2n - 1", "a_n = 2n + 1"),
        (r"f(n) = 2n", r"f(n) = 2n + 2"),
    ],
)
def test_another_set(one: str, other: str) -> None:
    assert verdict(one, other) == verdict(other, one) == "incorrect"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"x = 45^\circ + 180^\circ n", r"x = 225^\circ + 180^\circ k"),  # nobody says that n is whole
        (r"n \text{ is even}", r"n = 2k, k \in \mathbb{N}"),  # whether n is positive
        (r"2k + 1, k \in \mathbb{N}_0", r"2k - 1, k \in \mathbb{N}"),  # whether N has zero
    ],
)
def test_what_the_texts_do_not_say_is_undecided(one: str, other: str) -> None:
    assert verdict(one, other) == verdict(other, one) == "unverifiable"


@repeatable
@given(st.integers(2, 40), st.integers(-60, 60), st.integers(-60, 60))
def test_a_congruence_is_its_family(modulus: int, residue: int, other: int) -> None:
    family = f"n = {modulus}k + {other}, k {Z}".replace("+ -", "- ")
    expected = "correct" if (residue - other) % modulus == 0 else "incorrect"
    assert verdict(rf"n \equiv {residue} \pmod{{{modulus}}}", family) == expected


@repeatable
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 11))
def test_a_family_is_the_union_of_its_parts(step: int, parts: int, start: int) -> None:
    whole = f"x = {step}k + {start}, k {Z}"
    united = r" \text{ or } ".join(f"x = {step * parts}k + {start + step * n}" for n in range(parts)) + f", k {Z}"
    assert verdict(whole, united) == "correct"
    if parts > 1:
        missing = united.split(r" \text{ or } ", 1)[1]
        assert verdict(whole, missing) == "incorrect"
