"""split, sample, cluster, sql and join: what they promise of rows, shares, order and accounts."""

from __future__ import annotations

import polars as pl
import pytest
from dqdata_operators.annotate.cluster import Cluster, ClusterParams
from dqdata_operators.select.sample import Sample, SampleParams
from dqdata_operators.select.split import Split, SplitParams
from dqdata_operators.table.join import Join, JoinParams
from dqdata_operators.table.sql import Sql, SqlParams
from outcomes import decided, have

from dqdata.columns import Columns
from dqdata.errors import ColumnError, DataError, OperatorError, QueryError
from dqdata.operator import NewRows, Schema
from dqdata.testing import OperatorRun, disk_table, run_operator


def problems(count=2000, twins=200):
    """Problems of random words, traces two each, and near twins of the first ones."""
    words = [f"w{(number * 7919) % 4999}" for number in range(count * 12)]
    texts = [" ".join(words[12 * n : 12 * n + 12]) for n in range(count)]
    rows = [(f"p{n}", f"t{n}{side}", text, n % 3) for n, text in enumerate(texts) for side in "ab"]
    rows += [(f"q{n}", f"u{n}", f"{texts[n]} more", n % 3) for n in range(twins)]
    return pl.DataFrame(rows, schema=["problem_id", "trace_id", "question", "level"], orient="row")


def fresh(path):
    path.mkdir()
    return path


def test_split_keeps_units_together_and_shares(tmp_path):
    frame = problems()
    rows, gone = decided(Split(SplitParams(shares={"train": 0.8, "test": 0.2})), frame, tmp_path)
    splits = dict(rows.select("trace_id", "split").iter_rows())
    assert not gone and all(splits[f"t{n}a"] == splits[f"t{n}b"] for n in range(2000))
    assert all(splits[f"u{n}"] == splits[f"t{n}a"] for n in range(200))
    assert 0.75 < sum(name == "train" for name in splits.values()) / len(splits) < 0.85


def test_split_is_stable(tmp_path):
    frame = problems()
    first = decided(Split(SplitParams()), frame.head(3000), fresh(tmp_path / "1"))[0].select("trace_id", "split")
    shuffled = frame.sample(fraction=1, shuffle=True, seed=1)
    later = decided(Split(SplitParams()), shuffled, fresh(tmp_path / "2"))[0].select("trace_id", "split")
    both = first.join(later, on="trace_id", suffix="_later")
    joined = {f"t{n}{side}" for n in range(200) for side in "ab"}
    alone = both.filter(~pl.col("trace_id").is_in(joined))
    assert len(alone) > 2000 and alone["split"].equals(alone["split_later"], check_names=False)
    assert (both["split"] == both["split_later"]).mean() > 0.98
    other = decided(Split(SplitParams(salt="x")), frame, fresh(tmp_path / "3"))[0]
    assert not other.sort("trace_id")["split"].equals(later.sort("trace_id")["split"])


def test_split_by_strata_holds_shares_in_each(tmp_path):
    frame = problems(300, 0)
    params = SplitParams(shares={"train": 3, "test": 1}, stratify=("level",))
    rows = decided(Split(params), frame, tmp_path)[0]
    counts = rows.group_by("level", "split").len().sort("level", "split")
    assert counts["len"].to_list() == [50, 150] * 3


def test_sample(tmp_path):
    frame = problems(300, 0)
    for number, (params, expected) in enumerate(
        [({"rows": 25}, 25), ({"rows": 10, "per": ["level"]}, 30), ({"rows": 9999}, 600)]
    ):
        rows, gone = decided(Sample(SampleParams(**params)), frame, fresh(tmp_path / str(number)))
        assert len(rows) == expected and len(gone) == 600 - expected
    params = SampleParams(share=0.3)
    some = set(decided(Sample(params), frame.head(300), fresh(tmp_path / "a"))[0]["trace_id"])
    more = set(decided(Sample(params), frame.reverse(), fresh(tmp_path / "b"))[0]["trace_id"])
    assert some == more & set(frame.head(300)["trace_id"]) and 130 < len(more) < 230
    with pytest.raises(ValueError, match="one of them"):
        SampleParams()


@pytest.mark.needs("wordllama")
def test_cluster(tmp_path):
    topics = {"train": "The train leaves the station and travels to the city at {} km per hour.",
              "cake": "She bakes {} cakes with flour, sugar and butter for the party.",
              "prime": "Prove that the prime number {} divides the polynomial with integer coefficients."}  # fmt: skip
    rows = [(f"{name}{n}", text.format(n) + " extra" * (n % 3)) for name, text in topics.items() for n in range(20)]
    frame = pl.DataFrame(rows, schema=["problem_id", "question"], orient="row").head(55)
    made, gone = decided(Cluster(ClusterParams(clusters=3, representatives=2)), frame, fresh(tmp_path / "1"))
    assert not gone and made["representative"].sum() == 6
    by_name = made.with_columns(name=pl.col("problem_id").str.replace(r"\d+", "")).group_by("name").agg("topic")
    assert all(len(set(found)) == 1 for found in by_name["topic"]) and made["topic"].n_unique() == 3
    again = decided(Cluster(ClusterParams(clusters=3, representatives=2)), frame.reverse(), fresh(tmp_path / "2"))[0]
    assert made.sort("problem_id").equals(again.sort("problem_id"))
    assert decided(Cluster(ClusterParams()), frame[:0], fresh(tmp_path / "3"))[0].height == 0


def test_sql_keeps_changes_and_drops(tmp_path):
    frame = problems(4, 0)
    query = "select trace_id, problem_id, level + 1 as level, count(*) over (partition by problem_id) as attempts"
    query += " from rows where level < 2"
    operator = Sql(SqlParams(query=query))
    assert operator.columns(have(frame), Schema())["attempts"] == "BIGINT" and "question" not in operator.columns(
        have(frame), Schema()
    )
    rows, gone = decided(operator, frame, tmp_path)
    assert set(gone) == {"t2a", "t2b"} and set(rows["level"]) == {1, 2} and set(rows["attempts"]) == {2}


def test_sql_makes_rows_with_parents(tmp_path):
    frame = problems(4, 0)
    query = "select problem_id, count(*) as n, list(trace_id order by trace_id) as parent_ids from rows"
    query += " where level < 2 group by 1"
    operator = Sql(SqlParams(query=query))
    assert operator.columns(have(frame), Schema()).key == "problem_id"
    made = operator.process(disk_table(frame, tmp_path), OperatorRun(tmp_path))
    assert isinstance(made, NewRows)
    assert sorted(row["parent_ids"] for part in made.rows for row in part.to_dicts())[0] == ["t0a", "t0b"]
    assert set(made.dropped.lazy().collect()["trace_id"]) == {"t2a", "t2b"}


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        ("select question from rows", ColumnError, "gives no 'trace_id'"),
        ("select *, random() from rows", QueryError, "another result each time"),
        ("select *, now() from rows", QueryError, "another result each time"),
        ("select * from rows; select 1", QueryError, "more than one|one statement|SELECT"),
        ("select nothing from rows", ColumnError, "'nothing'"),
        ("select * from elsewhere", QueryError, "elsewhere"),
    ],
)
def test_sql_that_is_refused(query, error, message):
    with pytest.raises(error, match=message):
        Sql(SqlParams(query=query)).columns(have(problems(2, 0)), Schema())


def test_sql_that_invents_rows(tmp_path):
    for number, query in enumerate(
        ["select * from rows union all select * from rows", "select * replace ('x' || trace_id as trace_id) from rows"]
    ):
        with pytest.raises(OperatorError, match=r"more than once|never came in"):
            decided(Sql(SqlParams(query=query)), problems(3, 0), fresh(tmp_path / str(number)))


class WithCatalog(OperatorRun):
    """A run whose one catalog is this frame."""

    __test__ = False
    catalog: pl.DataFrame

    def rows(self, _: str):
        return self.catalog.to_arrow().to_reader()


GRADED = Schema({"graded": Columns({"problem_id": "VARCHAR", "grade": "BIGINT"})})


@pytest.mark.parametrize(
    ("how", "kept"), [("left", {"p0": 7, "p1": None}), ("inner", {"p0": 7}), ("anti", {"p1": None})]
)
def test_join(how, kept, tmp_path):
    frame = pl.DataFrame({"problem_id": ["p0", "p1"], "question": ["a", "b"]})
    operator = Join(JoinParams(catalog="graded", how=how))
    run = WithCatalog(tmp_path)
    run.catalog = pl.DataFrame({"problem_id": ["p0", "p9", None, None], "grade": [7, 8, 1, 2]})
    made = operator.process(disk_table(frame, tmp_path), run)
    gone = set(made.dropped.collect()["problem_id"])
    assert gone == {"p0", "p1"} - set(kept)
    assert ("grade" in operator.columns(have(frame), GRADED)) == (how != "anti")
    if how != "anti":
        assert dict(made.added.collect().iter_rows()) == kept


def test_join_never_multiplies_rows(tmp_path):
    operator = Join(JoinParams(catalog="graded"))
    run = WithCatalog(tmp_path)
    run.catalog = pl.DataFrame({"problem_id": ["p0", "p0"], "grade": [7, 8]})
    with pytest.raises(DataError, match=r"'p0'.*more than once"):
        operator.process(disk_table(pl.DataFrame({"problem_id": ["p0"]}), tmp_path), run)
    other = Join(JoinParams(catalog="graded", on="level"))
    with pytest.raises(ColumnError, match="no column 'level'"):
        other.columns(Columns({"problem_id": "VARCHAR", "level": "BIGINT"}), GRADED)


@pytest.mark.parametrize("key", ["pair_id", "trace_id"])
def test_a_bare_null_is_a_key_that_is_filled(key: str) -> None:
    """DuckDB takes a bare null for an integer; a key is text."""
    rows = [{"trace_id": f"t{n}", "problem_id": f"p{n // 2}", "response": str(n)} for n in range(4)]
    query = (
        f"select null as {key}, a.problem_id, a.response || b.response as joined, [a.trace_id, b.trace_id] as "
        "parent_ids "
        "from rows a join rows b on a.problem_id = b.problem_id and a.trace_id < b.trace_id"
    )
    tried = run_operator("sql", rows, params={"query": f"{query} ;\n"})
    assert sorted(row["joined"] for row in tried.rows) == ["01", "23"] and tried.columns[key] == "VARCHAR"
    assert all(isinstance(row[key], str) for row in tried.rows) and len({row[key] for row in tried.rows}) == 2
