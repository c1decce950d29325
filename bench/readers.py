"""Everything here that reads text which nobody trusts, by name, and texts that such readers are slow at.

>>> READERS["thinking"]("<think>2 + 2</think>4")
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import polars as pl
from dqdata_operators.annotate.length import Length
from dqdata_operators.annotate.pii import Pii
from dqdata_operators.annotate.quality import Quality
from dqdata_operators.generate._mutants import mutants
from dqdata_operators.generate._novelty import similarity
from dqdata_operators.generate._shape import cjk_share, numbers, size, steps
from dqdata_operators.lib.asking.answers import flaw, is_refusal, loop
from dqdata_operators.lib.asking.judgement import Choice, Scale, UnreadableError, read
from dqdata_operators.lib.asking.programs import prose
from dqdata_operators.lib.asking.prompting import parse_prompt
from dqdata_operators.lib.asking.rubrics import RubricError
from dqdata_operators.lib.asking.rubrics import read as read_rubric
from dqdata_operators.lib.benchmarks.quantities import numbers_of
from dqdata_operators.lib.benchmarks.tasks import fields, problem_part
from dqdata_operators.lib.instructions.drawing import draw
from dqdata_operators.lib.instructions.kinds import KINDS
from dqdata_operators.lib.instructions.layout import LayoutError
from dqdata_operators.lib.instructions.layout import read as read_instructions
from dqdata_operators.lib.maths import compare
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
from dqdata.chats import calls_apart, calls_in_text, read_chat, separated
from dqdata.errors import DataError, InputError, RowError, TeacherError
from dqdata.masking import Masker
from dqdata.sandbox import Tests, process_state, tested_names
from dqdata.sandbox.handing import own_objects
from dqdata.sandbox.inside import plain
from dqdata.sandbox.jobs import _report
from dqdata.sources.csv_rows import read_csv, sample_csv
from dqdata.sources.glaive import chat_of_text
from dqdata.sources.json_lines import read_json, sample_json
from dqdata.sources.record import Reading
from dqdata.teacher import Message, Request
from dqdata.teachers import chat, error_bodies, openai, stream
from dqdata.teachers.refusals import refusal
from dqdata.view.rich import parts

EXPECTED = (
    InputError,
    RowError,
    DataError,
    RubricError,
    LayoutError,
    UnreadableError,
    UnreadableTests,
    BadChecker,
    Undecodable,
)
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


def _chat(text: str) -> None:
    """A message of somebody's chat, and the chat as JSON text."""
    calls_in_text(text)
    for message in ({"role": "assistant", "content": text}, {"from": "gpt", "value": text}):
        for one in read_chat([{"role": "user", "content": text}, message]).messages:
            separated(one), calls_apart(one)
    chat_of_text(text)
    read_chat(text)


def _file(text: str, *, csv: bool) -> None:
    """The text as a file of JSONL or CSV."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.csv" if csv else "rows.jsonl")
        path.write_text(text, "utf-8", "replace")
        reading = Reading()
        if csv:
            list(read_csv(path, sample_csv(path, reading, ","), reading, ","))
        else:
            list(read_json(path, sample_json(path, reading, array=False), reading, array=False))


def _instructions(text: str) -> None:
    for one in _ASKED:
        one.followed(text, loose=True)
    read_instructions(text, text)


def _maths(text: str) -> None:
    compare(reference="4", response=text)
    compare(reference="\\frac{x}{2}", response=f"\\boxed{{{text}}}")


_DRAWN = [one for kind in sorted(KINDS) for one in draw(random.Random(1), "Which example words are there?", 1, [kind])]
_ASKED = read_instructions([name for name, _ in _DRAWN], [arguments for _, arguments in _DRAWN])

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
    "tests_handed_over": lambda text: own_objects(text, "f", "solution"),
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
    "maths": _maths,
    "maths_reference": lambda text: compare(reference=text, response="4"),
    "instructions": _instructions,
    "rubric": read_rubric,
    "mutants": lambda text: mutants(text, 4),
    "prose": prose,
    "prompt_file": lambda text: parse_prompt(text, "here"),
    "chat": _chat,
    "json_lines": lambda text: _file(text, csv=False),
    "csv": lambda text: _file(text, csv=True),
    "view": parts,
    "structured": lambda text: chat.structured(text, {"type": "object", "properties": {"score": {"type": "integer"}}}),
}

_ANSWERS = ("thinking", "endpoint", "loop", "refusal")
_JUDGES = (*_ANSWERS, "judge", "structured", "masking")
_CODE = ("fences", "program", "program_begun", "blocks", "prompt", "tests", "tests_prepared", "tested_names",
         "tests_handed_over", "tests_encoded", "checker", "output", "report", "candidate_answer")  # fmt: skip

PLUG_INS: dict[str, dict[str, tuple[str, ...] | str]] = {
    "operators": {
        "adapt": "reads numbers and copies texts", "add_instructions": ("instructions",), "agree": ("vote",),
        "balance": "counts values", "classify": _JUDGES, "cluster": "gives texts to an embedding model",
        "compare": _JUDGES, "convert_choice": _JUDGES, "corrupt": _JUDGES, "critique": _JUDGES,
        "curriculum": "reads numbers", "decontaminate": ("shingles", "signatures", "benchmark"),
        "dedup": ("shingles", "signatures"), "delta_pairs": "reads verdicts and copies texts",
        "evolve": (*_ANSWERS, "shape"), "expand": (*_ANSWERS, "shape"), "filter": "DuckDB reads the expression",
        "gen_select": _JUDGES, "generate": (*_ANSWERS, "chat", "prompt_file"), "grade": (*_JUDGES, "prose"),
        "join": "compares keys", "judge_answer": _JUDGES, "judge_contamination": _JUDGES, "judge_process": _JUDGES,
        "length": ("length",), "length_scale": "reads numbers", "lengthen": (*_ANSWERS, "shape"), "level": _JUDGES,
        "majority": ("vote",), "mix": "counts rows", "pairs": "reads numbers and copies texts",
        "pass_rate": ("vote",), "pii": ("pii",), "problem_valid": _JUDGES, "quality": ("quality", "language"),
        "refine": _JUDGES, "rethink": (*_ANSWERS, "shape"), "reward_rows": "copies texts",
        "sample": "counts rows", "score": _JUDGES, "score_rubric": (*_JUDGES, "rubric"),
        "select": "reads numbers", "shorten": (*_ANSWERS, "shape"), "split": "hashes keys",
        "sql": "DuckDB reads the query", "student_fit": "gives texts to a model", "to_messages": "copies texts",
        "verify": ("final_answer", "maths", "choice", "text", *_CODE), "verify_choice": ("choice",),
        "verify_code": _CODE,
        "verify_instructions": ("instructions", "thinking"),
        "verify_math": ("final_answer", "maths", "maths_reference"),
        "verify_text": ("text",), "write_rubric": (*_JUDGES, "rubric"), "write_tests": (*_JUDGES, "mutants", *_CODE),
    },
    "teachers": {
        "likelihood": "gives texts to a model", "llamacpp": ("thinking", "structured"),
        "openai": ("endpoint", "endpoint_error", "error_body", "stream", "masking"),
        "openai_batch": ("endpoint", "endpoint_error", "error_body"), "openai_embeddings": ("error_body",),
        "replay": "reads the ledger's own rows", "reward_model": "gives texts to a model",
        "scripted": "answers as a script of the project says", "transformers": ("thinking", "structured"),
        "vllm": ("endpoint", "endpoint_error", "error_body", "stream"),
    },
    "sources": {
        "benchmark": ("json_lines", "csv"), "chats": ("chat", "json_lines", "csv"), "datasets": "reads Arrow data",
        "files": ("json_lines", "csv"), "gym": "rows that a package makes", "problems": ("json_lines", "csv"),
        "sql": "DuckDB reads the query",
    },
    "trainers": dict.fromkeys(
        ("cogpo", "distill", "dpo", "kto", "orpo", "reward", "sft", "simpo"), "gives texts to a tokenizer"
    ) | dict.fromkeys(("grpo", "rloo"), ("final_answer", "maths", "choice", "text", *_CODE)),
    "view": {"trace": ("view", "chat")},
}  # fmt: skip
"""What reads the texts that each plug-in is given, by group; or why none does."""

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


def _chain(size: int) -> int:
    """Parts of one expression: Python's parser takes some more than 2,500."""
    return min(2000, size // 16)


def _rows(line: Callable[[int], str], size: int) -> str:
    """Lines of code, as many as fit whole."""
    lines: list[str] = []
    left = size
    while (made := line(len(lines))) and len(made) < left:
        lines.append(made)
        left -= len(made) + 1
    return "\n".join(lines) + "\n"


def _used_elsewhere(size: int) -> str:
    """A block that sets variables, and one whose function reads them all."""
    count = size // 16
    first = "".join(f"x{n} = {n}\n" for n in range(count))
    return (
        f"```python\n{first}```\n```python\ndef f(x):\n    return [{', '.join(f'x{n}' for n in range(count))}]\n```\n"
    )


SHAPES: dict[str, Callable[[int], str]] = {
    "attributes": lambda size: _rows(lambda n: f"assert f(os{'.a' * _chain(size)}) == 1", size),
    "subscripts": lambda size: _rows(lambda n: f"assert f(x{'[0]' * _chain(size)}) == 1", size),
    "calls": lambda size: _rows(lambda n: f"assert f{'()' * _chain(size)} == 1", size),
    "methods": lambda size: _rows(lambda n: f"assert x{'.a()' * (_chain(size) // 2)} == 1", size),
    "sums": lambda size: _rows(lambda n: f"assert f(1{'+1' * _chain(size)}) == 1", size),
    "negations": lambda size: _rows(lambda n: f"assert {'not ' * _chain(size)}f(1)", size),
    "comparisons": lambda size: _rows(lambda n: f"assert f(1){' < x' * _chain(size)}", size),
    "nested_lists": lambda size: _rows(lambda n: f"assert f({'[' * 90}{']' * 90}) == 1", size),
    "nested_calls": lambda size: _rows(lambda n: f"assert {'f(' * 90}1{')' * 90} == 1", size),
    "backwards": lambda size: f"x0 = f(1)\n{_rows(lambda n: f'x{size - n} = x{size - n - 1}', size)}assert x1 == 1\n",
    "one_list": lambda size: f"assert f([{', '.join(['1'] * (size // 3))}]) == 1\n",
    "one_chain": lambda size: f"{' = '.join(f'x{n}' for n in range(size // 9))} = f(1)\nassert x1 == 1\n",
    "handed_over": lambda size: _rows(lambda n: f"x{n} = []\nf(x{n})\nx{n}.append(1)\nassert f(x{n}) == 1", size),
    "used_elsewhere": _used_elsewhere,
    "active_blocks": lambda size: _rows(lambda n: f"```python\nprint(f{n}(1))\n```", size),
    "brackets_closed": lambda size: "[" * (size // 2) + "]" * (size // 2),
    "json_closed": lambda size: '{"a":' * (size // 6) + "1" + "}" * (size // 6),
    "boxes_closed": lambda size: "\\boxed{" * (size // 8) + "}" * (size // 8),
    "half_and_half": lambda size: "<think>" * (size // 15) + "</think>" * (size // 15),
    "fence_unclosed": lambda size: "```" + "a" * size + "`",
    "tildes_unclosed": lambda size: "~" * size + "`",
    "blanks_unclosed": lambda size: "```" + " " * size + "`",
    "name_unclosed": lambda size: '{"score": "' + "a" * size + "}",
    "bracket_unclosed": lambda size: "[" + "a" * size,
    "angle_unclosed": lambda size: "<" * size + ">",
    "dots_unclosed": lambda size: "." * size + "x",
    "tag_unclosed": lambda size: "<think" + " " * size + "<tool_call>" + "a" * size,
    "words_then_close": lambda size: "the answer is " * (size // 14) + "</think>\n```\n}",
}
"""Texts of a structure that repetition does not give: nested, chained and named elsewhere."""

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


def text_of(name: str, size: int) -> str:
    """`size` characters, more or less, of a piece or a shape."""
    return SHAPES[name](size) if name in SHAPES else hostile(ALL_PIECES[name], size)
