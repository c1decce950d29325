r"""Throws generated pairs at verify_math's comparison: none may raise, hang, or be judged against itself as wrong.

    python bench/verify_fuzz.py [--pairs 1000000] [--first 0] [--seed 1] [--seconds 10] [--data ../shared/data]

Three kinds of pairs, a third each: expressions and sentences from a grammar; real references and responses with
characters removed, doubled, swapped or replaced; a generated reference beside itself, which must not be `incorrect`.
Prints rows a second, verdicts, every reason `error` with its pair, every pair that took more CPU than --seconds, and
every answer that differs from itself, every pair of answers that is correct one way round and incorrect the other
(which is no fault: a rule may ask more of a response), a line for each 10,000 pairs. Pair N is the same in every run
of a seed, so --first continues a run that was stopped, or divides one among processes. The exit code is 1 for a fault.
"""

from __future__ import annotations

import argparse
import collections
import json
import logging
import random
import re
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from dqdata_operators.lib.maths import compare

LETTERS = ["x", "y", "n", "k", "a", "C", "\\theta", "\\pi", "e", "i", "AB", "f(x)", "z_1"]
FUNCTIONS = ["\\sin", "\\cos", "\\ln", "\\log_2", "\\sqrt", "\\arctan", "\\exp", "\\lfloor", "\\overline", "\\binom"]
UNITS = ["km", "m/s", "cm^2", "dollars", "°", "%", "hours", "boys", "per day", "°C", "元", "个", "mL", "in", "‰"]
RELATIONS = ["=", "<", ">", "\\le", "\\ne", "\\approx", "\\equiv", "\\in", "\\pmod"]
PIECES = [*"{}()[]\\$^_,;:|&!×−½π√三«»", "\u0305", "\u200b", "\x00"]
PIECES += [
    "\\\\",
    "\\text{",
    "\\frac",
    "...",
    "\\begin{pmatrix}",
    "\\end{pmatrix}",
    "\\begin{cases}",
    "\\left",
    "\\right",
]
PIECES += ["\\boxed{", "####", "**", "<think>", "</think>", "answer is", " or ", " and ", "<|", "\\infty"]


class TooSlow(BaseException):
    """A pair that took longer than it may. Raised each second from then on: sympy catches what it can."""


EXPRESSIONS = [
    "<e> + <e>", "<e> - <e>", "<e><e>", "\\frac{<e>}{<e>}", "<e>^{<e>}", "(<e>)", "<f>{<e>}", "|<e>|", "<e>/<e>",
    "\\sqrt[<n>]{<e>}", "<n>!", "0.\\overline{<n>}",
]  # fmt: skip
ANSWERS = [
    "<e>", "<e>", "<e> \\text{ <u>}", "<n>,000 <u>", "<l> <r> <e>", "(<e>, <e>)", "[<e>, <e>)", "\\{<e>, <e>\\}",
    "<e>, <e>",
    "<e> or <e>", "<e> and <e>", "<n>:<n>", "<e> \\pm <e>", "\\begin{pmatrix} <e> & <e> \\\\ <e> & <e> \\end{pmatrix}",
    "\\begin{cases} <e> & x > <e> \\\\ <e> & x \\le 0 \\end{cases}", "<e>, k \\in \\mathbb{Z}", "(a) <e> (b) <e>",
    "\\$<n>.50 profit", "<n>:15", "x \\equiv <e> \\pmod{<n>}", "no solution", "March 3, 2021", "三分之二", "yes",
    "(C)", "]2;5]",
    "all reals except <n>", "DNE", "<n> <u> <n> <u>", "<n>‰", "at least <e>", "<l>_1 = <e>, <l>_2 = <e>",
]  # fmt: skip
RESPONSES = [
    "\\boxed{<a>}", "\\boxed{<a>}", "#### <a>", "The answer is <a>.", "**So it is <a> in all.**", "Thus $<a>$.", "<a>",
    "We get <a> from 7 of them.", "<answer><a></answer>", "x = <a> = 4",
]  # fmt: skip
_SLOT = re.compile(r"<([aeflnru])>")


def grown(template: str, dice: random.Random, depth: int = 0) -> str:
    """The template with its slots filled: <e> an expression, <l> a letter, <n> a number, <u> a unit, and so on."""

    def filled(match: re.Match[str]) -> str:
        kind = match[1]
        if kind == "e":
            leaf = depth > 3 or dice.random() < 0.35
            form = dice.choice(["<n>", "<l>", "<n>.<n>"] if leaf else EXPRESSIONS)
            return grown(form, dice, depth + 1)
        if kind == "n":
            return str(dice.choice([dice.randint(0, 12), dice.randint(0, 9999)]))
        return dice.choice({"f": FUNCTIONS, "l": LETTERS, "r": RELATIONS, "u": UNITS}.get(kind, ANSWERS))

    return _SLOT.sub(filled, template)


def answer(dice: random.Random) -> str:
    return grown(dice.choice(ANSWERS), dice)


def response(text: str, dice: random.Random) -> str:
    return str(dice.choice(RESPONSES)).replace("<a>", text)


def mutated(text: str, dice: random.Random) -> str:
    for _ in range(dice.randint(1, 4)):
        at = dice.randint(0, len(text))
        kind = dice.randrange(4)
        if kind == 0:
            text = text[:at] + text[at + dice.randint(1, 3) :]
        elif kind == 1:
            text = text[:at] + dice.choice(PIECES) + text[at:]
        elif kind == 2:
            text = text[:at] + text[max(0, at - dice.randint(1, 6)) :]
        else:
            text = text[:at] + str(dice.randint(0, 9)) + text[at + 1 :]
    return text


def pair(n: int, real: list[str], dice: random.Random) -> tuple[str, str, bool]:
    """Reference, response, and whether the response is the reference itself."""
    if n % 3 == 0:
        return answer(dice), response(answer(dice), dice), False
    if n % 3 == 1:
        reference = dice.choice(real)
        other = mutated(reference, dice) if dice.random() < 0.7 else mutated(response(reference, dice), dice)
        return (mutated(reference, dice) if dice.random() < 0.3 else reference), response(other, dice), False
    text = answer(dice) if dice.random() < 0.5 else dice.choice(real)
    return text, f"\\boxed{{{text}}}", "boxed" not in text and len(text) < 200


def turned(reference: str, given: str, verdict: str) -> bool:
    """Whether a boxed answer and the reference are equal one way round and different the other."""
    if verdict == "unverifiable" or not given.startswith("\\boxed{") or "boxed" in given[7:] + reference:
        return False
    other = compare(reference=given[7:-1], response=f"\\boxed{{{reference}}}").verdict
    return {verdict, other} == {"correct", "incorrect"}


def alarm(signum: int, frame: FrameType | None) -> None:
    raise TooSlow


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pairs", type=int, default=1_000_000)
    arguments.add_argument("--first", type=int, default=0, help="number of the first pair")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--seconds", type=float, default=10.0, help="CPU seconds that one pair may take")
    arguments.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    options = arguments.parse_args()
    logging.disable(logging.CRITICAL)
    real = [json.loads(line)["answer"] for line in (options.data / "math500.jsonl").open()]
    real += [str(json.loads(line)["gold"]) for line in (options.data / "mathverify_test_pairs.jsonl").open()]
    signal.signal(signal.SIGVTALRM, alarm)
    verdicts: collections.Counter[str] = collections.Counter()
    faults = one_way = 0

    def fault(text: str) -> None:
        nonlocal faults
        faults += 1
        print(text, flush=True)

    began = time.perf_counter()
    for n in range(options.first, options.first + options.pairs):
        reference, given, itself = pair(n, real, random.Random(f"{options.seed} {n}"))
        signal.setitimer(signal.ITIMER_VIRTUAL, options.seconds, 1.0)
        try:
            judged = compare(reference=reference, response=given)
            if turned(reference, given, judged.verdict):
                one_way += 1
                print(f"{n} one way only ({judged.verdict}): {reference!r} | {given!r}", flush=True)
        except TooSlow:
            judged = None
        except BaseException as error:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            fault(f"{n} raised {type(error).__name__}: {error}: {reference!r} | {given!r}")
            continue
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        if judged is None:
            verdicts["too slow"] += 1
            fault(f"{n} too slow: {reference!r} | {given!r}")
            continue
        verdicts[judged.verdict] += 1
        if judged.reason.startswith("error"):
            fault(f"{n} {judged.reason}: {reference!r} | {given!r}")
        if itself and judged.verdict == "incorrect":
            fault(f"{n} differs from itself ({judged.reason}): {reference!r}")
        if (n + 1) % 10_000 == 0:
            print(f"to {n + 1:,}: {faults} faults, {one_way} one way, {time.process_time():.0f} CPU s", flush=True)
    seconds = time.perf_counter() - began
    rate = options.pairs / seconds
    print(f"{options.pairs:,} pairs in {seconds:.0f} s, {rate:,.0f}/s: {dict(verdicts)}")
    print(f"{faults} faults, {one_way} one way")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
