"""What is said of files that are wrong: missing, broken, of other types, in another encoding."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pytest
from file_sources import TWO, lines, message, rows
from pyarrow import parquet

from dqdata.errors import DataError


def test_a_missing_file_names_the_nearest(files, tmp_path):
    lines(tmp_path / "problems.jsonl", *TWO)
    assert message(files("problem.jsonl")).endswith("problem.jsonl; did you mean 'problems.jsonl'?")
    assert "there is no folder" in message(files("nowhere/a.jsonl"))
    assert "no file matches" in message(files("*.parquet"))
    (tmp_path / "folder").mkdir()
    assert "is a folder; name its files, such as folder/*.jsonl" in message(files("folder"))


def test_an_unknown_suffix(files, tmp_path):
    lines(tmp_path / "a.txt", *TWO)
    assert "write format = 'jsonl'" in message(files("a.txt"))
    assert rows(files("a.txt", format="jsonl")) == TWO


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.parquet"])
def test_an_empty_file(files, tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    assert f"{tmp_path / name} is empty" in message(files(name))


def test_a_header_alone(files, tmp_path):
    (tmp_path / "a.csv").write_text("question,answer\n")
    assert "there is no row below the header" in message(files("a.csv"))


@pytest.mark.parametrize("at", [3, 1500])
def test_a_broken_json_line(files, tmp_path, at):
    records = [json.dumps({"n": n}) for n in range(2000)]
    records[at - 1] = '{"n": 1'
    lines(tmp_path / "a.jsonl", *records)
    assert f"a.jsonl line {at}: not JSON: " in (said := message(files("a.jsonl"))) and "cut off" not in said


def test_a_last_line_that_was_cut_off(files, tmp_path):
    path = lines(tmp_path / "a.jsonl", *TWO)
    path.write_text(path.read_text()[:-10])
    assert "line 2: not JSON" in (said := message(files("a.jsonl"))) and "was its writing cut off?" in said


def test_a_line_that_is_no_object(files, tmp_path):
    lines(tmp_path / "a.jsonl", TWO[0], "[1, 2]")
    assert "line 2: a row must be an object" in message(files("a.jsonl"))


def test_one_big_object_in_a_json_file(files, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"data": TWO}, indent=1))
    assert "is one JSON object; rows must be JSON Lines, or an array" in message(files("a.json"))


def test_an_array_that_was_cut_off(files, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(TWO, indent=2)[:-4])
    assert "is the array whole?" in message(files("a.json"))


@pytest.mark.parametrize("line", [2, 1800])
def test_wrong_encoding_names_line_and_byte(files, tmp_path, line):
    body = b'{"question": "a"}\n' * (line - 1) + '{"question": "Größe"}\n'.encode("latin-1") + b'{"question": "b"}\n'
    (tmp_path / "a.jsonl").write_bytes(body)
    (tmp_path / "a.csv").write_bytes(b"question\n" + b"a\n" * (line - 2) + "Größe\n".encode("latin-1"))
    for name in ("a.jsonl", "a.csv"):
        said = message(files(name))
        assert f"{name} line {line}: byte 0xf6 isn't utf-8" in said and "encoding = 'latin-1'" in said
    assert rows(files("a.jsonl", encoding="latin-1"))[line - 1] == {"question": "Größe"}


def test_an_unknown_encoding(files, tmp_path):
    lines(tmp_path / "a.jsonl", *TWO)
    assert "encoding = 'utf-9' is unknown" in message(files("a.jsonl", encoding="utf-9"))


@pytest.mark.parametrize(("at", "bad", "expected"), [
    (2, "x", "column 'n' holds text where the rows before hold a whole number (as in line 1)"),
    (1500, "x", "column 'n' holds text where the rows before hold a whole number"),
    (1500, 1.5, "column 'n' holds a number where the rows before hold a whole number"),
    (1500, [1], "column 'n' holds a list where the rows before hold a whole number"),
    (1500, {"a": 1}, "column 'n' holds an object where the rows before hold a whole number"),
])  # fmt: skip
def test_a_value_of_another_type(files, tmp_path, at, bad, expected):
    lines(tmp_path / "a.jsonl", *({"n": bad if n == at else n} for n in range(1, 2001)))
    said = message(files("a.jsonl"))
    assert f"a.jsonl line {at}: {expected}" in said and 'types = { n = "VARCHAR" }' in said


def test_the_advice_about_a_wrong_type_works(files, tmp_path):
    lines(tmp_path / "a.jsonl", *({"n": "x" if n == 1500 else n} for n in range(2000)))
    assert rows(files("a.jsonl", types={"n": "VARCHAR"}))[1499:1501] == [{"n": "1499"}, {"n": "x"}]
    assert message(files("a.jsonl", sample_rows=0)).count("line 1501") == 1


def test_a_value_of_another_type_inside_a_nested_column(files, tmp_path):
    lines(tmp_path / "a.jsonl", *({"m": {"k": [1 if n < 1500 else "x"]}} for n in range(2000)))
    assert "line 1501: column 'm.k[]' holds text" in message(files("a.jsonl"))


def test_a_key_that_comes_late(files, tmp_path):
    lines(tmp_path / "a.jsonl", *({"n": n} | ({"extra": 1} if n == 1500 else {}) for n in range(2000)))
    said = message(files("a.jsonl"))
    assert "line 1501: key 'extra' isn't in the first rows" in said
    assert rows(files("a.jsonl", types={"extra": "BIGINT"}))[1500] == {"n": 1500, "extra": 1}
    assert rows(files("a.jsonl", sample_rows=2000))[1500] == {"n": 1500, "extra": 1}


def test_a_key_that_comes_late_inside_an_object(files, tmp_path):
    lines(tmp_path / "a.jsonl", *({"answer": 1, "m": {"a": 1} | ({"b": 1} if n == 1500 else {})} for n in range(2000)))
    assert "line 1501: column 'm' holds one with 'b' too" in message(files("a.jsonl"))


def test_a_csv_value_of_another_type(files, tmp_path):
    (tmp_path / "a.csv").write_text("n\n" + "".join(f"{'n/a' if n == 1500 else n}\n" for n in range(2000)))
    said = message(files("a.csv"))
    assert "a.csv line 1502: column 'n' holds 'n/a' where the rows before hold whole numbers" in said


def test_a_csv_row_with_too_many_fields_after_a_row_of_two_lines(files, tmp_path):
    (tmp_path / "a.csv").write_text('a,b\n1,"x\ny"\n1,2,3\n')
    assert "a.csv line 4: 3 fields where the header has 2" in message(files("a.csv"))


def test_a_csv_header_that_names_a_column_twice(files, tmp_path):
    (tmp_path / "a.csv").write_text("a,b,a\n1,2,3\n")
    assert "line 1: two columns are named 'a'" in message(files("a.csv"))


def test_a_row_of_10_mb(files, tmp_path):
    big = "x" * (10 << 20)
    lines(tmp_path / "a.jsonl", TWO[0], {"question": big, "answer": "1"}, TWO[1])
    (tmp_path / "a.csv").write_text(f"question\n1\n{big}\n")
    parquet.write_table(pa.table({"question": ["1", big]}), tmp_path / "a.parquet")
    for name, place in (("a.jsonl", "line 2"), ("a.csv", "line 3"), ("a.parquet", "row 2")):
        said = message(files(name))
        assert f"{name} {place}: a row of " in said and "over max_row_mb = 8" in said and "raise max_row_mb" in said
        assert any(row["question"] == big for row in rows(files(name, max_row_mb=16)))


def test_a_quote_that_never_ends(files, tmp_path):
    (tmp_path / "a.csv").write_text('question\n"open\n' + "text\n" * 400_000)
    assert "a.csv line 2: a row of" in (said := message(files("a.csv", max_row_mb=1))) and "a quote" in said


def test_files_whose_types_disagree(files, tmp_path):
    lines(tmp_path / "a.jsonl", {"n": 1})
    lines(tmp_path / "b.jsonl", {"n": "one"})
    said = message(files("*.jsonl"))
    assert "b.jsonl: column 'n' is string, but int64 in the files before" in said
    assert rows(files("*.jsonl", types={"n": "VARCHAR"})) == [{"n": "1"}, {"n": "one"}]


def test_damaged_and_disguised_files(files, tmp_path):
    parquet.write_table(pa.table({"n": list(range(10_000))}), tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:-50])
    (tmp_path / "b.jsonl").write_bytes(whole)
    zipped = gzip.compress(b'{"n": 1}\n' * 100_000)
    (tmp_path / "c.jsonl.gz").write_bytes(zipped[: len(zipped) // 2])
    (tmp_path / "d.jsonl.gz").write_bytes(b'{"n": 1}\n')
    assert "cut.parquet is no whole Parquet file" in message(files("cut.parquet"))
    assert "is a Parquet file under another name" in message(files("b.jsonl"))
    assert "c.jsonl.gz: damaged or cut off" in message(files("c.jsonl.gz"))
    assert "d.jsonl.gz: damaged or cut off" in message(files("d.jsonl.gz"))


def test_half_a_surrogate_pair(files, tmp_path):
    lines(tmp_path / "a.jsonl", {"question": "ok"}, '{"question": "\\ud83d"}')
    assert "line 2: column 'question' holds half of a surrogate pair" in message(files("a.jsonl"))


def test_a_number_past_64_bits_is_a_number_not_a_wrapped_one(files, tmp_path):
    lines(tmp_path / "a.jsonl", *({"n": 2**70 if n == 1500 else n} for n in range(2000)))
    assert "line 1501: column 'n' holds a whole number past 64 bits" in message(files("a.jsonl"))


def test_types_that_files_cannot_hold(files, tmp_path):
    lines(tmp_path / "a.jsonl", {"day": "2024-01-01"})
    assert "read it as VARCHAR and cast it" in message(files("a.jsonl", types={"day": "DATE"}))


@pytest.mark.parametrize("row", [{"x": 2**53 + 1}, {"in": {"y": [0.5, -(2**53) - 1]}}, {"x": 10**17 + 3}])
def test_whole_numbers_that_a_double_would_round_are_refused(files, tmp_path, row):
    rows = [{"x": 0.5, "in": {"y": [0.5]}}] * 1500 + [row]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    with pytest.raises(DataError, match="line 1501: .*whose digits DOUBLE can't hold"):
        list(files("a.jsonl").batches())
