"""The task of a text: without the instructions around it, and for code the specification without the solution.

    >>> made = Tasks.of(pl.Series(["def total(xs):\\n    '''Add up all numbers: total([1, 20]) == 21'''"]))
    >>> made.names[0], sorted(made.literals(0))
    (frozenset({'total'}), ['20', '21', '[1,20]'])

A code task is its function's name, the prose of its docstring and of the text around the code, and its examples,
as the values that they hold; imports, signatures, bodies and tests are no prose. Of any text, a sentence at its start
or end is an instruction if it speaks of the answer's form and holds nothing of a problem: no number, variable or
question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import polars as pl

Field = Literal["words", "maths", "code"]
FIELDS: tuple[Field, ...] = ("words", "maths", "code")

BEFORE = r"(?i)^\s*(?:#+\s*)?(?:question|problem|instruction|user|q)\s*:\s*"
AFTER = r"(?is)\n\s*(?:#+\s*)?(?:answer|solution|response|assistant|a)\s*:.*$|\n\s*####.*$"
CODE = r"(?m)^\s*(?:async )?def \w+\s*\(|```|^\s*>>> |^\s*assert |^\s*class \w+.*:\s*$"
TASK = r"(?i)\b(?:function|method|program|script|routine|code) (?:to|that|which|in|of|for|where)\b|\bpython\b|\bregex\b"
MATHS = r"\$|\\[a-zA-Z(\[]"
FORMULA = r"[\d\p{L})] ?[+*=^<>≤≥] ?[\d\p{L}(]"

FORM = re.compile(
    r"(?i)\\boxed|\b(?:answers?|response|respond|solution|reply|step[ -]by[ -]step|steps?|reason(?:ing)?|think|explain|"
    r"format|output|box(?:ed)?|tutor|assistant|expert|carefully|slowly|check|solve the following|following (?:problem|"
    r"question|exercise|task)|final|conclude|justify|show your work|hand it in)\b"
)
_PROBLEM = re.compile(r"\d|\$|\\(?!boxed)[a-zA-Z]|[=+<>]|(?<!['’])\b[b-zB-HJ-Z]\b|\?\s*$")
_SENTENCE = re.compile(r"(?<=[.!?:])\s+|\n+")
_DOCSTRING = re.compile(r'"""(.*?)(?:"""|\Z)|\'\'\'(.*?)(?:\'\'\'|\Z)', re.S)
_FENCE = re.compile(r"```\w*\n(.*?)(?:```|\Z)", re.S)
_NAME = re.compile(r"\bdef (\w+)\s*\(")
_CALLED = re.compile(r"(?:assert |>>> |^\s*)(\w{3,})\(")
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_STATEMENT = re.compile(
    r"\s*(?:def |import |from \w+ import|class |return\b(?!s? (?:the|a|an|true|false|all|none|if|number|list|it)\b)|"
    r"if .*:|"
    r"elif |else:|for .* in .*:|while .*:|try:|except|assert |@|print\(|with .*:|raise |pass\b|"
    r"\w+(?:\[.*\])? ?[-+*/]?= )"
)
_EXAMPLE = re.compile(r">>>|➞|=>|->|==|\u2192|^\s*(?:input|output)s?\s*:|^\s*\w+\(.*\)\s*(?:returns?|should)", re.I)
_VALUE = re.compile(r"\[[^\[\]]*\]|\"[^\"\n]{2,}\"|'[^'\n]{2,}'|-?\d+\.\d+|-?\d{2,}")
_HEADING = re.compile(r"(?i)^\s*(?:for example|examples?|note|constraints?)\s*:?\s*$")


@dataclass(frozen=True)
class Tasks:
    """Of each text: the task as prose, and names of functions that it defines or calls."""

    texts: pl.Series
    names: list[frozenset[str]]
    _literals: dict[int, frozenset[str]]

    @classmethod
    def of(cls, texts: pl.Series) -> Tasks:
        bare = problem_part(texts)
        code = bare.str.contains(CODE).arg_true()
        names: list[frozenset[str]] = [frozenset()] * len(bare)
        if not len(code):
            return cls(bare, names, {})
        made = [_code_task(text) for text in bare.gather(code)]
        for row, (_, found, _) in zip(code.to_list(), made, strict=True):
            names[row] = found
        literals = {row: values for row, (_, _, values) in zip(code.to_list(), made, strict=True)}
        return cls(bare.scatter(code, [text for text, _, _ in made]), names, literals)

    def literals(self, row: int) -> frozenset[str]:
        """Values of the examples of a text."""
        if row not in self._literals:
            self._literals[row] = _values(self.texts[row])
        return self._literals[row]


def problem_part(texts: pl.Series) -> pl.Series:
    """Without "Question:" before and "Answer: ..." after it, and without instructions at the ends. A text that is
    nothing else stays."""
    bare = texts.cast(pl.String).fill_null("").str.replace(BEFORE, "").str.replace(AFTER, "")
    framed = bare.str.contains(FORM.pattern.replace("(?i)", "(?i)", 1)).arg_true()
    if len(framed):
        bare = bare.scatter(framed, [without_instructions(text) for text in bare.gather(framed)])
    return pl.select(pl.when(bare.str.strip_chars() == "").then(texts).otherwise(bare)).to_series().alias("text")


def without_instructions(text: str) -> str:
    """Sentences at both ends that speak of the answer's form alone are left out."""
    parts = [part for part in _SENTENCE.split(text) if part]
    if len(parts) < 2 or "def " in text:
        return text
    start, end = 0, len(parts)
    while start < end - 1 and _instructs(parts[start]):
        start += 1
    while end > start + 1 and _instructs(parts[end - 1]):
        end -= 1
    if (start, end) == (0, len(parts)):
        return text
    first = text.find(parts[start])
    last = text.rfind(parts[end - 1]) + len(parts[end - 1])
    return text[first:last]


def _instructs(sentence: str) -> bool:
    return bool(FORM.search(sentence)) and not _PROBLEM.search(sentence)


def fields(texts: pl.Series) -> list[Field]:
    """Field of each problem of a benchmark."""
    frame = texts.cast(pl.String).fill_null("").alias("text").to_frame()
    text = pl.col("text")
    kind = (
        pl.when(text.str.contains(CODE) | (text.str.contains(TASK) & ~text.str.contains(MATHS)))
        .then(pl.lit("code"))
        .when(text.str.contains(MATHS) & ~text.str.contains(r"^[^$\\]*\$\d[^$\\]*(?:\$\d[^$\\]*)*$"))
        .then(pl.lit("maths"))
        .when(text.str.count_matches(FORMULA) >= 1)
        .then(pl.lit("maths"))
        .otherwise(pl.lit("words"))
    )
    found: list[Field] = frame.select(kind).to_series().to_list()
    return found


def _code_task(text: str) -> tuple[str, frozenset[str], frozenset[str]]:
    prose, examples = _parts(text)
    names = frozenset(_NAME.findall(text)) or frozenset(name for line in examples for name in _CALLED.findall(line))
    description = " ".join(" ".join(prose).split())
    named = ". ".join(" ".join(word.lower() for word in _WORDS.findall(name)) for name in sorted(names)[:1])
    for name in names:
        if name.islower() and "_" not in name:
            continue
        description = re.sub(rf"\b{re.escape(name)}\b", " ", description)
    return (f"{named}. {description}" if named else description), names, _values("\n".join([*examples, *prose]))


def _parts(text: str) -> tuple[list[str], list[str]]:
    """(lines of prose, lines of examples)."""
    prose: list[str] = []
    examples: list[str] = []
    body = _FENCE.sub(lambda found: f"\n{found[1]}\n", text)
    documented = [a or b for a, b in _DOCSTRING.findall(body)]
    outside = _DOCSTRING.sub("\n", body)
    for block in documented:
        _sort(block.split("\n"), prose, examples)
    _sort(list(_outside(outside)), prose, examples)
    return prose, examples


def _outside(text: str) -> Iterator[str]:
    """Lines around functions: of code only comments and assertions."""
    inside = False
    for line in text.split("\n"):
        if not line.strip():
            continue
        if line.lstrip().startswith("#"):
            yield line.lstrip("# ")
            continue
        inside = bool(_NAME.search(line)) or (inside and line[0] in " \t)")
        if line.lstrip().startswith(("assert ", ">>>")) or not (inside or _STATEMENT.match(line)):
            yield line


def _sort(lines: list[str], prose: list[str], examples: list[str]) -> None:
    shown = False
    for line in lines:
        if _EXAMPLE.search(line):
            examples.append(line)
            shown = ">>>" in line
        elif shown and line.strip() and not re.search(r"[a-z]{3,} [a-z]{2,} [a-z]{2,}", line):
            examples.append(line)
        elif line.strip() and not _HEADING.match(line):
            shown = False
            prose.append(line.strip())
        else:
            shown = False


def _values(text: str) -> frozenset[str]:
    found = {re.sub(r"\s+|\.0\b", "", value).strip("\"'") for value in _VALUE.findall(text)}
    found |= {value for part in found if part[:1] == "[" for value in re.findall(r"-?\d{2,}|-?\d+\.\d+", part)}
    return frozenset(value for value in found if len(value) > 1 and value != "[]")
