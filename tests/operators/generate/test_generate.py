"""Generation: one call a sample, every answer accounted for, the cheap teacher first."""

from __future__ import annotations

import asyncio

import pytest
from dqdata_operators.generate._parameters import GenerateParams
from dqdata_operators.generate.generate import Generate
from pydantic import ValidationError

from dqdata.columns import Columns
from dqdata.errors import BudgetExceeded, ColumnError, RowError, TeacherError
from dqdata.ids import call_trace_id
from dqdata.operator import Reject, Schema
from dqdata.teacher import Completion, Usage
from dqdata.testing import OperatorRun, ScriptedTeacher

PROBLEM = {"problem_id": "p1", "question": "What is 2 + 2?", "answer": "4", "level": 1}
HAVE = Columns({"problem_id": "VARCHAR", "question": "VARCHAR", "answer": "VARCHAR", "level": "BIGINT"})


def generate(**params) -> Generate:
    return Generate(GenerateParams(**({"teacher": "t"} | params)))


def answer(text: str, finish: str = "stop", **more) -> Completion:
    return Completion(text, finish, Usage(20, 9), **more)


async def outcomes(tmp_path, operator: Generate, row=PROBLEM, **teachers):
    return list(await operator.process(row, OperatorRun(tmp_path, **teachers)))


def reasons(found) -> list[str]:
    return [outcome.reason if isinstance(outcome, Reject) else "kept" for outcome in found]


async def test_a_row_for_every_sample_with_what_the_teacher_said(tmp_path):
    teacher = ScriptedTeacher([answer("It is 4.", reasoning="2 and 2"), answer("\\boxed{4}")], model="big-1")
    first, second = await outcomes(tmp_path, generate(n=2), t=teacher)
    key = teacher.key(teacher.requests[0])
    assert first == {
        **PROBLEM,
        "trace_id": call_trace_id("p1", key),
        "teacher": "big-1",
        "reasoning": "2 and 2",
        "response": "It is 4.",
        "finish_reason": "stop",
        "ledger_key": key,
        "input_tokens": 20,
        "output_tokens": 9,
    }
    assert second["reasoning"] is None and second["trace_id"] != first["trace_id"]
    assert set(first) == set(generate().columns(HAVE, Schema()))


async def test_log_probabilities_are_kept_where_asked_for(tmp_path):
    told = ({"token": "4", "logprob": -0.1, "top": [["4", -0.1], [" 4", -2.5]]},)
    teacher = ScriptedTeacher([answer("4", logprobs=told)])
    [row] = await outcomes(tmp_path, generate(top_logprobs=2), t=teacher)
    assert teacher.requests[0].sampling.top_logprobs == 2
    top = [{"token": "4", "logprob": -0.1}, {"token": " 4", "logprob": -2.5}]
    assert row["top_logprobs"] == [{"token": "4", "logprob": -0.1, "top": top}]
    assert set(row) == set(generate(top_logprobs=2).columns(HAVE, Schema()))

    [rejected] = await outcomes(tmp_path, generate(top_logprobs=2), t=ScriptedTeacher([answer("4")]))
    assert (rejected.reason, rejected.kind) == ("no_logprobs", "failed") and "t gave no log-prob" in rejected.detail


async def test_samples_are_in_flight_together_and_keep_their_order(tmp_path):
    meeting = asyncio.Barrier(8)

    async def together(request):
        await asyncio.wait_for(meeting.wait(), 60)
        return f"sample {request.sample}"

    teacher = ScriptedTeacher(together)
    found = await outcomes(tmp_path, generate(n=8), t=teacher)
    assert teacher.most_in_flight == 8
    assert [row["response"] for row in found] == [f"sample {n}" for n in range(8)]


async def test_more_samples_later_ask_only_for_the_new_ones(tmp_path):
    four, eight = ScriptedTeacher(lambda _: "4"), ScriptedTeacher(lambda _: "4")
    await outcomes(tmp_path, generate(n=4), t=four)
    await outcomes(tmp_path, generate(n=8), t=eight)
    keys = [four.key(request) for request in four.requests]
    assert [eight.key(request) for request in eight.requests][:4] == keys
    fresh = ScriptedTeacher(lambda _: "4")
    await outcomes(tmp_path, generate(n=4, draw="again"), t=fresh)
    assert not {fresh.key(request) for request in fresh.requests} & set(keys)


async def test_prompt_system_and_sampling_reach_the_teacher(tmp_path):
    prompt = tmp_path / "mine.md"
    prompt.write_text("=== user\nLevel {{level}}: {{question}}")
    operator = generate(
        prompt=prompt, system="Be brief.", temperature=0.6, top_p=0.9, max_tokens=64, stop=["\n\n"], seed=7, n=2,
        extra={"min_p": 0.1},
    )  # fmt: skip
    teacher = ScriptedTeacher(["4", "4"])
    await outcomes(tmp_path, operator, t=teacher)
    request = teacher.requests[1]
    assert [tuple(message) for message in request.messages] == [
        ("system", "Be brief."),
        ("user", "Level 1: What is 2 + 2?"),
    ]
    sampling = request.sampling
    assert (sampling.temperature, sampling.top_p, sampling.max_tokens, sampling.stop) == (0.6, 0.9, 64, ("\n\n",))
    assert [r.sampling.seed for r in teacher.requests] == [7, 8] and sampling.extra == {"min_p": 0.1}
    assert operator.files() == (prompt,)


async def test_the_built_in_prompt_is_part_of_the_fingerprint(tmp_path):
    [path] = generate().files()
    assert path.name == "generate.en.md" and generate(language="zh").files()[0].name == "generate.zh.md"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (answer("It is", "length"), "truncated"),
        (answer(""), "empty"),
        (answer("I'm sorry, but I can't help with that."), "refused"),
        (answer("", "content_filter"), "content_filter"),
        (answer("so x = 1, " * 60, "length"), "repeated"),
    ],
)
async def test_unfit_answers_are_dropped_with_their_row(tmp_path, said, reason):
    kept, dropped = await outcomes(tmp_path, generate(n=2), t=ScriptedTeacher(["4", said]))
    assert kept["response"] == "4"
    assert (dropped.reason, dropped.kind) == (reason, "dropped")
    assert dropped.row["response"] == said.response and dropped.row["trace_id"] != kept["trace_id"]


async def test_truncated_answers_kept_if_wanted_but_loops_never(tmp_path):
    said = [answer("It is", "length"), answer("and then " * 60, "length")]
    kept, dropped = await outcomes(tmp_path, generate(n=2, on_truncated="keep"), t=ScriptedTeacher(said))
    assert kept["finish_reason"] == "length" and dropped.reason == "repeated"


async def test_truncated_answers_are_asked_for_once_more_with_more_tokens(tmp_path):
    teacher = ScriptedTeacher([answer("It is", "length"), answer("It is 4.")])
    [kept] = await outcomes(tmp_path, generate(on_truncated="retry", max_tokens=8), t=teacher)
    assert [request.sampling.max_tokens for request in teacher.requests] == [8, 16]
    assert kept["response"] == "It is 4." and kept["ledger_key"] == teacher.key(teacher.requests[1])

    teacher = ScriptedTeacher([answer("It is", "length"), answer("It is still", "length")])
    [dropped] = await outcomes(tmp_path, generate(on_truncated="retry", max_tokens=8, retry_max_tokens=100), t=teacher)
    assert dropped.reason == "truncated" and dropped.row["response"] == "It is still"
    assert [request.sampling.max_tokens for request in teacher.requests] == [8, 100]


async def test_a_loop_is_not_worth_more_tokens(tmp_path):
    teacher = ScriptedTeacher([answer("and then " * 60, "length")])
    [dropped] = await outcomes(tmp_path, generate(on_truncated="retry", max_tokens=8), t=teacher)
    assert dropped.reason == "repeated" and len(teacher.requests) == 1


async def test_a_call_that_fails_fails_its_sample_alone(tmp_path):
    teacher = ScriptedTeacher(
        [
            "4",
            TeacherError("context is too long", kind="row", reason="context_too_long"),
            TeacherError("503 after 8 tries", kind="retryable", reason="server_error"),
        ]
    )
    kept, hopeless, later = await outcomes(tmp_path, generate(n=3), t=teacher)
    assert kept["response"] == "4"
    assert (hopeless.kind, hopeless.reason, hopeless.retryable) == ("failed", "context_too_long", False)
    assert (later.kind, later.reason, later.retryable) == ("failed", "server_error", True)


@pytest.mark.parametrize(
    "error", [TeacherError("401", kind="fatal", reason="unauthorized"), BudgetExceeded("20 USD are spent")]
)
async def test_what_stops_a_run_is_raised_after_the_answers_in_flight_are_there(tmp_path, error):
    meeting = asyncio.Barrier(3)

    async def together(request):
        await asyncio.wait_for(meeting.wait(), 60)
        return "4" if request.sample else error

    teacher = ScriptedTeacher(together)
    with pytest.raises(type(error)):
        await outcomes(tmp_path, generate(n=3), t=teacher)
    assert len(teacher.requests) == 3 and teacher.in_flight == 0


async def test_a_null_in_the_prompt_fails_the_row_before_any_call(tmp_path):
    teacher = ScriptedTeacher(["4"])
    with pytest.raises(RowError, match="'question' is null"):
        await outcomes(tmp_path, generate(), row={**PROBLEM, "question": None}, t=teacher)
    assert not teacher.requests


async def test_a_row_that_is_a_trace_already_gets_children(tmp_path):
    have = HAVE.add(trace_id="VARCHAR", response="VARCHAR")
    operator = generate()
    [child] = await outcomes(
        tmp_path, operator, row={**PROBLEM, "trace_id": "old", "response": "5"}, t=ScriptedTeacher(["4"])
    )
    assert (child["trace_id"], child["parent_id"], child["response"]) == (None, "old", "4")
    assert set(operator.columns(have, Schema())) == set(child)


class TestCascade:
    def cascade(self, **params):
        return Generate(
            GenerateParams(**({"teachers": ["small", "big"], "n": 2, "accept": "verify_math", "want": 2} | params))
        )

    async def test_the_next_teacher_is_asked_only_where_too_few_are_correct(self, tmp_path):
        small, big = ScriptedTeacher(["\\boxed{4}", "\\boxed{4}"], "small-1"), ScriptedTeacher([], "big-1")
        found = await outcomes(tmp_path, self.cascade(), small=small, big=big)
        assert [(row["teacher"], row["verdict"]) for row in found] == [("small-1", "correct")] * 2
        assert not big.requests

        small, big = (
            ScriptedTeacher(["\\boxed{4}", "\\boxed{5}"], "small-1"),
            ScriptedTeacher(["\\boxed{4}", "hm"], "big-1"),
        )
        found = await outcomes(tmp_path, self.cascade(), small=small, big=big)
        assert [(row["teacher"], row["correct"]) for row in found] == [
            ("small-1", True),
            ("small-1", False),
            ("big-1", True),
            ("big-1", found[3]["correct"]),
        ]

    async def test_dropped_and_failed_samples_count_as_not_correct(self, tmp_path):
        small = ScriptedTeacher(
            [answer("It is", "length"), TeacherError("503", kind="retryable", reason="server_error")]
        )
        big = ScriptedTeacher(["\\boxed{4}", "\\boxed{4}"], "big-1")
        found = await outcomes(tmp_path, self.cascade(), small=small, big=big)
        assert reasons(found) == ["truncated", "server_error", "kept", "kept"]

    async def test_one_teacher_with_accept_is_verified_in_place(self, tmp_path):
        operator = Generate(GenerateParams(teacher="t", accept="verify_math"))
        [row] = await outcomes(tmp_path, operator, t=ScriptedTeacher(["\\boxed{4}"]))
        assert row["correct"] is True
        assert set(row) == set(operator.columns(HAVE, Schema()))

    def test_its_operator_is_planned_with_it(self):
        operator = self.cascade(accept_params={})
        assert operator.children() == (("verify_math", {}),)
        assert operator.teachers() == ("small", "big")
        assert operator.columns(HAVE, Schema())["correct"] == "BOOLEAN"
        with pytest.raises(ColumnError, match="accept = 'length' makes no column 'correct'"):
            self.cascade(accept="length").columns(HAVE, Schema())
        with pytest.raises(ColumnError, match="needs column 'answer'"):
            self.cascade().columns(HAVE.drop("answer"), Schema())


def test_wrong_columns_are_found_when_planning():
    with pytest.raises(ColumnError, match="needs column 'problem_id'"):
        generate().columns(Columns({"question": "VARCHAR"}), Schema())
    with pytest.raises(ColumnError, match=r"\{\{question\}\}, which is no column"):
        generate().columns(Columns({"problem_id": "VARCHAR", "problem": "VARCHAR"}), Schema())


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"teacher": None}, "give either `teacher` or `teachers`"),
        ({"teachers": ["a"]}, "give either `teacher` or `teachers`"),
        ({"teacher": None, "teachers": ["a", "b"]}, "several teachers need `accept`"),
        ({"teacher": None, "teachers": ["a", "a"], "accept": "verify_math"}, "one teacher twice"),
        ({"want": 2}, "mean something only with `accept`"),
        ({"n": 4, "temperature": 0.0}, "pays for 4 equal answers"),
        ({"on_truncated": "retry"}, "needs `max_tokens`"),
        ({"retry_max_tokens": 9}, "only with on_truncated"),
        ({"on_truncated": "retry", "max_tokens": 9, "retry_max_tokens": 9}, "must be more than `max_tokens`"),
        ({"n": 0}, "greater than or equal to 1"),
    ],
)
def test_parameters_that_make_no_sense_together(params, said):
    with pytest.raises(ValidationError) as caught:
        generate(**params)
    assert said in str(caught.value)


def test_the_estimate_counts_every_sample_and_the_longest_answer():
    made = generate(n=4, max_tokens=500).estimate(100)
    assert made.rows == 400 and made.calls["t"].calls == 400
    assert made.calls["t"].output_tokens == 400 * 500 and made.calls["t"].input_tokens > 400 * 100
    cascade = Generate(GenerateParams(teachers=["a", "b"], n=2, accept="verify_math")).estimate(100)
    assert (cascade.calls["a"].calls, cascade.calls["b"].calls) == (200, 100)
