"""Can a problem be used? Complete, with one answer, and no proof: what a verifier can judge.

    { op = "problem_valid", judge = "qwq", votes = 3 },
    { op = "filter", where = "problem_valid", reason = "no_valid_problem" }

    question                          ->  problem_complete | problem_answers | problem_proof | problem_flaw | .._valid
    What is 2 + 2?                        true             | one             | false         |              | true
    How old is Ann?                       false            | none            | false         | incomplete   | false
    Give a prime above 10.                true             | several         | false         | several      | false
    Prove that 2 is the only even prime.  true             | one             | true          | proof        | false

Every row is kept, so that what the judge finds wrong is a query; a `filter` drops. The judge sees the reference, where
there is one, and is instructed not to solve the problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from dqdata.columns import Columns
from dqdata.operator import Outcome, Row, Run, Schema
from dqdata_operators.lib.asking.judgement import Asked, Choice, YesNo
from dqdata_operators.lib.asking.judging import PROBLEM_TOKENS, JudgeOperator, JudgeParams, fenced, required


class ProblemValid(JudgeOperator[JudgeParams]):
    """Asks a judge whether a problem is complete, has exactly one answer, and is no proof."""

    name = "problem_valid"
    Params = JudgeParams
    own = ("problem", "reference")
    asked: ClassVar[Mapping[str, Asked]] = {
        "complete": YesNo(),
        "answers": Choice(("one", "several", "none"), tie="several"),
        "proof": YesNo(tie=True),
    }

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require("question", "VARCHAR")
        self.prompt.require(have, *self.own)
        return have.add(
            problem_complete="BOOLEAN",
            problem_answers="VARCHAR",
            problem_proof="BOOLEAN",
            problem_valid="BOOLEAN",
            problem_flaw="VARCHAR",
            problem_agreement="DOUBLE",
            problem_by="VARCHAR",
        )

    @property
    def prompt_tokens(self) -> float:
        return self.prompt.overhead + self.tokens_of("question", PROBLEM_TOKENS)

    def material(self, row: Row) -> dict[str, str]:
        return {
            "problem": fenced("problem", required(row, "question")),
            "reference": fenced("reference", str(row["answer"])) if row.get("answer") else "",
        }

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        said = await self.ask(row, run)
        complete, answers, proof = (said.values[name].value for name in ("complete", "answers", "proof"))
        flaw = "incomplete" if not complete else "proof" if proof else None if answers == "one" else answers
        return [
            {
                **row,
                "problem_complete": complete,
                "problem_answers": answers,
                "problem_proof": proof,
                "problem_valid": flaw is None,
                "problem_flaw": flaw,
                "problem_agreement": min(one.agreement for one in said.values.values()),
                "problem_by": said.judge,
            }
        ]
