"""Programs are found in answers however they are wrapped."""

from __future__ import annotations

import pytest
from dqdata_operators.verify._program import parses, program_in

ADD = "def add(a, b):\n    return a + b\n"
PROMPT = (
    'from typing import List\n\ndef helper(x):\n    return x + 1\n\ndef add(a: int, b: int) -> int:\n    """Sum."""\n'
)


@pytest.mark.parametrize(
    "response",
    [
        ADD,
        f"```python\n{ADD}```",
        f"```py\n{ADD}```\nThat is all.",
        f"```Python3\n{ADD}\n```",
        f"~~~python\n{ADD}~~~",
        f"````\n{ADD}````",
        f"Sure! Here you go:\n\n```python\n{ADD}",  # cut off
        f"Here is the code:\n\n{ADD}\nThis adds two numbers, as asked.",
        f"<think>maybe\n```python\ndef add(a, b): return 0\n```</think>\n```python\n{ADD}```",
        f"1. Do this:\n\n   ```python\n   {ADD.replace(chr(10), chr(10) + '   ')}\n   ```",
        f"```bash\npip install x\n```\n```python\n{ADD}```\n```text\n5\n```",
        f"First try:\n```python\ndef add(a, b):\n    return a - b\n```\nBetter:\n```python\n{ADD}```",
        f"```python\n{ADD}```\nUse it:\n```python\nprint(add(1, 2))\n```",
        f"```python\r\n{ADD.replace(chr(10), chr(13) + chr(10))}```",
    ],
)
def test_the_function_is_found(response: str) -> None:
    found = program_in(response, ["add"])
    assert found is not None
    program = found.code
    space: dict[str, object] = {}
    exec(program, space)
    assert space["add"](2, 3) == 5  # type: ignore[operator]


@pytest.mark.parametrize("response", ["", "I can't help with that.", "The answer is 42.", "```bash\nls\n```"])
def test_no_code_is_none(response: str) -> None:
    assert program_in(response, ["add"]) is None


@pytest.mark.parametrize(
    "response",
    [
        "    return a + b\n",
        "return a + b",
        "    return a + b\n\n\nThat should do it!",
        "```python\n    return a + b\n```",
        f"```python\n{ADD}```",
        "```python\ndef add(a: int, b: int) -> int:\n    return helper(a) + b - 1\n```",
        PROMPT + "    return a + b\n",
        "    total: List[int] = [a, b]\n    return sum(total)\n\nprint(add(1, 2))\n",
    ],
)
def test_a_completion_of_a_prompt_is_a_whole_program(response: str) -> None:
    found = program_in(response, ["add"], PROMPT)
    assert found is not None
    program = found.code
    assert parses(program)
    space: dict[str, object] = {}
    exec(program, space)
    assert space["add"](2, 3) == 5  # type: ignore[operator]


def test_the_last_program_counts_where_no_name_is_known() -> None:
    found = program_in("```python\nprint(1)\n```\nor\n```python\nprint(2)\n```")
    assert found == ("print(2)\n", False)


def test_pages_of_prose_take_no_time() -> None:
    prose = "\n".join(f"def of something ( number {n}\nfor all of them, see\nprint(it" for n in range(3000))
    assert program_in(prose, ["add"]) is None
