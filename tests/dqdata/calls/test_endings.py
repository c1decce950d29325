"""Which ends of an answer are good, which are tried again, and which a teacher's table admits later."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dqdata_operators.lib.asking.answers import flaw
from loopback import Loopback

from dqdata.calls.client import CallClient, CallContext
from dqdata.calls.owner import LocalOwner
from dqdata.errors import TeacherError
from dqdata.ledger import Ledger
from dqdata.teacher import Completion, Limits, Message, Request, Usage
from dqdata.teachers.openai import EndpointParams, OpenAI

CONTEXT = CallContext("run1", "pipe", "step1", "r1")
ASKED = Request((Message("user", "2 + 2?"),))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dqdata.calls.limits._jitter", lambda: 0.01)
    monkeypatch.setattr("dqdata.calls.client.random.random", lambda: -0.98)


async def answer(loopback: Loopback, ledger: Ledger, **params: Any) -> Completion:
    teacher = OpenAI(EndpointParams(base_url=loopback.url, model="m", **params))
    client = CallClient(teacher, Limits(max_attempts=3), LocalOwner(ledger))
    try:
        return await client.at(CONTEXT).complete(ASKED)
    finally:
        await client.close()


@pytest.mark.parametrize("word", ["eos_found", "FINISH", "tool_calls", "停止", "pause_turn", "max turns"])
async def test_an_unknown_end_is_named_and_admitted_by_the_table_without_a_call(
    loopback: Loopback, ledger: Ledger, word: str
) -> None:
    loopback.answer, loopback.finish_reason = (lambda body: "<think>2 and 2</think>It is 4."), word
    first = await answer(loopback, ledger)
    wrong = flaw(first)
    assert wrong is not None and wrong.reason == f"finish_reason:{word}"
    assert f'finished = ["{word}"]' in wrong.detail
    assert (first.response, first.reasoning) == ("It is 4.", "2 and 2")
    again = await answer(loopback, ledger, finished=(word,))
    assert again.cached and flaw(again) is None and again.ledger_key == first.ledger_key
    assert again.finish_reason == word and len(loopback.asked) == 1
    stored = ledger.get(first.ledger_key)
    assert stored is not None and stored.finish_reason == word and not stored.admitted


async def test_a_fresh_answer_is_admitted_as_a_stored_one_is(loopback: Loopback, ledger: Ledger) -> None:
    loopback.finish_reason = "eod"
    fresh, stored = [await answer(loopback, ledger, finished=("EOD",)) for _ in range(2)]
    assert flaw(fresh) is None and flaw(stored) is None and (fresh.cached, stored.cached) == (False, True)


async def test_what_the_table_does_not_list_stays_rejected(loopback: Loopback, ledger: Ledger) -> None:
    loopback.finish_reason = "eod"
    wrong = flaw(await answer(loopback, ledger, finished=("other",)))
    assert wrong is not None and wrong.reason == "finish_reason:eod"


@pytest.mark.parametrize(
    "word", ["error", "ABORT", "network_error", "insufficient_system_resource", "timeout", "cancelled"]
)
async def test_an_interrupted_answer_is_tried_again_and_never_stored(
    loopback: Loopback, ledger: Ledger, word: str
) -> None:
    loopback.finish_reason = word

    def second(body: dict[str, Any]) -> str:
        loopback.finish_reason = word if len(loopback.asked) < 2 else "stop"
        return "It is 4."

    loopback.answer = second
    assert (await answer(loopback, ledger)).finish_reason == "stop"
    assert len(loopback.asked) == 2 and ledger.spent().calls == 1
    [(reason, text)] = ledger.rows("select reason, message from failures", ())
    assert reason == "interrupted" and repr(word) in text


async def test_an_endpoint_that_always_interrupts_fails_the_row_as_retryable(
    loopback: Loopback, ledger: Ledger
) -> None:
    loopback.finish_reason = "error"
    with pytest.raises(TeacherError, match="finish_reason 'error' after '2 \\+ 2") as caught:
        await answer(loopback, ledger)
    assert caught.value.kind == "retryable" and len(loopback.asked) == 3 and ledger.spent().calls == 0


async def test_the_table_may_declare_an_interruption_whole(loopback: Loopback, ledger: Ledger) -> None:
    loopback.finish_reason = "abort"
    assert flaw(await answer(loopback, ledger, finished=("abort",))) is None and len(loopback.asked) == 1


async def test_an_answer_without_a_finish_reason_is_not_taken_for_whole(loopback: Loopback, ledger: Ledger) -> None:
    loopback.finish_reason = None  # type: ignore[assignment]
    wrong = flaw(await answer(loopback, ledger))
    assert wrong is not None and "gave no finish_reason" in wrong.detail and 'finished = ["unknown"]' in wrong.detail
    assert flaw(await answer(loopback, ledger, finished=("unknown",))) is None and len(loopback.asked) == 1


@pytest.mark.parametrize(
    "word", ["error", "ABORT", "insufficient_system_resource", "network-error", "FinishReason.CANCELLED"]
)
async def test_an_interrupted_answer_that_an_older_version_stored_is_requested_again(
    loopback: Loopback, ledger: Ledger, word: str
) -> None:
    teacher = OpenAI(EndpointParams(base_url=loopback.url, model="m"))
    key = teacher.key(ASKED)
    earlier = CallContext("run0", "pipe", "step1", "r1")
    who = {"provider": "openai", "model": "m", "revision": "", "cost_usd": 0.25, "context": earlier}
    await ledger.put(key, ASKED, Completion("It is", word, Usage(9, 2)), **who)

    replayed = CallClient(teacher, Limits(), LocalOwner(ledger), replay=True)
    assert (await replayed.at(CONTEXT).complete(ASKED)).response == "It is"
    admitted = await answer(loopback, ledger, finished=(word,))
    assert admitted.response == "It is" and not loopback.asked

    loopback.answer = lambda body: "It is 4."
    again = await answer(loopback, ledger)
    assert (again.response, again.ledger_key, again.cached) == ("It is 4.", key, False)
    assert len(loopback.asked) == 1
    [lost] = ledger.rows("select ledger_key, reason, message, tokens, cost_usd, run_id from failures", ())
    assert lost == (key, "interrupted", lost[2], 11, 0.25, "run0")
    assert word in lost[2] and lost[2].endswith("It is")
    assert (await answer(loopback, ledger)).cached and len(loopback.asked) == 1
