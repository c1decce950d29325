"""Majority answers, curricula, modes of thinking, levels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dqdata_operators.annotate.level import Level, LevelParams
from dqdata_operators.format.adapt import Adapt, AdaptParams
from dqdata_operators.select.curriculum import Curriculum, CurriculumParams
from dqdata_operators.verify.majority import Majority, MajorityParams, vote
from outcomes import batched, decided, have

from dqdata.errors import ColumnError, DataError, QueryError
from dqdata.operator import Schema
from dqdata.testing import OperatorRun, disk_table


def answered(rows: list[tuple[str, str | None, str | None]]) -> pl.DataFrame:
    schema = {"problem_id": pl.String, "answer": pl.String, "response": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(trace_id=pl.Series([f"t{n:02}" for n in range(frame.height)], dtype=pl.String))


def test_majority_fills_what_is_missing(tmp_path: Path) -> None:
    frame = answered(
        [
            ("p1", None, "So \\boxed{12}."),
            ("p1", "", "It is 12.0."),
            ("p1", None, "\\boxed{24/2}"),
            ("p1", None, "\\boxed{13}"),
            ("p2", "7", "\\boxed{8}"),
        ]
    )
    rows, gone = decided(Majority(MajorityParams()), frame, tmp_path)
    assert not gone
    assert rows["answer"].to_list() == ["12"] * 4 + ["7"]
    assert rows["answer_votes"].to_list() == [3] * 4 + [None]
    assert rows["answer_of"].to_list() == [4] * 4 + [None]
    assert rows["answer_source"].to_list() == ["majority"] * 4 + ["reference"]


@pytest.mark.parametrize(
    "responses",
    [
        ["\\boxed{1}", "\\boxed{1}", "\\boxed{2}"],  # two agree, three must
        ["\\boxed{1}"] * 3 + ["\\boxed{2}"] * 3,  # a tie
        ["\\boxed{1}"] * 3 + ["no idea at all, sorry"] * 4,  # most say nothing
        [None] * 5,
    ],
)
def test_no_majority(tmp_path: Path, responses: list[str | None]) -> None:
    rows, gone = decided(Majority(MajorityParams()), answered([("p", None, one) for one in responses]), tmp_path)
    assert rows.height == 0 and {reason for reason, _ in gone.values()} == {"no_majority"}


def test_majority_does_not_depend_on_order(tmp_path: Path) -> None:
    frame = answered([(f"p{n % 7}", None, f"\\boxed{{{n % 3}}}") for n in range(60)])
    params = MajorityParams(at_least=2, share=0.0)
    one, other = (decided(Majority(params), rows, tmp_path)[0].sort("trace_id") for rows in (frame, frame.reverse()))
    assert one.select("trace_id", "answer", "answer_votes").equals(other.select("trace_id", "answer", "answer_votes"))


def test_votes_of_equal_numbers_are_equal() -> None:
    assert len({vote(text)[0] for text in ("\\boxed{0.5}", "\\boxed{1/2}", "The answer is 0.50.")}) == 1  # type: ignore[index]
    assert vote("no answer in here, I think") is None and vote(None) is None


def graded(values: list[float | None], per_problem: int = 1) -> pl.DataFrame:
    rows = [(f"p{n:03}", f"t{n:03}{i}", value) for n, value in enumerate(values) for i in range(per_problem)]
    return pl.DataFrame(rows, schema={"problem_id": pl.String, "trace_id": pl.String, "cd": pl.Float64}, orient="row")


def curriculum(frame: pl.DataFrame, tmp_path: Path, **params: Any) -> pl.DataFrame:
    return decided(Curriculum(CurriculumParams(**{"seed": 0, **params})), frame, tmp_path)[0]


def test_stages_hold_equal_numbers_of_problems(tmp_path: Path) -> None:
    rows = curriculum(graded([float(n) for n in range(9)], per_problem=2), tmp_path)
    assert rows["stage"].to_list() == [1] * 6 + [2] * 6 + [3] * 6
    assert rows["stages"].to_list()[0] == [1]


def test_thresholds(tmp_path: Path) -> None:
    rows = curriculum(graded([0, 3, 3.5, 8]), tmp_path, stages=3, at=(3, 6))
    assert rows["stage"].to_list() == [1, 2, 2, 3]


def test_overlap_is_the_hardest_part_of_the_stage_before(tmp_path: Path) -> None:
    rows = curriculum(graded([float(n) for n in range(40)]), tmp_path, stages=2, overlap=0.25)
    again = rows.filter(pl.col("stages").list.len() == 2)
    assert set(again["stage"]) == {1} and sorted(again["cd"]) == [15.0, 16.0, 17.0, 18.0, 19.0]


def test_replay_draws_from_all_earlier_stages(tmp_path: Path) -> None:
    rows = curriculum(graded([float(n) for n in range(900)]), tmp_path, stages=3, replay=0.2)
    later = rows.filter(pl.col("stages").list.contains(3) & (pl.col("stage") < 3))
    assert set(later["stage"]) == {1, 2}
    assert later.height == pytest.approx(120, abs=40)
    assert rows.filter(pl.col("stage") == 3)["stages"].to_list() == [[3]] * 300


def test_all_rows_of_a_problem_share_a_stage_and_the_median_decides(tmp_path: Path) -> None:
    frame = pl.DataFrame({"problem_id": ["a", "a", "a", "b"], "trace_id": list("wxyz"), "cd": [1.0, 2.0, 9.0, 5.0]})
    rows = curriculum(frame, tmp_path, stages=2)
    assert rows["stage"].to_list() == [1, 1, 1, 2] and rows["difficulty"].to_list() == [2.0, 2.0, 2.0, 5.0]


def test_a_pass_rate_turned_round_and_missing_values(tmp_path: Path) -> None:
    frame = graded([1.0, 0.0, None]).rename({"cd": "pass_rate"})
    rows, gone = decided(Curriculum(CurriculumParams(by="-pass_rate", stages=2)), frame, tmp_path)
    assert rows["stage"].to_list() == [1, 2]
    assert gone == {"t0020": ("no_difficulty", "-pass_rate is null")}


def test_stages_are_told_and_do_not_depend_on_order(tmp_path: Path) -> None:
    frame = graded([float(n % 17) for n in range(100)])
    params = {"overlap": 0.1, "replay": 0.1}
    assert (
        curriculum(frame, tmp_path, **params)
        .sort("trace_id")
        .equals(curriculum(frame.reverse(), tmp_path, **params).sort("trace_id"))
    )
    run = OperatorRun(tmp_path)
    Curriculum(CurriculumParams(stages=2)).process(disk_table(frame, tmp_path), run)
    assert run.messages == [
        "stage 1: 50 problems, 0 again from earlier stages",
        "stage 2: 50 problems, 0 again from earlier stages",
    ]


def test_curriculum_checks_its_expression() -> None:
    with pytest.raises(ColumnError, match="cdd"):
        Curriculum(CurriculumParams(by="cdd")).columns(have(graded([1.0])), Schema())
    with pytest.raises(QueryError, match="random"):
        Curriculum(CurriculumParams(by="random()")).columns(have(graded([1.0])), Schema())
    with pytest.raises(ColumnError, match="not a number"):
        Curriculum(CurriculumParams(by="trace_id")).columns(have(graded([1.0])), Schema())
    with pytest.raises(ValueError, match="thresholds"):
        CurriculumParams(stages=3, at=(1,))


def test_curriculum_refuses_two_judges(tmp_path: Path) -> None:
    frame = graded([1.0, 2.0]).with_columns(graded_by=pl.Series(["a", "b"]))
    with pytest.raises(DataError, match="2 judges"):
        curriculum(frame, tmp_path)


TRACES = pl.DataFrame(
    {
        "problem_id": ["easy", "mid", "mid", "hard", "hard", "blank"],
        "trace_id": ["e", "m1", "m2", "h", "h2", "b"],
        "question": ["2+2?", "q", "q", "r", "r", "s"],
        "reasoning": ["Two and two.", "short", "long", "deep", None, "x"],
        "response": ["4", "5", "5", "6", "6", " "],
        "cd": [1.0, 4.0, 4.0, 8.0, 8.0, 8.0],
        "tokens": [10, 500, 5000, 9000, 5, 10],
    }
)


def test_adapt_writes_the_chat_of_the_mode(tmp_path: Path) -> None:
    rows, gone = decided(Adapt(AdaptParams()), TRACES, tmp_path)
    chats = {row["trace_id"]: [turn["content"] for turn in row["messages"]] for row in rows.to_dicts()}
    assert dict(rows.select("trace_id", "mode").iter_rows()) == {"e": "none", "m1": "short", "h": "long"}
    assert chats["e"] == ["2+2?", "<think>\n\n</think>\n\n4"]
    assert chats["m1"] == ["q", "<think>\nshort\n</think>\n\n5"]
    assert {key: reason for key, (reason, _) in gone.items()} == {
        "m2": "too_long",
        "h2": "no_reasoning",
        "b": "no_response",
    }


def test_adapt_switches_and_plain(tmp_path: Path) -> None:
    rows, _ = decided(Adapt(AdaptParams(form="switch", system="Be brief.")), TRACES, tmp_path)
    chats = {row["trace_id"]: [turn["content"] for turn in row["messages"]] for row in rows.to_dicts()}
    assert chats["e"] == ["Be brief.", "2+2? /no_think", "<think>\n\n</think>\n\n4"]
    assert chats["h"][1] == "r /think"
    rows, _ = decided(Adapt(AdaptParams(form="plain")), TRACES, tmp_path)
    assert rows["messages"][0][-1]["content"] == "4"


def test_all_traces_of_a_problem_teach_one_mode(tmp_path: Path) -> None:
    frame = TRACES.with_columns(cd=pl.when(pl.col("trace_id") == "m1").then(0.0).otherwise("cd"))
    rows, _ = decided(Adapt(AdaptParams(at=(1.0, 5.0), short_tokens=9999)), frame, tmp_path)
    assert set(rows.filter(pl.col("problem_id") == "mid")["mode"]) == {"short"}


def test_level_names_ranges() -> None:
    frame = pl.DataFrame({"problem_id": list("abcde"), "pass_rate": [0.0, 0.25, 0.7, 1.0, None]})
    operator = Level(LevelParams(column="pass_rate", at=(0.25, 0.75), labels=("hard", "medium", "easy")))
    rows, _ = batched(operator, frame)
    assert rows["level"].to_list() == ["hard", "medium", "medium", "easy", None]
    assert Counter(operator.columns(have(frame), Schema()).keys())["level"] == 1
    with pytest.raises(ColumnError, match="pass_rate"):
        operator.columns(have(frame.drop("pass_rate").with_columns(pass_rates=0.5)), Schema())


@pytest.mark.parametrize("params", [{"at": (2, 1)}, {"at": (1,)}, {"at": ()}])
def test_levels_that_make_no_sense(params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"at|label"):
        LevelParams(column="cd", **params)


def test_replay_counts_are_of_problems(tmp_path: Path) -> None:
    rows = curriculum(graded([float(n) for n in range(20)], per_problem=3), tmp_path, stages=2, replay=0.5)
    for _, group in rows.group_by("problem_id"):
        assert len({tuple(stages) for stages in group["stages"].to_list()}) == 1
