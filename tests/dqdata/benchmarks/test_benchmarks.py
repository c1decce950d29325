"""Benchmarks in their published layouts become rows that the verifiers judge; records that lack a field are named."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dqdata.benchmarks import BENCHMARKS, find
from dqdata.benchmarks.published import published
from dqdata.errors import DataError, ProjectError
from dqdata.sources.benchmark import BenchmarkParams, BenchmarkProblems
from dqdata.testing import run_operator

from .published_rows import RECORDS, RIGHT

IDS = ("problem_id", "trace_id", "response")
WRONG = {"math": "\\boxed{12345}", "code": "```python\ndef double(n): return 0\n```", "choice": "I am not sure."}


def right_answers(name: str, rows: list[dict[str, Any]]) -> list[str]:
    return RIGHT[name] if name in RIGHT else [f"I think so.\nAnswer: {row['answer']}" for row in rows]


def source(tmp_path: Path, name: str, records: list[dict[str, Any]], **params: Any) -> BenchmarkProblems:
    file = tmp_path / f"{name}.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    given = BenchmarkParams(name=name, path=file.name, **params)
    return BenchmarkProblems(given, SimpleNamespace(root=tmp_path, store=None))


def rows_of(made: BenchmarkProblems) -> list[dict[str, Any]]:
    return [row for batch in made.batches() for row in batch.to_pylist()]


def test_every_benchmark_has_records_here() -> None:
    assert RECORDS.keys() == BENCHMARKS.keys() == RIGHT.keys() | {"gpqa_diamond"}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_published_records_become_rows_that_the_verifier_judges(name: str, tmp_path: Path) -> None:
    made = source(tmp_path, name, RECORDS[name])
    rows = rows_of(made)
    assert len(rows) == len(RECORDS[name]) and all(set(row) == set(made.schema()) for row in rows)
    kind = find(name).answer_type
    assert {row["answer_type"] for row in rows} == {kind} and {row["source"] for row in rows} == {name}
    columns = {**made.schema(), **dict.fromkeys(IDS, "VARCHAR")}
    wrong = [WRONG[kind]] * len(rows)
    for responses, verdict in ((right_answers(name, rows), {"correct"}), (wrong, {"incorrect", "unverifiable"})):
        given = [
            {**row, "problem_id": str(n), "trace_id": str(n), "response": responses[n]} for n, row in enumerate(rows)
        ]
        judged = run_operator("verify", given, columns=columns).rows
        assert {row["verdict"] for row in judged} <= verdict, judged


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_prompt_of_a_benchmark_is_filled_from_its_rows(name: str, tmp_path: Path) -> None:
    from dqdata.training.exact_match import Evaluate

    [first, *_] = rows_of(source(tmp_path, name, RECORDS[name]))
    [turn] = Evaluate(data="x", user=find(name).user).prompt(first)
    assert first["question"] in turn["content"] and "{{" not in turn["content"] and "None" not in turn["content"]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_field_that_is_missing_is_named_with_the_row(name: str, tmp_path: Path) -> None:
    broken = [{key: value for key, value in record.items() if key != find(name).problem} for record in RECORDS[name]]
    with pytest.raises(DataError, match=f"benchmark {name} row 1: {name} needs the field"):
        rows_of(source(tmp_path, name, broken))


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("gsm8k", "answer", None),
        ("math500", "answer", "  "),
        ("gpqa_diamond", "Incorrect Answer 3", None),
        ("humaneval", "test", None),
        ("mbpp", "test_list", []),
        ("livecodebench", "public_test_cases", "[{"),
    ],
)
def test_a_value_that_cannot_be_read_is_named_with_the_row(name: str, field: str, value: Any, tmp_path: Path) -> None:
    records = [*RECORDS[name], {**RECORDS[name][0], field: value}]
    with pytest.raises(DataError, match=f"row {len(records)}: {name}"):
        rows_of(source(tmp_path, name, records))


def test_options_are_shuffled_with_a_seed_and_alike_wherever_the_row_is(tmp_path: Path) -> None:
    records = RECORDS["gpqa_diamond"]
    first = rows_of(source(tmp_path, "gpqa_diamond", records))
    assert len(Counter(row["answer"] for row in first)) > 1, "the right option is not always the same letter"
    assert all(row["choices"]["ABCD".index(row["answer"])] == str(2 * int(row["question"].split()[3])) for row in first)
    assert rows_of(source(tmp_path, "gpqa_diamond", records[::-1]))[::-1] == first
    assert rows_of(source(tmp_path, "gpqa_diamond", records, seed=1)) != first


def test_a_copy_with_other_names_and_a_window_of_days(tmp_path: Path) -> None:
    copy = [{"ask": record["question"], "gold": record["answer"]} for record in RECORDS["gsm8k"]]
    named = rows_of(source(tmp_path, "gsm8k", copy, columns={"question": "ask", "answer": "gold"}))
    assert [row["answer"] for row in named] == ["7", "2,400"]
    dated = source(tmp_path, "livecodebench", RECORDS["livecodebench"], since="2024-10-01", until="2025-01-01")
    assert [row["title"] for row in rows_of(dated)] == ["Triple"]
    before = source(tmp_path, "livecodebench", RECORDS["livecodebench"], until="2024-12-15")
    assert [row["title"] for row in rows_of(before)] == ["Sum"] and before.fingerprint() != dated.fingerprint()
    undated = [{**RECORDS["livecodebench"][0], "contest_date": "soon"}]
    with pytest.raises(DataError, match="row 1: contest_date is 'soon'"):
        rows_of(source(tmp_path, "livecodebench", undated, since="2024-01-01"))


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("gsm9k", {}, "no benchmark 'gsm9k'; did you mean 'gsm8k'"),
        ("gsm8k", {"since": "2024-01-01"}, "livecodebench"),
        ("math500", {"release": 2}, "release is for livecodebench"),
        ("livecodebench", {"release": 2}, "a local copy has neither"),
    ],
)
def test_parameters_that_a_benchmark_has_no_use_for(
    name: str, params: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ProjectError, match=message):
        source(tmp_path, name, [], **params).schema()


def test_published_scores_have_sources() -> None:
    for benchmark in ("aime24", "math500", "gpqa_diamond", "livecodebench"):
        found = published(benchmark)
        assert len(found) >= 20 and all(one.source and 0 < one.score <= 100 for one in found)
    assert published("gsm8k") == []
    assert all(one.source.endswith("LiveCodeBench V2") for one in published("livecodebench"))
    twice = [one for one in published("math500") if one.model == "DistilQwen2.5-R1-7B"]
    assert len(twice) == 2 and all("disagree" in one.note for one in twice), "neither is quoted without the other"
