"""Asks a model to choose the best of several candidate solutions, and keeps its reasons as training rows.

    { op = "sql", query = '''select problem_id, any_value(question) as question, list(response order by trace_id)
        as candidates, list(correct order by trace_id) as corrects, list(trace_id order by trace_id) as parent_ids
        from rows group by problem_id having count(*) > 1''' },
    { op = "gen_select", teacher = "qwq", max_tokens = 8192 }

    candidates    | corrects      ->  selected | selected_response | selected_correct | selection           | messages
    [It is 5., 4] | [false, true]            2 | 4                 | true             | The first.. Jud.. 2 | [user: ..]

The candidates are shown in an order that depends on the seed and the row alone, so that no place is preferred; selected
is the place in `candidates`, from 1 as SQL counts. selection is the answer with its reasons, and messages the chat of
it: a row to train a selector on (GenSelect, as in OpenMathReasoning, arXiv 2504.16891) where selected_correct is true.
An answer that does not end with "Judgment: NUMBER" fails its row as `unparseable_judgement`.
"""

from __future__ import annotations

import math
import random
import re
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from dqdata.columns import MESSAGES, Columns, key_of
from dqdata.errors import ColumnError, RowError
from dqdata.ids import digest
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
from dqdata_operators.lib.asking.answers import flaw
from dqdata_operators.lib.asking.judging import PROBLEM_TOKENS, TRACE_TOKENS, required
from dqdata_operators.lib.asking.prompting import Prompt, load_prompt
from dqdata_operators.lib.asking.requests import AskParams

JUDGMENT = re.compile(
    r"(?:judge?ment|判断|选择)\W{0,6}(?:candidate|solution|候选|解答)?\W{0,3}(\d+)\W*\Z", re.IGNORECASE
)
HEADS = {"zh": "候选解答 {number}：\n{text}"}
HEAD = "Candidate {number}:\n{text}"
REASONS_TOKENS = 800
"""Tokens that the reasons are taken to have when costs are estimated."""
SHOWN = 4
"""Candidates that a row is taken to have when costs are estimated."""


class GenSelectParams(AskParams):
    teacher: TeacherName
    """Examines the candidates and chooses."""
    candidates: str = "candidates"
    """Column with the candidates of a problem, a list of texts."""
    corrects: str = "corrects"
    """Column with a verifier's verdicts on them, in the same order, read where it is there."""
    prompt: PromptFile | None = None
    """Instead of the built-in one; may use the same placeholders."""
    limit: int = Field(16, ge=2)
    """Most candidates to show; of more, some are drawn."""
    seed: int | None = None
    """Of the order of candidates; the pipeline's own where not given."""


class GenSelect(CallOperator[GenSelectParams]):
    """Asks a model to choose one of several candidate solutions, and keeps its reasons as training rows."""

    name = "gen_select"
    Params = GenSelectParams
    reasons: ClassVar = {
        "few_candidates": "Fewer than two candidates have a text, so there is nothing to choose.",
        "verdicts_differ": "There are more or fewer verdicts than candidates.",
    }
    own = ("problem", "candidates", "count")

    @cached_property
    def prompt(self) -> Prompt:
        return load_prompt(self.name, self.params.language, self.params.prompt)

    def files(self) -> tuple[Path, ...]:
        return (self.prompt.path,) if self.prompt.path else ()

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require("question", "VARCHAR").require(self.params.candidates, "VARCHAR[]")
        self.prompt.require(have, *self.own)
        made = have.add(selected="BIGINT", selected_response="VARCHAR")
        if self.params.corrects in have:
            if have[self.params.corrects] != "BOOLEAN[]":
                raise ColumnError(f"column {self.params.corrects!r} is {have[self.params.corrects]}, not BOOLEAN[]")
            made = made.add(selected_correct="BOOLEAN")
        return made.add(selection="VARCHAR", selection_reasoning="VARCHAR", selected_by="VARCHAR", messages=MESSAGES)

    def estimate(self, rows: float) -> Estimate:
        return self._estimate(rows, self.params.max_tokens or REASONS_TOKENS)

    def at_most(self, rows: float) -> Estimate:
        return self._estimate(rows, self.params.max_tokens or math.inf)

    def _estimate(self, rows: float, answer: float) -> Estimate:
        shown = self.tokens_of(self.params.candidates, SHOWN * TRACE_TOKENS / 4)
        given = self.prompt.overhead + self.tokens_of("question", PROBLEM_TOKENS) + shown
        return Estimate(rows, {self.params.teacher: CallEstimate(rows, rows * given, rows * answer if rows else 0.0)})

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        candidates = row[self.params.candidates] or []
        verdicts = row.get(self.params.corrects)
        if verdicts is not None and len(verdicts) != len(candidates):
            raise RowError("verdicts_differ", f"{len(candidates)} candidates and {len(verdicts)} verdicts")
        order = self._order(row, candidates, run.seed if self.params.seed is None else self.params.seed)
        if len(order) < 2:
            raise RowError("few_candidates", f"{len(order)} candidates with a text; there is nothing to choose")
        head = HEADS.get(self.params.language, HEAD)
        listed = "\n\n".join(
            head.format(number=number, text=candidates[place].strip()) for number, place in enumerate(order, 1)
        )
        own = {"problem": required(row, "question").strip(), "candidates": listed, "count": len(order)}
        messages = self.prompt.render(row, **own)
        teacher = run.teacher(self.params.teacher)
        answer = await teacher.complete(self.params.request(messages, self.name))
        made: dict[str, Any] = {
            **row,
            "selected": None,
            "selected_response": None,
            "selection": answer.response,
            "selection_reasoning": answer.reasoning,
            "selected_by": teacher.model,
            "messages": [{"role": one.role, "content": str(one.content)} for one in messages],
        }
        made["messages"].append(
            {"role": "assistant", "content": answer.response, "reasoning_content": answer.reasoning or None}
        )
        if self.params.corrects in row:
            made["selected_correct"] = None
        if found := flaw(answer):
            return [Reject(found.reason, found.detail, kind="failed", row=made)]
        chosen = JUDGMENT.search(answer.response.strip())
        if chosen is None or not 1 <= int(chosen[1]) <= len(order):
            return [Reject("unparseable_judgement", answer.response[-500:], kind="failed", row=made)]
        place = order[int(chosen[1]) - 1]
        made |= {"selected": place + 1, "selected_response": candidates[place]}
        if verdicts is not None:
            made["selected_correct"] = verdicts[place]
        return [made]

    def _order(self, row: Row, candidates: list[str | None], seed: int) -> list[int]:
        """Places of the candidates that have a text, in the order in which they are shown."""
        places = [place for place, text in enumerate(candidates) if text and text.strip()]
        rng = random.Random(digest("gen_select", str(seed), str(row[key_of(row)])))
        return rng.sample(places, min(len(places), self.params.limit))
