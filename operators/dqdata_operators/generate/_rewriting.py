"""The base of operators that rewrite a trace: the answer, the language and the step format must survive.

    steps = [{ op = "verify_math" }, { op = "shorten", teacher = "v3", ratio = 0.5 }]

    trace_id | reasoning (200 words)  ->  trace_id | parent_id | reasoning (104 words) | rewrite | rewrite_stop
    t1       | First, let me ...          9bc0..   | t1        | Each pack has ...     | shorten | rewritten

The reasoning is rewritten; the response, where there is no reasoning. The new text must itself reach the reference
answer: it is given to the verifier in the place of the response. What fails goes back to the rewriter with the reason,
up to `attempts` times; then the row is dropped with that reason, or kept as it was. A trace that isn't known to be
right is left alone: nothing could say whether its answer survived. A rewritten trace is a child; columns that spoke of
the old text, such as its length and grades, are null in it.

Where the answer is a program (`answer_type` is code, or the verifier is verify_code) the rewriter is shown the program
of the response, and its text must end with one that passes the tests; lengths are those of the text around programs.
"""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import Field

from dqdata.columns import Columns
from dqdata.errors import ColumnError
from dqdata.operator import (
    CallEstimate,
    CallOperator,
    Estimate,
    Outcome,
    PromptFile,
    Reject,
    Row,
    Run,
    Schema,
    TeacherName,
)
from dqdata.teacher import Completion, Message
from dqdata_operators.generate._shape import same_language, size, steps
from dqdata_operators.lib.asking.answers import flaw
from dqdata_operators.lib.asking.judging import PROBLEM_TOKENS, TRACE_TOKENS, fenced, required, trace_tokens
from dqdata_operators.lib.asking.programs import is_program, prose, with_text
from dqdata_operators.lib.asking.prompting import Prompt
from dqdata_operators.lib.asking.requests import AskParams
from dqdata_operators.lib.asking.verdicts import verdict_columns, verified, with_verdict

REWRITE_COLUMNS = {
    "parent_id": "VARCHAR",
    "rewrite": "VARCHAR",
    "rewrite_stop": "VARCHAR",
    "rewrite_attempts": "BIGINT",
    "rewrite_failures": "VARCHAR",
    "rewrite_ratio": "DOUBLE",
}
STALE = (
    *(
        "reasoning_chars",
        "reasoning_words",
        "response_chars",
        "steps",
        "tokens",
        "self_checks",
        "cjk_share",
        "repeated",
    ),
    *("rv", "cd", "rv_judge", "rv_length", "rv_agreement", "cd_agreement", "graded_by"),
    *("fit", "fit_agreement", "fit_by", "score", "score_agreement", "score_by", "messages", "top_logprobs"),
    *("process_valid", "first_wrong_step", "leads_to_answer", "process_agreement", "process_by"),
)
"""Columns that describe a text, and say nothing of the one that replaces it."""

LEAK = re.compile(
    r"reference (?:answer|solution)|(?:original|given) (?:trace|reasoning|solution)|</?(?:trace|reference|problem)\b"
    r"|参考答案|原(?:推理|过程|解答)",
    re.IGNORECASE,
)
"""Phrases that show that the writer had the answer, or another text, before it."""

RETRY = {
    "en": {
        "answer_changed": "Your text ends at another answer than the right one. Write it again to reach {want}.",
        "answer_lost": "Your text states no final answer. Write it again and end with the answer {want}.",
        "language_changed": "Your text changed the language. Write it again in the language of the original.",
        "format_lost": "Your text is one block. Write it again with a blank line between steps.",
        "wrong_length": "Your text has {size} words. Write it again with {aim}.",
        "unchanged": "Your text is the original. Rewrite it as asked.",
        "leaked": "Your text speaks of the material. Write it again as the student's own thinking.",
        "program_fails": "The program at the end of your text does not pass its tests. Write the text again with one "
        "that does.",
        "no_program": "Your text holds no program. Write it again and end with the whole program in one block.",
        "other": "Your text can't be used ({reason}). Write it again, whole, and nothing else.",
    },
    "zh": {
        "answer_changed": "你的文字得出的答案与参考答案不同。请重写，使其得到 {want}。",
        "answer_lost": "你的文字没有给出最终答案。请重写，并以答案 {want} 结尾。",
        "language_changed": "你的文字改变了语言。请用原文的语言重写。",
        "format_lost": "你的文字没有分步。请重写，步骤之间空一行。",
        "wrong_length": "你的文字有 {size} 个词，请重写，长度为：{aim}。",
        "unchanged": "你的文字与原文相同。请按要求改写。",
        "leaked": "你的文字提到了所给材料。请重写，使其读起来像学生自己的思考。",
        "program_fails": "你的文字末尾的程序没有通过测试。请重写，并以能通过测试的程序结尾。",
        "no_program": "你的文字中没有程序。请重写，并以一个代码块中的完整程序结尾。",
        "other": "你的文字无法使用（{reason}）。请完整地重写，不要有其他内容。",
    },
}

PROGRAM = {
    "en": "The answer to this problem is a program, and the text must lead to it: end with the whole program in one "
    "```python block, with the names that the problem uses. It is run against tests.",
    "zh": "这道题的答案是一个程序，文字必须推导出它：最后用一个 ```python 代码块给出完整的程序，"
    "使用题目中的名称。程序将接受测试。",
}
"""Follows the request where the answer is a program: without it a rewritten text would lose the program."""


class RewriteParams(AskParams):
    teacher: TeacherName
    """Writes the new traces."""
    verifier: str = "verify_math"
    """Operator that says whether the answer survived."""
    verifier_params: Mapping[str, Any] = {}
    """Parameters of the verifier."""
    attempts: int = Field(2, ge=1, le=10)
    """Rewrites of one trace before it is given up."""
    on_failure: Literal["drop", "keep"] = "drop"
    """keep: the trace goes on as it was."""
    keep_parents: bool = False
    """The old trace goes on beside the new one; preference pairs need both."""


class OneRewriteParams(RewriteParams):
    prompt: PromptFile | None = None
    """Instead of the built-in one; may use the same placeholders."""


RP = TypeVar("RP", bound=RewriteParams)


@dataclass(frozen=True)
class Task:
    """One way to rewrite. low, high: sizes allowed, as multiples of the old text's."""

    kind: str
    prompt: Prompt
    low: float = 0.0
    high: float = float("inf")
    aim: float | None = None
    """Size to ask for, as a multiple."""


class RewriteOperator(CallOperator[RP]):
    """Rewrites traces. Subclasses say which rows, in which way: `task`."""

    own: ClassVar[tuple[str, ...]] = ("problem", "reference", "trace", "words", "target")

    @abstractmethod
    def task(self, row: Row) -> Task | str:
        """How to rewrite this row, or in a word why it stays as it is."""

    @abstractmethod
    def prompts(self) -> tuple[Prompt, ...]:
        """The prompts that `task` may choose."""

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require("trace_id", "VARCHAR").require("question", "VARCHAR")
        if "reasoning" not in have and "response" not in have:
            raise ColumnError(f"needs a trace: 'reasoning', 'response' or both (have: {', '.join(have)})")
        for prompt in self.prompts():
            prompt.require(have, *self.own)
        made = verdict_columns(schema, self.params.verifier, self.params.verifier_params, have)
        return made.add(**REWRITE_COLUMNS)

    def files(self) -> tuple[Path, ...]:
        return tuple(prompt.path for prompt in self.prompts() if prompt.path)

    def children(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        return ((self.params.verifier, self.params.verifier_params),)

    def estimate(self, rows: float) -> Estimate:
        """Each further attempt is taken to be needed by half of the traces before it."""
        calls = rows * sum(0.5**attempt for attempt in range(self.params.attempts))
        return self._estimate(rows, calls, self.params.max_tokens or TRACE_TOKENS)

    def at_most(self, rows: float) -> Estimate:
        """Every attempt for every trace."""
        return self._estimate(rows, rows * self.params.attempts, self.params.max_tokens or math.inf)

    def _estimate(self, rows: float, calls: float, answer: float) -> Estimate:
        texts = self.tokens_of("question", PROBLEM_TOKENS) + trace_tokens(self.tokens_of)
        given = max(prompt.overhead for prompt in self.prompts()) + texts
        made = rows * (2 if self.params.keep_parents else 1)
        written = calls * answer if calls else 0.0
        return Estimate(made, {self.params.teacher: CallEstimate(calls, calls * given, written)})

    def values(self, row: Row) -> dict[str, str]:
        """More placeholders of a subclass."""
        return {}

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        was = await with_verdict(run, self.params.verifier, self.params.verifier_params, row)
        task = self.task(was) if was["correct"] else "not_verified" if was["correct"] is None else "not_correct"
        if isinstance(task, str):
            return [{**self._blank(row), **was, "rewrite_stop": task}]

        column = "reasoning" if str(row.get("reasoning") or "").strip() else "response"
        old = required(row, column).strip()
        messages = task.prompt.render(row, **self._shown(row, old, column, task))
        if self._program(row):
            asked = PROGRAM.get(self.params.language, PROGRAM["en"])
            messages = (*messages[:-1], with_text(messages[-1], f"\n\n{asked}"))
        failures: list[str] = []
        child: Row = {}
        for attempt in range(1, self.params.attempts + 1):
            answer = await run.teacher(self.params.teacher).complete(self.params.request(messages, self.name))
            new = answer.response.strip()
            ratio = self._size(row, new) / max(1, self._size(row, old))
            child = self._child(was, column, new, answer, run, task, attempt, ratio)
            failure = self._flaw(old, new, answer, task, ratio)
            if failure is None:
                failure, child = await self._answer_kept(child, column, run)
            if failure is None:
                parent = [{**self._blank(row), **was, "rewrite_stop": "parent"}] if self.params.keep_parents else []
                return [*parent, {**child, "rewrite_failures": "; ".join(failures) or None}]
            failures.append(failure)
            correction = Message("user", self._again(failure, row, old, new, task))
            messages = (*messages, Message("assistant", new or "..."), correction)
        gave_up = {
            "rewrite_stop": "gave_up",
            "rewrite_attempts": len(failures),
            "rewrite_failures": "; ".join(failures),
        }
        kept = {**self._blank(row), **was, **gave_up}
        lost = Reject(failures[-1].partition(":")[0], "; ".join(failures), row={**child, **gave_up})
        if self.params.on_failure == "keep" or self.params.keep_parents:
            return [kept, lost]
        return [lost]

    def _program(self, row: Row) -> bool:
        return is_program(row, self.params.verifier)

    def _size(self, row: Row, text: str) -> int:
        """Size of a text, of one that ends with a program without the program: old texts need not hold it."""
        return size(prose(text)) if self._program(row) else size(text)

    def _reference(self, row: Row, column: str) -> str:
        """The right answer; of a program without one the response, which passed the tests. Raises RowError."""
        if not self._program(row):
            return fenced("reference", required(row, "answer"))
        known = row.get("answer") or (row.get("response") if column == "reasoning" else None)
        return fenced("reference", str(known)) if known else ""

    def _shown(self, row: Row, old: str, column: str, task: Task) -> dict[str, str]:
        target = f"{self._size(row, old) * (task.aim or 1):.0f}"
        return {
            "problem": fenced("problem", required(row, "question")),
            "reference": self._reference(row, column),
            "trace": fenced("trace", old),
            "words": str(self._size(row, old)),
            "target": target,
            **self.values(row),
        }

    def _blank(self, row: Row) -> dict[str, Any]:
        """The new columns of a row that isn't rewritten here; an earlier rewriting step's stay."""
        return {name: row.get(name) for name in REWRITE_COLUMNS}

    def _child(
        self, was: Row, column: str, new: str, answer: Completion, run: Run, task: Task, attempt: int, ratio: float
    ) -> dict[str, Any]:
        made = {
            "teacher": run.teacher(self.params.teacher).model or answer.model,
            "finish_reason": answer.finish_reason,
            "ledger_key": answer.ledger_key,
            "input_tokens": answer.usage.input,
            "output_tokens": answer.usage.output,
        }
        return {
            **was,
            **{name: None for name in STALE if name in was},
            **{name: value for name, value in made.items() if name in was},
            "trace_id": None,
            "parent_id": was["trace_id"],
            column: new,
            "rewrite": task.kind,
            "rewrite_stop": "rewritten",
            "rewrite_attempts": attempt,
            "rewrite_failures": None,
            "rewrite_ratio": ratio,
        }

    def _flaw(self, old: str, new: str, answer: Completion, task: Task, ratio: float) -> str | None:
        """What is wrong with a new text before anyone verifies its answer."""
        if found := flaw(answer):
            return f"{found.reason}: {found.detail}"
        if " ".join(new.split()) == " ".join(old.split()):
            return "unchanged"
        if (leak := LEAK.search(new)) and leak[0].lower() not in old.lower():
            return f"leaked: {leak[0]!r}"
        if not same_language(old, new):
            return "language_changed"
        if steps(old) > 1 and steps(new) < 2 and size(new) > 40:
            return "format_lost"
        if not task.low <= ratio <= task.high:
            return f"wrong_length: {ratio:.2f} of the old text, {task.low:g} to {task.high:g} allowed"
        return None

    async def _answer_kept(self, child: dict[str, Any], column: str, run: Run) -> tuple[str | None, Row]:
        """The new text is verified in the response's place. Returns what is wrong, and the child with its verdict."""
        probe = await self._verified({**child, "response": child[column]}, run)
        if probe["correct"]:
            return None, child if column == "reasoning" else {**probe, "trace_id": None}
        if probe["correct"] is None:
            return f"unverifiable: {probe.get('verdict_reason')}", child
        found = probe.get("extracted")
        child = {**child, **{name: probe[name] for name in ("extracted", "verdict", "correct") if name in probe}}
        if self._program(child):
            why = str(probe.get("verdict_reason"))
            return ("no_program" if why == "no_code" else f"program_fails: {why}"), child
        return ("answer_lost" if found is None else f"answer_changed: {found}"), child

    async def _verified(self, row: Row, run: Run) -> Row:
        return await verified(run, self.params.verifier, self.params.verifier_params, row)

    def _again(self, failure: str, row: Row, old: str, new: str, task: Task) -> str:
        """The request for another attempt: what was wrong with the last one."""
        words = RETRY.get(self.params.language, RETRY["en"])
        was = self._size(row, old)
        aim = f"{was * task.aim:.0f}" if task.aim else f"> {was}"
        template = words.get(failure.partition(":")[0], words["other"])
        return template.format(reason=failure, want=row.get("answer"), size=self._size(row, new), aim=aim)
