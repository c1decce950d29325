"""Labelled pairs of a text and a benchmark's problem: python bench/contamination_pairs.py DATA > pairs.jsonl

Each has a field (words, maths, code), a class (same, same_template, none) and how it was made. Texts are

- problems of GSM8K, MATH-500, HumanEval and MBPP changed by rules: same problem;
- the same with other numbers, formulas included: same template;
- the nearest other problem of the same collection by embedding: none, unless both are alike but for numbers;
- paraphrases.jsonl beside this file, written by a language model for this purpose, with a class each;
- code_paraphrases.jsonl: code tasks that it wrote anew without a look at the rules, few with examples of the task;
- the paraphrases of GSM8K by LLM-decontaminator, and MATH-500's 42 pairs that a person judged, where DATA has them.

Problems are divided by number: those of an even one are to fit to, the others are held out. Every pair from the last
two kinds is held out but the even ones of GSM8K's.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl
import sympy

HERE = Path(__file__).parent
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?|(?<=[\^_{(\[])\d+(?:\.\d+)?|(?<=[\d)])\d+")


@dataclass(frozen=True)
class Pair:
    field: str
    kind: str
    text: str
    problem: str
    made_by: str
    row: int

    @property
    def held_out(self) -> bool:
        return self.row % 2 == 1


OPENINGS = (
    (r"^(?:Find|Compute|Determine|Calculate|Evaluate) (the|all|a)\b", ("Determine {0}", "What is {0}", "Work out {0}")),
    (r"\b(?:Find|Compute|Determine|Calculate)\b", ("Determine", "Work out", "Find", "Calculate")),
    (r"\bWhat is\b", ("Find", "Determine", "Give")),
    (r"\bHow many\b", ("What is the number of", "Determine how many")),
    (r"\bLet\b", ("Suppose that", "Define")),
    (r"\bGiven that\b", ("Suppose", "It is known that")),
    (r"\bsmallest\b", ("least", "minimal")), (r"\blargest\b", ("greatest", "biggest")),
    (r"\bpositive integers?\b", ("positive whole number",)), (r"\bExpress your answer[^.]*\.", ("",)),
    (r"\bsuch that\b", ("so that", "for which")), (r"\bvalue\b", ("quantity",)), (r"\bequation\b", ("relation",)),
)  # fmt: skip
SPELLINGS = (
    (r"\\frac", r"\\dfrac"), (r"\\cdot", r"\\times"), (r"\\left\(", "("), (r"\\right\)", ")"),
    (r"\\leq?\b", r"\\leqslant"),
    (r"\s*=\s*", "="), (r"\s*\+\s*", " + "), (r"\\\[|\\\]", "$"), (r"\$", ""),
)  # fmt: skip
WRAPPERS = (
    "Return your final response within \\boxed{{}}. {0}",
    "{0}\n\nPlease reason step by step, and put your final answer within \\boxed{{}}.",
    "Solve the following problem carefully.\n\n{0}",
    "You are a helpful assistant. Explain your reasoning.\n{0}\nGive the final answer alone on the last line.",
    "Question: {0}\nAnswer:",
    "{0}",
    "{0}",
    "{0}",
)
CODE_WORDS = {
    "list": "sequence", "lists": "sequences", "array": "list", "string": "text", "strings": "texts",
    "find": "determine",
    "check": "test", "whether": "if", "given": "supplied", "return": "give back", "returns": "gives back",
    "number": "value", "numbers": "values", "elements": "items", "element": "item", "integer": "whole number",
    "integers": "whole numbers", "remove": "delete", "count": "tell how many", "sum": "total", "maximum": "largest",
    "minimum": "smallest", "convert": "turn", "sort": "order", "function": "routine", "takes": "receives",
    "all": "all the", "using": "with", "first": "initial", "character": "letter", "characters": "letters",
    "input": "argument", "contains": "holds", "greater": "bigger", "equal": "identical", "tuple": "tuple of values",
}  # fmt: skip
MODELS = ("Write a function to {0}", "Write a Python program that can {0}", "Implement the following: {0}", "{0}")


def swapped(text: str, words: dict[str, str], rng: random.Random, share: float) -> str:
    return re.sub(
        r"[A-Za-z]+",
        lambda found: words.get(found[0].lower(), found[0]) if rng.random() < share else found[0],
        text,
    )


def maths_reworded(text: str, rng: random.Random) -> str:
    for pattern, choices in OPENINGS:
        if rng.random() < 0.7:
            pick = rng.choice(choices)
            found = re.search(pattern, text)
            if found:
                text = text[: found.start()] + pick.format(*found.groups()) + text[found.end() :]
    for pattern, new in SPELLINGS:
        if rng.random() < 0.5:
            text = re.sub(pattern, new, text)
    return text


def other_numbers(text: str, rng: random.Random) -> str:
    """Every number becomes another one of about its size; a formula stays one that sympy can read if it was."""

    def other(found: re.Match[str]) -> str:
        value = sympy.Rational(found[0])
        size = max(2, int(abs(value)))
        new = value
        while new == value:
            new = value + rng.randint(-min(size - 1, 9), 9)
        return (
            str(new if value.is_Integer else sympy.Float(new, 3)).rstrip("0").rstrip(".")
            if "." in found[0]
            else str(new)
        )

    return NUMBER.sub(other, text)


def wrapped(text: str, rng: random.Random) -> str:
    return rng.choice(WRAPPERS).format(text)


def code_reworded(prompt: str, rng: random.Random) -> str:
    """A HumanEval prompt with another name, another docstring, some examples less; or its instruction alone."""
    name = re.findall(r"def (\w+)\(", prompt)[-1]
    head, _, rest = prompt.rpartition(f"def {name}")
    quote = '"""' if '"""' in rest else "'''"
    signature, _, doc = rest.partition(quote)
    doc = doc.rpartition(quote)[0]
    new = "_".join(rng.sample(name.split("_"), len(name.split("_")))) + rng.choice(["", "_of", "_task"])
    lines, kept, shown = doc.split("\n"), [], False
    for line in lines:
        example = bool(re.search(r">>>|==|➞|->|=>", line)) or (shown and line.strip() != "")
        shown = ">>>" in line
        if not example or rng.random() < 0.5:
            kept.append(line if example else swapped(line, CODE_WORDS, rng, 0.8))
    doc = "\n".join(kept).replace(name, new)
    if rng.random() < 0.4:
        return rng.choice(MODELS).format(" ".join(line.strip() for line in kept if not re.search(r">>>|==|➞", line)))
    body = rng.choice(["", "    result = []\n    return result\n"])
    return f"{head}def {new}{signature}{quote}{doc}{quote}\n{body}"


def mbpp_reworded(text: str, rng: random.Random) -> str:
    task = re.sub(r"^Write a (?:python )?function to ", "", text, flags=re.I)
    return rng.choice(MODELS).format(swapped(task, CODE_WORDS, rng, 0.8))


def nearest(texts: Sequence[str], problems: Sequence[str], count: int = 3) -> list[list[int]]:
    """Of each text the nearest problems by embedding, itself left out."""
    from dqdata_operators.lib.benchmarks.tasks import Tasks
    from dqdata_operators.lib.vectors.embedding import WordVectors

    model = WordVectors()
    left, right = (model.embed(Tasks.of(pl.Series(some)).texts).astype(np.float64) for some in (texts, problems))
    mean = right.mean(axis=0)
    left, right = (
        (some - mean) / np.maximum(np.linalg.norm(some - mean, axis=1, keepdims=True), 1e-9) for some in (left, right)
    )
    similar = left @ right.T
    if texts is problems:
        np.fill_diagonal(similar, -1)
    found: list[list[int]] = np.argsort(-similar, axis=1)[:, :count].tolist()
    return found


def alike_but_for_numbers(left: str, right: str) -> bool:
    """Two problems of a collection that may be one template: of no use as a pair of two."""
    from rapidfuzz import fuzz

    bare = [re.sub(r"\W+", " ", NUMBER.sub("0", text.lower())) for text in (left, right)]
    return fuzz.ratio(*bare) >= 80


def rows(path: Path, column: str) -> list[str]:
    found: list[str] = pl.read_ndjson(path, infer_schema_length=None)[column].to_list()
    return found


Change = Callable[[str, random.Random], str]


def pairs(data: Path) -> Iterator[Pair]:
    from contamination_heldout import everything

    sets: dict[str, tuple[str, list[str], Change]] = {
        "gsm8k": ("words", rows(data / "gsm8k_test.jsonl", "question"), everything),
        "math500": ("maths", rows(data / "math500.jsonl", "question"), maths_reworded),
        "humaneval": ("code", rows(data / "humaneval.jsonl", "prompt"), code_reworded),
        "mbpp": ("code", rows(data / "mbpp.jsonl", "text"), mbpp_reworded),
    }
    for name, (field, problems, change) in sets.items():
        rng = random.Random(7)
        others = nearest(problems, problems)
        for row, problem in enumerate(problems):
            yield Pair(field, "same", wrapped(change(problem, rng), rng), problem, f"{name}, rules", row)
            numbered = other_numbers(problem, rng)
            if field != "code" and numbered != problem:
                text = wrapped(change(numbered, rng) if rng.random() < 0.5 else numbered, rng)
                yield Pair(field, "same_template", text, problem, f"{name}, numbers", row)
            for other in others[row]:
                if not alike_but_for_numbers(problem, problems[other]):
                    yield Pair(field, "none", wrapped(problems[other], rng), problem, f"{name}, sibling", row)
    human, short = sets["humaneval"][1], sets["mbpp"][1]
    for name, texts, problems, count in (("mbpp", human, short, 6), ("humaneval", short, human, 2)):
        for row, others in enumerate(nearest(texts, problems, count)):
            yield from (Pair("code", "none", texts[row], problems[at], f"{name}, other set", row) for at in others)
    for number, line in enumerate((HERE / "paraphrases.jsonl").read_text().splitlines()):
        one = json.loads(line)
        field, problems, _ = sets[one["set"]]
        yield Pair(field, one["class"], one["text"], problems[one["row"]], f"{one['set']}, written", number // 2)
    for number, line in enumerate((HERE / "code_paraphrases.jsonl").read_text().splitlines()):
        one = json.loads(line)
        _, problems, _ = sets[one["set"]]
        yield Pair("code", "same", one["text"], problems[one["row"]], f"{one['set']}, written freely", number)
    rephrased = data / "gsm8k_rephrased.jsonl"
    if rephrased.exists():
        for row, text in enumerate(rows(rephrased, "train_text")):
            yield Pair("words", "same", text, sets["gsm8k"][1][row], "gsm8k, LLM-decontaminator", row)


def main() -> None:
    for pair in pairs(Path(sys.argv[1])):
        print(json.dumps({**asdict(pair), "held_out": pair.held_out}, ensure_ascii=False))


if __name__ == "__main__":
    main()
