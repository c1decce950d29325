"""A distillation with three seeds an arm, from problems to reports, with dqdata's own commands.

    python -m bench.controlled.run --folder controlled           # about an hour on two cores; started again, it goes on
    python -m bench.controlled.run --folder controlled --dev     # up to the development split, which chose the sizes
    python -m bench.controlled.run --folder controlled --tiny    # as --dev, of a size that takes minutes

Every line printed after `$` can be typed in the folder by hand. Seed k of a trainer is version k of its model.
`python -m bench.controlled.report controlled` prints the tables of docs/results.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SEEDS = (1, 2, 3)
FROM_THE_START = ("all", "right", "as_easy", "adaptive")
AFTER = ("cogpo", "dpo", "grpo", "grpo_style")
"""Trainers that go on from the slow student of the same seed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="the project; a second run goes on")
    parser.add_argument("--dev", action="store_true", help="one slow student on the development split, no test split")
    parser.add_argument("--tiny", action="store_true", help="as --dev: one problem in 20, two steps of training")
    given = parser.parse_args()
    folder: Path = given.folder
    folder.mkdir(parents=True, exist_ok=True)
    for recipe in ("pipelines.toml", "question.md"):
        shutil.copy(HERE / recipe, folder)
    run = Run(folder, ("--profile", "tiny") if given.tiny else ())
    run.python("bench.controlled.problems", "problems.jsonl", *(("--one-in", "20") if given.tiny else ()))
    run.python("bench.controlled.model", "problems.jsonl", "base", *(("--steps", "3") if given.tiny else ()))
    for name in ("teacher", "start"):
        run.dqdata("build", name)
    run.dqdata("run", "dev")
    run.dqdata("eval", "trained:teacher@1", "trained:start@1", "--on", "dev")
    for name in ("traces", "verified"):
        run.dqdata("run", name)
    run.dqdata("train", "slow", "seed=1")
    run.dqdata("eval", "trained:slow@1", "--on", "dev")
    if given.dev or given.tiny:
        return
    run.dqdata("run", "tests")
    run.dqdata("ablate", "data", "-o", "data_report")
    for name in ("all_traces", "right_traces", "as_easy_traces", "modes", "preferences", "practice"):
        run.dqdata("run", name)
    run.dqdata("train", "style")
    for seed in SEEDS:
        if seed > 1:
            run.dqdata("train", "slow", f"seed={seed}")
        for name in FROM_THE_START:
            run.dqdata("train", name, f"seed={seed}")
        run.dqdata("train", "stage_1", f"seed={seed}")
        run.dqdata("train", "stage_2", f"seed={seed}", f"model=trained:stage_1@{seed}")
        for name in AFTER:
            run.dqdata("train", name, f"seed={seed}", f"model=trained:slow@{seed}")
    models = ["trained:teacher@1", "trained:start@1"]
    models += [f"trained:{name}@{seed}" for name in ("slow", *FROM_THE_START, "stage_2", *AFTER) for seed in SEEDS]
    run.dqdata("eval", *models, "--on", "tests")
    run.dqdata("audit", "verified@1")
    run.dqdata("efficiency", "tests", "--by", "level", "-o", "efficiency_report")


class Run:
    """Commands in a folder; what was done and how long it took is in its runs.jsonl, and is not done again."""

    def __init__(self, folder: Path, options: tuple[str, ...]) -> None:
        """options: of every dqdata command."""
        self.folder, self.options = folder, options
        self.log = folder / "runs.jsonl"
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        self.done = {json.loads(line)["command"] for line in lines}

    def python(self, *words: str) -> None:
        self._run(["python", "-m", *words], [sys.executable, "-m", *words])

    def dqdata(self, *words: str) -> None:
        self._run(["dqdata", *words, *self.options], [sys.executable, "-m", "dqdata", *words, *self.options])

    def _run(self, shown: list[str], command: list[str]) -> None:
        """Ends this process where the command fails; what it says goes to the screen."""
        text = shlex.join(shown)
        if text in self.done:
            return
        print("$", text, flush=True)
        began = time.monotonic()
        path = os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        environment = {"OMP_NUM_THREADS": "1", **os.environ, "PYTHONPATH": path}
        code = subprocess.run(command, cwd=self.folder, env=environment, check=False).returncode
        if code != 0:
            sys.exit(f"exit code {code}; start this again and it goes on")
        seconds = round(time.monotonic() - began, 1)
        with self.log.open("a", encoding="utf-8") as log:
            log.write(json.dumps({"command": text, "seconds": seconds}) + "\n")


if __name__ == "__main__":
    main()
