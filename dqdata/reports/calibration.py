"""How far a judge can be trusted: its verdicts against labels, and the share of right rows that follows.

    found = calibrate(store, "judged@1", label="human", judge="judge_verdict")
    found.true_positive_rate, found.agreement.kappa

A verdict or label is true or false, or one of the texts `correct` and `incorrect` (also `yes`, `no`, `true`, `false`);
others, such as `undecided`, and null are no verdict, and are counted apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from dqdata.errors import DataError, QueryError
from dqdata.notebook import Shown
from dqdata.refs import as_query
from dqdata.sql import literal, quoted, read_parquet
from dqdata.statistics import Agreement, cohen_kappa, corrected_share, paired, wilson

YES = ("correct", "true", "yes", "1")
NO = ("incorrect", "false", "no", "0")
LEAST = 20
"""Labelled rows of one kind below which a rate says little; the report names it."""


class Queries(Protocol):
    """A store."""

    def query(self, sql: str, *, repeatable: bool = False, local_files: bool = False) -> Any: ...


@dataclass(frozen=True)
class Rate:
    """A share of rows, with Wilson's 95% interval. share: None where there are no rows."""

    count: int
    total: int
    share: float | None
    low: float
    high: float

    @classmethod
    def of(cls, count: int, total: int) -> Rate:
        return cls(count, total, count / total if total else None, *wilson(count, total))


@dataclass(frozen=True)
class Corrected:
    """The share of right rows of another catalog: as the judge has it, and corrected by its errors on labelled rows."""

    of: str
    judged: Rate
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Drift:
    """The same labelled rows judged otherwise. agreement: of the two judges. p_value: that both are right equally
    often, paired by row (McNemar's exact test)."""

    against: str
    rows: int
    agreement: Agreement
    right: Rate
    right_before: Rate
    p_value: float


@dataclass(frozen=True)
class Calibration(Shown):
    """rows: with a verdict and a label. undecided: labelled rows without a verdict. true_positive_rate: of rows
    labelled right, those that the judge accepts; false_positive_rate: of those labelled wrong."""

    of: str
    judge: str
    label: str
    rows: int
    undecided: int
    unlabelled: int
    true_positive_rate: Rate
    false_positive_rate: Rate
    right: Rate
    agreement: Agreement
    corrected: Corrected | None
    drift: Drift | None
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def calibrate(
    store: Queries,
    rows: str,
    *,
    label: str,
    judge: str = "judge_verdict",
    labels: str | None = None,
    key: str | None = None,
    on: str | None = None,
    against: str | None = None,
) -> Calibration:
    """rows: a catalog or a query with the column `judge`. label: column with what is right, of the rows or of `labels`,
    a query over a file or catalog that shares the column `key` with them. on: a catalog or query without labels whose
    share of right rows is corrected. against: the same rows, by key, as another judge or version judged them. Raises
    QueryError for columns that are missing; DataError where no row has both, or a key repeats."""
    query = as_query(rows)
    columns = _columns(store, query)
    _need(columns, judge, rows)
    name = key or _key(columns, rows)
    if labels is None:
        _need(columns, label, rows)
        table = f"select {quoted(name)} as key, {quoted(judge)} as judge, {quoted(label)} as label from ({query})"
    else:
        there = _columns(store, as_query(labels))
        for column in (name, label):
            _need(there, column, "the labels")
        table = (
            f"select j.{quoted(name)} as key, j.{quoted(judge)} as judge, l.{quoted(label)} as label from ({query}) j "
            f"join ({as_query(labels)}) l on j.{quoted(name)}::varchar = l.{quoted(name)}::varchar"
        )
    pairs = _read(store, table)
    _unique(pairs, name, rows)
    judged = [(one["judge"], one["label"]) for one in pairs if one["judge"] is not None and one["label"] is not None]
    if not pairs and labels is not None:
        raise DataError(f"{rows}: {_apart(store, query, as_query(labels), name)}")
    if not judged:
        raise DataError(
            f"{rows}: no row has both a verdict in {judge!r} and a label in {label!r} "
            f"({len(pairs):,} rows looked at; verdicts are {', '.join(YES[:3])} or {', '.join(NO[:3])})"
        )
    cells = {pair: judged.count(pair) for pair in ((True, True), (True, False), (False, True), (False, False))}
    yes, no = cells[True, True] + cells[False, True], cells[True, False] + cells[False, False]
    corrected, notes = None, list(_notes(yes, no))
    if on is not None:
        try:
            corrected = _corrected(store, on, judge, cells, yes, no)
        except ValueError as error:
            notes.append(f"{on} is not corrected: {error}")
    return Calibration(
        rows,
        judge,
        label,
        len(judged),
        sum(one["judge"] is None and one["label"] is not None for one in pairs),
        sum(one["label"] is None for one in pairs),
        Rate.of(cells[True, True], yes),
        Rate.of(cells[True, False], no),
        Rate.of(cells[True, True] + cells[False, False], len(judged)),
        cohen_kappa(cells[True, True], cells[True, False], cells[False, True], cells[False, False]),
        corrected,
        None if against is None else _drift(store, against, judge, name, pairs),
        tuple(notes),
    )


def label_file(path: str) -> str:
    """The query for a file of labels: JSON lines, CSV or Parquet, by its ending. Raises DataError."""
    readers = {"jsonl": "read_json_auto", "ndjson": "read_json_auto", "json": "read_json_auto", "csv": "read_csv_auto"}
    ending = path.rpartition(".")[2].lower()
    if ending == "parquet":
        return f"select * from {read_parquet([path])}"  # type: ignore[list-item]
    if ending not in readers:
        raise DataError(f"{path}: labels are read from .jsonl, .json, .csv and .parquet")
    text = path.replace("'", "''")
    return f"select * from {readers[ending]}('{text}')"


def _corrected(
    store: Queries, on: str, judge: str, cells: Mapping[tuple[bool, bool], int], yes: int, no: int
) -> Corrected:
    query = as_query(on)
    _need(_columns(store, query), judge, on)
    verdicts = [
        one["judge"]
        for one in _read(store, f"select null as key, {quoted(judge)} as judge, null as label from ({query})")
    ]
    positive, total = verdicts.count(True), verdicts.count(True) + verdicts.count(False)
    share, interval = corrected_share(positive, total, cells[True, True], yes, cells[False, False], no)
    return Corrected(on, Rate.of(positive, total), share, *interval)


def _apart(store: Queries, ours: str, theirs: str, key: str) -> str:
    """Why nothing is joined, by an example of each side."""
    column = quoted(key)
    kinds = [
        store.query(f"select min({column}::varchar) as least from ({query})").read_all().to_pylist()[0]["least"]
        for query in (ours, theirs)
    ]
    return (
        f"no {key!r} in common: {kinds[0]!r} here, {kinds[1]!r} there (`dqdata import` puts the file's name before "
        "ids; --namespace '' keeps them as they are)"
    )


def _drift(store: Queries, against: str, judge: str, key: str, pairs: Sequence[Mapping[str, Any]]) -> Drift:
    query = as_query(against)
    columns = _columns(store, query)
    for column in (judge, key):
        _need(columns, column, against)
    other = _read(store, f"select {quoted(key)} as key, {quoted(judge)} as judge, null as label from ({query})")
    _unique(other, key, against)
    before = {str(one["key"]): one["judge"] for one in other}
    both = [
        (one["judge"], before[str(one["key"])], one["label"])
        for one in pairs
        if one["judge"] is not None and before.get(str(one["key"])) is not None
    ]
    if not both:
        example = f"select {literal(str(pairs[0]['key']))} as {quoted(key)}"
        raise DataError(f"{against} and the calibrated rows have {_apart(store, example, query, key)}")
    counts = [
        sum(one[:2] == pair for one in both) for pair in ((True, True), (True, False), (False, True), (False, False))
    ]
    known = [one for one in both if one[2] is not None]
    ours, theirs = [int(a == c) for a, _, c in known], [int(b == c) for _, b, c in known]
    return Drift(
        against,
        len(both),
        cohen_kappa(*counts),
        Rate.of(sum(ours), len(known)),
        Rate.of(sum(theirs), len(known)),
        paired(ours, theirs),
    )


def _notes(yes: int, no: int) -> list[str]:
    return [
        f"only {count} labelled rows are {word}: the rate over them is uncertain"
        for count, word in ((yes, "right"), (no, "wrong"))
        if count < LEAST
    ]


def _read(store: Queries, query: str) -> list[dict[str, Any]]:
    """Rows of key, judge, label, with verdicts as true, false or None."""
    verdict = "case when lower({0}::varchar) in ({1}) then true when lower({0}::varchar) in ({2}) then false end"
    words = [", ".join(f"'{word}'" for word in words) for words in (YES, NO)]
    wanted = ", ".join(f"{verdict.format(name, *words)} as {name}" for name in ("judge", "label"))
    sql = f"select key::varchar as key, {wanted} from ({query})"
    return list(store.query(sql, local_files=True).read_all().to_pylist())


def _columns(store: Queries, query: str) -> list[str]:
    return list(store.query(f"select * from ({query}) limit 0", local_files=True).schema.names)


def _need(columns: Sequence[str], name: str, what: str) -> None:
    if name not in columns:
        raise QueryError(f"{what} has no column {name!r} (it has: {', '.join(columns)})", code="missing-column")


def _key(columns: Sequence[str], rows: str) -> str:
    for name in ("pair_id", "trace_id", "problem_id"):
        if name in columns:
            return name
    return columns[0]


def _unique(pairs: Sequence[Mapping[str, Any]], key: str, what: str) -> None:
    seen: set[str] = set()
    for one in pairs:
        if one["key"] in seen:
            raise DataError(
                f"{what}: {key} {one['key']!r} occurs twice: rows are matched by it; name another with --key"
            )
        seen.add(one["key"])
