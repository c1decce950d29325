"""How a training starts on several machines: the line of torchrun, and a Slurm script.

    torchrun(Path("/shared/job/train.json"), nodes=2, ranks=8)

Every machine must see the job's folder and the model under the same path, with the same dqdata installed.
"""

from __future__ import annotations

import shlex
from pathlib import Path

PORT = 29500


def torchrun(job: Path, nodes: int, ranks: int) -> str:
    """The line for machine number R, from 0, of which number 0 is HOST."""
    return (
        f"torchrun --nnodes={nodes} --nproc-per-node={ranks} --node-rank=R --master-addr=HOST --master-port={PORT} "
        f"{_worker(job)}"
    )


def slurm_script(name: str, job: Path, nodes: int, ranks: int) -> str:
    """A batch script: one torchrun a machine, one rank a GPU; they meet at the first machine of the allocation."""
    return f"""#!/bin/bash
#SBATCH --job-name={shlex.quote(name)}
#SBATCH --nodes={nodes}
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node={ranks}
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
srun torchrun --nnodes={nodes} --nproc-per-node={ranks} --rdzv-id="$SLURM_JOB_ID" --rdzv-backend=c10d \\
  --rdzv-endpoint="$head:{PORT}" {_worker(job)}
"""


def _worker(job: Path) -> str:
    return f"-m dqdata.training.worker {shlex.quote(str(job))}"
