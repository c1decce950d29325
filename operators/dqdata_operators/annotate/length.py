"""Measures texts: characters, words, steps, tokens, second thoughts, languages, repetition.

    { op = "length" }

    reasoning                              -> reasoning_chars  reasoning_words  steps  self_checks  cjk_share  repeated
    "2 and 2 make 4.\\n\\nWait, let me check"              35                9      2            2        0.0       0.0

Without parameters a trace is measured (reasoning and response), or else the column `text`. `column = "question"`
measures that column, and the names of the new columns begin with it. Steps, self-checks, languages and repetition are
those of the reasoning, or of the response where there is none.

Tokens are counted with the student's tokenizer where one is given. Else they are estimated from the text's pieces, as a
byte-pair tokenizer would first cut it: words, single digits, signs. See `estimated_tokens` for how far that is off.
"""

from __future__ import annotations

from collections.abc import Collection

import polars as pl
from pydantic import model_validator

from dqdata.columns import Columns
from dqdata.errors import ColumnError
from dqdata.operator import Batch, BatchOperator, Params, PromptFile, Schema
from dqdata_operators.annotate._tokens import CJK, TokenCounter, estimated_tokens, load_counter

WORD = rf"[{CJK}]|[^\s{CJK}]+"
"""A word is what is between blanks; in scripts that have no blanks, a character."""

LETTERED = rf"[{CJK}]|[\p{{L}}--[{CJK}]]+"
"""Words made of letters, and characters of scripts without blanks: what the share of such scripts is taken of."""

SELF_CHECK = (
    r"(?-u:\b)(?i-u:wait|hold on|hmm+|actually|alternatively|on second thought|i made a mistake|"
    r"let me (?:re-?check|double[- ]check|check|verify|re-?think|reconsider|re-?read|try again)|"
    r"let's (?:re-?check|double[- ]check|check|verify)|to (?:double[- ]check|verify|check)|"
    r"that(?:'s| is) (?:not right|wrong|incorrect))(?-u:\b)"
    r"|等等|等一下|再检查|检查一下|验证一下|重新(?:检查|计算|考虑|思考)|再想想|不对|让我(?:检查|验证|再)"
)
"""Words with which models turn back on what they wrote, English and Chinese."""

SEGMENT = r"[^\n.!?;。！？；]+"
"""What repetition is counted in: sentences, or lines."""

SHARES = ("cjk_share", "repeated")


class LengthParams(Params):
    column: str | None = None
    """Column to measure, whose name then begins those of the new columns; reasoning and response, or else `text`, where
    not given."""
    tokenizer: str | None = None
    """Hub name of the student, such as "Qwen/Qwen2.5-7B-Instruct"."""
    tokenizer_file: PromptFile | None = None
    """Or a file: tokenizer.json, or a GGUF model."""

    @model_validator(mode="after")
    def _consistent(self) -> LengthParams:
        if self.tokenizer is not None and self.tokenizer_file is not None:
            raise ValueError("give `tokenizer` or `tokenizer_file`, not both")
        return self


class Length(BatchOperator[LengthParams]):
    """Measures texts: characters, words, steps, tokens, self-checks, languages, repetition."""

    name = "length"
    Params = LengthParams

    @property
    def counter(self) -> TokenCounter | None:
        name = self.params.tokenizer_file or self.params.tokenizer
        return None if name is None else load_counter(name)

    @property
    def deadline(self) -> float:
        """A worker loads a tokenizer or a model with its first rows."""
        return 120.0

    def columns(self, have: Columns, schema: Schema) -> Columns:
        for name in self._measured(have):
            have.require(name, "VARCHAR")
        if self.params.tokenizer is None and self.params.tokenizer_file is not None:
            self.counter  # noqa: B018  (a file that holds no tokenizer is found here)
        return have.add(**{name: "DOUBLE" if name.endswith(SHARES) else "BIGINT" for name in self._made(have)})

    def requires(self) -> tuple[str, ...]:
        return ("tokenizers",) if self.params.tokenizer or self.params.tokenizer_file else ()

    def process(self, batch: pl.DataFrame) -> Batch:
        measured = self._measured(batch.columns)
        texts = [batch[name].fill_null("") for name in measured]
        whole = texts[0] if len(texts) == 1 else texts[0] + "\n\n" + texts[1]
        whole = whole.str.strip_chars()
        main = texts[0] if len(texts) == 1 else texts[0].zip_with(texts[0].str.strip_chars() != "", texts[1])
        counter = self.counter
        values = [
            texts[0].str.len_chars(),
            texts[0].str.count_matches(WORD),
            *(text.str.len_chars() for text in texts[1:]),
            steps(main),
            estimated_tokens(whole) if counter is None else pl.Series(counter(whole.to_list()), dtype=pl.Int64),
            main.str.count_matches(SELF_CHECK),
            cjk_share(main),
            repeated_share(main),
        ]
        made = dict(zip(self._made(batch.columns), values, strict=True))
        return Batch(batch.with_columns(pl.DataFrame(made).with_columns(pl.col(pl.UInt32).cast(pl.Int64))))

    def _measured(self, have: Collection[str]) -> tuple[str, ...]:
        """The columns it reads: one, or the reasoning and the response."""
        if self.params.column is not None:
            return (self.params.column,)
        trace = tuple(name for name in ("reasoning", "response") if name in have)
        if not trace and "text" not in have:
            raise ColumnError(f"needs 'reasoning', 'response' or 'text', or name a `column` (have: {', '.join(have)})")
        return trace or ("text",)

    def _made(self, have: Collection[str]) -> list[str]:
        """Names of the new columns, in the order they are computed."""
        measured = self._measured(have)
        if self.params.column is None and measured != ("text",):
            sizes = [f"{measured[0]}_chars", f"{measured[0]}_words", *(f"{name}_chars" for name in measured[1:])]
            return [*sizes, "steps", "tokens", "self_checks", *SHARES]
        return [f"{measured[0]}_{what}" for what in ("chars", "words", "steps", "tokens", "self_checks", *SHARES)]


def steps(texts: pl.Series) -> pl.Series:
    """Parts of a text that blank lines separate."""
    stripped = texts.str.strip_chars()
    return stripped.str.count_matches(r"\n\s*\n") + (stripped != "").cast(pl.UInt32)


def cjk_share(texts: pl.Series) -> pl.Series:
    """Share of Chinese, Japanese and Korean characters among them and the words of other scripts; null without letters.

    0.5 says that a text changes its language half-way.
    """
    there = texts.str.contains(rf"[{CJK}]")
    if not there.any():
        return pl.select(pl.when(texts.str.contains(r"\p{L}")).then(0.0)).to_series()
    return (texts.str.count_matches(rf"[{CJK}]") / texts.str.count_matches(LETTERED)).fill_nan(None)


def repeated_share(texts: pl.Series) -> pl.Series:
    """Share of the characters that lie in sentences which stand earlier in the same text; 0 without sentences."""
    mix = 0x9E3779B97F4A7C15
    sentences = (
        pl.DataFrame({"sentence": texts.str.extract_all(SEGMENT)})
        .with_row_index("row")
        .explode("sentence", empty_as_null=True)
        .with_columns(pl.col("sentence").str.strip_chars().fill_null(""))
        .select(
            "row",
            size=pl.col("sentence").str.len_chars(),
            mark=pl.col("sentence").hash(1) + pl.col("row").cast(pl.UInt64) * mix,
        )
        .with_columns(again=pl.when(pl.col("mark").is_first_distinct()).then(0).otherwise("size"))
    )
    sums = sentences.group_by("row", maintain_order=True).agg(pl.col("size", "again").sum())
    return (sums["again"] / sums["size"]).fill_nan(0.0)
