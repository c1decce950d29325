"""Asks a judge which of two answers is better, in both orders, with ties.

    { op = "sql", query = '''select null as pair_id, a.problem_id, a.question, a.answer, a.response as response_a,
        b.response as response_b, a.correct as correct_a, b.correct as correct_b, [a.trace_id, b.trace_id] as parent_ids
        from rows a join rows b on a.problem_id = b.problem_id and a.trace_id < b.trace_id''' },
    { op = "compare", judge = "qwq" }

    response_a | response_b  ->  winner | winner_first | winner_swapped | winner_agreement | winner_verified | winner_by
    It is 4.   | It is 5.        a      | a            | a              |              1.0 | true            | QwQ-32B

winner is a or b where the judge names the same answer in both orders, else tie. winner_first is what it says with a
shown first, winner_swapped with b shown first; a judge that prefers a place gives two different ones. winner_verified
says whether the winner is the correct answer, where the columns correct_a and correct_b differ; a tie is none.
`pairs = true` drops ties and adds prompt, chosen and rejected, which dpo trains on.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from pydantic import Field

from dqdata.columns import MESSAGES, Columns
from dqdata.operator import CallEstimate, Estimate, Outcome, Reject, Row, Run, Schema
from dqdata_operators.lib.asking.judgement import Choice
from dqdata_operators.lib.asking.judging import TRACE_TOKENS, JudgeOperator, JudgeParams, Said, fenced, required

STANDARD = "it is correct, complete and clear, and it does what was asked"
FLIPPED = {"a": "b", "b": "a", "tie": "tie"}


class CompareParams(JudgeParams):
    a: str = "response_a"
    """Column with one answer."""
    b: str = "response_b"
    """Column with the other."""
    correct_a: str = "correct_a"
    """Column with a verifier's verdict on the first, read where it is there."""
    correct_b: str = "correct_b"
    """The same of the second."""
    standard: str = Field(STANDARD, min_length=1)
    """What makes an answer better, as the judge's prompt says it."""
    pairs: bool = False
    """Drop ties, and add the columns prompt, chosen and rejected."""


class Compare(JudgeOperator[CompareParams]):
    """Asks a judge which of two answers is better, in both orders; where they disagree it is a tie."""

    name = "compare"
    Params = CompareParams
    asked: ClassVar = {"winner": Choice(("first", "second", "tie"), tie="tie")}
    own = ("problem", "reference", "first", "second", "standard")
    reasons: ClassVar = {"tie": "Neither answer is better, or the judge's choice depends on the order of the answers."}

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require("question", "VARCHAR")
        have.require(self.params.a, "VARCHAR").require(self.params.b, "VARCHAR")
        self.prompt.require(have, *self.own)
        made = have.add(winner="VARCHAR", winner_first="VARCHAR", winner_swapped="VARCHAR", winner_agreement="DOUBLE")
        if self._verified(have):
            have.require(self.params.correct_a, "BOOLEAN").require(self.params.correct_b, "BOOLEAN")
            made = made.add(winner_verified="BOOLEAN")
        made = made.add(winner_by="VARCHAR")
        return made.add(prompt=MESSAGES, chosen=MESSAGES, rejected=MESSAGES) if self.params.pairs else made

    def estimate(self, rows: float) -> Estimate:
        return self._both(super().estimate(rows))

    def at_most(self, rows: float) -> Estimate:
        return self._both(super().at_most(rows))

    def _both(self, one: Estimate) -> Estimate:
        """The same for two orders."""
        calls = {
            name: CallEstimate(2 * a.calls, 2 * a.input_tokens, 2 * a.output_tokens) for name, a in one.calls.items()
        }
        return Estimate(one.rows, calls)

    @property
    def prompt_tokens(self) -> float:
        answers = sum(self.tokens_of(name, TRACE_TOKENS / 4) for name in (self.params.a, self.params.b))
        return self.prompt.overhead + self.tokens_of("question", 150) + answers

    def material(self, row: Row) -> dict[str, str]:
        return {
            "problem": fenced("problem", required(row, "question")),
            "reference": fenced("reference", str(row["answer"])) if row.get("answer") else "",
            "first": fenced("first", required(row, self.params.a)),
            "second": fenced("second", required(row, self.params.b)),
            "standard": self.params.standard,
        }

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        swapped = {**row, self.params.a: row[self.params.b], self.params.b: row[self.params.a]}
        both = await asyncio.gather(self.ask(row, run), self.ask(swapped, run), return_exceptions=True)
        said: list[Said] = []
        for one in both:  # what is in flight is paid for, so that none is left before both are there
            if isinstance(one, BaseException):
                raise one
            said.append(one)
        places = {"first": "a", "second": "b", "tie": "tie"}
        first = places[said[0].values["winner"].value]
        second = FLIPPED[places[said[1].values["winner"].value]]
        winner = first if first == second else "tie"
        made: dict[str, Any] = {
            **row,
            "winner": winner,
            "winner_first": first,
            "winner_swapped": second,
            "winner_agreement": sum(one.values["winner"].agreement for one in said) / 2,
            "winner_by": said[0].judge,
        }
        if self._verified(row):
            made["winner_verified"] = self._is_right(row, winner)
        if not self.params.pairs:
            return [made]
        made |= dict.fromkeys(("prompt", "chosen", "rejected"))
        if winner == "tie":
            return [Reject("tie", f"{first}, swapped {second}", row=made)]
        better, worse = (self.params.a, self.params.b) if winner == "a" else (self.params.b, self.params.a)
        made["prompt"] = [{"role": "user", "content": str(row["question"]).strip()}]
        made["chosen"] = [{"role": "assistant", "content": row[better]}]
        made["rejected"] = [{"role": "assistant", "content": row[worse]}]
        return [made]

    def _verified(self, have: Columns | Row) -> bool:
        return self.params.correct_a in have and self.params.correct_b in have

    def _is_right(self, row: Row, winner: str) -> bool | None:
        """Whether the winner is the one that a verifier found correct; None where it tells no difference."""
        a, b = row[self.params.correct_a], row[self.params.correct_b]
        if a is None or b is None or a == b:
            return None
        return winner == ("a" if a else "b")
