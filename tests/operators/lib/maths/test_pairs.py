"""Pairs of reference and final answer, in the styles that mathematics sets use, and whether they are the same."""

from __future__ import annotations

import pytest
from dqdata_operators.lib.maths import Tolerance, compare

SAME = [
    # plain numbers
    ("18", "18"),
    ("18", "18.0"),
    ("18", "+18"),
    ("12000", "12,000"),
    ("12000", "$12,000"),
    ("12000", r"\$12,000"),
    ("12000", r"12{,}000"),
    ("12000", r"12\,000"),
    ("10080", r"10,\!080"),
    ("58,500", "58500"),
    ("1234567", "1 234 567"),
    ("0.5", ".5"),
    ("-3", "−3"),
    ("-3", "$-$3"),
    ("5", "5 dollars"),
    ("5", "5 apples"),
    ("5", "5 apples per day"),
    ("18", "$18 per day"),
    ("5", r"5\text{ dollars}"),
    ("12", "twelve"),
    ("21", "twenty-one"),
    ("300", "three hundred"),
    ("1000000", "1 million"),
    ("3", "3rd"),
    ("1e5", "100000"),
    (r"3 \times 10^8", "300000000"),
    ("3e8", r"3 \times 10^{8}"),
    (r"6.02\times10^{23}", "6.02e23"),
    (r"1.5 \cdot 10^{-3}", "0.0015"),
    # fractions, mixed numbers, percentages
    ("1/2", r"\frac{1}{2}"),
    (r"\frac{1}{2}", "0.5"),
    (r"\dfrac{17}{50}", "0.34"),
    (r"\frac43", r"\frac{4}{3}"),
    (r"\frac 59", "5/9"),
    (r"\frac9{19}", "9/19"),
    (r"-\frac{35}{9}", r"\frac{-35}{9}"),
    (r"-\frac{35}{9}", "-35/9"),
    (r"1\frac{4}{5}", "9/5"),
    (r"137 \frac{1}{2}", "137.5"),
    ("1 4/5", "1.8"),
    (r"\frac{6}{4}", r"\frac{3}{2}"),
    (r"\frac{1}{2}", r"\frac{1}{2} or 0.5"),
    (r"\frac{1}{2}", r"\frac{1}{2} = 0.5"),
    (r"\frac{1}{3}", r"\frac{1}{3} \approx 0.33"),
    ("28%", "28"),
    (r"28\%", "28 percent"),
    (r"28\%", "0.28"),
    ("0.28", "28%"),
    (r"33\frac{1}{3}\%", r"\frac{1}{3}"),
    (r"\frac{8}{3}", "2.6667"),
    (r"\pi", "3.14159"),
    ("3.1416", r"\pi"),
    # units
    (r"15\mbox{ cm}^2", "15"),
    ("15", r"15\text{ cm}^2"),
    ("15 cm^2", "15 square centimeters"),
    (r"864 \mbox{ inches}^2", "864"),
    (r"5.4 \text{ cents}", "5.4"),
    (r"5 \text{ cents}", r"\$0.05 \text{ dollars}"),
    (r"2 \text{ hours}", "120 minutes"),
    (r"1.5\text{ km}", r"1500 \mathrm{~m}"),
    (r"90^\circ", "90"),
    (r"90^\circ", "90 degrees"),
    (r"90^{\circ}", "90°"),
    (r"\frac{270}7\text{ degrees}", r"\frac{270}{7}"),
    (r"30^\circ", r"\frac{\pi}{6}"),
    (r"10 \text{ m/s}", r"10\ \mathrm{m}/\mathrm{s}"),
    (r"10", r"10\ \mathrm{m/s}^2"),
    ("5", "5 kg"),
    ("72", r"72\, \text{Mb/h}"),
    (r"-10", r"-10\,\text{°F}"),
    ("130", "2 hours 10 minutes"),
    ("2:00 PM", "2 p.m."),
    ("3:30 p.m.", "3:30 PM"),
    # surds, constants, functions
    (r"3\sqrt{13}", r"\sqrt{117}"),
    (r"11\sqrt2", r"11 \sqrt{2}"),
    (r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt{3}}"),
    (r"11 \sqrt{5} + 11", r"11(1+\sqrt 5)"),
    (r"\frac{3\sqrt{3}}{4}", "3√3/4"),
    (r"3\sqrt{2}", "3sqrt(2)"),
    (r"3\sqrt{2}", "3*sqrt(2)"),
    (r"288 \pi", "288π"),
    (r"288 \pi", "288pi"),
    (r"18+2\pi", r"2(\pi+9)"),
    (r"\frac{20000}{\pi}", r"20000/\pi"),
    (r"2^{10}", "1024"),
    (r"10!", "3628800"),
    (r"\binom{10}{3}", "120"),
    (r"\log_2 8", "3"),
    (r"\ln 4", r"2\ln 2"),
    (r"e^2", r"e \cdot e"),
    (r"\cos 60^\circ", r"\frac12"),
    (r"\sqrt[3]{-8}", "-2"),
    (r"\lfloor 3.7 \rfloor", "3"),
    (r"|{-3}|", "3"),
    # algebra
    (r"2k+2", "2(k+1)"),
    ("p - q", "-q+p"),
    ("x^3+3x-6", r"-6 + 3x + x^{3}"),
    (r"(a+5)(b+2)", "ab+2a+5b+10"),
    (r"\frac{11+9a}{20}", r"\frac{11}{20} + \frac{9a}{20}"),
    (r"\cot x", r"\frac{\cos x}{\sin x}"),
    (r"2 \sin b \cos a", r"\sin(a+b) - \sin(a-b)"),
    (r"\tan^2 y + 1", r"\sec^2 y"),
    ("3R^2", "3 R^2"),
    ("5r^5", r"5 r^{5}"),
    (r"\frac{\pi r}{h+r}", r"\frac{r\pi}{r+h}"),
    (r"n(n+1)/2", r"\frac{n^2+n}{2}"),
    (r"\cos(n\pi)", "(-1)^n"),
    (r"\binom{n}{2}", r"\frac{n(n-1)}{2}"),
    (r"2\ln x", r"\ln x^2"),
    ("6 - 5i", "-5i+6"),
    ("1+274i", "1 + 274 i"),
    ("x^2", "x**2"),
    # equations, names
    ("x=5", "5"),
    ("5", "x = 5"),
    ("5", "$x=5$"),
    ("x=5", r"x = \frac{10}{2}"),
    ("y = 2x + 3", "2x+3"),
    ("y = 2x + 3", "y=3+2x"),
    ("y = -2x", "2x + y = 0"),
    ("5x - 7y + 11z + 4 = 0", "-5x+7y-11z-4=0"),
    ("5x - 7y + 11z + 4 = 0", "5x - 7y + 11z = -4"),
    ("f(x) = x^2", "x^2"),
    ("k", "k"),
    ("5", "2 + 3 = 5"),
    ("5", r"\text{Area} = 5"),
    # several answers
    ("1,-2", "-2, 1"),
    ("1,-2", "x = 1 or x = -2"),
    ("1,-2", r"x = 1 \text{ and } x = -2"),
    ("1,-2", "1 and -2"),
    ("1,-2", r"\{1, -2\}"),
    ("3, 5, 7", "7,5,3"),
    ("3, 5, 7", "3, 5, and 7"),
    (r"1 \pm \sqrt{19}", r"1+\sqrt{19}, 1-\sqrt{19}"),
    (r"1 \pm \sqrt{19}", r"x = 1 \pm \sqrt{19}"),
    (r"\{1\pm\sqrt{5},-2\}", r"-2, 1+\sqrt5, 1-\sqrt5"),
    (r"\pm 3", "3, -3"),
    ("6 and 8", "8, 6"),
    ("144,233,377", "144, 233, 377"),
    ("(2,4), (4,2)", "(4, 2) and (2, 4)"),
    ("x=1, y=2", "(1, 2)"),
    ("(x, y) = (1, 2)", "(1, 2)"),
    # tuples, intervals, sets, inequalities
    (r"\left( 3, \frac{\pi}{2} \right)", r"(3, \frac{\pi}{2})"),
    (r"(3,4]", r"\left(3, 4\right]"),
    (r"(-2,1)", "(-2, 1)"),
    (r"(2,\infty)", "x > 2"),
    (r"x \in [-2,7]", r"-2 \leq x \leq 7"),
    (r"(-\infty, 2) \cup (3, \infty)", r"x < 2 \text{ or } x > 3"),
    (r"(-\infty, 2) \cup (3, \infty)", r"(3, \infty) \cup (-\infty, 2)"),
    (r"(0,9) \cup (9,36)", r"(0, 9) ∪ (9, 36)"),
    ("[1, 2]", "1 ≤ x ≤ 2"),
    (r"(-\sqrt{3}, \sqrt{3})", r"-\sqrt{3} < x < \sqrt{3}"),
    (r"x \neq 3", r"(-\infty,3)\cup(3,\infty)"),
    (r"\mathbb{R}", r"(-\infty, \infty)"),
    ("x > 5", "5 < x"),
    (r"[0, 3]", "[0, 3.0]"),
    # matrices, vectors
    (r"\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix}", r"\begin{bmatrix} -2 \\ -14 \\ -7 \end{bmatrix}"),
    (r"\begin{pmatrix} -1/3 \\ 5/3 \end{pmatrix}", r"\begin{pmatrix} -\frac{1}{3} \\ \frac53 \end{pmatrix}"),
    (r"\begin{pmatrix} -1 & 0 \\ 0 & -1 \end{pmatrix}", r"\left[\begin{array}{cc} -1 & 0\\ 0 & -1 \end{array}\right]"),
    # bases, ratios
    ("52_8", "52_{8}"),
    ("52_8", "52"),
    ("1010", "1010_2"),
    ("4210_{5}", "4210_5"),
    (r"2516_8", r"2516_{\text{eight}}"),
    ("3:4", "3 : 4"),
    ("3:4", "3 to 4"),
    ("3:4", "6:8"),
    ("3:4", r"\frac{3}{4}"),
    # words
    (r"\text{Evelyn}", "Evelyn"),
    (r"\text{Evelyn}", r"\textbf{evelyn}"),
    (r"\text{even}", "even"),
    (r"\text{(C)}", "C"),
    (r"\text{(C)}", "(C)"),
    ("C", r"\text{C}"),
    ("C", "(C) 42"),
    ("C", "C. The sum is 42"),
    ("no solution", "No solutions."),
    ("no solution", r"\emptyset"),
    ("no solution", r"\text{none}"),
    ("infinitely many", "infinitely many solutions"),
    (r"\infty", r"+\infty"),
    ("does not exist", "DNE"),
    ("Yes", r"\text{yes}"),
    ("True", "true"),
    ("December 25", "December 25th"),
    ("Monday", r"\text{Monday}"),
    # sympy's part
    (r"\int_0^1 x\,dx", r"\frac{1}{2}"),
    (r"\sum_{k=1}^{10} k", "55"),
]  # fmt: skip

DIFFERENT = [
    ("18", "19"),
    ("18", "-18"),
    ("18", "18.5"),
    ("1000000", "1000001"),
    ("12000", "12.000.000"),
    ("12", "twelve thousand"),
    ("0.5", "0.05"),
    ("16386.20", "16386.17"),
    ("106", "106.12"),
    ("1/3", "0.3"),
    ("1/3", "0.33"),
    ("36", r"\frac{400}{11}"),
    (r"\pi", "3.14"),
    ("28%", "0.28%"),
    ("0.5", "5%"),
    (r"5 \text{ km}", r"5 \text{ m}"),
    (r"5 \text{ minutes}", "5 hours"),
    (r"5 \text{ dollars}", "5 cents"),
    (r"3 \text{ hours}", "3 miles"),
    (r"3\sqrt{13}", r"\sqrt{13}"),
    (r"4", r"4\sqrt{2}"),
    (r"2", r"\frac{1+\sqrt{5}}{2}"),
    (r"\sqrt{2}", r"\sqrt{3}"),
    ("x^2", "x^3"),
    ("x+1", "x-1"),
    ("x", "|x|"),
    ("2x", "2y"),
    ("x+2n+1", "x+1"),
    ("x = 5", "y = 5"),
    ("y = 2x + 3", "y = 2x - 3"),
    ("x^2 + y^2 = 1", "x^2 + y^2 = 2"),
    ("1,-2", "1"),
    ("1,-2", "1, 2"),
    ("1", "1, -2"),
    ("42", "41 or 42"),
    ("42", r"7 \text{ or } 42"),
    ("42", "1, 2, 3, 42"),
    ("3, 5, 7", "3, 5"),
    (r"1 \pm \sqrt{19}", r"1 + \sqrt{19}"),
    ("(1,2)", "(2,1)"),
    ("(3,1)", r"\{1,3\}"),
    ("[0,1)", "(0,1)"),
    ("[0,1)", "[0,1]"),
    (r"(2,\infty)", r"x \ge 2"),
    ("x > 5", "x < 5"),
    (r"(-\infty, 2) \cup (3, \infty)", r"(2,3)"),
    (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix} 2 \\ 1 \end{pmatrix}"),
    (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", r"\begin{pmatrix} 1 & 3 \\ 2 & 4 \end{pmatrix}"),
    ("52_8", "42"),
    ("52_8", "52_9"),
    ("3:4", "4:3"),
    (r"\text{Evelyn}", "Briana"),
    (r"\text{even}", "odd"),
    ("C", "B"),
    ("C", "(B) C"),
    ("no solution", "0"),
    ("infinitely many", "no solution"),
    ("Yes", "No"),
    ("0", "no"),
    ("3:30 p.m.", "3:30 a.m."),
    ("a+3z = 0", "0"),
    ("R", "r"),
    (r"\int_0^1 x\,dx", r"\frac{1}{3}"),
    ("6 - 5i", "6 + 5i"),
    (r"1\frac{4}{5}", r"\frac{4}{5}"),
    ("2:00 PM", "2:30"),
]  # fmt: skip


@pytest.mark.parametrize(("reference", "answer"), SAME)
def test_same(reference: str, answer: str) -> None:
    assert compare(reference=reference, response=rf"So it is \boxed{{{answer}}}.")[::2] == ("correct", "equal")


@pytest.mark.parametrize(("reference", "answer"), DIFFERENT)
def test_different(reference: str, answer: str) -> None:
    assert compare(reference=reference, response=rf"So it is \boxed{{{answer}}}.").verdict == "incorrect"


@pytest.mark.parametrize(("reference", "answer"), SAME)
def test_same_without_a_box(reference: str, answer: str) -> None:
    assert compare(reference=reference, response=f"We add them up.\nThe answer is {answer}").verdict == "correct"


@pytest.mark.parametrize(
    ("reference", "answer"),
    [("12", "a + b = 12"), ("5 apples", "5 ripe green fruits"), ("1,1", "1"), ("12", r"\\text{at least } 12")],
)
def test_open(reference: str, answer: str) -> None:
    assert compare(reference=reference, response=rf"So it is \boxed{{{answer}}}.").verdict == "unverifiable"


def test_the_question_decides() -> None:
    def verdict(reference: str, answer: str, question: str) -> str:
        return compare(reference=reference, response=rf"\boxed{{{answer}}}", question=question).verdict

    assert verdict("12", "a + b = 12", "What is a + b?") == "correct"
    assert verdict("50", r"50\%", "What percent of them is red?") == "correct"
    assert verdict("50%", "0.5", "What percent of them is red?") == "incorrect"
    assert verdict("0.5", r"50\%", "What is the probability that it rains?") == "correct"
    assert verdict("50", r"50\%", "What is the probability that it rains?") == "incorrect"


def test_tolerances_are_parameters() -> None:
    assert compare(reference="100", response=r"\boxed{101}").verdict == "incorrect"
    assert compare(reference="100", response=r"\boxed{101}", tolerance=Tolerance(rel_tol=0.01)).verdict == "correct"
    assert compare(reference="0.5", response=r"\boxed{0.504}", tolerance=Tolerance(abs_tol=0.005)).verdict == "correct"
    assert compare(reference="1/3", response=r"\boxed{0.3333}").verdict == "correct"
    assert (
        compare(reference="1/3", response=r"\boxed{0.3333}", tolerance=Tolerance(rounded_digits=0)).verdict
        == "incorrect"
    )


@pytest.mark.parametrize(
    "reference", ["", "   ", None, "{", r"\frac{1}{", "???", "$$", r"\boxed{}", r"\boxed{3", r"\asdf{x}"]
)
def test_a_reference_that_cannot_be_read_never_matches(reference: str | None) -> None:
    for response in (rf"\boxed{{{reference}}}", reference, r"\boxed{1}", r"The answer is 1.", ""):
        assert compare(reference=reference, response=response).verdict == "unverifiable"


def test_prose_is_left_to_a_judge() -> None:
    reference = "The midpoints form a regular hexagon"
    assert (
        compare(reference=reference, response=r"\boxed{\text{The midpoints form a regular hexagon.}}").verdict
        == "correct"
    )
    assert (
        compare(reference=reference, response=r"\boxed{\text{They are a hexagon's corners}}").verdict == "unverifiable"
    )


def test_order_of_arguments_cannot_be_confused() -> None:
    with pytest.raises(TypeError):
        compare("1", "1")  # type: ignore[misc]
