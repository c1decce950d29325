"""What every reward must hold to: one number or none for each completion, whatever the student wrote.

Every installed operator that makes a number of a trace is run as a reward, with a scripted judge where it asks one, and
every shape: the order and the size of a batch change nothing, odd completions raise nothing, and a closed gate pays
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from dqdata_trainers._rewards import Rewards, RewardTable, as_row

from dqdata.columns import MESSAGES, Columns
from dqdata.errors import DqdataError
from dqdata.operator import Schema, TableOperator
from dqdata.params import Marker, markers
from dqdata.plugins import found, load
from dqdata.teacher import Request
from dqdata.testing import OperatorRun

NUMBERS = ("BOOLEAN", "BIGINT", "DOUBLE", "INTEGER", "FLOAT")
JUDGED = '{"verdict": "yes", "score": 3, "rv": 2.5, "cd": 4, "criteria": [], "reason": "it adds"}'
HAVE = Columns(
    {
        **dict.fromkeys(("problem_id", "trace_id", "question", "answer", "answer_type", "tests", "text"), "VARCHAR"),
        **dict.fromkeys(("reasoning", "response", "finish_reason", "domain", "instruction_id_list"), "VARCHAR"),
        "output_tokens": "BIGINT",
        "messages": MESSAGES,
        "prompt": MESSAGES,
    }
)
"""Columns that a completion has (`as_row`), and those that its row of the data brings."""
SOURCE = {"question": "What is 2 + 2?", "answer": "4", "answer_type": "math", "tests": None, "domain": "math"}
COMPLETIONS = [
    "<think>Two and two are four.</think>\n\n\\boxed{4}",
    "<think>Two and two are five.</think>\n\nThe answer is 5.",
    "4",
    "",
    "<think>I never end",
    "</think></think>",
    "\\boxed{\\boxed{{{",
    "\x00\ufffd " + "9" * 5000,
    "```python\nwhile True: pass\n```",
    "答案是 4。",
]


def makers() -> Iterator[tuple[str, str]]:
    """Operators that can be a reward, and the column with their number."""
    for name in sorted(found("operators")):
        kind = load("operators", name)
        if issubclass(kind, TableOperator):
            continue
        required = [field for field, info in kind.Params.model_fields.items() if info.is_required()]
        asks = {field: "judge" for field in required if _teacher(kind.Params.model_fields[field])}
        if len(asks) < len(required):
            continue
        try:
            after = kind(kind.Params(**asks)).columns(HAVE, Schema())
        except (DqdataError, ValueError):
            continue  # it wants columns that no completion has
        new = [column for column, type_ in after.items() if column not in HAVE and type_ in NUMBERS]
        if new and "trace_id" in after:
            yield name, "correct" if "correct" in new else new[0]


def _teacher(info: Any) -> bool:
    return any(isinstance(one, Marker) and one.refers_to == "teacher" for one in markers(info))


def table_of(name: str, column: str) -> RewardTable:
    fields = load("operators", name).Params.model_fields
    params = {field: "judge" for field, info in fields.items() if info.is_required()}
    return RewardTable(op=name, column=column, params=params)


MAKERS = list(makers())
SHAPES = [
    RewardTable(shape="format"),
    RewardTable(shape="length", hard=100),
    RewardTable(shape="overlong", soft=10, hard=20),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> OperatorRun:
    def judge(request: Request) -> str:
        return JUDGED

    return OperatorRun(tmp_path_factory.mktemp("rewards"), judge=judge)


def rows_of(texts: list[str]) -> list[dict[str, Any]]:
    prompt = [{"role": "user", "content": SOURCE["question"]}]
    return [as_row(dict(SOURCE), prompt, text, max(1, len(text) // 4), finished=bool(text)) for text in texts]


def test_the_operators_that_verify_and_judge_are_among_the_rewards() -> None:
    names = {name for name, _ in MAKERS}
    assert {"verify", "verify_math", "verify_choice", "verify_code", "judge_process", "critique"} <= names


@pytest.mark.parametrize("table", [table_of(*one) for one in MAKERS] + SHAPES, ids=lambda table: table.label)
def test_one_number_or_none_for_each_completion(table: RewardTable, run: OperatorRun) -> None:
    rewards = Rewards([table], None, run, lambda number: SOURCE, eos=2)  # type: ignore[arg-type]
    rows = rows_of(COMPLETIONS)
    [values] = rewards.score(rows)
    assert len(values) == len(rows)
    assert all(value is None or (type(value) is float and math.isfinite(value)) for value in values)
    [backwards] = rewards.score(rows[::-1])
    assert backwards[::-1] == values, "the order of a batch changes nothing"
    assert [rewards.score([row])[0][0] for row in rows] == values, "nor what else is in it"
    assert rewards.score([]) == [[]]


@pytest.mark.parametrize("table", [table_of(*one) for one in MAKERS] + SHAPES, ids=lambda table: table.label)
def test_a_closed_gate_pays_nothing(table: RewardTable, run: OperatorRun) -> None:
    gated = table.model_copy(update={"gated": True, "name": "style"})
    rewards = Rewards([RewardTable(op="verify_math", name="gate"), gated], "gate", run, lambda number: SOURCE, eos=2)  # type: ignore[arg-type]
    gate, style = rewards.score(rows_of(COMPLETIONS[:3]))
    assert gate == [1.0, 0.0, 1.0]
    assert not style[1]
