"""Keys and ids never change: an answer under another key would be paid for twice. The literals are version 0.1's."""

from __future__ import annotations

from typing import Any

import pytest
from servers import either, rows

from dqdata import ids
from dqdata.ledger import CallContext, Ledger
from dqdata.place import LedgerPlace
from dqdata.teacher import Completion, Message, Request, Sampling, Usage


def user(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


RV = {
    "type": "object",
    "properties": {"rv": {"type": "integer", "minimum": 0, "maximum": 9}},
    "required": ["rv"],
    "additionalProperties": False,
}
EXTRA = {"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}, "a": [1, 2.5, None]}
TEXTS = (Message("system", "Think, then answer."), *user('Sagt "é" \\ \n\t \U0001f9ee ² ﬁ cafe\u0301'))
DRAWN = Sampling(max_tokens=64, temperature=0.6, top_p=0.95, seed=3, stop=("END", "\n\n"))
KNOWN = [
    (
        *(Request(user("What is 2 + 2?")), ("openai", "m", "")),
        *("43ade5015be04a752af87c2e82890d61", "468e06302ab1f10ae77ec13eeee5806b"),
    ),
    (
        *(Request(user("What is 2 + 2?"), sample=1), ("openai", "m", "")),
        *("14c30981e6f577a8bc1660505b829115", "468e06302ab1f10ae77ec13eeee5806b"),
    ),
    (
        *(Request(user("What is 2 + 2?"), draw="judge:grade", sample=3), ("openai", "judge", "2026-01")),
        *("bc39e703082d8a317312f24765688902", "468e06302ab1f10ae77ec13eeee5806b"),
    ),
    (
        *(Request(TEXTS, DRAWN), ("openai", "deepseek-ai/DeepSeek-R1", "")),
        *("5bb8e9794b9e7dcbfd4ce7b3e9efd8d0", "6c8806bfbec51284f093d9d816b5f4aa"),
    ),
    (
        *(Request(user("half \ud83e of a pair, and \x00 \x7f")), ("llamacpp", "smollm2-135m", "9f9e259fb597")),
        *("2fc7b7c99ed6dcc7a71e5ab3a3b912a2", "62cb1b1a08061aba4d08ce8516f49bc1"),
    ),
    (
        Request(user("x"), Sampling(temperature=0.0, top_logprobs=5, extra=EXTRA)),
        ("vllm", "trained", "2c8fc2f7340b6db2"),
        *("cebfb9a0130f95c170506c21b340e0c0", "ad04eebd87f383441e8a82aa5b961571"),
    ),
    (
        *(Request(user("Grade."), Sampling(temperature=1.0), "judge:grade", 1, RV), ("openai", "judge", "2026-01")),
        *("afb10b299caf5874405499000b0334e0", "4963bb00a43ee1f8ff4835c555bd3770"),
    ),
    (
        Request((*user("a"), Message("assistant", ""), *user("")), Sampling(max_tokens=1)),
        ("reward_model", "trained", "x"),
        *("b9ee03aea76178c65dadcceddc59e58b", "a72020217dc63ac4d8040f276f7cd9cc"),
    ),
    (Request(()), ("", "", ""), "ef51c913d92c047e2bacda76fd26ee79", "b6f91e65dbe2b0126229f5dce44bb064"),
]


@pytest.mark.parametrize(("request_", "who", "key", "request_id"), KNOWN, ids=range(len(KNOWN)))
@either
async def test_keys_are_those_of_version_0_1(
    request_: Request, who: tuple[str, str, str], key: str, request_id: str, at: LedgerPlace
) -> None:
    assert request_.key(*who) == key
    with Ledger(at) as ledger:
        answer = Completion("4", "stop", Usage(1, 1))
        names = dict(zip(("provider", "model", "revision"), who, strict=True))
        await ledger.put(key, request_, answer, cost_usd=0.0, context=CallContext("r", "p", "s", "t"), **names)
    assert rows(at, "select ledger_key, request_id from calls") == [(key, request_id)]


def test_ids_are_those_of_version_0_1() -> None:
    assert ids.problem_id("What is 1 + 2?", "3", scheme="nfkc") == "01ebbff2c52ddd3b34f8a59dea73f20b"
    assert ids.problem_id("Wie viel ist  3 + 4 ?", "7", scheme="nfkc") == "c16224b7626452270311e35e7da45a25"
    assert ids.problem_id("What is 2² + 0?", "22", scheme="nfkc") == "b882a5957484095152396a5f616abc70"
    assert ids.problem_id("What is ４ + ４?", "8", scheme="nfkc") == "e1f8f841afc5f8a5be5aaf088e11cf0f"
    assert ids.problem_id("Write f.", None, "assert f() == 1", "nfkc") == "395a81fca4fdeadb9c91d3bab7119b4f"
    assert ids.foreign_id("files", "17") == "files:17"
    assert ids.content_id("trace_id", "files", '{"a":1}', 2) == "0fdb1fe94dcd11529ca0457c99dd5826"
    assert ids.call_trace_id("p", "k") == "33ca91bf284de2033d5085ddd81d5311"
    assert ids.child_id("p", "rethink", 0) == "06533a64290968bb61e900d1976039e6"
    assert ids.child_id(["p", "q"], "pairs", 3) == "e1ddc33c6a6a5d49492338126856394f"
    assert ids.fingerprint({"b": [1, "é"], "a": None}) == "62ab788d1a4f7800ba263d80199c11b4"


@pytest.mark.parametrize("stop", [(), ("a", "ü"), ["a"]])
@pytest.mark.parametrize("temperature", [None, 0, 0.0, -0.0, 1, 1.0, True, 0.1 + 0.2, 1e-7, float("nan")])
@pytest.mark.parametrize("extra", [{}, {"b": 1, "a": {"c": None}}])
def test_equal_numbers_of_other_types_give_other_keys(stop: Any, temperature: Any, extra: dict[str, Any]) -> None:
    """As the canonical JSON of all fields, whichever were asked about before."""
    for sampling in (
        Sampling(7, temperature, None, 3, stop, None, extra),
        Sampling(True, 0.5, temperature, None, stop, 2, extra),
    ):
        fields = {name: getattr(sampling, name) for name in Sampling.__slots__}
        said = [["openai", "mü", "r"], [["user", "x"]], fields, "d", 2, RV, "[]"]
        expected = ids.digest("call", ids.canonical([*said[0], *said[1:]]))  # type: ignore[misc]
        assert Request(user("x"), sampling, "d", 2, RV, tools="[]").key("openai", "mü", "r") == expected
