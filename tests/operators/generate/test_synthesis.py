"""New problems: near-duplicates refused, numbers kept, classes and scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dqdata_operators.generate._novelty import Known, similarity
from dqdata_operators.generate._synthesis import SynthesisParams
from dqdata_operators.generate.expand import Expand, ExpandParams
from dqdata_operators.generate.refine import Refine
from dqdata_operators.judge.classify import Classify, ClassifyParams
from dqdata_operators.judge.score import Score, ScoreParams

from dqdata.columns import Columns
from dqdata.errors import ColumnError, DataError, RowError, TeacherError
from dqdata.operator import Reject, Schema
from dqdata.testing import OperatorRun, ScriptedTeacher

SEED = "Tom has 3 bags with 4 apples in each bag. How many apples has Tom in all?"
NEW = "A bus has 12 rows of seats and a driver's seat. If each row seats 4 people, how many people fit on the bus?"
OTHER = (
    "Ann reads a book of 90 pages in 6 days, the same number of pages a day. How long does a book of 240 pages take?"
)
ROW = {"problem_id": "p", "question": SEED, "answer": "12", "pass_rate": 0.5, "domain": "math"}


async def grown(tmp_path: Path, operator: Any, answers: Any) -> list[Any]:
    outcomes: list[Any] = await operator.process(ROW, OperatorRun(tmp_path, t=ScriptedTeacher(answers)))
    return outcomes


async def test_new_problems_have_no_answer_and_know_their_seed(tmp_path: Path) -> None:
    one, two = await grown(tmp_path, Expand(ExpandParams(teacher="t", n=2)), [NEW, f"New problem: {OTHER}"])
    assert (one["question"], two["question"]) == (NEW, OTHER)
    assert one["problem_id"] is None and one["seed_id"] == "p"
    assert one["answer"] is None and one["pass_rate"] is None and one["domain"] == "math"


async def test_each_call_asks_for_another_way(tmp_path: Path) -> None:
    teacher = ScriptedTeacher([NEW, OTHER])
    await Expand(ExpandParams(teacher="t", n=2)).process(ROW, OperatorRun(tmp_path, t=teacher))
    assert len({request.messages[-1].content for request in teacher.requests}) == 2


async def test_near_duplicates_are_refused(tmp_path: Path) -> None:
    same = SEED.replace("Tom", "Tim").replace("3", "7")
    operator = Expand(ExpandParams(teacher="t", n=4, keep_seeds=True))
    seed, new, twin, copy, cut = await grown(tmp_path, operator, [NEW, NEW.upper(), same, ""])
    assert seed["problem_id"] == "p" and seed["answer"] == "12"
    assert new["question"] == NEW
    assert (twin.reason, json.loads(twin.detail)["of"]) == ("near_duplicate", "sibling")
    assert (copy.reason, json.loads(copy.detail)["of"]) == ("near_duplicate", "seed")
    assert cut.reason == "empty"


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
async def test_benchmarks_are_kept_out(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bench.{suffix}"
    frame = pl.DataFrame({"question": [OTHER, NEW.replace("12", "15")]})
    frame.write_parquet(path) if suffix == "parquet" else frame.write_ndjson(path)
    operator = Expand(ExpandParams(teacher="t", against=path))
    [gone] = await grown(tmp_path, operator, [NEW])
    assert isinstance(gone, Reject) and json.loads(gone.detail)["of"] == "known"
    assert gone.row is not None and gone.row["question"] == NEW
    assert path in operator.files()


async def test_a_file_without_the_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bench.jsonl"
    path.write_text('{"questions": "x"}\n')
    with pytest.raises(DataError, match="did you mean 'questions'"):
        await grown(tmp_path, Expand(ExpandParams(teacher="t", against=path)), [NEW])


async def test_one_failed_call_does_not_take_the_others_along(tmp_path: Path) -> None:
    answers = [TeacherError("busy", kind="retryable", reason="busy"), OTHER]
    lost, made = await grown(tmp_path, Expand(ExpandParams(teacher="t", n=2)), answers)
    assert lost.retryable and lost.kind == "failed" and made["question"] == OTHER


async def test_refine_keeps_numbers_and_answer(tmp_path: Path) -> None:
    better = "Tom has 3 bags. Each bag holds 4 apples. How many apples does Tom have altogether?"
    [made] = await grown(tmp_path, Refine(SynthesisParams(teacher="t")), [better])
    assert made["question"] == better and made["answer"] == "12" and made["seed_id"] == "p"
    [gone] = await grown(tmp_path, Refine(SynthesisParams(teacher="t")), [better.replace("4", "5")])
    assert gone.reason == "numbers_changed" and gone.detail == "3 4 -> 3 5"


def test_traces_are_not_seeds() -> None:
    columns = Columns({"problem_id": "VARCHAR", "trace_id": "VARCHAR", "question": "VARCHAR"})
    with pytest.raises(ColumnError, match="traces"):
        Expand(ExpandParams(teacher="t")).columns(columns, Schema())
    operator = Expand(ExpandParams(teacher="t", n=3, keep_seeds=True))
    assert "seed_id" in operator.columns(columns.drop("trace_id"), Schema())
    assert operator.estimate(10).rows == 40 and operator.estimate(10).calls["t"].calls == 30


def test_similarity() -> None:
    assert similarity(SEED, SEED.replace("3", "1,000").lower()) == 1.0
    assert similarity(SEED, OTHER) < 0.1
    assert similarity("三个袋子里各有四个苹果", "三个袋子里各有四个苹果？") == 1.0
    assert similarity("", "") == 1.0 and similarity("", "one two three") == 0.0
    assert Known([]).nearest("x y z") == (0.0, "")
    assert Known([OTHER, SEED, SEED]).nearest(SEED) == (1.0, SEED)


async def test_classify(tmp_path: Path) -> None:
    params = ClassifyParams(judge="t", classes={"algebra": "equations", "counting": "how many"}, into="kind")
    judge = ScriptedTeacher(['{"class": "Counting"}', '{"class": "counting"}'])
    [made] = await Classify(params).process(ROW, OperatorRun(tmp_path, t=judge))
    assert made["kind"] == "counting" and made["kind_by"] == "scripted-1"
    assert "- algebra: equations" in judge.requests[0].messages[-1].content
    assert Classify(params).columns(Columns({"question": "VARCHAR"}), Schema())["kind_agreement"] == "DOUBLE"
    with pytest.raises(ValueError, match="two classes"):
        ClassifyParams(judge="t", classes={"one": ""})
    with pytest.raises(RowError, match="null_in_prompt"):
        await Classify(params).process({**ROW, "question": None}, OperatorRun(tmp_path, t=judge))


async def test_score(tmp_path: Path) -> None:
    judge = ScriptedTeacher(['{"score": 7}'])
    params = ScoreParams(judge="t", rubric="brevity")
    [made] = await Score(params).process({**ROW, "response": "12"}, OperatorRun(tmp_path, t=judge))
    assert (made["score"], made["score_by"]) == (7.0, "scripted-1")
    assert "brevity" in judge.requests[0].messages[-1].content
