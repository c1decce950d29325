"""Tables of docs/results.md from a folder in which bench.controlled.run has ended.

python -m bench.controlled.report controlled
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, stdev

import dqdata
from dqdata.statistics import grouped, holm, paired

SEEDS = 3
"""Of each trainer, at most."""
CHOSEN = ("split = 'test_numbers'", "split = 'test_structures'", *(f"level = '{level}'" for level in range(1, 5)))
"""Parts of the questions that have a column each."""
TESTED = (
    *(("all", "right"), ("all", "as_easy"), ("as_easy", "right")),
    *(("slow", other) for other in ("stage_2", "adaptive", "cogpo", "dpo", "grpo", "grpo_style")),
    *(("dpo", "cogpo"), ("grpo", "grpo_style")),
)
"""Pairs of trainers whose students are compared."""
DETECTED = 2.8
"""Standard errors of a difference that a test at 5% finds in four of five experiments: 1.96 + 0.84."""


class Answers:
    """For the newest models of each trainer, one of each seed, whether each question was answered."""

    def __init__(self, project: dqdata.Project) -> None:
        newest = project.catalog("eval_tests").version
        query = " union all by name ".join(f'select * from "eval_tests@{number}"' for number in range(1, newest + 1))
        rows = project.sql(
            "select model, problem_id, split, level, correct, output_tokens, "
            "regexp_extract(model, '@(\\d+)$', 1)::int as version, regexp_extract(model, '^trained:(.*)@', 1) as name "
            f"from ({query}) where model not like 'trained:data\\_%' escape '\\' "
            "and model not like 'trained:more\\_%' escape '\\' "
            f"qualify dense_rank() over (partition by name order by version desc) <= {SEEDS} order by all"
        ).polars()
        self.seeds: dict[str, set[str]] = defaultdict(set)
        self.rows: dict[str, list[dict[str, object]]] = defaultdict(list)
        for row in rows.iter_rows(named=True):
            name = str(row["name"])
            self.seeds[name].add(str(row["model"]))
            self.rows[name].append(row)

    def by_question(self, name: str, part: str = "") -> dict[str, list[bool]]:
        """Of the part, such as `level = '2'`; all without one."""
        column, _, value = part.replace("'", "").partition(" = ")
        found: dict[str, list[bool]] = defaultdict(list)
        for row in self.rows[name]:
            if not part or str(row[column]) == value:
                found[str(row["problem_id"])].append(bool(row["correct"]))
        return found

    def share(self, name: str, part: str = "") -> str:
        groups = list(self.by_question(name, part).values())
        return f"{100 * sum(map(sum, groups)) / max(1, sum(map(len, groups))):.1f}%"

    def by_seed(self, name: str) -> str:
        shares = [
            mean(bool(row["correct"]) for row in self.rows[name] if row["model"] == one) for one in self._of(name)
        ]
        return ", ".join(f"{100 * share:.1f}%" for share in shares)

    def tokens(self, name: str) -> float:
        return mean(int(str(row["output_tokens"])) for row in self.rows[name])

    def _of(self, name: str) -> Sequence[str]:
        return sorted(self.seeds[name])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    project = dqdata.open(parser.parse_args().folder / "pipelines.toml")
    print(
        project.sql(
            "select level, count(*) as traces, round(100 * avg(correct::int), 1) as correct, "
            "round(avg(output_tokens), 1) as tokens from traces group by level order by level"
        ).polars()
    )
    answers = Answers(project)
    print("\n".join(scores(answers)), end="\n\n")
    print("\n".join(tests(answers)))


def scores(answers: Answers) -> Iterator[str]:
    parts = [part.replace("'", "").rpartition(" ")[2] for part in CHOSEN]
    yield "| student | correct | 95% interval | by seed | " + " | ".join(parts) + " | tokens |"
    yield "|---|---:|---|---|" + "---:|" * (len(parts) + 1)
    for name in answers.rows:
        low, high = grouped(list(answers.by_question(name).values()))
        cells = [f"{100 * low:.1f}% to {100 * high:.1f}%", answers.by_seed(name)]
        cells += [answers.share(name, part) for part in CHOSEN]
        yield f"| {name} | {answers.share(name)} | {' | '.join(cells)} | {answers.tokens(name):.0f} |"


def tests(answers: Answers) -> Iterator[str]:
    """Exact tests paired by question over the seeds, corrected for their number, and the difference that each would
    have found in four of five experiments."""
    rows = []
    for a, b in TESTED:
        first, second = answers.by_question(a), answers.by_question(b)
        ours, theirs = [sum(second[one]) for one in second], [sum(first[one]) for one in second]
        differences = [(x - y) / len(answers.seeds[a]) for x, y in zip(ours, theirs, strict=True)]
        error = stdev(differences) / math.sqrt(len(differences))
        rows.append((a, b, mean(differences), paired(ours, theirs), DETECTED * error))
    yield "| a | b | b less a | p | p (Holm) | found in four of five experiments |"
    yield "|---|---|---:|---:|---:|---:|"
    for (a, b, difference, p, detected), corrected in zip(rows, holm([row[3] for row in rows]), strict=True):
        yield f"| {a} | {b} | {100 * difference:+.1f}% | {p:.2g} | {corrected:.2g} | {100 * detected:.1f}% |"


if __name__ == "__main__":
    main()
