"""The three texts that a request becomes: its ledger key, its body, its row in the ledger. Written apart from the plain
way of writing them for speed, so they are held against it here."""

from __future__ import annotations

import json
from itertools import product

import pytest

from dqdata.ids import canonical, digest
from dqdata.ledger import CallContext, Ledger, stored_request
from dqdata.teacher import Completion, Message, Request, Sampling, Usage
from dqdata.teachers import chat

TEXTS = (
    "What is 2 + 2?",
    "",
    'a "quote", a \\ and a / \n\t\r\b\f',
    "\x00\x1f\x7f\u2028\u2029",
    "è 中文 \U0001f600",
    "half a pair \ud83d",
)
REQUESTS = [
    Request((Message(role, text), Message("user", "and so?")), sampling, "again é", 3, asked)
    for text, role, sampling, asked in product(
        TEXTS,
        ("user", 'tool "x"'),
        (Sampling(), Sampling(512, 1e-7, 0.95, 7, ("\n", "é"), 4, {"top_k": 40})),
        (None, {"type": "object", "title": "é"}),
    )
]


@pytest.mark.parametrize("request_", [*REQUESTS, Request(())])
def test_the_key_is_the_digest_of_the_canonical_request(request_: Request) -> None:
    sampling = {name: getattr(request_.sampling, name) for name in Sampling.__slots__}
    plain = ["p", "m", 'r"1', request_.messages, sampling, request_.draw, request_.sample, request_.schema]
    assert request_.key("p", "m", 'r"1') == digest("call", canonical(plain))


def test_keys_never_change() -> None:
    asked = Request((Message("user", "What is 2 + 2?"),), Sampling(temperature=0.6), "judge:grade", 1)
    assert asked.key("openai", "r1", "2026-01") == "b16457d53a5c272da61e7fbd3f592a01"


@pytest.mark.parametrize("instruct", [False, True])
@pytest.mark.parametrize("request_", REQUESTS)
def test_the_bytes_sent_are_the_body_as_json(request_: Request, instruct: bool) -> None:
    params = chat.ChatParams(model="m", extra_body={"x": "é"})
    plain = json.dumps(chat.body(request_, params, instruct=instruct), ensure_ascii=False).encode("utf-8", "replace")
    assert json.loads(chat.encoded(request_, params, instruct=instruct)) == json.loads(plain)


async def test_what_the_ledger_keeps_is_the_request_again(tmp_path) -> None:
    answer = Completion("4", "stop", Usage(1, 1))
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        for request in REQUESTS:
            who = {"provider": "p", "model": "m", "revision": ""}
            await ledger.put(
                request.key(*who.values()), request, answer, cost_usd=0.0, context=CallContext("", "", "", ""), **who
            )
        stored = "ledger_key, messages, sampling, answer_schema, draw, sample"
        sql = f"select {stored} from calls join requests using (request_id)"
        rows = ledger.rows(sql, ())
    assert len(rows) == len({request.key("p", "m", "") for request in REQUESTS})
    for key, *row in rows:
        assert stored_request(*row).key("p", "m", "") == key
