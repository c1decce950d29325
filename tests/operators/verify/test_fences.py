"""Fences that are stray, doubled, quoted, in strings or never close, and programs in several blocks."""

from __future__ import annotations

import base64
import json
import pickle
import zlib

import pytest
from dqdata_operators.verify._encoded import Undecodable, decoded
from dqdata_operators.verify._output import same_output
from dqdata_operators.verify._program import program_in

F = "def f(x):\n    return x + 1\n"
G = "def g(x):\n    return x - 1\n"

WHOLE = {
    "stray fence after code": F + "```\nThis works.",
    "prose, code, stray fence": "Here:\n" + F + "```\nThis works.",
    "closed behind the last line": "```python\n" + F[:-1] + "```\nDone",
    "prose behind the closing fence": "```python\n" + F + "``` This adds one.\nMore.",
    "a trailing fence": "```python\n" + F + "```\nThis adds one to x.\n```",
    "two closing fences": "```python\n" + F + "```\n```\nThis adds one to x.",
    "a fence around the fence": "```\n```python\n" + F + "```\n```",
    "opened twice": "```python\n```python\n" + F + "```",
    "markdown in a fence": "````markdown\n# Title\n```python\n" + F + "```\n````",
    "opened in a line of prose": "The code: ```python\n" + F + "```",
    "in a list": "- ```python\n  def f(x):\n      return x + 1\n  ```",
    "in a quotation": "> ```python\n> def f(x):\n>     return x + 1\n> ```",
    "in a docstring": (
        '```python\ndef f(x):\n    """Adds.\n\n    ```\n    f(1)\n    ```\n    """\n    return x + 1\n```\nok'
    ),
    "at the margin of a docstring": (
        '```python\ndef f(x):\n    """Adds.\n```\nf(1)\n```\n    """\n    return x + 1\n```'
    ),
    "with a language in a docstring": (
        '```python\ndef f(x):\n    """Adds.\n\n    ```python\n    f(1)\n    ```\n    """\n    return x + 1\n```\nok'
    ),
    "in a string": "```python\ns = '''\n```\nx\n```\n'''\ndef f(x):\n    return x + 1\n```\nok",
    "carriage returns": "```python\r" + F.replace("\n", "\r") + "```",
    "line ends of Windows": "Text\r\n\r\n```python\r\n" + F.replace("\n", "\r\n") + "```\r\nDone.\r\n",
    "a language in braces": "```{python}\n" + F + "```",
    "more after the language": '```python title="a.py"\n' + F + "```",
    "a version": "```python3.11\n" + F + "```",
    "a session": "```pycon\n>>> def f(x):\n...     return x + 1\n...\n>>> f(1)\n2\n```",
    "an alternative of another name": "```python\n" + F + "```\nAlternative:\n```python\n" + G + "```",
    "helper first": "```python\ndef h(x): return x + 1\n```\nand\n```python\ndef f(x): return h(x)\n```",
    "helper after": "```python\ndef f(x): return h(x)\n```\nand\n```python\ndef h(x): return x + 1\n```",
    "helpers of helpers": (
        "```python\nimport math\nONE = 1\n```\nthen\n```python\ndef h(x): return math.floor(x) + ONE\n```\n"
        "```python\ndef f(x): return h(x)\n```\nDemo:\n```python\nONE = 5\nprint(g(1))\n```"
    ).replace("ONE = 5\n", ""),
    "an output": "```python\n" + F + "```\nOutput:\n```\n2\n```",
}


@pytest.mark.parametrize("name", WHOLE)
def test_the_program_is_found_whole(name: str) -> None:
    found = program_in(WHOLE[name], ["f"])
    assert found is not None
    space: dict[str, object] = {}
    exec(found.code, space)
    assert space["f"](1) == 2  # type: ignore[operator]
    assert not found.salvaged


BROKEN = {
    "a fence that never closes": "```python\n" + F,
    "cut off": "```python\n" + F + "\nprint(f(1",
    "the last one is no Python": "```python\n" + F + "```\nshorter:\n```python\ndef f(x): return x +\n```",
    "code that goes on": "def f(x):\n    return x + 1\n    def of the\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_left_of_a_broken_answer_is_marked(name: str) -> None:
    found = program_in(BROKEN[name], ["f"])
    assert found is not None
    assert found.salvaged
    space: dict[str, object] = {}
    exec(found.code, space)
    assert space["f"](1) == 2  # type: ignore[operator]


@pytest.mark.parametrize(
    ("blocks", "wanted"),
    [
        (["n = int(input())\nprint(n)\n", "print(3)\n"], "n = int(input())\nprint(n)\n"),
        (["def solve():\n    print(input())\n", "solve()\n"], "def solve():\n    print(input())\n\n\nsolve()\n"),
        (["print(1)\n", "print(2)\n"], "print(2)\n"),
    ],
)
def test_a_program_that_reads_its_input(blocks: list[str], wanted: str) -> None:
    found = program_in("\n".join(f"```python\n{block}```" for block in blocks))
    assert found is not None
    assert found.code == wanted


@pytest.mark.parametrize("text", ["<think>```python\n" + F + "```", "```bash\nls\n```", ""])
def test_no_program(text: str) -> None:
    assert program_in(text, ["f"]) is None


@pytest.mark.parametrize(
    "text",
    [
        "`" * 1_000_000,
        "```\n" * 250_000,
        "```python\n" * 100_000,
        "```python\ndef f():\n```x y\n" * 40_000,
        "'''\n```\n" * 120_000,
        '"""\n```python\n' * 70_000,
        "```python\ndef g(x):\n    return x\n```\n" * 25_000,
        "a" + "`" * 999_000 + " x y",
        "````\n" + "```\n" * 250_000,
        "def of (x\n" * 100_000,
    ],
    ids=[
        "marks",
        "fences",
        "openings",
        "prose",
        "strings",
        "docstrings",
        "blocks",
        "inline",
        "longer",
        "prose as code",
    ],
)
def test_a_million_characters_are_read_in_one_pass(text: str) -> None:
    """What is quadratic in the text takes minutes here."""
    found = program_in(text, ["f"])
    assert found is None or len(found.code) < 1_000


@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [
        (" *\n***\n", " *\n***", True),
        ("*\n***\n", " *\n***", False),
        ("  *\n ***\n", "*\n***", False),
        ("\n\n *\n***  \n\n", " *\n***", True),
        (" 1.0000001 2\n3", " 1.0 2\n3", True),
        ("1\n2\n3", "1 2 3", True),
        ("  a", "  b", False),
        ("a\n\n  b", "a\n  b", False),
        ("9" * 400 + ".0", "8" * 400, False),
        ("9" * 400 + ".0", "9" * 400, True),
        ("1" * 5000, "1" * 5000, True),
        ("1" * 5000, "1" * 4999 + "2", False),
        ("", "", True),
    ],
)
def test_outputs(found: str, expected: str, same: bool) -> None:
    assert same_output(found, expected, 1e-6) is same


CASES = [{"input": "1\n", "output": "2\n", "testtype": "stdin"}]


def test_private_tests_are_decoded() -> None:
    packed = base64.b64encode(zlib.compress(pickle.dumps(json.dumps(CASES)))).decode()
    assert decoded(packed) == CASES
    assert decoded(json.dumps(CASES)) == CASES


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("called",))


@pytest.mark.parametrize(
    "packed",
    [
        base64.b64encode(zlib.compress(pickle.dumps(Evil()))).decode(),
        base64.b64encode(zlib.compress(pickle.dumps(json.dumps(CASES)))[:-5]).decode(),
        base64.b64encode(b"not zlib").decode(),
        base64.b64encode(zlib.compress(b"\x80\x04not a pickle")).decode(),
        base64.b64encode(zlib.compress(pickle.dumps("not json"))).decode(),
        "not base64!",
    ],
    ids=["calls", "cut off", "no zlib", "no pickle", "no json", "no base64"],
)
def test_a_pickle_that_calls_and_broken_ones_are_refused(packed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Undecodable):
        decoded(packed)
    assert "called" not in capsys.readouterr().out
