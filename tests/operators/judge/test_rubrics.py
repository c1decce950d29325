"""write_rubric and score_rubric: criteria with weights, a verdict for each, points, versions, and the reward."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dqdata_operators.judge.score_rubric import ScoreRubricParams
from dqdata_operators.judge.write_rubric import WriteRubricParams
from dqdata_operators.lib.asking.rubrics import RubricError, read, score, version
from dqdata_trainers._rewards import Rewards, RewardTable

from dqdata.errors import ColumnError
from dqdata.teacher import Request
from dqdata.testing import OperatorRun, run_operator

QUESTION = "What is 2 + 2?"
RUBRIC = [
    {"criterion": "States that the sum is 4.", "weight": 10},
    {"criterion": "Shows the addition.", "weight": 3},
    {"criterion": "Gives two different answers.", "weight": -5},
]


def test_points() -> None:
    rubric = read(RUBRIC)
    assert score(rubric, [True, True, False]) == 1.0
    assert score(rubric, [True, False, False]) == pytest.approx(10 / 13)
    assert score(rubric, [True, False, True]) == pytest.approx(5 / 13)
    assert score(rubric, [False, False, True]) == 0.0, "a share is not below 0"
    assert score(rubric, [False, True, False]) == pytest.approx(3 / 13)


def test_a_version_names_what_a_rubric_says() -> None:
    same = [{"weight": 10.0, "criterion": " States that\nthe sum is 4. "}, *RUBRIC[1:]]
    assert version(read(RUBRIC)) == version(read(json.dumps(RUBRIC))) == version(read(same))
    others = ([{**RUBRIC[0], "weight": 9}, *RUBRIC[1:]], RUBRIC[:2], RUBRIC[::-1], [{**RUBRIC[0], "criterion": "4."}])
    assert len({version(read(RUBRIC)), *(version(read(one)) for one in others)}) == 5


@pytest.mark.parametrize(
    ("rubric", "says"),
    [
        (None, "no criterion"),
        ([], "no criterion"),
        ("[{", "no JSON"),
        ([{"criterion": "Good."}], "has no `criterion` and `weight`"),
        ([{"criterion": " ", "weight": 1}], "empty"),
        ([{"criterion": "Good.", "weight": 0}], "other than 0"),
        ([{"criterion": "Good.", "weight": 1.5}], "no whole number"),
        ([{"criterion": "Good.", "weight": True}], "no whole number"),
        ([{"criterion": "Good.", "weight": 11}], "not from -10 to 10"),
        ([{"criterion": "Bad.", "weight": -1}], "no criterion has a weight above 0"),
    ],
)
def test_what_is_no_rubric(rubric: Any, says: str) -> None:
    with pytest.raises(RubricError, match=says):
        read(rubric)


def checks(request: Request) -> str:
    """True for the sum where the response has a 4, for the addition where it has a plus, for two answers by `or`."""
    text = request.messages[1].content
    response = text.split("<response ")[1].split("</response")[0].split(">", 1)[1]
    met = {"c1": "4" in response, "c2": "+" in response, "c3": " or " in response}
    return json.dumps(met) if "unreadable" not in response else '{"c1": true}'


def test_each_criterion_has_a_verdict() -> None:
    said = ["It is 4.", "2 + 2 = 4", "It is 4 or 5.", "It is 5.", "unreadable", None]
    rows = [{"question": QUESTION, "response": text, "rubric": RUBRIC} for text in said]
    tried = run_operator("score_rubric", rows, params={"judge": "j"}, teachers={"j": checks})
    found = {row["problem_id"]: row for row in tried.rows}
    assert {key: row["rubric_met"] for key, row in found.items()} == {
        "0": [True, False, False], "1": [True, True, False], "2": [True, False, True], "3": [False, False, False],
    }  # fmt: skip
    scores = [found[key]["rubric_score"] for key in "0123"]
    assert scores == pytest.approx([10 / 13, 1.0, 5 / 13, 0.0])
    assert {row["rubric_version"] for row in tried.rows} == {version(read(RUBRIC))}
    assert tried.reasons == {"4": "unparseable_judgement", "5": "null_in_prompt"}
    shown = tried.teachers["j"].requests[0]
    assert "c2: Shows the addition." in shown.messages[1].content and '{"c1": ..., "c2": ..., "c3": ...}' in str(shown)
    assert "weight" not in shown.messages[1].content, "the judge sees no points"
    assert shown.schema and list(shown.schema["properties"]) == ["c1", "c2", "c3"]


def test_one_rubric_for_all_rows_json_and_rows_without_one() -> None:
    rows = [{"question": QUESTION, "response": "It is 4."}]
    params = {"judge": "j", "criteria": RUBRIC}
    [row] = run_operator("score_rubric", rows, params=params, teachers={"j": checks}).rows
    assert row["rubric_score"] == pytest.approx(10 / 13)
    mixed = [{**rows[0], "rubric": text} for text in (json.dumps(RUBRIC), "[]", None, "so so")]
    tried = run_operator("score_rubric", mixed, params={"judge": "j"}, teachers={"j": checks})
    assert len(tried.rows) == 1 and tried.reasons == {"1": "no_rubric", "2": "no_rubric", "3": "no_rubric"}
    with pytest.raises(ValueError, match="no criterion has a weight above 0"):
        ScoreRubricParams(judge="j", criteria=RUBRIC[2:])
    for wrong, says in (({"rubric": 3}, "is BIGINT, not STRUCT"), ({}, "'rubric'")):
        with pytest.raises(ColumnError, match=says):
            run_operator("score_rubric", [{**rows[0], **wrong}], params={"judge": "j"}, teachers={"j": checks})


def test_as_a_reward(tmp_path: Path) -> None:
    run = OperatorRun(tmp_path, j=checks)
    table = RewardTable(op="score_rubric", params={"judge": "j"}, column="rubric_score")
    source = {"question": QUESTION, "rubric": RUBRIC}
    [reward] = Rewards([table], None, run, lambda _: source, eos=2).functions()
    called = {
        "prompts": [[]] * 3,
        "completions": ["It is 4.", "2 + 2 = 4", "unreadable"],
        "completion_ids": [[5, 2]] * 3,
    }
    assert reward(**called, dqdata_row=[0, 1, 2]) == [pytest.approx(10 / 13), 1.0, None]


def test_a_rubric_is_written_from_good_and_bad_answers() -> None:
    answers = [
        json.dumps({"criteria": RUBRIC}),
        json.dumps({"criteria": RUBRIC[:1]}),
        "```json\n" + json.dumps({"criteria": RUBRIC[:2]}) + "\n```",
        json.dumps({"criteria": [*RUBRIC, RUBRIC[0]]}),
        "No.",
    ]

    def writes(request: Request) -> str:
        text = request.messages[1].content
        if len(request.messages) > 2:  # asked once more
            return answers[2] if "second" in text else answers[4]
        return answers[1] if "second" in text else answers[3] if "third" in text else answers[0]

    rows = [
        {"problem_id": name, "question": f"{QUESTION} ({name})", "good": good, "bad": bad}
        for name, good, bad in (
            ("first", ["It is 4.", "Four.", "IV", "100 in base 2"], ["It is 5."]),
            ("second", ["It is 4."], None),
            ("third", ["It is 4."], [None, " "]),
            ("fourth", [], ["It is 5."]),
        )
    ]
    params = {"judge": "j", "least": 2}
    tried = run_operator("write_rubric", rows, params=params, teachers={"j": writes})
    assert tried.reasons == {"third": "unparseable_judgement", "fourth": "no_answers"}
    found = {row["problem_id"]: row for row in tried.rows}
    assert found["first"]["rubric"] == RUBRIC and found["second"]["rubric"] == RUBRIC[:2]
    assert found["first"]["rubric_version"] == version(read(RUBRIC))
    asked = tried.teachers["j"].requests[0].messages[1].content
    assert "Good answer 3:\nIV" in asked and "base 2" not in asked and "Bad answer 1:\nIt is 5." in asked
    scored = [{"question": row["question"], "rubric": row["rubric"], "response": "It is 4."} for row in tried.rows[:1]]
    assert run_operator("score_rubric", scored, params={"judge": "j"}, teachers={"j": checks}).rows


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="can't be averaged"):
        WriteRubricParams(judge="j", votes=3)
    with pytest.raises(ValueError, match="least = 9 is more than most = 8"):
        WriteRubricParams(judge="j", least=9)
    rows = [{"trace_id": "t", "question": QUESTION, "good": ["4"], "bad": ["5"]}]
    with pytest.raises(ColumnError, match="these rows are traces"):
        run_operator("write_rubric", rows, params={"judge": "j"}, teachers={"j": []})
