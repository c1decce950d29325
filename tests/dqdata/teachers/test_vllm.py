"""vLLM: how its server is started and ended, with a stand-in for the server; and the real one where it is installed.

The real one runs where DQDATA_TEST_VLLM names an interpreter that has vLLM, and DQDATA_TEST_MODEL a small model:

    DQDATA_TEST_VLLM=/opt/vllm/bin/python DQDATA_TEST_MODEL=models/smollm2 pytest -m slow tests/dqdata/teachers
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import vllm_stand_in

from dqdata.errors import PluginError, TeacherError
from dqdata.teacher import Message, Request, Sampling
from dqdata.teachers.vllm import Vllm, VllmParams, _arguments


def ask(text: str, **sampling: Any) -> Request:
    return Request((Message("user", text),), Sampling(**{"max_tokens": 16, **sampling}))


@pytest.fixture
def served(tmp_path: Path) -> VllmParams:
    """Parameters under which `python -m vllm...` starts the stand-in."""
    vllm_stand_in.install(tmp_path)
    env = {"PYTHONPATH": str(tmp_path), "PIDS": str(tmp_path / "pids"), "GREETING": "hello"}
    return VllmParams(model="org/model", serve=True, env=env, dtype="bfloat16", start_timeout=60)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False


async def gone(pids: list[int]) -> None:
    async with asyncio.timeout(60):
        while any(alive(pid) for pid in pids):
            await asyncio.sleep(0.05)


def pids(params: VllmParams) -> list[int]:
    return [int(pid) for pid in Path(params.env["PIDS"]).read_text().split()]


async def test_a_server_lives_as_long_as_its_teacher(served: VllmParams) -> None:
    teacher = Vllm(served)
    answer = await teacher.complete(ask("hi"))
    assert (answer.response, answer.model) == ("org/model bfloat16 hello", "org/model")
    started = pids(served)
    assert started and all(alive(pid) for pid in started)
    await teacher.close()
    await gone(started)


async def test_calls_that_come_together_start_one_server(served: VllmParams) -> None:
    teacher = Vllm(served)
    answers = await asyncio.gather(*(teacher.complete(ask(f"hi {i}")) for i in range(4)))
    assert len(answers) == 4 and len(pids(served)) == 2  # the server and its child
    await teacher.close()


async def test_a_server_that_dies_is_named_with_its_log_and_without_its_key(served: VllmParams) -> None:
    teacher = Vllm(served)
    await teacher.start()
    with pytest.raises(TeacherError, match="ended by itself with code 3") as caught:
        await teacher.complete(ask("die"))
    assert caught.value.kind == "fatal" and "key ***" in str(caught.value)
    await teacher.close()
    await gone(pids(served))


async def test_a_server_that_cannot_start_says_why(served: VllmParams) -> None:
    failing = served.model_copy(update={"engine_args": {"fail": True}})
    teacher = Vllm(failing)
    with pytest.raises(TeacherError, match="no such model: org/model") as caught:
        await teacher.start()
    assert caught.value.kind == "fatal"
    await teacher.close()
    await gone(pids(served))
    teacher = Vllm(served.model_copy(update={"python": "/absent/python"}))
    with pytest.raises(TeacherError, match="can't start /absent/python"):
        await teacher.start()
    await teacher.close()


async def test_a_killed_run_leaves_no_server(served: VllmParams, tmp_path: Path) -> None:
    code = f"""
        import asyncio
        from dqdata.teachers.vllm import Vllm, VllmParams
        async def main():
            await Vllm(VllmParams.model_validate_json({served.model_dump_json()!r})).start()
            print("ready", flush=True)
            await asyncio.sleep(600)
        asyncio.run(main())
    """
    command = (sys.executable, "-c", textwrap.dedent(code))
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None and await child.stdout.readline() == b"ready\n"
    server, grandchild = pids(served)
    child.send_signal(signal.SIGKILL)
    await child.wait()
    await gone([server, grandchild])


def test_arguments_for_the_server() -> None:
    params = VllmParams(
        model="org/model",
        revision="abc",
        tensor_parallel=2,
        prefix_caching=False,
        context_tokens=4096,
        adapter=Path("lora"),
        engine_args={"gpu_memory_utilization": 0.85, "enforce_eager": True, "hf_overrides": {"a": 1}},
    )
    assert " ".join(_arguments(params)) == (
        "--model org/model --dtype auto --tensor-parallel-size 2 --no-enable-prefix-caching --revision abc "
        "--max-model-len 4096 --enable-lora --gpu-memory-utilization 0.85 --enforce-eager "
        '--hf-overrides {"a": 1} --lora-modules adapter=lora'
    )


def test_who_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"one")
    local = Vllm(VllmParams(model=str(folder)))
    assert local.model == "weights" and len(local.revision) == 16
    (folder / "model.safetensors").write_bytes(b"three")
    assert Vllm(VllmParams(model=str(folder))).revision != local.revision
    hub = Vllm(VllmParams(model="org/model", revision="abc"))
    thinking = Vllm(VllmParams(model="org/model", revision="abc", chat_template_kwargs={"enable_thinking": True}))
    assert (hub.model, hub.revision) == ("org/model", "abc") and thinking.revision != hub.revision
    with_serve = Vllm(VllmParams(model="org/model", revision="abc", serve=True))
    assert with_serve.key(ask("x")) == hub.key(ask("x"))


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed here")
async def test_without_vllm_the_message_says_what_to_do() -> None:
    teacher = Vllm(VllmParams(model="org/model"))
    with pytest.raises(PluginError, match=r"pip install 'dqdata\[vllm\]', or serve = true"):
        await teacher.start()
    await teacher.close()


@pytest.mark.slow
@pytest.mark.skipif("DQDATA_TEST_VLLM" not in os.environ, reason="needs DQDATA_TEST_VLLM and DQDATA_TEST_MODEL")
async def test_the_real_server() -> None:
    cpu = {"HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    teacher = Vllm(
        VllmParams(
            model=os.environ["DQDATA_TEST_MODEL"],
            serve=True,
            python=os.environ["DQDATA_TEST_VLLM"],
            env={**cpu, "OMP_NUM_THREADS": "1"},
            dtype="bfloat16",
            context_tokens=1024,
            engine_args={"enforce_eager": True, "max_num_batched_tokens": 4096},
        )
    )
    try:
        requests = [ask(f"Tell me about the number {i}.") for i in range(16)]
        answers = await asyncio.gather(*(teacher.complete(request) for request in requests))
        assert all(answer.usage.output == 16 or answer.finish_reason == "stop" for answer in answers)
        with pytest.raises(TeacherError) as caught:
            await teacher.complete(ask("word " * 3_000))
        assert (caught.value.kind, caught.value.reason) == ("row", "context_too_long")
    finally:
        await teacher.close()
