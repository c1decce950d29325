"""Replay: a dataset is rebuilt from recorded answers, with no key and no request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from dqdata.calls.client import CallClient, CallContext
from dqdata.calls.owner import LocalOwner
from dqdata.catalog import Store
from dqdata.columns import REJECTS, Columns, polars_schema
from dqdata.errors import DataError, TeacherError
from dqdata.ledger import Ledger
from dqdata.teacher import Completion, Limits, Message, Price, Request, Sampling, Usage
from dqdata.teachers.openai import EndpointParams, OpenAI
from dqdata.teachers.replay import Replay, ReplayParams

ORIGINAL = OpenAI(EndpointParams(model="m", revision="v1"))
CONTEXT = CallContext("run1", "pipe", "step1", "r1")


def ask(text: str) -> Request:
    return Request((Message("user", text),), Sampling(temperature=0.5))


async def record(path: Path) -> None:
    with Ledger(path) as ledger:
        where: dict[str, Any] = {"provider": "openai", "model": "m", "revision": "v1", "context": CONTEXT}
        answer = Completion("It is 4.", "stop", Usage(3, 4), reasoning="2 and 2")
        await ledger.put(ORIGINAL.key(ask("2 + 2?")), ask("2 + 2?"), answer, cost_usd=0.5, **where)


async def test_a_recorded_ledger_answers_in_place_of_the_endpoint(tmp_path: Path) -> None:
    await record(tmp_path / "recorded.sqlite")
    teacher = Replay(ReplayParams(ledger=tmp_path / "recorded.sqlite", model="m", revision="v1"))
    assert teacher.identity == ORIGINAL.identity and teacher.key(ask("x")) == ORIGINAL.key(ask("x"))
    with Ledger(tmp_path / "own.sqlite") as ledger:
        asker = CallClient(teacher, Limits(), LocalOwner(ledger))
        answer = await asker.at(CONTEXT).complete(ask("2 + 2?"))
        assert (answer.reasoning, answer.response, answer.usage) == ("2 and 2", "It is 4.", Usage(3, 4))
        with pytest.raises(TeacherError, match=r"no recorded answer of m .* to sample 0 of 'never asked'") as caught:
            await asker.at(CONTEXT).complete(ask("never asked"))
        assert (caught.value.kind, caught.value.reason) == ("row", "not_recorded")
        await asker.close()
        # What was replayed is now in the own ledger, under the key of the real teacher, and cost nothing.
        assert ledger.get(ORIGINAL.key(ask("2 + 2?"))) is not None and ledger.spent().cost_usd == 0


async def test_a_ledger_of_another_model_is_refused_at_the_start(tmp_path: Path) -> None:
    await record(tmp_path / "recorded.sqlite")
    teacher = Replay(ReplayParams(ledger=tmp_path / "recorded.sqlite", model="m"))
    with pytest.raises(DataError, match="holds no call of provider openai, model m, revision ''; it has: openai m v1"):
        await teacher.start()
    await teacher.close()


async def test_a_catalog_and_its_rejects_answer_by_ledger_key(tmp_path: Path) -> None:
    kept, dropped = ORIGINAL.key(ask("kept")), ORIGINAL.key(ask("dropped"))
    columns = Columns(dict.fromkeys(("trace_id", "ledger_key", "reasoning", "response"), "VARCHAR"))
    row = {"trace_id": "t1", "ledger_key": kept, "reasoning": "why", "response": "It is 4."}
    pl.DataFrame([row], schema=polars_schema(columns)).write_parquet(tmp_path / "rows.parquet")
    reject = {"trace_id": "t2", "ledger_key": dropped, "reasoning": None, "response": "5", "output_tokens": 7}
    rejects = [{"step": "s", "op": "verify", "kind": "dropped", "reason": "wrong", "row": json.dumps(reject)}]
    pl.DataFrame(rejects, schema=polars_schema(REJECTS)).write_parquet(tmp_path / "rejects.parquet")
    with Store.open(tmp_path / "catalogs") as store:
        files: dict[str, Any] = {"rows": [tmp_path / "rows.parquet"], "rejects": [tmp_path / "rejects.parquet"]}
        store.commit("traces", **files, columns=columns, fingerprint="f", recipe={}, run_id="run1")

    params = ReplayParams(catalog="traces@1", store=tmp_path / "catalogs", model="m", revision="v1")
    teacher = Replay(params)
    first, second = await teacher.complete(ask("kept")), await teacher.complete(ask("dropped"))
    assert (first.reasoning, first.response) == ("why", "It is 4.")
    assert (second.reasoning, second.response, second.usage.output) == (None, "5", 7)
    with pytest.raises(TeacherError, match="no recorded answer"):
        await teacher.complete(ask("never asked"))
    await teacher.close()
    teacher = Replay(ReplayParams(catalog="absent", store=tmp_path / "catalogs", model="m"))
    with pytest.raises(DataError, match="no catalog 'absent'"):
        await teacher.start()
    await teacher.close()


def test_one_record_and_no_price_of_its_own() -> None:
    with pytest.raises(ValidationError, match="either `ledger` or `catalog`"):
        ReplayParams(model="m")
    limits = Replay(ReplayParams(model="m", catalog="x")).limits(Limits(concurrency=3, price=Price(input=1.0)))
    assert (limits.concurrency, limits.max_attempts, limits.price.input) == (3, 1, 0.0)
