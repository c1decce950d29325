"""The embedding endpoint as a teacher, against a real HTTP server on loopback."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from embedding_endpoint import Embeddings

from dqdata.errors import TeacherError
from dqdata.teacher import Completion, Message, Request
from dqdata.teachers.embeddings import EmbeddingParams, OpenAIEmbeddings, shared, vectors_in


@pytest.fixture(params=[True, False], ids=["base64", "numbers"])
def endpoint(request: pytest.FixtureRequest) -> Iterator[Embeddings]:
    made = Embeddings(packed=request.param)
    yield made
    made.close()


def teacher_at(endpoint: Embeddings, **params: Any) -> OpenAIEmbeddings:
    return OpenAIEmbeddings(EmbeddingParams(base_url=endpoint.url, model="small", api_key="sk-very-secret-1", **params))


async def embedded(teacher: OpenAIEmbeddings, *texts: str) -> list[Completion | BaseException]:
    asked = (teacher.complete(Request((Message("user", text),))) for text in texts)
    try:
        return await asyncio.gather(*asked, return_exceptions=True)
    finally:
        await teacher.close()


def vector(answer: Completion | BaseException) -> Any:
    assert isinstance(answer, Completion), answer
    return np.frombuffer(base64.b64decode(answer.response), "<f4")


async def test_texts_travel_together_and_each_has_its_own_vector_and_tokens(endpoint: Embeddings) -> None:
    texts = [f"{'abcdefghijklmnop'[n % 16] * (n + 1)}" for n in range(300)]
    made = await embedded(teacher_at(endpoint), *texts)
    assert [int(vector(one).argmax()) for one in made] == [n % 16 for n in range(300)]
    assert max(map(len, endpoint.asked)) == 128 and sum(map(len, endpoint.asked)) == 300
    assert set(endpoint.keys) == {"Bearer sk-very-secret-1"}
    counts = [one.usage.input for one in made if isinstance(one, Completion)]
    assert sum(counts) == sum(map(len, texts)) and counts[0] < counts[-1]
    assert all(isinstance(one, Completion) and one.usage.output == 0 for one in made)


async def test_what_else_is_sent(endpoint: Embeddings) -> None:
    teacher = teacher_at(endpoint, dimensions=8, batch_size=2, extra_body={"input_type": "query"})
    await embedded(teacher, "a", "b", "c")
    assert sorted(len(one["input"]) for one in endpoint.bodies) == [1, 2]
    assert {(one["dimensions"], one["input_type"], one["model"]) for one in endpoint.bodies} == {(8, "query", "small")}
    request = Request((Message("user", "a"),))
    variants: list[dict[str, Any]] = [{}, {"dimensions": 8}, {"dimensions": 9}]
    keys = {teacher_at(endpoint, **more).key(request) for more in variants}
    assert len(keys) == 3, "vectors of another length are other answers"
    assert teacher_at(endpoint, batch_size=7).key(request) in keys


async def test_a_text_that_is_refused_fails_alone(endpoint: Embeddings) -> None:
    def refuse(call: int) -> Any:
        said = {"error": {"message": "input too long", "code": "context_length_exceeded"}}
        return (400, said) if "too long" in endpoint.asked[call] else None

    endpoint.fault = refuse
    texts = [f"text {n}" for n in range(40)]
    made = await embedded(teacher_at(endpoint), *texts[:23], "too long", *texts[23:])
    failed = [one for one in made if isinstance(one, TeacherError)]
    assert made.index(failed[0]) == 23 and [one.kind for one in failed] == ["row"]
    assert endpoint.asked[-1] != ["text 39"] and len(endpoint.asked) <= 13


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ((429, {"error": {"message": "slow down"}}), "retryable"),
        ((500, b"oops"), "retryable"),
        ("cut", "retryable"),
        ((200, b'{"data": [{"index": 0, "emb'), "retryable"),
        ((200, {"data": []}), "retryable"),
        ((200, {"data": [{"index": 0, "embedding": [float("nan"), 1.0]}]}), "retryable"),
        ((200, {"data": [{"index": 0, "embedding": "%%%"}]}), "retryable"),
        ((200, {"data": [{"index": 0, "embedding": []}]}), "retryable"),
        ((200, []), "retryable"),
        ((401, {"error": {"message": "no: sk-very-secret-1"}}), "fatal"),
        ((404, {"error": {"message": "no such model"}}), "fatal"),
        ((200, {"error": {"message": "invalid api key", "code": "invalid_api_key"}}), "fatal"),
    ],
)
async def test_faults_say_whether_another_try_is_worth_it(endpoint: Embeddings, fault: Any, kind: str) -> None:
    endpoint.fault = lambda call: fault
    [failed] = await embedded(teacher_at(endpoint), "abc")
    assert isinstance(failed, TeacherError) and failed.kind == kind and "secret" not in str(failed)


async def test_an_endpoint_that_knows_no_base64_is_asked_for_numbers(endpoint: Embeddings) -> None:
    def refuse(call: int) -> Any:
        known = "encoding_format" in endpoint.bodies[call]
        return (422, {"detail": "unknown field `encoding_format`"}) if known else None

    endpoint.fault = refuse
    made = await embedded(teacher_at(endpoint, batch_size=1), "abc")
    assert vector(made[0]).shape == (16,)


async def test_who_no_longer_waits_holds_up_nobody(endpoint: Embeddings) -> None:
    teacher = teacher_at(endpoint)
    gone = asyncio.ensure_future(teacher.complete(Request((Message("user", "gone"),))))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    assert vector((await embedded(teacher, "abc"))[0]).any() and endpoint.asked == [["abc"]]


@pytest.mark.parametrize(
    ("total", "sizes"), [(0, [1]), (10, [1, 1, 1]), (3, [5, 5, 5, 5]), (1000, [0, 7, 9000]), (7, list(range(50)))]
)
def test_tokens_are_shared_out_whole(total: int, sizes: list[int]) -> None:
    made = shared(total, sizes)
    assert sum(made) == total and len(made) == len(sizes) and min(made) >= 0


def test_vectors_come_in_any_order() -> None:
    data = {"data": [{"index": 1, "embedding": [3, 4]}, {"index": 0, "embedding": [1, 2]}]}
    assert vectors_in(data, 2).tolist() == [[1, 2], [3, 4]]
    for wrong in ([1, 1], [0, 2], [0]):
        with pytest.raises(ValueError, match="2 texts, and vectors"):
            vectors_in({"data": [{"index": at, "embedding": [1]} for at in wrong]}, 2)
    with pytest.raises(ValueError, match="several lengths"):
        vectors_in({"data": [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1, 2]}]}, 2)
