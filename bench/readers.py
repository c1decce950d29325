"""Everything here that reads text which nobody trusts, by name, and texts that such readers are slow at.

>>> READERS["thinking"]("<think>2 + 2</think>4")
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress

import polars as pl
from dqdata_operators.annotate.length import Length
from dqdata_operators.annotate.pii import Pii
from dqdata_operators.annotate.quality import Quality
from dqdata_operators.generate._novelty import similarity
from dqdata_operators.generate._shape import cjk_share, numbers, size, steps
from dqdata_operators.lib.asking.answers import flaw, is_refusal, loop
from dqdata_operators.lib.asking.judgement import Choice, Scale, UnreadableError, read
from dqdata_operators.lib.benchmarks.quantities import numbers_of
from dqdata_operators.lib.benchmarks.tasks import fields, problem_part
from dqdata_operators.lib.maths.extract import extract
from dqdata_operators.lib.texts.languages import language, share_of_scripts
from dqdata_operators.lib.texts.shingles import shingles
from dqdata_operators.lib.texts.signature import signatures
from dqdata_operators.verify._blocks import joined
from dqdata_operators.verify._checker import BadChecker, checker_function, checker_program
from dqdata_operators.verify._encoded import Undecodable, decoded
from dqdata_operators.verify._fences import fenced
from dqdata_operators.verify._modules import module_of
from dqdata_operators.verify._output import same_output
from dqdata_operators.verify._program import parses, program_in
from dqdata_operators.verify._rows import begins_program
from dqdata_operators.verify._tests import UnreadableTests, read_tests
from dqdata_operators.verify.majority import vote
from dqdata_operators.verify.verify_choice import VerifyChoice
from dqdata_operators.verify.verify_text import VerifyText

from dqdata import thinking
from dqdata.errors import RowError, TeacherError
from dqdata.masking import Masker
from dqdata.sandbox import Tests, process_state, tested_names
from dqdata.sandbox.inside import plain
from dqdata.sandbox.jobs import _report
from dqdata.teacher import Message, Request
from dqdata.teachers import chat, error_bodies, openai, stream
from dqdata.teachers.refusals import refusal

EXPECTED = (RowError, UnreadableError, UnreadableTests, BadChecker, Undecodable)
"""What readers raise about a text that they can't read; everything else is a fault."""


def _judge(text: str) -> None:
    read(text, {"score": Scale(0, 10), "verdict": Choice(("yes", "no"))})


def _answer(text: str) -> None:
    """A candidate's message to the checker, whose errors the checker takes for the candidate's end."""
    try:
        plain.decode(json.loads(text))
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        IndexError,
        RecursionError,
        OverflowError,
        ArithmeticError,
    ):
        return


def _tests(text: str) -> None:
    process_state(text)
    try:
        Tests(text).wire()
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return


def _frame(text: str) -> pl.DataFrame:
    return pl.DataFrame({"trace_id": ["a"], "question": ["?"], "reasoning": [text], "response": [text]})


def _checker(text: str) -> None:
    checker_program(text)
    checker_function(text)


def _stream(text: str) -> None:
    """A body that is no stream is a malformed answer for the teacher."""
    assembly = stream.Assembly()
    try:
        for chunk in stream.events(text.encode("utf-8", "replace")):
            assembly.add(chunk)
        assembly.data()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return


def _endpoint(text: str) -> None:
    """An endpoint's answer, from its body to the row: the text as content, as reasoning, and as the body itself."""
    request = Request((Message("user", "?"),))
    params = openai.EndpointParams(model="m")
    message = {"content": text, "reasoning_content": text[::2]}
    for body in (json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}), text):
        with suppress(TeacherError):
            data = openai.answer_in(body.encode("utf-8", "replace"), {}, "here")
            flaw(chat.present(chat.completion(data, request, params), params))


def _refusal(text: str) -> None:
    """Half of the text as an endpoint's words: a body of more than `masking.BODY_BYTES` is cut, and is no JSON."""
    words = text[: len(text) // 2]
    body = json.dumps({"error": {"message": words, "code": words}}, ensure_ascii=False)
    refusal(403, body.encode("utf-8", "replace"), {"Retry-After": text}, "here")


def _shape(text: str) -> None:
    steps(text), size(text), cjk_share(text), numbers(text), similarity(text, text[::2])


def _benchmark(text: str) -> None:
    texts = pl.Series([text])
    problem_part(texts), fields(texts), numbers_of(texts)


_MASKER = Masker()
_MASKER.add("sk-corpus-0123456789abcdef")

_CHOICE = VerifyChoice(VerifyChoice.Params())
_TEXT = VerifyText(VerifyText.Params())

READERS: dict[str, Callable[[str], object]] = {
    "thinking": thinking.split,
    "fences": lambda text: fenced(text, lambda code: False),
    "program": program_in,
    "program_begun": lambda text: program_in(text, ["f"], "def f(x):\n"),
    "blocks": lambda text: joined([text, text[: len(text) // 2], "x = 1"], ["f", "x"], parses),
    "prompt": begins_program,
    "tests": read_tests,
    "tests_prepared": _tests,
    "tested_names": lambda text: (tested_names(text, "solution", "f"), module_of(text, "solution", text)),
    "tests_encoded": lambda text: decoded(text),
    "checker": _checker,
    "output": lambda text: same_output(text, text[:-1] + " 1.0", 1e-6),
    "judge": _judge,
    "report": lambda text: _report(text.encode("utf-8", "replace")),
    "candidate_answer": _answer,
    "loop": loop,
    "refusal": is_refusal,
    "final_answer": extract,
    "vote": vote,
    "choice": lambda text: _CHOICE.process({"answer": "B", "response": text, "choices": ["Rome", "Bern", "Paris"]}),
    "text": lambda text: _TEXT.process({"answer": "Bern", "response": text}),
    "quality": lambda text: Quality(Quality.Params()).process(_frame(text)),
    "language": lambda text: (language(pl.Series([text])), share_of_scripts(pl.Series([text]))),
    "length": lambda text: Length(Length.Params()).process(_frame(text)),
    "pii": lambda text: Pii(Pii.Params()).process(_frame(text)),
    "shingles": lambda text: shingles(pl.Series([text, text[::2]]), 5),
    "signatures": lambda text: signatures(pl.Series([text])),
    "benchmark": _benchmark,
    "shape": _shape,
    "masking": lambda text: (_MASKER.hide_answer(text), _MASKER.hide_body(text.encode("utf-8", "replace"))),
    "error_body": error_bodies.read,
    "stream": _stream,
    "endpoint": _endpoint,
    "endpoint_error": _refusal,
    "structured": lambda text: chat.structured(text, {"type": "object", "properties": {"score": {"type": "integer"}}}),
}

PIECES = {
    "backquotes": "`", "fences": "```\n", "open_fences": "```python\nx\n", "tildes": "~~~~\n", "spaces": " ",
    "lines": "\n", "tabs": "\t", "think": "<think>", "think_pairs": "<think>a</think>", "closing": "</think>",
    "braces": "{", "brackets": "[", "parentheses": "(", "quotes": '"', "backslashes": "\\", "dollars": "$",
    "boxed": "\\boxed{", "boxes": "\\boxed{1} ",
    "letters": "a", "words": "the answer is ", "digits": "9", "hashes": "#### ", "code": "def f(x):\n    return x\n",
    "asserts": "assert f(1) == 1\n", "commas": "1, ", "mails": "a@b.", "at": "@", "phones": "555-1234 ", "dots": ".",
    "colons": "a: ", "keys": '"a": 1, ', "sorry": "I'm sorry, but ", "cjk": "漢字", "emoji": "😀", "stars": "**",
    "dashes": "- ", "slashes": "/", "equals": "=", "percent": "%", "pipes": "|", "angle": "<", "html": "<a>",
    "choices": "(A) ", "option": "The answer is (B). ", "bold": "**Answer:** 4\n", "list": "1. a\n", "not": "not ",
    "minus": "-", "plus": "1+", "lambda": "lambda: ", "strings": "''", "triple": '"""', "escapes": "\\u0041",
    "url_escapes": "%41", "entities": "&amp;", "frac": "\\frac{", "sqrt": "\\sqrt{2}", "begin": "\\begin{a}",
    "inline": "\\(x\\) ", "maths": "$x$ ", "thousands": "1,000", "data": "data: {}\n\n", "cyrillic": "это ",
    "arabic": "كتاب ", "combining": "e\u0301", "null": "\0", "crlf": "\r\n", "quoted": "> ```\n",
    "prompted": ">>> x\n", "sentences": "So it is 4. ", "capitals": "A", "underscores": "_", "hyphens": "a-",
    "names": "Solution().f(", "classes": "class A:\n    pass\n", "imports": "import a\n", "at_dots": "@a.",
    "question": "? ", "spaced": "B) " + " " * 60,
}  # fmt: skip
"""What a text repeats that a reader of quadratic time is slow at."""

MORE_PIECES = {
    "open_think_pairs": "<think>a",
    "letters_spaced": "A " * 20 + "\n" * 30,
    "entries": "B)\n", "options": "Option B\n", "parsed": "x = (", "environments": "\\begin{cases}x\\end{cases}",
    "left": "\\left(", "texts": "\\text{a} ", "and": "1 and ", "or": "x or ", "sets": "\\{1,2\\}",
    "aligned": "&= 1 \\\\\n",
    "tables": "|a|b|\n", "final": "Final answer: ", "therefore": "Therefore, ", "json": '{"a": ', "lists": "[1, ",
    "nested_text": "\\text{", "powers": "2^", "subscripts": "x_{", "carriage": "\r", "nbsp": "\u00a0",
    "zero_width": "\u200b",
    "wide_digits": "\uff19", "superscripts": "\u00b2", "decimal": "1.", "dates": "2020-01-01 ", "units": "5 kg ",
    "fstrings": "f'{x}' ", "decorators": "@a\ndef f(): pass\n", "ifs": "if x:\n    pass\n", "comments": "# a\n",
    "doctests": ">>> f(1)\n1\n", "backslash_n": "\\n", "surrogates": "\\ud83d", "html_entities": "&#65;",
    "base64": "QUFB", "hex": "4142", "soft": "=41", "answers": "<answer>4</answer>",
    "tool": "<tool_call>{}</tool_call>",
}  # fmt: skip
"""More of them, for `bench/growth.py` alone."""

DISTINCT = {
    "classes_distinct": lambda n: f"class A{n}:\n    x = {n}\n",
    "functions_distinct": lambda n: f"def f{n}(x):\n    return {n}\n",
    "names_distinct": lambda n: f"x{n} = {n}\n", "asserts_distinct": lambda n: f"assert f({n}) == {n}\n",
    "imports_distinct": lambda n: f"import m{n}\n", "keys_distinct": lambda n: f'"k{n}": {n}, ',
    "labels_distinct": lambda n: f"Answer {n}: {n * 7 % 1000}\n", "boxes_distinct": lambda n: f"\\boxed{{{n}}} ",
    "words_distinct": lambda n: f"w{n} ", "tags_distinct": lambda n: f"<t{n}>", "numbers_distinct": lambda n: f"{n}, ",
    "options_distinct": lambda n: f"({chr(65 + n % 26)}{n}) ", "sentences_distinct": lambda n: f"So x{n} is {n}. ",
}  # fmt: skip
"""The same with pieces that differ: tables of names are what grows."""

FRAMES = {
    "": ("", ""),
    "fence": ("```python\n", "\n```\n"),
    "boxed": ("\\boxed{", "}"),
    "json": ('{"score": 3, "why": "', '"}'),
    "answer": ("<think>", "</think>The answer is B."),
}
"""The text around the repeated piece."""


def hostile(piece: str | Callable[[int], str], size: int) -> str:
    """`size` characters of the piece."""
    if isinstance(piece, str):
        return (piece * (size // len(piece) + 1))[:size]
    return "".join(map(piece, range(size // len(piece(0)) + 1)))[:size]


ALL_PIECES: dict[str, str | Callable[[int], str]] = {**PIECES, **MORE_PIECES, **DISTINCT}
