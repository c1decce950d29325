"""Makes preference pairs from the traces of a problem, with a beta for each size of gap (CogPO, arXiv 2504.09802).

    steps = [{ op = "verify_math" }, { op = "critique", judge = "qwq" },
      { op = "rethink", teacher = "r1", keep_parents = true }, { op = "pairs", k = 1 }]

    gap    | chosen                    | rejected                      | beta
    small  | fitting (and correct)     | correct, but not fitting      |  0.1
    medium | correct, but not fitting  | wrong                         |  0.2
    large  | fitting (and correct)     | wrong                         |  0.5

Never two wrong traces, never two that say the same, never a "wrong" one whose answer is the chosen one's; two correct
ones only across the small gap. Traces nobody could verify are in no pair. A problem gives at most k pairs of each gap,
and a trace is used again only where no unused one is left; a rewritten trace is set against its own parent first.
`negative` says whether the rejected trace was sampled or corrupted; `parent_ids` are the two traces, and teacher, fit,
rewrite and parent of each are columns beside them. Rows in no pair are dropped as `unpaired`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import polars as pl
from pydantic import Field, model_validator

from dqdata.columns import MESSAGES, Columns
from dqdata.errors import ColumnError
from dqdata.expressions import check_condition
from dqdata.operator import NewRows, Params, Run, Schema, SqlExpression, Table, TableOperator
from dqdata.sql import literal, quoted
from dqdata.thinking import TAGS
from dqdata_operators.format._chats import chat, thinking, turn
from dqdata_operators.lib.asking.one_judge import check_one_judge

if TYPE_CHECKING:
    import duckdb

Gap: TypeAlias = Literal["small", "medium", "large"]
BETAS: Mapping[Gap, float] = {"small": 0.1, "medium": 0.2, "large": 0.5}
KEPT = ("domain", "source", "level", "difficulty")
"""Columns of the problem that a pair keeps where they are there."""
TRACED = ("teacher", "fit", "rewrite", "parent_id")
"""Columns of a trace that a pair keeps of both sides, as `chosen_fit` and `rejected_fit`, where they are there."""
SIDES = (("chosen", "c"), ("rejected", "r"))
ROWS_AT_ONCE = 2000


class PairsParams(Params):
    gaps: tuple[Gap, ...] = ("small", "medium", "large")
    """Pairs to make. small: fitting over unfitting. medium: unfitting over wrong. large: fitting over wrong."""
    beta: Mapping[Gap, float] = Field(BETAS)
    """DPO's beta by gap."""
    fitting: SqlExpression | None = None
    """Condition of a fitting trace. By default fit = 'medium'; of a trace that no critic judged, whether
    `rethink` made it."""
    k: int = Field(1, ge=1)
    """Pairs of a problem for each gap."""
    per_problem: int | None = Field(None, ge=1)
    """Pairs of a problem in all; large gaps first."""
    system: str | None = None
    """System message of every chat; none where not given."""
    tags: tuple[str, str] = TAGS
    """Around the thinking."""
    seed: int | None = None
    """The pipeline's own where not given."""
    mix_judges: bool = False
    """Compare rows that different critics judged."""

    @model_validator(mode="after")
    def _betas(self) -> PairsParams:
        if missing := [gap for gap in self.gaps if gap not in self.beta]:
            raise ValueError(f"`beta` has none for the {missing[0]} gap")
        if any(value <= 0 for value in self.beta.values()):
            raise ValueError("`beta` must be above 0 for every gap")
        if not self.gaps or len(set(self.gaps)) < len(self.gaps):
            raise ValueError("`gaps` names each of small, medium, large at most once, and one at least")
        return self


class Trace(NamedTuple):
    """What is known of a trace when pairs are chosen."""

    key: str
    problem: str
    correct: bool
    fitting: bool
    text: str
    """Hash of what it says, white space aside."""
    answer: str | None
    parent: str | None
    corrupted: bool


class Pair(NamedTuple):
    chosen: str
    rejected: str
    gap: Gap
    negative: str


class Pairs(TableOperator[PairsParams]):
    """Makes small, medium and large gap preference pairs with a beta each."""

    name = "pairs"
    Params = PairsParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        for name in ("problem_id", "trace_id", "question", "reasoning", "response"):
            have.require(name, "VARCHAR")
        have.require("correct", "BOOLEAN")
        check_condition(self._fitting(have), have, "fitting")
        kept = {name: have[name] for name in KEPT if name in have}
        made = {"pair_id": "VARCHAR", "problem_id": "VARCHAR", **kept, "gap": "VARCHAR", "beta": "DOUBLE"}
        made |= {"negative": "VARCHAR", "parent_ids": "VARCHAR[]"}
        made |= {f"{side}_{name}": have[name] for side, _ in SIDES for name in TRACED if name in have}
        return Columns({**made, "prompt": MESSAGES, "chosen": MESSAGES, "rejected": MESSAGES})

    def process(self, table: Table, run: Run) -> NewRows:
        con = table.connect()
        seed = run.seed if self.params.seed is None else self.params.seed
        check_one_judge(con, table.columns, "fit", "fit_by", allowed=self.params.mix_judges)
        con.execute("create temp table paired (chosen varchar, rejected varchar, gap varchar, negative varchar)")
        found: Counter[str] = Counter()
        chosen: list[Pair] = []
        for problem in self._problems(con, table.columns):
            pairs = choose(problem, self.params, seed)
            found.update(pair.gap for pair in pairs)
            chosen += pairs
            if len(chosen) > ROWS_AT_ONCE:
                _insert(con, chosen)
                chosen = []
        _insert(con, chosen)
        run.log(", ".join(f"{gap} gap: {found[gap]} pairs" for gap in self.params.gaps))
        dropped = run.scratch / "unpaired.parquet"
        con.execute(
            f"""copy (select trace_id, 'unpaired' as reason, case when correct is null then 'not verified'
                    when correct then 'no wrong or unfitting trace left to set it against'
                    else 'no correct trace left to set it against' end as detail
                from rows where trace_id not in (select chosen from paired union all select rejected from paired))
                to {literal(str(dropped))}"""
        )
        return NewRows(self._rows(con, table.columns), pl.scan_parquet(dropped))

    def _fitting(self, have: Columns) -> str:
        """The condition in force. Raises ColumnError where nothing says which traces fit."""
        if self.params.fitting is not None:
            return self.params.fitting
        if "fit" not in have:
            raise ColumnError(
                "needs 'fit' to know fitting traces: put `critique` before, or give `fitting`, a condition over the "
                'columns (such as "rv between 2 and 5")'
            )
        rewritten = ", rewrite in ('extend', 'simplify')" if "rewrite" in have else ""
        return f"coalesce(fit = 'medium'{rewritten}, false)"

    def _problems(self, con: duckdb.DuckDBPyConnection, have: Columns) -> Iterator[list[Trace]]:
        """The verified traces of each problem; a problem at a time, in order of ids."""
        answer = "extracted" if "extracted" in have else "null"
        parent = "parent_id" if "parent_id" in have else "null"
        corrupted = "coalesce(corrupted, false)" if "corrupted" in have else "false"
        says = r"regexp_replace(coalesce(reasoning, '') || ' ' || coalesce(response, ''), '\s+', ' ', 'g')"
        rows = con.cursor().execute(
            f"""select trace_id, problem_id, correct, coalesce(({self._fitting(have)}), false), md5(trim({says})),
                    {answer}::varchar, {parent}::varchar, {corrupted}
                from rows where correct is not null and trim(coalesce(question, '')) <> ''
                    and trim({says}) <> '' order by problem_id, trace_id"""
        )

        def traces() -> Iterator[Trace]:
            while batch := rows.fetchmany(10_000):
                yield from map(Trace._make, batch)

        for _, group in groupby(traces(), key=lambda trace: trace.problem):
            yield list(group)

    def _rows(self, con: duckdb.DuckDBPyConnection, have: Columns) -> Iterator[pl.DataFrame]:
        kept = [name for name in KEPT if name in have]
        more = "".join(f", c.{quoted(name)}" for name in kept)
        traced = {f"{side}_{name}": f"{row}.{name}" for side, row in SIDES for name in TRACED if name in have}
        more += "".join(f", {value} as {name}" for name, value in traced.items())
        prompt = [] if self.params.system is None else [turn("system", pl.lit(self.params.system))]
        with closing(con):
            reader = con.execute(
                f"""select c.problem_id, c.question{more}, p.gap, p.negative, [p.chosen, p.rejected] as parent_ids,
                        c.reasoning as good_reasoning, c.response as good_response,
                        r.reasoning as bad_reasoning, r.response as bad_response
                    from paired p join rows c on c.trace_id = p.chosen join rows r on r.trace_id = p.rejected
                    order by c.problem_id, p.gap, p.chosen, p.rejected"""
            ).to_arrow_reader(ROWS_AT_ONCE)
            for batch in reader:
                yield pl.DataFrame(pl.from_arrow(batch)).select(
                    pl.lit(None, pl.String).alias("pair_id"),
                    *("problem_id", *kept, "gap"),
                    pl.col("gap").replace_strict(dict(self.params.beta), return_dtype=pl.Float64).alias("beta"),
                    *("negative", "parent_ids", *traced),
                    prompt=chat(*prompt, turn("user", pl.col("question").str.strip_chars())),
                    chosen=chat(turn("assistant", thinking(self.params.tags, "good_reasoning", "good_response"))),
                    rejected=chat(turn("assistant", thinking(self.params.tags, "bad_reasoning", "bad_response"))),
                )


def _insert(con: duckdb.DuckDBPyConnection, pairs: list[Pair]) -> None:
    frame = pl.DataFrame(pairs, schema=dict.fromkeys(Pair._fields, pl.String), orient="row")
    con.register("more_pairs", frame.to_arrow())
    con.execute("insert into paired select * from more_pairs")
    con.unregister("more_pairs")


def choose(traces: Sequence[Trace], params: PairsParams, seed: int) -> list[Pair]:
    """Pairs of one problem. Depends on the traces and the seed, not on their order."""
    groups = {
        "fitting": [trace for trace in traces if trace.correct and trace.fitting],
        "unfitting": [trace for trace in traces if trace.correct and not trace.fitting],
        "wrong": [trace for trace in traces if not trace.correct],
    }
    sides: dict[Gap, tuple[str, str]] = {
        "large": ("fitting", "wrong"),
        "medium": ("unfitting", "wrong"),
        "small": ("fitting", "unfitting"),
    }
    pairs: list[Pair] = []
    for gap in (gap for gap in sides if gap in params.gaps):
        better, worse = sides[gap]
        used: Counter[str] = Counter()
        open_ = [(c, r) for c in groups[better] for r in groups[worse] if _differ(c, r)]
        for _ in range(params.k):
            if not open_ or len(pairs) == (params.per_problem or -1):
                break
            best = min(open_, key=lambda pair: _rank(pair[0], pair[1], used, seed))
            open_.remove(best)
            used.update(trace.key for trace in best)
            pairs.append(Pair(best[0].key, best[1].key, gap, "corrupted" if best[1].corrupted else "sampled"))
    return pairs


def _differ(chosen: Trace, rejected: Trace) -> bool:
    """Not the same text; and where one is wrong, not the same answer either: then a verdict of the two is mistaken."""
    if chosen.text == rejected.text:
        return False
    if not rejected.correct and chosen.answer is not None and rejected.answer is not None:
        return "".join(chosen.answer.split()) != "".join(rejected.answer.split())
    return True


def _rank(chosen: Trace, rejected: Trace, used: Counter[str], seed: int) -> tuple[Any, ...]:
    """Fresh traces first, then parent and child, then by hash."""
    kin = rejected.key == chosen.parent or chosen.key == rejected.parent
    drawn = hashlib.blake2b(f"{seed}:{chosen.key}:{rejected.key}".encode(), digest_size=8).digest()
    return used[chosen.key] + used[rejected.key], not kin, drawn
