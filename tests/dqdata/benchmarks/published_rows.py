"""Records in the published layout of each benchmark, made for tests; the problems are our own."""

from __future__ import annotations

import base64
import json
import pickle
import zlib
from typing import Any


def encoded(tests: list[dict[str, str]]) -> str:
    """Private tests as LiveCodeBench packs them."""
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(tests)))).decode()


RECORDS: dict[str, list[dict[str, Any]]] = {
    "gsm8k": [
        {"question": "Mei has 3 shells and finds 4. How many has she?", "answer": "3 + 4 = <<3+4=7>>7\n#### 7"},
        {"question": "A crate of 1,200 pears is doubled. How many pears?", "answer": "Twice.\n#### 2,400"},
    ],
    "math500": [
        {
            "problem": "Find $x$ with $2x = 1$.",
            "solution": "$x = \\boxed{\\frac12}$",
            "answer": "\\frac12",
            "subject": "Algebra",
            "level": 2,
            "unique_id": "test/algebra/1.json",
        },
        {
            "problem": "What is $3^2$?",
            "solution": "$\\boxed{9}$",
            "answer": "9",
            "subject": "Prealgebra",
            "level": 1,
            "unique_id": "test/prealgebra/2.json",
        },
    ],
    "aime24": [
        {
            "id": 60,
            "problem": "What is $10 + 23$?",
            "solution": "33",
            "answer": "033",
            "url": "https://example.org/1",
            "year": "2024",
        }
    ],
    "aime25": [{"problem": "What is $40 + 30$?", "answer": "70", "id": "0"}],
    "gpqa_diamond": [
        {
            "Question": f"Which number is {n} doubled?\n",
            "Correct Answer": f"{2 * n} \n",
            "Incorrect Answer 1": f"{2 * n + 1}",
            "Incorrect Answer 2": f"{2 * n + 2}",
            "Incorrect Answer 3": f"{2 * n + 3}",
            "High-level domain": "Physics" if n % 2 else "Chemistry",
            "Subdomain": "Counting",
            "Record ID": f"rec{n}",
        }
        for n in range(100, 108)
    ],
    "humaneval": [
        {
            "task_id": "HumanEval/900",
            "prompt": 'def double(n: int) -> int:\n    """Twice n."""\n',
            "entry_point": "double",
            "canonical_solution": "    return 2 * n\n",
            "test": "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-1) == -2\n",
        }
    ],
    "mbpp": [
        {
            "task_id": 901,
            "text": "Write a function to halve an even number.",
            "code": "def halve(n): return n // 2",
            "test_list": ["assert halve(4) == 2", "assert halve(0) == 0"],
            "test_setup_code": "",
            "challenge_test_list": [],
        }
    ],
    "livecodebench": [
        {
            "question_title": "Sum",
            "question_content": "Print the sum of two numbers.",
            "platform": "atcoder",
            "question_id": "abc900_a",
            "contest_id": "abc900",
            "contest_date": "2024-09-01T00:00:00",
            "starter_code": "",
            "difficulty": "easy",
            "public_test_cases": json.dumps([{"input": "1 2\n", "output": "3\n", "testtype": "stdin"}]),
            "private_test_cases": encoded([{"input": "5 6\n", "output": "11\n", "testtype": "stdin"}]),
            "metadata": "{}",
        },
        {
            "question_title": "Triple",
            "question_content": "Return three times n.",
            "platform": "leetcode",
            "question_id": "9001",
            "contest_id": "weekly-900",
            "contest_date": "2024-12-15T00:00:00",
            "starter_code": "class Solution:\n    def triple(self, n: int) -> int:\n        ",
            "difficulty": "medium",
            "public_test_cases": json.dumps([{"input": "2", "output": "6", "testtype": "functional"}]),
            "private_test_cases": encoded([{"input": "5", "output": "15", "testtype": "functional"}]),
            "metadata": json.dumps({"func_name": "triple"}),
        },
    ],
}

RIGHT: dict[str, list[str]] = {
    "gsm8k": ["Three and four.\n\\boxed{7}", "So \\boxed{2400}"],
    "math500": ["$\\boxed{0.5}$", "It is \\boxed{9}."],
    "aime24": ["\\boxed{33}"],
    "aime25": ["\\boxed{70}"],
    "humaneval": ["```python\ndef double(n: int) -> int:\n    return n + n\n```"],
    "mbpp": ["```python\ndef halve(n):\n    return n // 2\n```"],
    "livecodebench": [
        "```python\na, b = map(int, input().split())\nprint(a + b)\n```",
        "```python\nclass Solution:\n    def triple(self, n: int) -> int:\n        return 3 * n\n```",
    ],
}
"""A right response to each record, in order; of GPQA it depends on the order of the options."""
