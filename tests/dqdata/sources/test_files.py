"""Files as sources: formats, types, renames, fingerprints, and what is said of files that are wrong."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
from pyarrow import parquet

from dqdata.columns import columns_of
from dqdata.errors import ColumnError, DataError
from dqdata.sources import json_lines
from dqdata.sources.files import Files, FilesParams


@pytest.fixture
def files(tmp_path: Path):
    """Makes the source over files in a folder."""

    def make(path, **params) -> Files:
        return Files(FilesParams(path=path, **params), SimpleNamespace(root=tmp_path, store=None))

    return make


def rows(source: Files) -> list[dict]:
    batches = list(source.batches())
    promised = source.schema()
    assert all(columns_of(batch.schema) == promised for batch in batches)
    return [row for batch in batches for row in batch.to_pylist()]


def lines(path: Path, *records) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records))
    return path


def message(source: Files) -> str:
    with pytest.raises(DataError) as caught:
        source.schema()
        list(source.batches())
    return str(caught.value)


TWO = [{"question": "2 + 2?", "answer": "4"}, {"question": "2 + 3?", "answer": "5"}]


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


@pytest.mark.parametrize("row", [{"x": 2**53 + 1}, {"in": {"y": [0.5, -(2**53) - 1]}}, {"x": 10**17 + 3}])
def test_whole_numbers_that_a_double_would_round_are_refused(files, tmp_path, row):
    rows = [{"x": 0.5, "in": {"y": [0.5]}}] * 1500 + [row]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    with pytest.raises(DataError, match="line 1501: .*whose digits DOUBLE can't hold"):
        list(files("a.jsonl").batches())
