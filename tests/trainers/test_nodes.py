"""`dqdata train --nodes`: the job of several machines, the lines that start it, and the model once it has ended."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import additions
from .test_train_verb import committed

Run = Callable[..., Any]


@pytest.fixture
def project(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    committed(tmp_path / "catalogs", "sums", additions(16), tmp_path)
    (tmp_path / "pipelines.toml").write_text(
        f"""
        [trainers.t]
        kind = "sft"
        data = "select * from sums order by trace_id"
        model = "{tiny}"
        args = {{ max_steps = 2, per_device_train_batch_size = 2, logging_steps = 1 }}
        """
    )
    return tmp_path


def test_the_job_is_written_and_nothing_is_trained(project: Path, command_line: Run) -> None:
    told = json.loads(command_line("train", "t", "--nodes", "2", "--processes", "4", "--json", "-q").out)
    job = Path(told["job"])
    assert json.loads(job.read_text())["task"] == "train" and told["record"] == "dqdata train t --nodes 2 --processes 4"
    assert told["torchrun"].startswith("torchrun --nnodes=2 --nproc-per-node=4 --node-rank=R --master-addr=HOST")
    slurm = Path(told["slurm"]).read_text()
    assert "#SBATCH --nodes=2\n" in slurm and "#SBATCH --gpus-per-node=4\n" in slurm and str(job) in slurm
    assert subprocess.run(["bash", "-n", told["slurm"]], check=False).returncode == 0
    assert "no model 't'" in command_line("deploy", "trained:t").error
    again = json.loads(command_line("train", "t", "--nodes", "2", "--processes", "4", "--json", "-q").out)
    assert again == told, "the same job, until it has ended"


@pytest.mark.slow
def test_two_torchruns_that_share_no_memory_train_one_model(project: Path, command_line: Run) -> None:
    """Slow: two starts of torchrun and torch each."""
    told = json.loads(command_line("train", "t", "--nodes", "2", "--json", "-q").out)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = shlex.split(told["torchrun"].replace("29500", str(port)).replace("HOST", "127.0.0.1"))
    lines = [
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            *("--node-rank=" + rank if w == "--node-rank=R" else w for w in words[1:]),
        ]
        for rank in ("0", "1")
    ]
    machines = [subprocess.Popen(line, env={**os.environ, "OMP_NUM_THREADS": "1"}) for line in lines]
    try:
        assert [machine.wait(timeout=600) for machine in machines] == [0, 0]
    finally:
        for machine in machines:
            machine.kill()
    done = command_line(*shlex.split(told["record"])[1:], "--json", "-q")
    assert done.code == 0, done
    assert json.loads(done.out)["model"] == "trained:t@1" and json.loads(done.out)["metrics"]["processes"] == 2
    assert json.loads(command_line("train", "t", "--nodes", "2", "--json", "-q").out)["unchanged"]
