"""Is the process valid, whatever the answer? Finds the first wrong step.

    { op = "judge_process", judge = "qwq", votes = 3 }

    reasoning                    ->  process_valid | first_wrong_step | leads_to_answer | process_by
    "3 * 4 = 7\\n\\nSo it is 12."          false |                1 |           false | QwQ-32B

Steps are numbered from 1 and parted by blank lines, as in the text that the judge is shown: reasoning, then response.
A process is valid where no step is wrong and the answer follows from the steps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from dqdata.columns import Columns
from dqdata.operator import Outcome, Row, Run, Schema
from dqdata_operators.lib.asking.judgement import Asked, Scale, YesNo
from dqdata_operators.lib.asking.judging import JudgeOperator, JudgeParams, fenced, trace_of

STEP_BREAK = re.compile(r"\n\s*\n")


class JudgeProcess(JudgeOperator[JudgeParams]):
    """Asks a judge whether each step of a trace is valid and leads to the answer; names the first wrong step."""

    name = "judge_process"
    Params = JudgeParams
    asked: ClassVar[Mapping[str, Asked]] = {
        "first_wrong_step": Scale(1, 10_000, nullable=True),
        "leads_to_answer": YesNo(),
    }

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return self.judges(have).add(
            process_valid="BOOLEAN",
            first_wrong_step="BIGINT",
            leads_to_answer="BOOLEAN",
            process_agreement="DOUBLE",
            process_by="VARCHAR",
        )

    def material(self, row: Row) -> dict[str, str]:
        steps = STEP_BREAK.split(trace_of(row))
        numbered = "\n\n".join(f"[{number}] {step.strip()}" for number, step in enumerate(steps, 1))
        return {**super().material(row), "trace": fenced("trace", numbered)}

    def questions(self, row: Row) -> Mapping[str, Asked]:
        """A step that isn't there can't be the wrong one."""
        return {**self.asked, "first_wrong_step": Scale(1, len(STEP_BREAK.split(trace_of(row))), nullable=True)}

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        said = await self.ask(row, run)
        wrong, leads = said.values["first_wrong_step"], said.values["leads_to_answer"]
        made: dict[str, Any] = {
            "process_valid": wrong.value is None and leads.value,
            "first_wrong_step": None if wrong.value is None else int(wrong.value),
            "leads_to_answer": leads.value,
            "process_agreement": min(wrong.agreement, leads.agreement),
            "process_by": said.judge,
        }
        return [{**row, **made}]
