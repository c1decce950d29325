"""Audits a version: what its steps did to answers, lengths, language, difficulty and domain, and how it is judged.

    for one in audit(store, "traces", 3): print(one.name, one.value, one.detail)

Before and after each step are counted from the rows that are left and from the rejects, which hold the rows that each
step dropped. What a processor changed is counted over rows whose parent is in a version that the recipe read, or in the
version itself. Findings are rows of dq_checks with the source `audit`; they hold no version back.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dqdata.history.rows import dicts
from dqdata.refs import REJECTS_SUFFIX, catalog_ref
from dqdata.sql import literal, quoted
from dqdata.statistics import cohen_kappa

if TYPE_CHECKING:
    from dqdata.catalog import Store

SHARES = ("level", "difficulty", "band", "domain", "source", "language", "answer_type")
"""Columns whose shares are compared before and after each step."""
NUMBERS = ("cd", "rv", "pass_rate", "output_tokens")
"""Columns whose means are compared."""
MARKERS = (
    "wait", "hmm", "alternatively", "actually", "let me", "double-check", "therefore", "however", "first", "maybe",
)  # fmt: skip
"""Words that a teacher's style shows in, counted per 1,000 words."""
OTHER_SCRIPTS = r"[\x{0400}-\x{04ff}\x{3040}-\x{30ff}\x{4e00}-\x{9fff}\x{ac00}-\x{d7af}]"
"""Letters of Cyrillic, Japanese, Chinese and Korean, as RE2 has them."""
SHIFT = 0.1
"""Total variation between shares before and after a step from which the audit points at it."""
LENGTHS = 1.5
"""Ratio of mean lengths from which it does."""
CHANGED = 0.02
"""Share of changed answers from which it does."""
KAPPA = 0.6
"""Agreement of rules and judge below which it does (J. R. Landis and G. G. Koch, 1977: up to there moderate)."""
MORE_MARKERS = 5.0
"""Markers per 1,000 words by which the rate may move whatever its ratio."""
READ = 10_000
"""Rows whose language is looked at, chosen by their ids."""


@dataclass(frozen=True)
class Finding:
    """value: a share, a ratio, a distance of shares or a rate, as `name` says. passed: whether it is within the bounds
    above; only looked at, not enforced."""

    name: str
    value: float
    passed: bool
    rows: int
    detail: str

    def record(self) -> dict[str, Any]:
        """A row of dq_checks, less the version."""
        return {
            "source": "audit",
            "name": self.name,
            "severity": "warning",
            "sql": "",
            "passed": self.passed,
            "wrong": None,
            "value": None if math.isnan(self.value) else self.value,
            "detail": self.detail,
        }

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def audit(store: Store, catalog: str, version: int) -> list[Finding]:
    """Findings of a version in a fixed order. Raises QueryError for one that does not exist."""
    columns = store.schema(catalog, version)
    found = [*_changed(store, catalog, version, columns)]
    found += _by_step(store, catalog, version, columns)
    found += _style(store, catalog, version, columns)
    found += _agreement(store, catalog, version, columns)
    return found


def _changed(store: Store, catalog: str, version: int, columns: Mapping[str, str]) -> Iterator[Finding]:
    """Answers, lengths and languages of rows against those of their parents."""
    if "parent_id" not in columns:
        return
    child = quoted(f"{catalog}@{version}")
    for name in [f"{catalog}@{version}", *_inputs(store.version(catalog, version).recipe)]:
        ref = catalog_ref(name)
        assert ref is not None and ref.version is not None
        there = store.schema(ref.name, ref.version)
        if "trace_id" not in there:
            continue
        joined = f"from {child} c join {quoted(name)} p on c.parent_id = p.trace_id"
        if "extracted" in columns and "extracted" in there:
            sql = (
                f"select count(*) as n, count(*) filter (c.extracted is distinct from p.extracted) as changed {joined}"
            )
            [row] = dicts(store, sql)
            if row["n"]:
                share = row["changed"] / row["n"]
                yield Finding(
                    "answers_changed", share, share <= CHANGED, row["n"], f"{row['changed']} of {row['n']} since {name}"
                )
        for column in ("response", "reasoning"):
            if column in columns and column in there:
                yield from _lengths(store, column, joined, name)
                yield from _languages(store, column, joined, name)
                yield from _markers(store, column, joined, name)


def _lengths(store: Store, column: str, joined: str, name: str) -> Iterator[Finding]:
    text = quoted(column)
    scripts = literal(OTHER_SCRIPTS)
    after, before = (f"regexp_matches({side}.{text}, {scripts})" for side in "cp")
    [row] = dicts(
        store,
        f"select count(*) as n, avg(length(c.{text})) as after, avg(length(p.{text})) as before, "
        f"count(*) filter ({after} is distinct from {before}) as script {joined} "
        f"where c.{text} is not null and p.{text} is not null",
    )
    if row["n"] and row["before"]:
        ratio = row["after"] / row["before"]
        fine = 1 / LENGTHS <= ratio <= LENGTHS
        yield Finding(
            f"length_of_{column}",
            ratio,
            fine,
            row["n"],
            f"{row['before']:.0f} to {row['after']:.0f} characters since {name}",
        )
        share = row["script"] / row["n"]
        yield Finding(
            f"script_of_{column}",
            share,
            share <= CHANGED,
            row["n"],
            f"{row['script']} of {row['n']} rows gained or lost another script than Latin since {name}",
        )


def _languages(store: Store, column: str, joined: str, name: str) -> Iterator[Finding]:
    """Of rows whose languages can be told on both sides."""
    import polars as pl

    from dqdata.languages import language

    text = quoted(column)
    query = f"select c.{text} as after, p.{text} as before {joined} order by hash(c.trace_id), c.trace_id limit {READ}"
    moves: Counter[tuple[str, str]] = Counter()
    for batch in store.query(query):
        after, before = (language(pl.Series(batch.column(side).to_pylist(), dtype=pl.String)) for side in (0, 1))
        moves.update((old, new) for old, new in zip(before, after, strict=True) if old and new)
    if total := moves.total():
        moved = Counter({pair: count for pair, count in moves.items() if pair[0] != pair[1]})
        kinds = "".join(f"; {old} to {new} {count}" for (old, new), count in moved.most_common(3))
        share = moved.total() / total
        words = f"{moved.total()} of {total} rows in another language since {name}{kinds}"
        yield Finding(f"language_of_{column}", share, share <= CHANGED, total, words)


def _markers(store: Store, column: str, joined: str, name: str) -> Iterator[Finding]:
    """By how much the rate of markers per 1,000 words moved."""
    text = quoted(column)
    sides = {side: f"lower(coalesce({side}.{text}, ''))" for side in "cp"}
    counts = ", ".join(
        f"{_count(marker, sides[side])} as {side}{number}" for number, marker in enumerate(MARKERS) for side in "cp"
    )
    words = ", ".join(f"sum({_words(sides[side])})::double as words_{side}" for side in "cp")
    [row] = dicts(store, f"select count(*) as n, {words}, {counts} {joined}")
    if not row["n"]:
        return
    before, after = (_rates(row, side, row[f"words_{side}"]) for side in "pc")
    old, new = sum(before.values()), sum(after.values())
    fine = abs(new - old) <= MORE_MARKERS or old / LENGTHS <= new <= old * LENGTHS
    most = sorted(MARKERS, key=lambda one: -abs(after[one] - before[one]))[:3]
    moved = ", ".join(f"{one} {before[one]:.1f} to {after[one]:.1f}" for one in most if after[one] != before[one])
    detail = f"{old:.1f} to {new:.1f} per 1,000 words since {name}{': ' if moved else ''}{moved}"
    yield Finding(f"markers_of_{column}", new - old, fine, row["n"], detail)


def _count(marker: str, text: str) -> str:
    """Occurrences of a marker over all rows, as SQL."""
    return f"sum(len(regexp_extract_all({text}, {literal(chr(92) + 'b' + marker + chr(92) + 'b')})))::double"


def _words(text: str) -> str:
    return f"len(regexp_split_to_array(trim({text}), '\\s+'))"


def _rates(row: Mapping[str, Any], prefix: str, words: float | None) -> dict[str, float]:
    """Markers per 1,000 words."""
    return {
        marker: 1000 * (row[f"{prefix}{number}"] or 0) / max(1.0, words or 0) for number, marker in enumerate(MARKERS)
    }


def _by_step(store: Store, catalog: str, version: int, columns: Mapping[str, str]) -> Iterator[Finding]:
    """Shares and means before and after each step that dropped rows."""
    rejects = quoted(f"{catalog}{REJECTS_SUFFIX}@{version}")
    steps = [str(step["id"]) for step in store.version(catalog, version).recipe.get("steps", ())]
    dropped = dicts(store, f"select step, count(*) as n from {rejects} where kind = 'dropped' group by step")
    for number, step in enumerate(steps):
        if step not in {one["step"] for one in dropped}:
            continue
        later = ", ".join(literal(one) for one in [*steps[number + 1 :], "target_rows"])
        for column in (*SHARES, *NUMBERS, "response"):
            if column not in columns:
                continue
            texts = (
                f"select {quoted(column)}::varchar as v, true as kept from {quoted(f'{catalog}@{version}')} union all "
                f"select row->>{literal(column)}, step <> {literal(step)} from {rejects} where kind = 'dropped' and "
                f"step in ({literal(step)}, {later})"
            )
            if column in SHARES:
                yield from _shares(store, step, column, texts)
            else:
                yield from _means(store, step, column, texts)


def _shares(store: Store, step: str, column: str, texts: str) -> Iterator[Finding]:
    counts = dicts(store, f"select v, count(*) as before, count(*) filter (kept) as after from ({texts}) group by v")
    before, after = sum(one["before"] for one in counts), sum(one["after"] for one in counts)
    if not after or len(counts) < 2:
        return
    shift = sum(abs(one["after"] / after - one["before"] / before) for one in counts) / 2
    moved = sorted(counts, key=lambda one: -abs(one["after"] / after - one["before"] / before))[:3]
    words = "; ".join(f"{one['v']} {one['before'] / before:.1%} to {one['after'] / after:.1%}" for one in moved)
    yield Finding(f"{column}_by_{step}", shift, shift <= SHIFT, before, words)


def _means(store: Store, step: str, column: str, texts: str) -> Iterator[Finding]:
    value = "length(v)" if column == "response" else "try_cast(v as double)"
    [row] = dicts(
        store, f"select count(*) as n, avg({value}) as before, avg({value}) filter (kept) as after from ({texts})"
    )
    if row["before"] and row["after"] is not None:
        ratio = row["after"] / row["before"]
        name = "length" if column == "response" else column
        fine = 1 / LENGTHS <= ratio <= LENGTHS
        yield Finding(f"{name}_by_{step}", ratio, fine, row["n"], f"mean {row['before']:.3g} to {row['after']:.3g}")


def _style(store: Store, catalog: str, version: int, columns: Mapping[str, str]) -> Iterator[Finding]:
    """Markers per 1,000 words of each teacher."""
    texts = [name for name in ("reasoning", "response") if name in columns]
    if "teacher" not in columns or not texts:
        return
    joined = " || ' ' || ".join(f"coalesce({quoted(name)}, '')" for name in texts)
    counts = ", ".join(f"{_count(marker, 't')} as m{number}" for number, marker in enumerate(MARKERS))
    rows = dicts(
        store,
        f"select teacher, count(*) as n, sum({_words('t')})::double as words, {counts} "
        f"from (select teacher, lower({joined}) as t from {quoted(f'{catalog}@{version}')}) "
        "group by teacher order by teacher",
    )
    for row in rows:
        rates = _rates(row, "m", row["words"])
        most = Counter(rates).most_common(3)
        words = ", ".join(f"{marker} {rate:.1f}" for marker, rate in most if rate)
        yield Finding(
            f"style_of_{row['teacher']}", sum(rates.values()), True, row["n"], f"per 1,000 words: {words or 'none'}"
        )


def _agreement(store: Store, catalog: str, version: int, columns: Mapping[str, str]) -> Iterator[Finding]:
    """Of rules (`verdict`) and judge (`judge_verdict`), on rows that both decide."""
    if "verdict" not in columns or "judge_verdict" not in columns:
        return
    both = "verdict in ('correct', 'incorrect') and judge_verdict in ('correct', 'incorrect')"
    [row] = dicts(
        store,
        f"select count(*) filter (verdict = 'correct' and judge_verdict = 'correct') as a, "
        "count(*) filter (verdict = 'correct' and judge_verdict <> 'correct') as b, "
        "count(*) filter (verdict <> 'correct' and judge_verdict = 'correct') as c, "
        "count(*) filter (verdict <> 'correct' and judge_verdict <> 'correct') as d "
        f"from {quoted(f'{catalog}@{version}')} where {both}",
    )
    total = sum(row.values())
    if not total:
        return
    made = cohen_kappa(row["a"], row["b"], row["c"], row["d"])
    fine = made.kappa >= KAPPA if made.kappa == made.kappa else made.agreed == 1
    words = (
        f"kappa; {row['a'] + row['d']} of {total} agree, the judge alone accepts {row['c']}, the rules alone {row['b']}"
    )
    yield Finding("rules_and_judge", made.kappa, fine, total, words)


def _inputs(recipe: Mapping[str, Any]) -> Sequence[str]:
    listed = [*recipe.get("inputs", ()), *(name for step in recipe.get("steps", ()) for name in step.get("inputs", ()))]
    return list(dict.fromkeys(listed))


def as_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """One line a finding, those out of bounds marked."""
    width = max((len(one.name) for one in findings), default=0)
    for one in findings:
        yield f"  {' ' if one.passed else '!'} {one.name:{width}}  {one.value:8.3f}  {one.detail}"
