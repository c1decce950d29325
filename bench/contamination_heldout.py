"""Decontamination of problems changed mechanically, and of other collections.

    python bench/contamination_heldout.py DATA

Found: the other half of GSM8K's paraphrases, changed problems, and problems that others made unanswerable (MiP).
Flagged in error: problems of other collections, and of one half of a collection against its other half, where little
but repeated problems should be found. DATA is the folder of public data sets of docs/real-input.md. The confusion
tables of docs/curation.md come from contamination_report.py.
"""

from __future__ import annotations

import random
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
from decontaminate import classes

NAMES = "Aiko Bruno Chidi Dalia Emre Farah Goran Hana Imani Jonas Kavya Leila Marek Nadia Omar Priya Quinn Rosa".split()
SWAPS = {
    "dollars": "euros", "dollar": "euro", "miles": "kilometers", "mile": "kilometer", "pounds": "kilograms",
    "feet": "meters", "inches": "centimeters", "gallons": "liters", "hours": "days", "minutes": "hours",
}  # fmt: skip
SYNONYMS = {
    "buys": "purchases", "bought": "purchased", "buy": "purchase", "sells": "offers", "total": "overall amount",
    "gives": "hands", "gave": "handed", "makes": "produces", "made": "produced", "needs": "requires", "each": "every",
    "many": "large a number of", "much": "great an amount", "costs": "is priced at", "cost": "price", "wants": "wishes",
    "has": "owns", "have": "own", "eats": "consumes", "ate": "consumed", "children": "kids", "friends": "companions",
    "find": "determine", "compute": "work out", "what": "which", "value": "quantity", "remaining": "left over",
    "starts": "begins", "started": "began", "uses": "employs", "spends": "pays", "spent": "paid", "house": "home",
}  # fmt: skip
SMALL = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen".split()
SENTENCE = re.compile(r"(?<=[.!?])\s+")
NAME = re.compile(r"(?<=[a-z,] )([A-Z][a-z]{2,})\b")


def renamed(text: str, rng: random.Random) -> str:
    """Capitalised words inside sentences become other names, everywhere in the text."""
    new = dict(zip(sorted(set(NAME.findall(text))), rng.sample(NAMES, len(NAMES)), strict=False))
    starts = re.findall(
        r"(?:^|[.!?] )([A-Z][a-z]{2,})(?='s| (?:has|is|was|buys|bought|makes|wants|had|decides)\b)", text
    )
    new |= {name: rng.choice(NAMES) for name in starts if name not in new and name not in ("There", "This", "That")}
    return re.sub(r"\b[A-Z][a-z]{2,}\b", lambda found: new.get(found[0], found[0]), text)


def other_units(text: str, rng: random.Random) -> str:
    return _words(text, SWAPS)


def spelled(text: str, rng: random.Random) -> str:
    """Small numbers in words, outside of formulas, and parts in numbers."""
    text = re.sub(r"(?<=[a-z,] )(\d|1[0-5])(?= [a-z])", lambda found: SMALL[int(found[1])], text)
    return text.replace("half", "50%").replace("twice", "2 times")


def reordered(text: str, rng: random.Random) -> str:
    """Sentences in another order, the last one last."""
    parts = SENTENCE.split(text)
    first = parts[:-1]
    rng.shuffle(first)
    return " ".join([*first, parts[-1]])


def reworded(text: str, rng: random.Random) -> str:
    return _words(text, SYNONYMS)


def everything(text: str, rng: random.Random) -> str:
    for change in (renamed, other_units, spelled, reordered, reworded):
        text = change(text, rng)
    return text


def described(text: str, rng: random.Random) -> str:
    """A programming task with another opening, reworded."""
    task = re.sub(r"^Write a (?:python )?function to ", "", text, flags=re.I)
    opening = rng.choice(["Implement code that can", "Your task: in Python,", "I need a routine to"])
    return f"{opening} {reworded(task, rng)}"


def wrapped(text: str, rng: random.Random) -> str:
    return (
        "You are a careful tutor who helps pupils of a primary school with their homework. Read the following exercise "
        f"slowly, explain each step in plain words, and end with the answer alone on its line.\n\n{text}\n\n"
        "Don't forget the units, and check your result before you hand it in."
    )


def other_numbers(text: str, rng: random.Random) -> str:
    """Not the same problem: the same template. Every numeral becomes another one."""
    return re.sub(r"\d+", lambda found: str(int(found[0]) + rng.randint(1, 9 * max(1, int(found[0]) // 10) + 3)), text)


CHANGES: Sequence[Callable[[str, random.Random], str]] = (
    renamed, other_units, spelled, reordered, reworded, everything, wrapped, other_numbers,
)  # fmt: skip
TRANSLATED = {
    2: "Josh versucht, ein Haus mit Gewinn weiterzuverkaufen. Er kauft es für 80.000 Dollar und steckt 50.000 Dollar "
    "in Reparaturen. Dadurch stieg der Wert des Hauses um 150 %. Welchen Gewinn hat er gemacht?",
    3: "詹姆斯决定每周跑3次，每次跑3个短跑。每个短跑60米。他一周一共跑多少米？",
    1: "一件长袍需要2匹蓝色纤维和一半数量的白色纤维。总共需要多少匹？",
    5: "Kylar ging ins Geschäft, um Gläser für seine neue Wohnung zu kaufen. Ein Glas kostet 5 Dollar, aber jedes "
    "zweite Glas kostet nur 60 % des Preises. Kylar will 16 Gläser kaufen. Wie viel muss er dafür bezahlen?",
}
"""Problems of GSM8K test in German and Chinese, by place."""


def main() -> None:
    data = Path(sys.argv[1])
    mbpp = pl.read_ndjson(data / "mbpp.jsonl", infer_schema_length=None)["text"].to_list()
    gsm = pl.read_ndjson(data / "gsm8k_test.jsonl")["question"].to_list()
    math = pl.read_ndjson(data / "math500.jsonl")["question"].to_list()
    benchmarks = [data / "gsm8k_test.jsonl", data / "math500.jsonl"]
    print(HEAD)
    rephrased = pl.read_ndjson(data / "gsm8k_rephrased.jsonl")["train_text"].to_list()
    line("the paraphrases not fitted to", rephrased[1::2], benchmarks)
    for change in CHANGES:
        for name, texts in (("GSM8K test", gsm), ("MATH-500", math)):
            rng = random.Random(1)
            made = [change(text, rng) for text in texts]
            altered = [new for new, old in zip(made, texts, strict=True) if new != old]
            line(f"{name}, {change.__name__.replace('_', ' ')}", altered, benchmarks)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mbpp.jsonl"
        pl.DataFrame({"question": mbpp}).write_ndjson(path)
        rng = random.Random(1)
        line("MBPP, reworded", [reworded(text, rng) for text in mbpp], [path])
        line("MBPP, described anew", [described(text, rng) for text in mbpp], [path])
    illposed = pl.read_parquet(data / "mip_illposed.parquet").unique("question", maintain_order=True)
    with tempfile.TemporaryDirectory() as folder:
        originals = illposed.filter(pl.col("original_question").is_not_null())
        path = Path(folder) / "originals.jsonl"
        originals.select(question=pl.col("original_question").unique(maintain_order=True)).write_ndjson(path)
        line("MiP, a premise taken away", originals["question"].to_list(), [path])
    line("translated to German or Chinese", list(TRANSLATED.values()), benchmarks)

    print()
    train = pl.read_parquet(data / "gsm8k_train.parquet")["question"].to_list()
    line("GSM8K train, the half not fitted to", train[1::2], benchmarks)
    humaneval, leetcode = (
        pl.read_ndjson(data / f"{name}.jsonl", infer_schema_length=None)[column].to_list()
        for name, column in (("humaneval", "prompt"), ("leetcode_functional", "problem"))
    )
    llmbar = pl.read_ndjson(data / "llmbar.jsonl", infer_schema_length=None)["prompt"].to_list()
    line("MATH-500 against GSM8K test", math, benchmarks[:1])
    line("MATH-500 against AIME 2025", math, [data / "aime25.jsonl"])
    line("LLMBar prompts against both", llmbar, benchmarks)
    with tempfile.TemporaryDirectory() as folder:

        def bench(name: str, texts: list[str]) -> list[Path]:
            path = Path(folder) / f"{name}.jsonl"
            pl.DataFrame({"question": texts}).write_ndjson(path)
            return [path]

        line("LeetCode against HumanEval + MBPP", leetcode, bench("code", humaneval + mbpp))
        line("MBPP against HumanEval", mbpp, bench("humaneval", humaneval))
        for name, texts in (("MATH-500", math), ("GSM8K test", gsm), ("MBPP", mbpp), ("LeetCode", leetcode)):
            random.Random(2).shuffle(texts)
            half = len(texts) // 2
            line(f"{name}, one half against the other", texts[:half], bench("half", texts[half:]))


KINDS = ["exact", "lexical", "rephrased", "same_template", "doubtful"]
HEAD = f"{'rows':40}{'n':>7}{'dropped':>9}" + "".join(f"{name:>14}" for name in KINDS)


def line(name: str, texts: list[str], benchmarks: list[Path]) -> None:
    every = dict.fromkeys(KINDS, "drop")
    found = classes(texts, benchmarks, actions=every)
    dropped = sum(found.get(kind, 0) for kind in KINDS[:3])
    counts = "".join(f"{found.get(kind, 0) / len(texts):14.1%}" for kind in KINDS)
    print(f"{name:40}{len(texts):7,}{dropped / len(texts):9.1%}{counts}", flush=True)


def _words(text: str, swaps: dict[str, str]) -> str:
    return re.sub(r"[A-Za-z]+", lambda found: swaps.get(found[0].lower(), found[0]), text)


if __name__ == "__main__":
    main()
