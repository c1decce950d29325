"""What an endpoint sends is bounded before it is read, and no line of a batch's results ends the reading of others."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator

import pytest

from dqdata.errors import TeacherError
from dqdata.teacher import Message, Request, Sampling
from dqdata.teachers import batch_results, chat, openai
from dqdata.teachers.batch_results import Results
from tests.dqdata.security.servers import Reply, completion, serving


async def _asked(reply: Reply, **sampling: int) -> str:
    with serving(lambda request: reply) as server:
        teacher = openai.OpenAI(openai.EndpointParams(base_url=server.url, model="m"))
        try:
            answer = await teacher.complete(Request((Message("user", "?"),), Sampling(**sampling)))
        finally:
            await teacher.close()
    return answer.response


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("packed", [False, True])
async def test_a_body_over_the_limit_is_not_read(status: int, packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai, "MOST_BYTES", 100_000)
    body = json.dumps({"choices": [{"message": {"content": "a" * 5_000_000}, "finish_reason": "stop"}]}).encode()
    headers = {"Content-Encoding": "gzip"} if packed else {}
    with pytest.raises(TeacherError) as refused:
        await _asked(Reply(status, gzip.compress(body) if packed else body, headers))
    assert (refused.value.kind, refused.value.reason) == ("row", "answer_too_long")
    assert refused.value.usage_unknown and "max_tokens" in str(refused.value)


async def test_a_body_of_over_64_mebibytes_unpacked_is_not_read() -> None:
    packed = gzip.compress(b" " * ((64 << 20) + 1), 1)
    with pytest.raises(TeacherError) as refused:
        await _asked(Reply(200, packed, {"Content-Encoding": "gzip"}))
    assert refused.value.reason == "answer_too_long"


async def test_log_probabilities_have_a_limit_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai, "MOST_BYTES", 1_000)
    assert await _asked(completion("a" * 5_000), top_logprobs=1) == "a" * 5_000


@pytest.mark.parametrize("name", ["content", "reasoning_content"])
async def test_a_text_over_the_limit_fails_its_row(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "MOST_CHARS", 1_000)
    texts = {"content": "", name: "b" * 1_001}
    with pytest.raises(TeacherError) as refused:
        await _asked(completion(**texts))
    assert (refused.value.kind, refused.value.reason) == ("row", "answer_too_long")


@pytest.mark.parametrize("beyond", [0, 1])
def test_an_answer_may_have_five_million_characters_its_calls_among_them(beyond: int) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '"' + "a" * 1_999_998 + '"'}}
    message = {"content": "b" * 2_000_000, "reasoning_content": "c" * (1_000_000 + beyond), "tool_calls": [call]}
    data = {"choices": [{"message": message, "finish_reason": "stop"}]}
    params = openai.EndpointParams(base_url="http://127.0.0.1:1", model="m")
    if not beyond:
        assert len(chat.completion(data, Request((Message("user", "?"),)), params).response) == 2_000_000
        return
    with pytest.raises(TeacherError) as refused:
        chat.completion(data, Request((Message("user", "?"),)), params)
    assert (refused.value.kind, refused.value.reason) == ("row", "answer_too_long")


async def test_a_line_of_results_of_over_64_mebibytes_is_left_out() -> None:
    results = Results()
    try:
        begin, end = b'{"custom_id": "a"', b"}\n"
        assert await results.add(_bytes(begin, b" " * ((64 << 20) + 1 - len(begin) - len(end)), end)) == []
    finally:
        results.close()


async def _bytes(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_no_line_of_results_hides_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_results, "MOST_LINE_BYTES", 300_000)
    good = [json.dumps({"custom_id": name, "response": {"n": name}}).encode() + b"\n" for name in "abcdef"]
    bad = [
        b"[" * 200_000 + b"\n",
        b'{"custom_id": ' * 10_000 + b"\n",
        b'{"custom_id": "long", "x": "' + b"y" * 700_000 + b'"}\n',
        b'{"custom_id": ["a"]}\n',
        b"9" * 100_000 + b"\n",
        b"\xff\xfe\n",
    ]
    results = Results()
    try:
        lines = b"".join(one for pair in zip(good, bad, strict=True) for one in pair)
        assert await results.add(_bytes(lines[:1000], lines[1000:])) == list("abcdef")
        assert await results.add(_bytes(b'{"custom_id": "g", "response": {"n": "g"}}')) == ["g"]
        for name in "gfedcba":
            assert results.take(name) == {"custom_id": name, "response": {"n": name}}
            assert results.take(name) is None
        assert results.take("long") is None
    finally:
        results.close()
