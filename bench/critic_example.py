"""Does a small critic judge, or does it copy an example in its prompt? The same traces, with and without an example.

    python bench/critic_example.py model.gguf --folder critic        # 8 traces; a second run goes on

The prompt of `critique` shows no verdict: `{"fit": "..."}`. Here it shows none, and then each of the three in turn.
"""

from __future__ import annotations

import argparse
import importlib.resources
from pathlib import Path

import dqdata

WORDS = ("none", "medium", "hard", "easy")
PLACE = 'JSON alone, {"fit": "..."}, with easy, medium or hard for the dots.'
PROJECT = """
[teachers.small]
provider = "llamacpp"
model = "{model}"
threads = 1
sequences = 4
context_tokens = 2048
concurrency = 4

[pipelines.solved]
from = {{ source = "problems", rows = {problems}, kinds = ["word"], levels = [1, 2, 3, 4, 5] }}
max_failed_rate = 0.9
steps = [
  {{ op = "generate", teacher = "small", n = 4, temperature = 0.7, max_tokens = 300 }},
  {{ op = "verify_math" }},
]
"""
JUDGED = """
[pipelines.says_{word}]
from = "select * from solved where correct order by trace_id limit {traces}"
max_failed_rate = 0.9
steps = [ {{ op = "critique", judge = "small", student = "135M", max_tokens = 20, prompt = "{word}.md" }} ]
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--traces", type=int, default=8)
    parser.add_argument("--problems", type=int, default=10, help="solved four times each")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    usual = (importlib.resources.files("dqdata_operators") / "prompts" / "critique.en.md").read_text(encoding="utf-8")
    if PLACE not in usual:
        raise SystemExit(f"the prompt of `critique` says no longer {PLACE}: nothing to compare")

    text = PROJECT.format(model=given.model.resolve(), problems=given.problems)
    for word in WORDS:
        shown = PLACE if word == "none" else f'JSON alone, such as {{"fit": "{word}"}}.'
        (given.folder / f"{word}.md").write_text(usual.replace(PLACE, shown), encoding="utf-8")
        text += JUDGED.format(word=word, traces=given.traces)
    (given.folder / "pipelines.toml").write_text(text, encoding="utf-8")
    project = dqdata.open(given.folder / "pipelines.toml")
    project.run("solved")
    print("| example in the prompt | traces | verdicts |\n|---|---:|---|")
    for word in WORDS:
        project.run(f"says_{word}")
        counted = f"select fit, count(*) as n from says_{word} group by 1 order by n desc, fit"
        found = project.sql(counted).polars().rows()
        said = ", ".join(f"{count} {fit}" for fit, count in found)
        print(f"| {word} | {sum(count for _, count in found)} | {said} |", flush=True)


if __name__ == "__main__":
    main()
