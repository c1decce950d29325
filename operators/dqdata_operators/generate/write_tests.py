"""Writes tests for programming problems, validated by several solutions and by mutants of them.

    { op = "write_tests", judge = "v3", solvers = ["r1", "qwq"], solutions = 2, max_tokens = 8192 }

    question                   ->  tests                              | tests_written | tests_valid | tests_kept | ..
    Add two numbers with add.      {"entry_point": "add", "cases": ..}             12 |          11 |          9

A model writes cases from the problem alone, solvers write programs that see no case. A case is valid where more than
half of the programs, and two of them, pass it: then model and programs agree on the result. The programs that pass all
valid cases are the right ones; each mutant of them, a version with one small change, and each program that is not among
them is wrong where a valid case says so. A case that every wrong program passes tells nothing: it is dropped
(`weak = "mark"` keeps it). `test_marks` has every case with its passes and what it found out. A problem is dropped
where the programs don't agree, and where fewer than `least_found` of the mutants are found out. Everything runs in the
sandbox, judged by verify_code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from dqdata.aio import gather_all
from dqdata.columns import Columns
from dqdata.errors import ColumnError, TeacherError
from dqdata.operator import CallEstimate, Estimate, Outcome, Reject, Row, Run, Schema, TeacherName, bind
from dqdata.teacher import Request, Sampling
from dqdata_operators.generate._mutants import mutants
from dqdata_operators.generate._written_tests import Cases, WrittenCases
from dqdata_operators.lib.asking.answers import flaw
from dqdata_operators.lib.asking.judgement import Asked
from dqdata_operators.lib.asking.judging import PROBLEM_TOKENS, JudgeOperator, JudgeParams, fenced, required
from dqdata_operators.lib.asking.prompting import Prompt, load_prompt

MARKS = "STRUCT(test VARCHAR, passes BIGINT, finds BIGINT, mark VARCHAR)[]"
CASES_TOKENS = 600
PROGRAM_TOKENS = 1500
"""Tokens that written cases and a program are taken to have where `max_tokens` isn't given."""
SANDBOX = {"seconds": 2.0, "total_seconds": 4.0}


class WriteTestsParams(JudgeParams):
    solvers: tuple[TeacherName, ...] = Field(min_length=1)
    """Teachers that write programs."""
    solutions: int = Field(2, ge=1)
    """Programs of each solver."""
    solver_tokens: int | None = Field(None, ge=1)
    """`max_tokens` of the solvers."""
    solver_temperature: float | None = Field(None, ge=0)
    """Temperature of the solvers; the endpoint's own where not given."""
    known: str = "solutions"
    """Column with programs that come with the problem, a list of texts; used where it exists."""
    entry_points: str = "entry_point"
    """Column with the function under test; used where it exists."""
    least: int = Field(6, ge=1)
    """Fewest cases to write."""
    most: int = Field(16, ge=1)
    """Most cases to write."""
    mutants: int = Field(12, ge=1)
    """Mutants to try, at most, over all right programs."""
    least_found: float = Field(0.5, ge=0, le=1)
    """Share of the mutants that the kept cases must find out."""
    weak: Literal["drop", "mark"] = "drop"
    """What becomes of a case that every wrong program passes."""
    code_params: Mapping[str, Any] = {}
    """Parameters of verify_code; 2 CPU seconds a case where not given."""

    @model_validator(mode="after")
    def _consistent(self) -> WriteTestsParams:
        if self.votes > 1:
            raise ValueError("`votes` is 1 here: tests can't be averaged; another `draw` writes others")
        if self.least > self.most:
            raise ValueError(f"least = {self.least} is more than most = {self.most}")
        if self.solutions > 1 and self.solver_temperature == 0:
            raise ValueError(f"solutions = {self.solutions} with solver_temperature = 0 pays for equal programs")
        return self

    @property
    def verifying(self) -> dict[str, Any]:
        return {**SANDBOX, **self.code_params}


class WriteTests(JudgeOperator[WriteTestsParams]):
    """Writes tests for programming problems, and keeps those that several solutions pass and some mutant fails."""

    name = "write_tests"
    Params = WriteTestsParams
    own = ("problem", "least", "most", "interface")
    reasons: ClassVar = {
        "no_solutions": "Fewer than two programs to validate tests with.",
        "solutions_differ": "No two programs pass the same valid tests.",
        "weak_tests": "The tests let too many wrong programs pass.",
    }

    @cached_property
    def solving(self) -> Prompt:
        return load_prompt("write_solution", self.params.language)

    def files(self) -> tuple[Path, ...]:
        return (*super().files(), *((self.solving.path,) if self.solving.path else ()))

    def children(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        return (("verify_code", self.params.verifying),)

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require("problem_id", "VARCHAR").require("question", "VARCHAR")
        if "trace_id" in have or "pair_id" in have:
            raise ColumnError("works on problems; these rows are traces: put a step `sql` that groups them")
        if self.params.known in have:
            have.require(self.params.known, "VARCHAR[]")
        self.prompt.require(have, *self.own)
        schema.child("verify_code", self.params.verifying, have.add(response="VARCHAR", tests="VARCHAR"))
        counts = ("tests_written", "tests_valid", "tests_kept", "mutants", "mutants_found")
        made = have.add(tests="VARCHAR", **dict.fromkeys(counts, "BIGINT"))
        return made.add(test_marks=MARKS, right_solutions="VARCHAR[]", tests_by="VARCHAR")

    def estimate(self, rows: float) -> Estimate:
        written = self.params.solver_tokens or PROGRAM_TOKENS
        return self._with_solvers(rows, self.votes_on(rows, rows), min(written, PROGRAM_TOKENS))

    def at_most(self, rows: float) -> Estimate:
        worst = self.votes_on(rows, rows, worst=True)
        return self._with_solvers(rows, worst, self.params.solver_tokens or math.inf)

    def _with_solvers(self, rows: float, made: Estimate, written: float) -> Estimate:
        calls, given = dict(made.calls), self.solving.overhead + self.tokens_of("question", PROBLEM_TOKENS)
        asked = rows * self.params.solutions
        for name in self.params.solvers:
            more = CallEstimate(asked, asked * given, asked * written if asked else 0.0)
            one = calls.get(name, CallEstimate(0, 0, 0))
            calls[name] = CallEstimate(
                one.calls + more.calls, one.input_tokens + more.input_tokens, one.output_tokens + more.output_tokens
            )
        return Estimate(made.rows, calls)

    @property
    def prompt_tokens(self) -> float:
        return self.prompt.overhead + self.tokens_of("question", PROBLEM_TOKENS)

    def questions(self, row: Row) -> Mapping[str, Asked]:
        return {"tests": WrittenCases(self.params.least, self.params.most, self._entry(row))}

    def material(self, row: Row) -> dict[str, str]:
        entry = self._entry(row)
        return {
            "problem": fenced("problem", required(row, "question")),
            "least": str(self.params.least),
            "most": str(self.params.most),
            "interface": _interface(self.params.language, entry) if entry else "",
        }

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        said = await self.ask(row, run)
        cases: Cases = said.values["tests"].value
        programs = [*(one for one in row.get(self.params.known) or () if one), *await self._programs(row, cases, run)]
        programs = list(dict.fromkeys(programs))
        made: dict[str, Any] = {**row, "tests": cases.text(), "tests_written": len(cases.cases), "tests_by": said.judge}
        empty = ("tests_valid", "tests_kept", "mutants", "mutants_found", "test_marks", "right_solutions")
        made |= dict.fromkeys(empty)
        if len(programs) < 2:
            return [Reject("no_solutions", f"{len(programs)} programs", row=made)]
        passed = await self._passed(row, cases, programs, range(len(cases.cases)), run)
        votes = [sum(one[place] is True for one in passed) for place in range(len(cases.cases))]
        valid = [place for place, count in enumerate(votes) if count >= 2 and 2 * count > len(programs)]
        right = [text for text, one in zip(programs, passed, strict=True) if all(one[at] is True for at in valid)]
        made |= {"tests_valid": len(valid), "right_solutions": right}
        if not valid or len(right) < 2:
            detail = f"{len(valid)} of {len(votes)} tests are valid, {len(right)} of {len(programs)} programs pass them"
            return [Reject("solutions_differ", detail, row=made)]
        changed = _of_all(right, self.params.mutants)
        tried = await self._passed(row, cases, changed, valid, run)
        wrong = [*tried, *(one for text, one in zip(programs, passed, strict=True) if text not in right)]
        finds = {at: sum(one[at] is False for one in wrong) for at in valid}
        found = sum(any(one[at] is False for at in valid) for one in tried)
        kept = [at for at in valid if finds[at] or self.params.weak == "mark"]
        made |= {
            "tests_kept": len(kept),
            "mutants": len(changed),
            "mutants_found": found,
            "test_marks": [
                {
                    "test": json.dumps(case, ensure_ascii=False),
                    "passes": votes[at],
                    "finds": finds.get(at),
                    "mark": "kept" if finds.get(at) else "weak" if at in finds else "wrong",
                }
                for at, case in enumerate(cases.cases)
            ],
        }
        if not any(finds.values()) or found < self.params.least_found * len(changed):
            return [Reject("weak_tests", f"{found} of {len(changed)} mutants are found out", row=made)]
        return [{**made, "tests": cases.text(*kept)}]

    def _entry(self, row: Row) -> str:
        return str(row.get(self.params.entry_points) or "")

    async def _programs(self, row: Row, cases: Cases, run: Run) -> list[str]:
        """What the solvers answer, without what is cut off, empty or refused."""
        interface = _interface(self.params.language, cases.entry_point)
        messages = self.solving.render(row, interface=interface)
        sampling = Sampling(self.params.solver_tokens, self.params.solver_temperature)
        draw = f"{self.name}:{self.params.draw}" if self.params.draw else self.name

        async def one(name: str, sample: int) -> str | None:
            try:
                answer = await run.teacher(name).complete(Request(messages, sampling, draw, sample))
            except TeacherError as error:
                if error.kind == "row":
                    return None
                raise
            return None if flaw(answer) else answer.response

        asked = [(name, sample) for name in self.params.solvers for sample in range(self.params.solutions)]
        return [text for text in await gather_all(one(*each) for each in asked) if text]

    async def _passed(
        self, row: Row, cases: Cases, programs: Sequence[str], places: Sequence[int], run: Run
    ) -> list[dict[int, bool | None]]:
        """For each program: whether it passes the cases at these places, None where nobody can say."""
        pairs = [(text, place) for text in programs for place in places]
        rows = [{**row, "response": text, "tests": cases.text(place)} for text, place in pairs]
        judged = await bind("verify_code", self.params.verifying, run)(rows)
        verdicts = [None if isinstance(outcome, Reject) else outcome["correct"] for [outcome] in judged]
        size = len(places)
        return [dict(zip(places, verdicts[at * size : (at + 1) * size], strict=True)) for at in range(len(programs))]


def _interface(language: str, entry_point: str) -> str:
    """What a program must offer."""
    if language == "zh":
        return f"程序须定义函数 {entry_point}。" if entry_point else "程序从标准输入读取，向标准输出打印。"
    if entry_point:
        return f"The program must define the function {entry_point}."
    return "The program must read standard input and print to standard output."


def _of_all(programs: Sequence[str], most: int) -> list[str]:
    """Mutants of all programs, taken in turn."""
    made = [mutants(_bare(text), most) for text in programs]
    taken = [one for place in range(most) for group in made for one in group[place : place + 1]]
    return list(dict.fromkeys(taken))[:most]


def _bare(text: str) -> str:
    """The longest Python block of an answer, or all of it where it has none."""
    blocks = [part.partition("\n")[2] for part in text.split("```")[1::2]]
    return max(blocks, key=len, default=text)
