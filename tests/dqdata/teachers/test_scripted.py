"""The provider that answers from a script: rules, records, and what is wrong with a script."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from dqdata.errors import DataError, TeacherError
from dqdata.teacher import Completion, MarkedText, Message, Request
from dqdata.teachers.scripted import Scripted, ScriptedParams

RECORDS = [
    {"question": "What is 2 + 2?", "answer": "4", "kind": "sum"},
    {"question": "What is 2 + 2? Give it in words.", "answer": "four", "kind": "word"},
]
SCRIPT = """
records = "solutions.jsonl"
[[rules]]
model = "judge"
match = 'grade.*(?P<mark>[a-c])$'
answers = ["{{mark}}"]
[[rules]]
where = { kind = "word" }
answers = [{ text = "<think>words</think>{{answer}}", finish_reason = "length" }]
[[rules]]
where = { kind = "sum" }
answers = ["{{answer}}", "5", "6"]
"""


def teacher(folder: Path, script: str = SCRIPT, model: str = "solver") -> Scripted:
    (folder / "answers.toml").write_text(script, encoding="utf-8")
    if not (folder / "solutions.jsonl").exists():
        (folder / "solutions.jsonl").write_text("\n".join(map(json.dumps, RECORDS)), encoding="utf-8")
    return Scripted(ScriptedParams(model=model, script=folder / "answers.toml"))


def ask(given: Scripted, text: str, sample: int = 0) -> Completion:
    return asyncio.run(given.complete(Request((Message("user", text),), sample=sample)))


def test_samples_take_the_answers_in_turn(tmp_path: Path) -> None:
    solver = teacher(tmp_path)
    drawn = [ask(solver, "Solve: What is 2 + 2?", sample).response for sample in range(4)]
    assert sorted(drawn[:3]) == ["4", "5", "6"] and drawn[3] == drawn[0]
    assert drawn == [ask(teacher(tmp_path), "Solve: What is 2 + 2?", sample).response for sample in range(4)]


def test_the_longest_question_decides(tmp_path: Path) -> None:
    found = ask(teacher(tmp_path), "What is 2 + 2? Give it in words.")
    assert (found.reasoning, found.response, found.finish_reason) == ("words", "four", "length")


def test_groups_of_the_expression_and_the_name_of_the_model(tmp_path: Path) -> None:
    assert ask(teacher(tmp_path, model="judge"), "Please grade\nthis: b").response == "b"
    with pytest.raises(TeacherError, match="no rule of .* answers model 'solver'") as caught:
        ask(teacher(tmp_path), "Please grade\nthis: b")
    assert (caught.value.kind, caught.value.reason) == ("row", "no_rule")


def test_a_placeholder_without_a_value_fails_the_row(tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match=r"rule 1: \{\{final\}\} is neither .* there are: question, answer, kind"):
        ask(teacher(tmp_path, "records = 'solutions.jsonl'\n[[rules]]\nanswers = ['{{final}}']"), "What is 2 + 2?")


def test_another_script_has_other_keys(tmp_path: Path) -> None:
    one = teacher(tmp_path).key(Request((Message("user", "x"),)))
    assert one == teacher(tmp_path).key(Request((Message("user", "x"),)))
    assert one != teacher(tmp_path, SCRIPT.replace("'5'", "'7'") + "# changed").key(Request((Message("user", "x"),)))
    (tmp_path / "solutions.jsonl").write_text(json.dumps(RECORDS[0]), encoding="utf-8")
    assert one != teacher(tmp_path).key(Request((Message("user", "x"),)))


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("rules = [", "not TOML"),
        ("", "key 'rules' is missing"),
        ("[[rule]]\nanswers = ['x']", "unknown key 'rule'; did you mean 'rules'"),
        ("rules = []", "rules"),
        ("[[rules]]\nanswers = []", "rules.0.answers"),
        ("[[rules]]\nanswers = ['x']\nmatch = '('", "not a regular expression"),
        ("[[rules]]\nanswers = ['x']\nmach = 'a'", "unknown key 'rules.0.mach'; did you mean 'match'"),
        ("records = '../x.jsonl'\n[[rules]]\nanswers = ['x']", "records"),
        ("records = 'none.jsonl'\n[[rules]]\nanswers = ['x']", "none.jsonl: No such file"),
    ],
)
def test_what_is_wrong_with_a_script(tmp_path: Path, script: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        teacher(tmp_path, script).check()


@pytest.mark.parametrize("line", ["{", "[1]", '{"answer": "4"}', '{"question": 4}'])
def test_what_is_wrong_with_a_record(tmp_path: Path, line: str) -> None:
    (tmp_path / "solutions.jsonl").write_text(line, encoding="utf-8")
    with pytest.raises(DataError, match="solutions.jsonl, line 1"):
        teacher(tmp_path).check()


def test_a_script_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        Scripted(ScriptedParams(model="m", script=tmp_path / "none.toml")).check()


def test_marks_of_this_process_change_no_answer(tmp_path: Path) -> None:
    """A judge's prompt is sent with marks that each process makes anew: another run must get the same answer."""
    script = "[[rules]]\nmatch = '^grade'\nanswers = ['a', 'b', 'c', 'd', 'e', 'f', 'g']"
    answers = {
        asyncio.run(
            teacher(tmp_path, script).complete(
                Request((Message("user", MarkedText("grade <t 0>", f"grade <t {mark}>")),)).outgoing
            )
        ).response
        for mark in range(20)
    }
    assert len(answers) == 1
