"""Compares the rows of two versions in SQL: counts, changed columns, shifts of numeric columns, outcomes of rows.

Rows are matched by the key of the catalog. Values are compared by 64-bit hashes, column by column, so what is joined is
proportional to the number of rows and not to the length of their texts. Above the store's limit of memory it spills.
"""

from __future__ import annotations

from math import isclose
from typing import Any, NamedTuple, Protocol

from dqdata.columns import KEYS, Columns, is_number
from dqdata.errors import QueryError
from dqdata.refs import REJECTS_SUFFIX
from dqdata.sql import literal, quoted

ABSENT = "not in the input"
"""Replaces the reason of a row that the other version neither kept nor rejected."""
OTHERS = "other rows of its problem"
"""The same where that version kept others: another prompt or teacher gives all traces new ids."""


class Queries(Protocol):
    """What the comparison needs of a store."""

    def query(self, sql: str) -> Any:
        """Rows of a query in which `name@3` is a table, as an Arrow record batch reader."""
        ...

    def schema(self, catalog: str, version: int) -> Columns: ...


class Table(NamedTuple):
    """A version of a catalog with its columns."""

    catalog: str
    version: int
    columns: Columns

    @property
    def name(self) -> str:
        return f"{self.catalog}@{self.version}"

    @property
    def rejects(self) -> str:
        return f"{self.catalog}{REJECTS_SUFFIX}@{self.version}"


class Counts(NamedTuple):
    """Rows by what became of them; `columns` counts the changed rows by column, most changed first."""

    added: int
    removed: int
    changed: int
    same: int
    columns: dict[str, int]


class Keys(NamedTuple):
    """The smallest keys of the added, removed and changed rows, to quote as examples."""

    added: list[str]
    removed: list[str]
    changed: list[str]


class Outcome(NamedTuple):
    """How many rows that one version lacks it rejected at this step for this reason."""

    step: str
    reason: str
    rows: int


class Shift(NamedTuple):
    """A numeric or boolean column in both versions. effect: difference of the means in pooled standard deviations, null
    where neither version varies. null shares are between 0 and 1."""

    column: str
    mean_before: float | None
    mean_after: float | None
    median_before: float | None
    median_after: float | None
    nulls_before: float
    nulls_after: float
    effect: float | None

    @property
    def moved(self) -> bool:
        """Whether the mean or the share of nulls differs, by more than the order in which numbers were added up."""
        before, after = self.mean_before, self.mean_after
        if before is None or after is None:
            return before is not after or self.nulls_before != self.nulls_after
        return not isclose(before, after, rel_tol=1e-9, abs_tol=1e-12) or self.nulls_before != self.nulls_after


class Share(NamedTuple):
    """A value of a column with few values: its share of the rows in both versions, between 0 and 1."""

    column: str
    value: str
    before: float
    after: float


SAMPLE = 10_000
"""Rows from which columns of many values are found before whole columns are read."""

MEDIAN_ROWS = 1_000_000
"""Of more rows medians are found by sorting, column by column, which spills: DuckDB's `median` holds every value."""

FEW = 20
"""A text column with at most so many values in either version, and half as many as rows, is a class whose shares are
compared."""


def table(store: Queries, catalog: str, version: int) -> Table:
    return Table(catalog, version, store.schema(catalog, version))


def key_of_both(before: Table, after: Table) -> str:
    """The key column of both. Raises QueryError where they have different keys."""
    one, other = before.columns.key, after.columns.key
    if one != other:
        raise QueryError(
            f"{before.name} has the key {one} and {after.name} {other}: their rows can't be matched. Compare versions "
            f"of one catalog, or catalogs with the same first column of {', '.join(KEYS)}"
        )
    return one


def common(before: Table, after: Table, key: str) -> list[str]:
    return [name for name in after.columns if name in before.columns and name != key]


def joined_bytes(before: Table, after: Table, rows: int) -> int:
    """About what `counts` holds of so many rows of a version: a key, a hash of each column, and a place in the join."""
    return rows * (96 + 8 * len(common(before, after, "")))


def counts(store: Queries, before: Table, after: Table, examples: int) -> tuple[Counts, Keys]:
    """Rows added, removed, changed and the same; and up to `examples` keys of each kind."""
    key = key_of_both(before, after)
    names = common(before, after, key)
    differs = [f"a.h{place} <> b.h{place}" for place in range(len(names))]
    both = "a.k is not null and b.k is not null"
    changed = f"({' or '.join(differs)})" if differs else "false"
    kinds = ("a.k is null", "b.k is null", f"{both} and {changed}")
    parts = [
        *(f"min(coalesce(a.k, b.k), {max(examples, 1)}) filter ({kind})" for kind in kinds),
        *(f"count(*) filter ({kind})" for kind in kinds),
        f"count(*) filter ({both})",
        *(f"count(*) filter ({both} and {one})" for one in differs),
    ]
    old, new = _hashed(before, after, key, names, before), _hashed(before, after, key, names, after)
    row = _row(store, f"with a as ({old}), b as ({new}) select {', '.join(parts)} from a full join b on a.k = b.k")
    keys, numbers = [sorted(found or [])[:examples] for found in row[:3]], row[3:]
    (added, removed, different, matched), by_column = numbers[:4], numbers[4:]
    found = {name: changes for name, changes in zip(names, by_column, strict=True) if changes}
    ordered = dict(sorted(found.items(), key=lambda item: (-item[1], names.index(item[0]))))
    counted = Counts(added, removed, different, matched - different, ordered)
    return counted, Keys(*keys)


def _hashed(before: Table, after: Table, key: str, names: list[str], of: Table) -> str:
    """Key and hash of each common column; columns whose type differs are compared as text."""
    parts = [f"{quoted(key)} as k"]
    for place, name in enumerate(names):
        same = before.columns[name] == after.columns[name]
        column = quoted(name) if same else f"{quoted(name)}::varchar"
        parts.append(f"hash({column}) as h{place}")
    return f"select {', '.join(parts)} from {of.name}"


def outcomes(store: Queries, missing_from: Table, present_in: Table) -> list[Outcome]:
    """What one version did with the rows that only the other has: rejected, by step and reason, at the level of the row
    or else of its problem, if no other row of it was kept; or not in its input. Most frequent first."""
    key = key_of_both(missing_from, present_in)
    has_problem = key != "problem_id" and all("problem_id" in one.columns for one in (missing_from, present_in))
    problem = "problem_id" if has_problem else "null"
    kept = f"select distinct problem_id as p from {missing_from.name}" if has_problem else "select null as p"
    only = (
        f"select {quoted(key)} as k, {problem} as p from {present_in.name} "
        f"anti join {missing_from.name} using ({quoted(key)})"
    )
    by_row = f"select row_key as k, min(step) as step, min(reason) as reason from {missing_from.rejects} group by 1"
    by_problem = (
        f"select problem_id as p, min(step) as step, min(reason) as reason from {missing_from.rejects} "
        "where problem_id is not null group by 1"
    )
    rows = _rows(
        store,
        f"with only_here as ({only}), by_row as ({by_row}), by_problem as ({by_problem}), kept as ({kept}), "
        "found as (select r.step as row_step, r.reason as row_reason, p.step as step, p.reason as reason, o.p as p "
        "from only_here o left join by_row r on o.k = r.k left join by_problem p on o.p = p.p) "
        "select coalesce(row_step, if(kept.p is null, step, null), '') as step, coalesce(row_reason, "
        f"if(kept.p is null, reason, {literal(OTHERS)}), {literal(ABSENT)}) as reason, count(*) as n "
        "from found left join kept on found.p = kept.p group by all order by n desc, step, reason",
    )
    return [Outcome(*row) for row in rows]


def problems_of(store: Queries, before: Table, after: Table) -> tuple[int, int, int] | None:
    """Problems in both versions, only in the first, and only in the second, where the rows are not problems."""
    if "problem_id" not in before.columns or "problem_id" not in after.columns or after.columns.key == "problem_id":
        return None
    ids = "(select distinct problem_id as p from {} where problem_id is not null)"
    one, other = ids.format(before.name), ids.format(after.name)
    both, only_before, only_after = _row(
        store,
        "select count(*) filter (a.p is not null and b.p is not null), count(*) filter (b.p is null), "
        f"count(*) filter (a.p is null) from {one} a full join {other} b on a.p = b.p",
    )
    return both, only_before, only_after


def shifts(store: Queries, before: Table, after: Table, rows: int) -> list[Shift]:
    """Numeric and boolean columns that both versions have, largest effect first. rows: of the larger version."""
    names = [name for name in common(before, after, "") if _measurable(before.columns[name], after.columns[name])]
    if not names:
        return []
    one, other = _measured(store, before, names, rows), _measured(store, after, names, rows)
    found = []
    for place, name in enumerate(names):
        mean_a, sd_a, median_a, nulls_a = one[place]
        mean_b, sd_b, median_b, nulls_b = other[place]
        pooled = ((sd_a or 0) ** 2 + (sd_b or 0) ** 2) / 2
        known = mean_a is not None and mean_b is not None and pooled > 0
        effect = (mean_b - mean_a) / pooled**0.5 if known else None
        found.append(Shift(name, mean_a, mean_b, median_a, median_b, nulls_a, nulls_b, effect))
    return sorted(found, key=lambda shift: (-abs(shift.effect or 0.0), names.index(shift.column)))


def _measurable(*kinds: str) -> bool:
    return all(is_number(kind) or kind == "BOOLEAN" for kind in kinds)


def _measured(store: Queries, of: Table, names: list[str], rows: int) -> list[tuple[Any, ...]]:
    """Mean, standard deviation, median, share of nulls; not-a-number and infinity count as null."""
    many, parts, values = rows > MEDIAN_ROWS, [], []
    for name in names:
        value = f"{quoted(name)}::double" if of.columns[name] != "BOOLEAN" else f"{quoted(name)}::int::double"
        finite = f"case when isfinite({value}) then {value} end"
        middle = "null" if many else f"median({finite})"
        parts.append(f"avg({finite}), stddev_pop({finite}), {middle}, count({finite}), count(*)")
        values.append(finite)
    flat, found = _row(store, f"select {', '.join(parts)} from {of.name}"), []
    for place, finite in enumerate(values):
        mean, deviation, median, known, total = flat[5 * place : 5 * place + 5]
        if many:
            median = _sorted_median(store, f"select {finite} as v from {of.name}", known)
        found.append((mean, deviation, median, (total - known) / total if total else 0.0))
    return found


def _sorted_median(store: Queries, values: str, known: int) -> float | None:
    """Of the `known` values of a query `values` that are not null, as DuckDB's `median` gives it."""
    if not known:
        return None
    middle = f"limit {2 - known % 2} offset {(known - 1) // 2}"
    rows = _rows(store, f"select v from ({values}) where v is not null order by v {middle}")
    low, high = float(rows[0][0]), float(rows[-1][0])
    return low + (high - low) * 0.5


def shares(store: Queries, before: Table, after: Table) -> list[Share]:
    """Text columns of few values whose shares differ by a hundredth or more, largest difference first."""
    key = key_of_both(before, after)
    texts = [
        name
        for name in common(before, after, key)
        if before.columns[name] == after.columns[name] == "VARCHAR" and name not in KEYS
    ]
    if not texts:
        return []
    for rows_read in (f"limit {SAMPLE}", ""):  # most columns have many values among the first rows already
        for of in (before, after):
            if texts:
                names = ", ".join(map(quoted, texts))
                distinct = ", ".join(f"approx_count_distinct({quoted(name)})" for name in texts)
                count, *found = _row(
                    store, f"select count(*), {distinct} from (select {names} from {of.name} {rows_read})"
                )
                most = max(2, min(FEW, count // 2))
                texts = [name for name, values in zip(texts, found, strict=True) if values <= most]
    if not texts:
        return []
    old, new = (f"({_class_shares(of, texts)})" for of in (before, after))
    both = (
        "select coalesce(a.place, b.place) as place, coalesce(a.v, b.v) as v, coalesce(a.share, 0) as x, "
        f"coalesce(b.share, 0) as y from {old} a full join {new} b on a.place = b.place and a.v = b.v"
    )
    differ = f"from ({both}) where abs(x - y) >= 0.01"
    rows = _rows(store, f"{differ} order by abs(x - y) desc, place, v")
    return [Share(texts[place], *rest) for place, *rest in rows]


def _class_shares(of: Table, names: list[str]) -> str:
    """Query for the share of the rows that each value of these columns has, in one pass over the table."""
    values = ", ".join(f"{{place: {place}, v: coalesce({quoted(name)}, '(null)')}}" for place, name in enumerate(names))
    each = f"select unnest([{values}]) as one from {of.name}"
    total = f"(select count(*) from {of.name})"
    return f"select one.place as place, one.v as v, count(*) / {total} as share from ({each}) group by all"


def examples(store: Queries, before: Table, after: Table, keys: Keys) -> dict[str, list[dict[str, Any]]]:
    """The rows of these keys: added and removed ones whole; of a changed one its key and the values before
    and after, by column."""
    key = key_of_both(before, after)
    old = _by_key(store, before, key, [*keys.removed, *keys.changed])
    new = _by_key(store, after, key, [*keys.added, *keys.changed])
    names = common(before, after, key)
    return {
        "added": [new[one] for one in keys.added],
        "removed": [old[one] for one in keys.removed],
        "changed": [
            {key: one, **{n: [old[one][n], new[one][n]] for n in names if old[one][n] != new[one][n]}}
            for one in keys.changed
        ],
    }


def _by_key(store: Queries, of: Table, key: str, keys: list[str]) -> dict[str, dict[str, Any]]:
    if not keys:
        return {}
    listed = ", ".join(map(literal, keys))
    return {row[key]: row for row in dicts(store, f"select * from {of.name} where {quoted(key)} in ({listed})")}


def _rows(store: Queries, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in dicts(store, sql)]


def _row(store: Queries, sql: str) -> list[Any]:
    """The values of the only row, by position: names may repeat."""
    batches = [batch for batch in store.query(sql) if batch.num_rows]
    return [column[0].as_py() for column in batches[0].columns]


def dicts(store: Queries, sql: str) -> list[dict[str, Any]]:
    """The rows of a query, each as a mapping."""
    return [row for batch in store.query(sql) for row in batch.to_pylist()]
