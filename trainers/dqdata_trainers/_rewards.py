"""Rewards in TOML for reinforcement learning: operators, reward models, and the shape of an answer.

    rewards = [
      { op = "verify_math" },                                            # column `correct`: 1, 0, or null for none
      { shape = "format", weight = 0.1 },                                # thinking in its tags, then an answer
      { shape = "overlong", soft = 3072, hard = 4096, weight = 0.5 },    # 0, falling to -1 (DAPO)
      { shape = "cosine", hard = 4096, weight = 0.1 },                   # short where right, long where wrong
      { model = "trained:style@1", style = "rv", weight = 0.2, gated = true },
    ]

A gated reward counts only where the gate, by default the first operator's reward, is above 0: style can never pay for
a wrong answer. A null reward is none at all.
"""

from __future__ import annotations

import asyncio
import math
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from dqdata.errors import InputError
from dqdata.operator import Bound, Outcome, Params, Reject
from dqdata.thinking import TAGS, split
from dqdata.trainer import TrainRun
from dqdata.verbosity import SCALE, USUAL, Points, VerbosityTarget

WELL_FORMED = r"\s*(<think>)?((?!</?think>).)+</think>\s*((?!</?think>).)*\S\s*"


class RewardTable(Params):
    """One reward: exactly one of `op`, `model` and `shape`."""

    op: str | None = None
    params: Mapping[str, Any] = Field(default_factory=dict)
    column: str = "correct"
    """Numeric or boolean column that the operator makes."""

    model: str | None = None
    """A reward model; one trained on pairs gives a number, squashed to 0..1."""
    style: Literal["rv", "cd"] | None = None
    """For a model that predicts rv and cd. rv: 1 - |RV - RV*(CD)| / 9; cd: 1 - max(0, CD - student_cd) / 9."""
    student_cd: float = Field(SCALE, ge=0, le=SCALE)
    """Cognitive difficulty that the student can follow."""
    rv_target: Points = USUAL
    """Points (CD, RV) that RV*(CD) runs through, as in `mix`."""

    shape: Literal["format", "length", "overlong", "cosine"] | None = None
    pattern: str = WELL_FORMED
    """format: the whole completion must match."""
    soft: int | None = Field(None, ge=0)
    """overlong: tokens up to which nothing is taken off."""
    hard: int | None = Field(None, ge=1)
    """overlong: tokens from which 1 is taken off. length: tokens at which the reward, 1 at none, reaches 0. cosine:
    tokens at which the reward reaches the second value of `right` or `wrong`."""
    right: tuple[float, float] = (2.0, 1.0)
    """cosine: the reward of a right answer without tokens, and of one with `hard` tokens."""
    wrong: tuple[float, float] = (-10.0, 0.0)
    """cosine: the same of a wrong answer."""
    exceeded: float = -10.0
    """cosine: the reward of any answer of `hard` tokens or more that did not end."""

    weight: float = 1.0
    gated: bool = False
    name: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> RewardTable:
        if sum(value is not None for value in (self.op, self.model, self.shape)) != 1:
            raise ValueError("a reward names exactly one of `op`, `model` and `shape`")
        if self.style and not self.model:
            raise ValueError("`style` needs `model`")
        if self.shape == "overlong" and (self.soft is None or self.hard is None or self.soft >= self.hard):
            raise ValueError("shape = 'overlong' needs `soft` and a larger `hard`, in tokens")
        VerbosityTarget(self.rv_target)
        if self.shape in ("length", "cosine") and self.hard is None:
            raise ValueError(f"shape = {self.shape!r} needs `hard`, in tokens")
        for name, (needs, applies) in self._meant_for().items():
            if not applies and getattr(self, name) != type(self).model_fields[name].get_default(
                call_default_factory=True
            ):
                raise ValueError(f"`{name}` has no meaning without {needs}")
        return self

    def _meant_for(self) -> Mapping[str, tuple[str, bool]]:
        """Keys that only some rewards have: what each needs, and whether that is there."""
        return {
            "params": ("`op`", self.op is not None),
            "column": ("`op`", self.op is not None),
            "student_cd": ("style = 'cd'", self.style == "cd"),
            "rv_target": ("style = 'rv'", self.style == "rv"),
            "pattern": ("shape = 'format'", self.shape == "format"),
            "soft": ("shape = 'overlong'", self.shape == "overlong"),
            "hard": ("shape = 'overlong', 'length' or 'cosine'", self.shape in ("overlong", "length", "cosine")),
            **dict.fromkeys(("right", "wrong", "exceeded"), ("shape = 'cosine'", self.shape == "cosine")),
        }

    @property
    def label(self) -> str:
        return self.name or self.op or self.shape or "_".join(filter(None, (self.style, "model")))


ROW = "dqdata_row"
"""Column of TRL's rows with the number of the row of the data."""
Values = list[float | None]
Rows = Sequence[Mapping[str, Any]]
Scorer = Callable[[Rows], Values]


class Rewards:
    """All rewards of one batch of completions, computed once and handed to TRL one by one.

    source: rows of the data by the number that TRL's column ROW holds; TRL itself sees no other column of them, since
    some names mean something to it. eos: token that ends a finished completion. thinking_opened: the prompt itself ends
    with the opening think tag.
    """

    def __init__(
        self,
        tables: Sequence[RewardTable],
        gate: str | None,
        run: TrainRun,
        source: Callable[[int], Mapping[str, Any]],
        eos: int,
        thinking_opened: bool = False,
    ) -> None:
        self.tables, self._source = tables, source
        self.labels = _distinct([table.label for table in tables])
        self.gate = _gate(tables, self.labels, gate)
        self._eos, self._opening = eos, TAGS[0] if thinking_opened else ""
        self._loop = _Loop()
        self._models: dict[str, Any] = {}
        self._scorers = [self._scorer(table, run) for table in tables]
        self._batch: tuple[str, list[Values]] = ("", [])

    @property
    def weights(self) -> list[float]:
        return [table.weight for table in self.tables]

    def functions(self) -> list[Callable[..., Values]]:
        """One function a reward, named as it is in metrics."""

        def function(index: int) -> Callable[..., Values]:
            def reward(prompts: Any, completions: Any, completion_ids: Any, **columns: Any) -> Values:
                return self._scored(prompts, completions, completion_ids, columns[ROW])[index]

            reward.__name__ = self.labels[index]
            return reward

        return [function(index) for index in range(len(self.tables))]

    def score(self, rows: Rows) -> list[Values]:
        """Values of each reward for the rows, gates applied."""
        made = [scorer(rows) for scorer in self._scorers]
        if self.gate is not None:
            judged = made[self.gate]
            for index, table in enumerate(self.tables):
                if table.shape == "cosine":
                    made[index] = [cosine(table, row, value) for row, value in zip(rows, judged, strict=True)]
            open_gates = [value is not None and value > 0 for value in made[self.gate]]
            for index, table in enumerate(self.tables):
                if table.gated:
                    made[index] = [
                        value if is_open or value is None else 0.0
                        for value, is_open in zip(made[index], open_gates, strict=True)
                    ]
        return made

    def probe(self, row: Mapping[str, Any]) -> None:
        """Scores one made-up answer to a row of TRL's, so that a missing column or a wrong name is found before
        the first step."""
        self.score([as_row(dict(self._source(row[ROW])), row["prompt"], "0", 1, finished=True)])

    def _scored(self, prompts: Any, completions: Any, completion_ids: Any, numbers: Sequence[int]) -> list[Values]:
        batch = repr((completion_ids, numbers))
        if self._batch[0] != batch:
            rows = [
                as_row(
                    dict(self._source(numbers[index])),
                    prompts[index],
                    self._opening + text_of(completions[index]),
                    len(ids),
                    finished=self._eos in ids[-1:],
                )
                for index, ids in enumerate(completion_ids)
            ]
            self._batch = (batch, self.score(rows))
        return self._batch[1]

    def _scorer(self, table: RewardTable, run: TrainRun) -> Scorer:
        if table.op is not None:
            bound = run.operator(table.op, table.params)
            return lambda rows: self._by_operator(table, bound, rows)
        if table.model is not None:
            from dqdata.models import RewardModel

            model = self._models.setdefault(table.model, RewardModel(run.model(table.model), table.model))
            return lambda rows: styled(table, model, rows)
        return lambda rows: [shaped(table, row) for row in rows]

    def _by_operator(self, table: RewardTable, bound: Bound, rows: Rows) -> Values:
        outcomes = self._loop.run(bound(rows))
        return [_value(table, made[0]) if made else None for made in outcomes]


def as_row(
    columns: dict[str, Any], prompt: Sequence[Mapping[str, Any]], text: str, tokens: int, *, finished: bool
) -> dict[str, Any]:
    """A completion as operators see a trace."""
    reasoning, response = split(text)
    return {
        "problem_id": "0",
        "trace_id": "0",
        "answer_type": None,
        **columns,
        "prompt": list(prompt),
        "text": text,
        "reasoning": reasoning or None,
        "response": response,
        "output_tokens": tokens,
        "finish_reason": "stop" if finished else "length",
    }


def text_of(completion: Any) -> str:
    """What the student wrote, from TRL's text or chat."""
    return completion if isinstance(completion, str) else "".join(str(turn["content"]) for turn in completion)


def shaped(table: RewardTable, row: Mapping[str, Any]) -> float:
    """format: 1 or 0. length: 1 falling to 0. overlong: 0, falling to -1 between `soft` and `hard`, as in DAPO
    (arXiv 2503.14476, equation 13)."""
    if table.shape == "cosine":
        return 0.0  # `score` knows whether the answer is right
    tokens = int(row["output_tokens"])
    if table.shape == "format":
        return 1.0 if re.fullmatch(table.pattern, str(row["text"]), re.DOTALL) else 0.0
    assert table.hard is not None
    if table.shape == "length":
        return max(0.0, 1.0 - tokens / table.hard)
    assert table.soft is not None
    return -min(1.0, max(0.0, (tokens - table.soft) / (table.hard - table.soft)))


def cosine(table: RewardTable, row: Mapping[str, Any], judged: float | None) -> float | None:
    """A reward for length that depends on whether the answer is right: along half a cosine, from the first value of
    `right` or `wrong` to the second at `hard` tokens (arXiv 2502.03373, section 3.2). judged: the gate's reward; None
    gives none."""
    assert table.hard is not None
    tokens = int(row["output_tokens"])
    if tokens >= table.hard and row["finish_reason"] != "stop":
        return table.exceeded
    if judged is None:
        return None
    begin, end = table.right if judged > 0 else table.wrong
    return end + 0.5 * (begin - end) * (1 + math.cos(math.pi * min(tokens, table.hard) / table.hard))


def styled(table: RewardTable, model: Any, rows: Rows) -> Values:
    """What a reward model says; with `style`, how close RV is to what the difficulty asks, or CD to the student's. The
    predicted RV and CD are kept within 0 to 9, which a regression may leave, so that a reward is between 0 and 1."""
    if table.style is None:
        return list(model.preferences(rows))
    scores = [{name: min(SCALE, max(0.0, value)) for name, value in row.items()} for row in model.scores(rows)]
    if table.style == "cd":
        return [1 - max(0.0, figure["cd"] - table.student_cd) / SCALE for figure in scores]
    target = VerbosityTarget(table.rv_target)
    return [1 - abs(figure["rv"] - target.at(figure["cd"])) / SCALE for figure in scores]


def _value(table: RewardTable, outcome: Outcome) -> float | None:
    if isinstance(outcome, Reject):
        if outcome.kind == "failed" and outcome.reason == "invalid_row":
            raise InputError(f"reward {table.label!r}: {outcome.detail}")
        return None
    if table.column not in outcome:
        raise InputError(f"reward {table.label!r}: operator {table.op!r} makes no column {table.column!r}")
    value = outcome[table.column]
    if value is not None and not isinstance(value, bool | int | float):
        raise InputError(f"reward {table.label!r}: column {table.column!r} is no number: {value!r}")
    return None if value is None else float(value)


def _gate(tables: Sequence[RewardTable], labels: Sequence[str], gate: str | None) -> int | None:
    if not any(table.gated or table.shape == "cosine" for table in tables):
        if gate is not None:
            raise InputError(f"gate = {gate!r} opens nothing: set gated = true on the rewards that it holds back")
        return None
    found = next((i for i, table in enumerate(tables) if (labels[i] == gate if gate else table.op is not None)), None)
    if found is None:
        raise InputError(
            "gated rewards need a gate, and so does shape = 'cosine': "
            f"{gate or 'no operator'} is among {', '.join(labels)}"
        )
    return found


def _distinct(labels: Sequence[str]) -> list[str]:
    return [label if labels.index(label) == n else f"{label}_{n + 1}" for n, label in enumerate(labels)]


class _Loop:
    """An event loop in a thread of its own: connections that operators open live as long as training does."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="rewards", daemon=True).start()

    def run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
