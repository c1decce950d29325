"""Texts that readers are slow at: repeated pieces, and shapes that repetition does not give."""

from __future__ import annotations

from collections.abc import Callable

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
