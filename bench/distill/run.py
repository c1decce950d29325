"""A real distillation from problems to trained students, with dqdata's own commands; started again, it goes on.

    python bench/distill/run.py qwen2.5-coder-0.5b-instruct-q4_k_m.gguf gsm8k_train.parquet --folder distilled
    python bench/distill/run.py MODEL.gguf GSM8K --folder distilled --profile tiny     # does it run at all? minutes

GSM8K is a Parquet file of its train problems: question, answer, and a solution with its `<<...>>` calculations. The
recipe is pipelines.toml and question.md beside this file. Every line printed after `$` can be typed in the folder by
hand. Answers that another store's ledger holds are taken over with `--answers LEDGER`, so that nothing is generated
twice. At the end report.py prints the tables and draws the pictures of docs/results.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CATALOGS = (
    *("gsm8k", "solved", "solved_gsm8k", "traces", "words_heldout", "heldout"),
    *("raw", "raw_levels", "verified", "mixed", "preferences"),
)
TRAINERS = (
    *("verified_1", "raw_1", "raw_levels_1", "mixed_1", "cogpo", "grpo"),
    *("verified_2", "raw_2", "mixed_2"),
)
BASE = "smollm2-135m"
HELDOUT = "heldout@latest"
MAX_NEW_TOKENS = 224
BATCH_SIZE = 45


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="the teacher, a GGUF file")
    parser.add_argument("gsm8k", type=Path, help="train problems of GSM8K, a Parquet file")
    parser.add_argument("--folder", type=Path, required=True, help="the project; a second run goes on")
    parser.add_argument("--answers", type=Path, action="append", default=[], help="ledger with answers to take over")
    parser.add_argument("--profile", default="", help="tiny: 20 problems, 4 steps")
    parser.add_argument("--only", nargs="+", choices=TRAINERS, default=TRAINERS, help="students to train")
    given = parser.parse_args()

    folder: Path = given.folder
    folder.mkdir(parents=True, exist_ok=True)
    for recipe in ("pipelines.toml", "question.md"):
        shutil.copy(HERE / recipe, folder)
    for file, name in ((given.model, given.model.name), (given.gsm8k, "gsm8k_train.parquet")):
        if not (folder / name).exists():
            (folder / name).symlink_to(file.resolve())

    profile = ("--profile", given.profile) if given.profile else ()
    dqdata(folder, "check", *profile)
    for ledger in given.answers:
        dqdata(folder, "ledger", "merge", str(ledger.resolve()))
    for name in CATALOGS:
        dqdata(folder, "run", name, *profile)
    asked = ("--data", HELDOUT, "--max-new-tokens", str(MAX_NEW_TOKENS), "--batch-size", str(BATCH_SIZE))
    dqdata(folder, "eval", BASE, *asked, "--by", "part", *profile)
    for name in given.only:
        dqdata(folder, "build", name, *profile)
        dqdata(folder, "eval", BASE, f"trained:{name}@latest", *asked, "--by", "part", *profile)
    report = [sys.executable, str(HERE / "report.py"), str(folder), *profile]
    print("$", " ".join(report), flush=True)
    subprocess.run(report, check=True)


def dqdata(folder: Path, verb: str, *words: str) -> dict[str, Any]:
    """Runs one command in the folder and adds what it told, with its seconds, to runs.jsonl there."""
    print("$ dqdata", verb, *words, flush=True)
    began = time.monotonic()
    told = _json_of([sys.executable, "-m", "dqdata", verb, *words, "--json"], folder)
    took = time.monotonic() - began
    print("   ", _short(told), f"{took:.0f} s", flush=True)
    with (folder / "runs.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps({"command": [verb, *words], "took": round(took, 1), **told}) + "\n")
    return told


def _json_of(command: Sequence[str], folder: Path) -> dict[str, Any]:
    """Progress goes to progress.log. Ends this process, with the command's own message, where it fails."""
    with (folder / "progress.log").open("a", encoding="utf-8") as log:
        start = log.tell()
        done = subprocess.run(
            command, cwd=folder, env={"OMP_NUM_THREADS": "1", **os.environ}, stdout=subprocess.PIPE, stderr=log
        )
    if done.returncode != 0:
        message = (folder / "progress.log").read_text(encoding="utf-8")[start:].strip().splitlines()[-5:]
        sys.exit("\n".join([*message, f"exit code {done.returncode}; start this again and it goes on"]))
    told = json.loads(done.stdout)
    assert isinstance(told, dict)
    return told


def _short(told: dict[str, Any]) -> str:
    """The few figures that are worth a line of the screen."""
    if "models" in told:
        return ", ".join(f"{one['model']} {one['correct']}/{one['total']}" for one in told["models"])
    shown = ("rows_in", "rows_out", "dropped", "failed", "calls", "unchanged", "version", "new", "known")
    return ", ".join(f"{name} {told[name]}" for name in shown if name in told)


if __name__ == "__main__":
    main()
