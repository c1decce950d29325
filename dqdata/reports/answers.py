"""Answers of models as reports read them: from an evaluation that was measured, or from any catalog or query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dqdata.errors import QueryError
from dqdata.history.rows import dicts
from dqdata.history.scores import scoreboard
from dqdata.refs import as_query
from dqdata.sql import literal, quoted

if TYPE_CHECKING:
    from dqdata.catalog import Store

MODES = ("none", "short", "long")
"""Of thinking, in the order of its length."""
CHARACTERS = 4
"""Characters that a token is taken to have, where rows have no number of tokens."""
COUNTED, GUESSED = "output_tokens", f"characters / {CHARACTERS}"


@dataclass(frozen=True)
class Answer:
    """question: its text, or its problem_id where there is none. tokens: of thinking and response. mode: none where
    there is no thinking, short up to a number of tokens of the whole answer, else long. abstained: None where nothing
    tells."""

    model: str
    question: str
    correct: bool | None
    tokens: int
    mode: str
    difficulty: float | None
    cut: bool
    abstained: bool | None


def answers_of(
    store: Store, evaluation: str, models: Sequence[str], by: str | None, short_tokens: int
) -> tuple[list[Answer], str]:
    """The newest answers of each model to an evaluation, or those of a catalog or query, and what their tokens are.
    by: column or SQL of the difficulty. Raises QueryError for a model or column that is not there."""
    if evaluation not in {row["evaluation"] for row in dicts(store, "select distinct evaluation from dq_evals")}:
        answers, counted = read_answers(store, evaluation, short_tokens, by=by, judged=True)
        known = list(dict.fromkeys(answer.model for answer in answers))
        if unknown := [model for model in models if model not in known]:
            raise QueryError(f"{evaluation} has no answers of {unknown[0]!r} (has: {', '.join(known)})")
        return [answer for answer in answers if not models or answer.model in models], counted
    [board] = scoreboard(store, [evaluation], models)
    found: list[Answer] = []
    counted = COUNTED
    for row in board.rows:
        if not models or row.model in models:
            query = f"select * from {quoted(row.answers)} where model = {literal(row.model)}"
            own, counted = read_answers(store, query, short_tokens, by=by, judged=True)
            found += own
    return found, counted


def read_answers(
    store: Store,
    rows: str,
    short_tokens: int,
    *,
    by: str | None = None,
    abstained: str | None = None,
    judged: bool = False,
) -> tuple[list[Answer], str]:
    """Answers of a catalog or query, and what their tokens are. judged: the column `correct` is needed. Raises
    QueryError, naming the column that is missing."""
    query = as_query(rows)
    columns = store.query(f"select * from ({query}\n) limit 0", repeatable=True).schema.names
    for name in ("response", *(("correct",) if judged else ())):
        if name not in columns:
            raise QueryError(f"{rows} has no column {name!r} (it has: {', '.join(columns)})", code="missing-column")
    key = next((name for name in ("question", "problem_id") if name in columns), None)
    if key is None:
        raise QueryError(f"{rows} needs question or problem_id, to know which answers are to one question")
    thought = "coalesce(trim(reasoning), '')" if "reasoning" in columns else "''"
    counts = next((name for name in ("output_tokens", "tokens") if name in columns), None)
    guess = f"ceil((length({thought}) + length(coalesce(response, ''))) / {CHARACTERS})"
    parts = {
        "model": "model::varchar" if "model" in columns else "'all'",
        "question": f"trim({key}::varchar)",
        "correct": "correct::boolean" if "correct" in columns else "null::boolean",
        "tokens": f"coalesce({counts}, {guess})::bigint" if counts else f"{guess}::bigint",
        "thinks": f"{thought} <> ''",
        "difficulty": f"try_cast({by} as double)" if by is not None else "null::double",
        "given": f"({by}) is not null" if by is not None else "false",
        "cut": "coalesce(finish_reason = 'length', false)" if "finish_reason" in columns else "false",
        "abstained": f"({abstained})::boolean" if abstained is not None else "null::boolean",
    }
    listed = ", ".join(f"{sql} as {quoted(name)}" for name, sql in parts.items())
    found = dicts(store, f"select {listed} from ({query}\n)")
    if not found:
        raise QueryError(f"{rows} has no answers")
    if any(row["given"] and row["difficulty"] is None for row in found):
        raise QueryError(f"by = {by!r} is no number in every row: give SQL that makes one, such as right(level, 1)")
    if by is not None and not any(row["given"] for row in found):
        raise QueryError(f"by = {by!r} is null in all rows of {rows}")
    made = [
        Answer(
            row["model"],
            row["question"],
            row["correct"],
            row["tokens"],
            MODES[0] if not row["thinks"] else MODES[1] if row["tokens"] <= short_tokens else MODES[2],
            row["difficulty"],
            row["cut"],
            row["abstained"],
        )
        for row in found
    ]
    return made, COUNTED if counts else GUESSED
