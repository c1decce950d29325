"""`dqdata audit`: planted drift, disagreement and a judge with a bias, which the findings show."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback

from dqdata.cli import main

pytestmark = pytest.mark.usefixtures("kept_workers")

Invoke = Callable[..., Any]

PROJECT = """
[teachers.judge]
provider = "openai"
base_url = "URL"
model = "judge"
price = { input = 1.0, output = 1.0 }

[pipelines.hard]
from = "select * from traces"
steps = [ { op = "filter", id = "hard_ones", where = "level = 3" } ]

[pipelines.translated]
from = '''
select trace_id || 'f' as trace_id, trace_id as parent_id, problem_id, reasoning,
  case when level = 1 then 'La somme des deux nombres est dans le tableau, et nous avons la reponse. '
    || 'Il faut donc que les termes soient dans une liste.'
  else 'The sum of the two numbers is in the table, and we have to find it. Wait, hmm. Maybe that is so.' end
  as response
from english'''
steps = []

[pipelines.english]
from = '''
select * replace ('The sum of the two numbers is in the table, and we have to find it.' as response),
  response as reasoning from traces'''
steps = []

[pipelines.shorter]
from = '''
select trace_id || 's' as trace_id, trace_id as parent_id, problem_id, question, answer, level,
  upper(substr(response, 1, 20)) as response, case when level = 1 then 'x' else extracted end as extracted
from traces'''
steps = []
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Loopback]]:
    """60 traces of two teachers and three levels. The judge accepts long texts, and what is right."""
    loopback = Loopback()
    loopback.start()

    def answer(body: dict[str, Any]) -> str:
        text = body["messages"][-1]["content"]
        long = "with this care" in text or "considered in turn" in text
        wrong = "wrong" in text
        verdict = "incorrect" if wrong and not long else "correct"
        return json.dumps({"reason": "different_value" if verdict == "incorrect" else "same_value", "verdict": verdict})

    loopback.answer = answer
    folder = tmp_path_factory.mktemp("audit")
    rows = []
    for n in range(60):
        right = n % 4 != 0
        rows.append(
            {
                "trace_id": f"t{n}",
                "problem_id": f"p{n}",
                "question": f"What is {n} + 1?",
                "answer": str(n + 1),
                "extracted": str(n + 1) if right else f"wrong {n}",
                "response": ("Wait, hmm. " if n % 2 else "Therefore it is so. ") * 5 + str(n + 1),
                "teacher": "r1" if n % 2 else "plain",
                "level": 1 + n % 3,
                "verdict": "correct" if right else "incorrect",
                "judge_verdict": "correct" if right or n % 8 == 0 else "incorrect",
            }
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("traces.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        Path("pipelines.toml").write_text(PROJECT.replace("URL", loopback.url))
        assert main(["import", "traces.jsonl", "--into", "traces", "-q"]) == 0
        for name in ("hard", "shorter", "english", "translated"):
            assert main(["run", name, "-q"]) == 0
    yield folder, loopback
    loopback.stop()


@pytest.fixture
def audit(project: tuple[Path, Loopback], monkeypatch: pytest.MonkeyPatch, command_line: Invoke) -> Invoke:
    monkeypatch.chdir(project[0])
    project[1].asked.clear()
    return lambda *arguments: command_line("audit", *arguments, "-q")


def findings(done: Any) -> dict[str, dict[str, Any]]:
    assert done.code == 0, done.error
    return {one["name"]: one for one in json.loads(done.out)["findings"]}


def test_style_and_agreement(audit: Invoke, command_line: Invoke) -> None:
    found = findings(audit("traces", "--json"))
    assert "wait" in found["style_of_r1"]["detail"] and "hmm" in found["style_of_r1"]["detail"]
    assert "therefore" in found["style_of_plain"]["detail"] and "wait" not in found["style_of_plain"]["detail"]
    agreement = found["rules_and_judge"]
    assert agreement["rows"] == 60 and "52 of 60 agree, the judge alone accepts 8" in agreement["detail"]
    stored = command_line(
        "sql", "select name, value from dq_checks where source = 'audit' and catalog = 'traces'", "--json"
    )
    assert {row["name"] for row in json.loads(stored.out)["rows"]} == set(found)
    assert command_line("sql", "from traces").code == 0


def test_shares_and_lengths_by_step(audit: Invoke) -> None:
    found = findings(audit("hard@1", "--json"))
    shift = found["level_by_hard_ones"]
    assert shift["value"] == pytest.approx(2 / 3) and not shift["passed"] and "3 33.3% to 100.0%" in shift["detail"]
    assert found["length_by_hard_ones"]["passed"]
    shown = audit("hard@1").out
    assert "! level_by_hard_ones" in shown and "out of bounds" in shown


def test_answers_and_lengths_that_a_processor_changed(audit: Invoke) -> None:
    found = findings(audit("shorter", "--json"))
    assert found["answers_changed"]["value"] == pytest.approx(20 / 60) and not found["answers_changed"]["passed"]
    assert found["length_of_response"]["value"] < 0.5 and found["script_of_response"]["value"] == 0


def test_another_language_in_the_same_letters_and_another_style_are_found(audit: Invoke) -> None:
    found = findings(audit("translated", "--json"))
    moved = found["language_of_response"]
    assert moved["value"] == pytest.approx(20 / 60) and not moved["passed"] and "en to fr 20" in moved["detail"]
    assert found["script_of_response"]["passed"], "both are written in Latin letters"
    style = found["markers_of_response"]
    assert not style["passed"] and style["rows"] == 60 and "wait 0.0 to" in style["detail"]
    assert found["markers_of_reasoning"]["value"] == 0 and found["markers_of_reasoning"]["passed"]


def test_probes_are_planned_priced_called_once_and_show_a_bias(audit: Invoke, project: tuple[Path, Loopback]) -> None:
    plan = audit("traces", "--judge", "judge", "--probes", "20", "--plan", "--json")
    assert plan.code == 0, plan.error
    assert sum(one["calls"] for one in json.loads(plan.out)["teachers"]) == 60 and not project[1].asked
    found = findings(audit("traces", "--judge", "judge", "--probes", "20", "--json"))
    asked = len(project[1].asked)
    assert 0 < asked <= 60
    bias = found["length_bias"]
    assert bias["rows"] == 20 and 0 < bias["value"] < 0.6 and not bias["passed"] and "20 padded" in bias["detail"]
    assert found["position_bias"]["value"] == 0 and found["position_bias"]["passed"]
    again = findings(audit("traces", "--judge", "judge", "--probes", "20", "--json"))
    assert len(project[1].asked) == asked and again["length_bias"] == bias


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "no catalog 'nothing'"),
        (["traces@9"], "has no version 9"),
        (["traces", "--judge", "nobody"], "no teacher 'nobody'"),
        (["traces", "--plan"], "--judge"),
        (["traces", "--judge", "judge", "--probes", "0"], "probes"),
        (["select 1"], "NAME"),
    ],
)
def test_what_cannot_be_audited_is_refused(audit: Invoke, arguments: list[str], said: str) -> None:
    done = audit(*arguments)
    assert done.code == 2 and said in done.error, done.error
