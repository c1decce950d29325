"""Files as sources: formats, types, renames, fingerprints, and what is said of files that are wrong."""

from __future__ import annotations

import gzip
import json

import duckdb
import pyarrow as pa
import pytest
from file_sources import TWO, lines, rows
from pyarrow import parquet

from dqdata.errors import ColumnError
from dqdata.sources import json_lines


def test_json_lines(files, tmp_path):
    lines(tmp_path / "a.jsonl", *TWO)
    assert rows(files("a.jsonl")) == TWO


def test_a_json_array_and_json_lines_under_the_name_json(files, tmp_path):
    (tmp_path / "array.json").write_text(json.dumps(TWO, indent=2))
    lines(tmp_path / "lines.json", *TWO)
    assert rows(files("array.json")) == rows(files("lines.json")) == TWO


def test_csv_with_quotes_commas_and_line_ends_in_text(files, tmp_path):
    (tmp_path / "a.csv").write_text('question,answer,n\r\n"What is 2 + 2,\nand ""why""?",4,1\r\n3?,,2\r\n')
    assert rows(files("a.csv")) == [
        {"question": 'What is 2 + 2,\nand "why"?', "answer": "4", "n": 1},
        {"question": "3?", "answer": None, "n": 2},
    ]


def test_csv_numbers_that_would_lose_their_shape_stay_text(files, tmp_path):
    (tmp_path / "a.tsv").write_text("code\tscore\tok\tplain\n007\t1.5\ttrue\t3\n1e5\t2\tFALSE\t-4\n")
    assert rows(files("a.tsv")) == [
        {"code": "007", "score": 1.5, "ok": True, "plain": 3},
        {"code": "1e5", "score": 2.0, "ok": False, "plain": -4},
    ]


def test_parquet_with_dictionary_and_empty_columns(files, tmp_path):
    table = pa.table(
        {"question": pa.array(["a", "b", "a"]).dictionary_encode(), "nothing": pa.nulls(3), "n": [1, 2, 3]}
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    source = files("a.parquet")
    assert dict(source.schema()) == {"question": "VARCHAR", "nothing": "VARCHAR", "n": "BIGINT"}
    assert source.row_count() == 3
    assert [row["question"] for row in rows(source)] == ["a", "b", "a"]


ARRAYS = {
    "FLOAT[3]": "[i, NULL, 0.1]::FLOAT[3]",
    "of texts": "['a', NULL]::VARCHAR[2]",
    "in a struct": "{'a': [i, 1]::INTEGER[2]}",
    "of arrays": "[[i, 1], [NULL, 2]]::BIGINT[2][2]",
    "in a list": "[[i, 1]::DOUBLE[2]]",
}
NULLS = {"in a struct": "{'a': NULL}", "in a list": "[NULL, [0.5, NULL]::DOUBLE[2]]"}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_with_nulls_from_a_parquet_file_of_duckdb(name, files, tmp_path):
    """Arrow can't read them; the nulls begin in the second group of rows, beside columns in other types."""
    with duckdb.connect() as con:
        con.execute(
            "create table t as select i, '2001-02-03'::DATE as day, INTERVAL (i) DAY as past, uuid() as u, "
            f"{ARRAYS[name]} as v from range(9000) r(i)"
        )
        con.execute(f"update t set v = {NULLS.get(name, 'NULL')} where i > 4000 and i % 3 = 0")
        wanted = con.execute("select i, day, past::VARCHAR, u::VARCHAR, v from t order by i").fetchall()
        con.execute(f"copy (from t order by i) to '{tmp_path}/a.parquet' (row_group_size 2048)")
    with pytest.raises(pa.ArrowInvalid):
        parquet.read_table(tmp_path / "a.parquet")
    found = [tuple(row[key] for key in ("i", "day", "past", "u", "v")) for row in rows(files("a.parquet"))]
    assert repr(found) == repr([(*row[:-1], listed(row[-1])) for row in wanted])


def listed(value):
    """DuckDB's arrays, which Python gets as tuples, as lists."""
    if isinstance(value, dict):
        return {key: listed(item) for key, item in value.items()}
    return [listed(item) for item in value] if isinstance(value, tuple | list) else value


def test_compressed_files(files, tmp_path):
    plain = "".join(json.dumps(row) + "\n" for row in TWO).encode()
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(plain))
    with pa.CompressedOutputStream(str(tmp_path / "b.jsonl.zst"), "zstd") as out:
        out.write(plain)
    assert rows(files("a.jsonl.gz")) == rows(files("b.jsonl.zst")) == TWO


def test_globs_go_by_name_and_lists_in_their_own_order(files, tmp_path):
    (tmp_path / "deep").mkdir()
    for place, name in enumerate(["b.jsonl", "a.jsonl", "deep/c.jsonl"]):
        lines(tmp_path / name, {"n": place})
    assert [row["n"] for row in rows(files("*.jsonl"))] == [1, 0]
    assert [row["n"] for row in rows(files("**/*.jsonl"))] == [1, 0, 2]
    assert [row["n"] for row in rows(files(["deep/c.jsonl", "*.jsonl"]))] == [2, 1, 0]


def test_files_of_other_columns_fill_each_other_with_nulls(files, tmp_path):
    lines(tmp_path / "a.jsonl", {"n": 1, "empty": None})
    lines(tmp_path / "b.jsonl", {"n": 2.5, "m": "x", "empty": [1]})
    assert rows(files("*.jsonl")) == [
        {"n": 1.0, "empty": None, "m": None},
        {"n": 2.5, "empty": [1], "m": "x"},
    ]


def test_nested_values_and_keys_that_come_and_go(files, tmp_path):
    records = [
        {"meta": {"steps": [{"a": 1}]}, "tags": []},
        {"meta": {"steps": [{"a": 2, "b": "x"}]}, "tags": ["t"]},
        {},
    ]
    lines(tmp_path / "a.jsonl", *records)
    source = files("a.jsonl")
    assert dict(source.schema()) == {
        "meta": "STRUCT(steps STRUCT(a BIGINT, b VARCHAR)[])",
        "tags": "VARCHAR[]",
    }
    assert rows(source)[0] == {"meta": {"steps": [{"a": 1, "b": None}]}, "tags": []}
    assert rows(source)[2] == {"meta": None, "tags": None}


def test_columns_of_the_vocabulary_take_its_type(files, tmp_path):
    lines(
        tmp_path / "a.jsonl", {"answer": 4, "rv": 3, "tests": [["f(1)", 2]]}, {"answer": "1/2", "rv": 4, "tests": None}
    )
    parquet.write_table(pa.table({"answer": [4, None], "n": [1, 2]}), tmp_path / "b.parquet")
    assert rows(files("a.jsonl")) == [
        {"answer": "4", "rv": 3.0, "tests": '[["f(1)", 2]]'},
        {"answer": "1/2", "rv": 4.0, "tests": None},
    ]
    assert rows(files("b.parquet")) == [{"answer": "4", "n": 1}, {"answer": None, "n": 2}]


@pytest.mark.parametrize("answers", [[4, 5], [4, "5"], ["4", 5.5], [True, None]])
def test_every_way_of_parsing_writes_the_same_text(files, tmp_path, answers):
    """Whole numbers go through Arrow's parser, fractions and mixtures through Python's."""
    lines(tmp_path / "a.jsonl", *({"answer": answer, "n": 1} for answer in answers))
    texts = [None if a is None else a if isinstance(a, str) else json.dumps(a) for a in answers]
    assert [row["answer"] for row in rows(files("a.jsonl"))] == texts


def test_renames(files, tmp_path):
    lines(tmp_path / "a.jsonl", {"problem": "2 + 2?", "final": 4, "answer": {"worked": "two and two"}})
    source = files("a.jsonl", columns={"question": "problem", "answer": "final", "solution": "answer"})
    assert rows(source) == [{"question": "2 + 2?", "answer": "4", "solution": {"worked": "two and two"}}]


def test_a_rename_of_a_column_that_is_not_there(files, tmp_path):
    lines(tmp_path / "a.jsonl", {"problem": "x"})
    with pytest.raises(ColumnError, match=r"no column 'problm'; did you mean 'problem'\? .*have: problem"):
        files("a.jsonl", columns={"question": "problm"}).schema()


def test_names_that_sql_does_not_tell_apart(files, tmp_path):
    lines(tmp_path / "a.jsonl", {"Answer": "x", "answer": "y"})
    with pytest.raises(ColumnError, match="'Answer' and 'answer' would have one name"):
        files("a.jsonl").schema()
    assert rows(files("a.jsonl", columns={"other": "Answer"})) == [{"other": "x", "answer": "y"}]


def test_byte_order_marks_and_other_encodings(files, tmp_path):
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in [{"question": "Größe?"}, {"question": "数"}])
    for name, encoding in (("a", "utf-8-sig"), ("b", "utf-16"), ("c", "gb18030")):
        (tmp_path / f"{name}.jsonl").write_bytes(text.encode(encoding))
    (tmp_path / "d.csv").write_bytes("\ufeffquestion\nGröße?\n".encode())
    assert (
        rows(files("a.jsonl"))
        == rows(files("b.jsonl", encoding="utf-16"))
        == rows(files("c.jsonl", encoding="gb18030"))
    )
    assert rows(files("d.csv")) == [{"question": "Größe?"}]


def test_fingerprints_follow_content_and_reading_but_not_names(files, tmp_path):
    lines(tmp_path / "a.jsonl", *TWO)
    lines(tmp_path / "b.jsonl", *TWO)
    lines(tmp_path / "c.jsonl", *TWO[:1])
    assert files("a.jsonl").fingerprint() == files("b.jsonl").fingerprint()
    others = [
        files("a.jsonl"),
        files("c.jsonl"),
        files("a.jsonl", columns={"q": "question"}),
        files("a.jsonl", types={"answer": "VARCHAR"}),
    ]
    assert len({source.fingerprint() for source in others}) == 4


def test_a_changed_file_has_another_fingerprint_even_if_its_size_stays(files, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("dqdata.files.REMEMBERED_FROM", 0)
    monkeypatch.setattr("dqdata.files.SETTLED", -1.0)
    path = lines(tmp_path / "a.jsonl", {"n": 1})
    first = files("a.jsonl").fingerprint()
    assert files("a.jsonl").fingerprint() == first
    assert list((tmp_path / "cache" / "dqdata" / "files").iterdir())
    lines(path, {"n": 2})
    assert files("a.jsonl").fingerprint() != first


def test_namespaces(files, tmp_path):
    lines(tmp_path / "math500.jsonl", *TWO)
    (tmp_path / "shards").mkdir()
    for name in "ab":
        lines(tmp_path / "shards" / f"{name}.jsonl", *TWO)
    assert files("math500.jsonl").namespace() == "math500"
    assert files("shards/*.jsonl").namespace() == "shards"
    assert files("math500.jsonl", namespace="").namespace() == ""


# What is wrong


def test_real_files(files, shared_data):
    for name, count in (("gsm8k_test.jsonl", 1319), ("math500.jsonl", 500), ("gsm8k_train.parquet", 7473)):
        made = rows(files(str(shared_data / name)))
        assert len(made) == count and all(row["question"] and row["answer"] for row in made)


def test_one_odd_block_does_not_slow_the_others(files, tmp_path, monkeypatch):
    """Digits in texts are no numbers, and a block that Arrow's parser refuses is the only one read line by line."""
    monkeypatch.setattr(json_lines, "BLOCK_BYTES", 2000)
    slow: list[int] = []
    whole = json_lines._checked
    monkeypatch.setattr(json_lines, "_checked", lambda rows, *rest: slow.append(len(rows)) or whole(rows, *rest))
    rows = [{"text": f"hash 1234567890123456{n}", "x": n + 0.5, "in": {"y": [n / 4]}} for n in range(200)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert list(pa.Table.from_batches(files("a.jsonl").batches()).to_pylist()) == rows
    assert slow == []
    rows[100] |= {"x": 2**53, "in": {"y": [float("nan")]}}
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    read = pa.Table.from_batches(files("a.jsonl").batches()).to_pylist()
    assert [row["x"] for row in read] == [row["x"] for row in rows]
    assert len(slow) == 1 and slow[0] < 50
