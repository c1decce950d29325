"""Turns multiple-choice problems into open ones, and refuses those whose options are needed.

    { op = "convert_choice", judge = "qwq" }

    question                     | choices            | answer  ->  question           | answer | answer_type | seed_id
    Which of these is 6 times 7? | [36, 42, 48]       | B           What is 6 times 7? | 42     | math        | p1
    Which of these is a prime?   | [4, 7, 9]          | B           dropped: needs_options

The answer is the text of the right option. A judge says whether someone who doesn't see the options could find that
answer and no other, and writes the open question. Refused without a call: options such as "all of the above", and
questions that ask which option is not, or best, something. The new question must keep the numbers of the old one, give
no option and not the answer away. Options are the column `choices`, or the lines `A) ...` of the question itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import model_validator

from dqdata.columns import Columns
from dqdata.errors import ColumnError, RowError
from dqdata.operator import Outcome, Reject, Row, Run, Schema
from dqdata_operators.generate._shape import numbers
from dqdata_operators.lib.asking.judgement import Asked, Settled, UnreadableError, YesNo
from dqdata_operators.lib.asking.judging import PROBLEM_TOKENS, JudgeOperator, JudgeParams, fenced, required
from dqdata_operators.lib.maths import compare_choice
from dqdata_operators.lib.maths.numbers import literal
from dqdata_operators.lib.maths.options import LETTERS

OPTION = re.compile(r"^[ \t]*[(\[]?([A-J])[).:\]、．][ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
OF_OTHERS = re.compile(
    r"\b(?:all|none|both|neither|any|some|each|two) of (?:the |these |those )?(?:above|following|options|choices)\b"
    r"|\ball (?:are|of them) (?:correct|true)\b|\b(?:both|neither)\b.*\b(?:and|nor)\b|\b[A-J] (?:and|or|&) [A-J]\b"
    r"|以上|上述|都(?:对|不对|正确)",
    re.IGNORECASE,
)
"""Options that speak of other options."""
AMONG = re.compile(
    r"\b(?:following|these|below|options|choices|statements)\b.*\b(?:not|except|incorrect|false|true|correct|best|most|"
    r"least|closest|likely|unlikely)\b|\b(?:except|best describes|best explains|most likely|least likely)\b"
    r"|(?:下列|以下).*(?:不|错误|正确|最)",
    re.IGNORECASE | re.DOTALL,
)
"""Questions whose answer depends on what it is compared with."""
LEFT = re.compile(
    r"\b(?:of|from|among) (?:the |these )?(?:following|options|choices|above|below)\b|\bwhich of (?:these|the)\b"
    r"|\b(?:option|choice)s? (?:above|below|[A-J]\b)|下列|以下(?:哪|选项)|选项",
    re.IGNORECASE,
)
"""What an open question can't say."""


@dataclass(frozen=True)
class Question:
    """A text, as a judge is asked for it; empty where there is none to give."""

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "string"}

    def check(self, value: Any) -> str:
        if not isinstance(value, str):
            raise UnreadableError("not a text")
        return value.strip()

    def settle(self, votes: Sequence[Any]) -> Settled:
        """The first vote: texts can't be averaged."""
        return Settled(votes[0], 1.0)


class ConvertChoiceParams(JudgeParams):
    choices: str = "choices"
    """Column with the options' texts, in order; without it they are read from the lines of the question."""
    answer: str = "answer"
    """Column with the right letter, or the right option's text."""

    @model_validator(mode="after")
    def _one_vote(self) -> ConvertChoiceParams:
        if self.votes > 1:
            raise ValueError("`votes` is 1 here: questions can't be averaged; another `draw` writes another one")
        return self


class ConvertChoice(JudgeOperator[ConvertChoiceParams]):
    """Turns multiple-choice problems into open questions with the text of the right option as the answer."""

    name = "convert_choice"
    Params = ConvertChoiceParams
    own = ("problem", "options", "right")
    asked: ClassVar[Mapping[str, Asked]] = {"needs_options": YesNo(tie=True), "question": Question()}
    reasons: ClassVar = {
        "needs_options": "The problem can't be answered without seeing its options.",
        "no_options": "The problem has fewer than two options.",
        "no_right_option": "The reference names none of the options, or several.",
        "options_left": "The open question still speaks of options.",
        "answer_leaked": "The open question gives its answer away.",
    }

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require("problem_id", "VARCHAR").require("question", "VARCHAR").require(self.params.answer, "VARCHAR")
        if "trace_id" in have or "pair_id" in have:
            raise ColumnError("makes problems from problems; these rows are traces (leave the reasoning out in `from`)")
        if self.params.choices in have:
            have.require(self.params.choices, "VARCHAR[]")
        self.prompt.require(have, *self.own)
        return have.add(answer_type="VARCHAR", seed_id="VARCHAR", converted_by="VARCHAR")

    @property
    def prompt_tokens(self) -> float:
        return self.prompt.overhead + 1.5 * self.tokens_of("question", PROBLEM_TOKENS)

    def material(self, row: Row) -> dict[str, str]:
        stem, options = self._parts(row)
        listed = "\n".join(f"{LETTERS[place]}) {text}" for place, text in enumerate(options))
        right = options[self._right(row, options)]
        return {
            "problem": fenced("problem", stem),
            "options": fenced("options", listed),
            "right": fenced("right", right),
        }

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        stem, options = self._parts(row)
        right = self._right(row, options)
        if wrong := next((text for text in options if OF_OTHERS.search(text)), None):
            return [Reject("needs_options", f"option {wrong!r} speaks of others")]
        if AMONG.search(stem):
            return [Reject("needs_options", "the question compares the options")]
        said = await self.ask(row, run)
        text = said.values["question"].value
        made = {
            **row,
            "problem_id": None,
            "question": text,
            self.params.answer: options[right],
            "answer_type": "math" if _is_maths(options[right]) else "text",
            "seed_id": row["problem_id"],
            "converted_by": said.judge,
        }
        if self.params.choices in row:
            made[self.params.choices] = None
        if said.values["needs_options"].value:
            return [Reject("needs_options", f"{said.judge} says so")]
        fault = _fault(stem, text, options, right)
        return [Reject(*fault, row=made) if fault else made]

    def _parts(self, row: Row) -> tuple[str, list[str]]:
        """The question without its options, and the options. Raises RowError where there are fewer than two."""
        text = required(row, "question").strip()
        marks = list(OPTION.finditer(text))
        lines = [mark[2] for mark in marks] if [mark[1] for mark in marks] == list(LETTERS[: len(marks)]) else []
        stem = text[: marks[0].start()].strip() if lines else text
        options = [str(one).strip() for one in row.get(self.params.choices) or lines if one and str(one).strip()]
        if len(options) < 2 or len(options) > len(LETTERS):
            raise RowError("no_options", f"{len(options)} options in {self.params.choices!r} or the question's lines")
        return stem, options

    def _right(self, row: Row, options: Sequence[str]) -> int:
        """Place of the right option. Raises RowError where the reference doesn't name exactly one."""
        answer = str(row[self.params.answer] or "")
        places = [
            place
            for place in range(len(options))
            if compare_choice(reference=answer, response=f"\\boxed{{{LETTERS[place]}}}", choices=options).verdict
            == "correct"
        ]
        if len(places) != 1:
            raise RowError("no_right_option", f"{answer!r} names {len(places)} of {len(options)} options")
        return places[0]


def _fault(stem: str, text: str, options: Sequence[str], right: int) -> tuple[str, str] | None:
    """What is wrong with an open question."""
    if not text:
        return "no_problem", "the judge wrote no question"
    new = [option for option in options if _holds(text, option) and not _holds(stem, option)]
    if options[right] in new:
        return "answer_leaked", options[right]
    if LEFT.search(text) or len(new) > 1:
        return "options_left", text[:200]
    was, now = numbers(stem), numbers(text)
    return None if was == now else ("numbers_changed", f"{' '.join(was)} -> {' '.join(now)}")


def _holds(text: str, option: str) -> bool:
    """Whether an option's text is in another, as words of their own."""
    return re.search(rf"(?<!\w){re.escape(option)}(?!\w)", text, re.IGNORECASE) is not None


def _is_maths(text: str) -> bool:
    return literal(text) is not None or "\\" in text or "$" in text
