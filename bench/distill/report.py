"""Tables and pictures of a distillation that `run.py` made: yield, training sets, students, paired tests.

    python bench/distill/report.py distilled --pictures docs

Nothing is generated here: models are scored from the answers that `dqdata eval` kept. Students of two seeds count as
one variant whose questions were answered twice. Students that aren't trained yet are left out.
"""

from __future__ import annotations

import argparse
import json
import operator
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from run import BASE, BATCH_SIZE, HELDOUT, MAX_NEW_TOKENS, TRAINERS

import dqdata
from dqdata.statistics import clustered, paired

SETS = ("raw", "raw_levels", "verified", "mixed")
SUM = re.compile(r"(?<![\d.])(\d+) *([-+*]|\\times) *(\d+) *= *(-?\d+)(?![\d.]| *[-+*/])")
"""One operation on two whole numbers with its result, as it stands in a text."""
DOES = {"+": operator.add, "-": operator.sub, "*": operator.mul, "\\times": operator.mul}


@dataclass(frozen=True)
class Variant:
    """right: correct answers to each question, of `seeds` answers; parts: levels of the generator, or GSM8K. tokens,
    cut: mean length and share cut off."""

    name: str
    seeds: int
    right: Sequence[int]
    parts: Sequence[str]
    tokens: float
    cut: float

    @property
    def share(self) -> float:
        return sum(self.right) / (len(self.right) * self.seeds)

    def share_of(self, part: str) -> float:
        found = [right for right, of in zip(self.right, self.parts, strict=True) if of == part]
        return sum(found) / (len(found) * self.seeds)

    @property
    def interval(self) -> tuple[float, float]:
        return clustered(self.right, self.seeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--profile", default="")
    parser.add_argument("--beside", type=Path, help="another distillation: its answers to the same questions are added")
    parser.add_argument("--pictures", type=Path, help="folder for distillation.svg")
    given = parser.parse_args()
    project = dqdata.open(given.folder / "pipelines.toml", profile=given.profile)
    teacher_yield(project)
    training(project)
    compared = measured(project, by="part")
    found = variants(compared)
    students(found)
    pairs(found)
    wording(project, compared)
    if given.beside is not None:
        together([given.folder, given.beside])
    if given.pictures is not None:
        picture(found, given.pictures / "distillation.svg")


def ask(project: dqdata.Project, sql: str) -> list[tuple[Any, ...]]:
    return project.sql(sql).polars().rows()


def teacher_yield(project: dqdata.Project) -> None:
    """What became of every answer of the teacher, and what each cost; truncated ones are rejects of `solved`."""
    print("\n| problems | level | answers | correct | wrong | truncated | tokens written | tokens a correct trace |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    rows = ask(
        project,
        """with answers as (
               select source, level, correct, output_tokens as tokens from traces
               union all select "row"->>'source', ("row"->>'level')::bigint, null, ("row"->>'output_tokens')::bigint
                         from (from solved__rejects union all by name from solved_gsm8k__rejects)
                         where reason = 'truncated')
           select coalesce(source, 'all'), coalesce(level::varchar, 'all'), count(*), count(*) filter (correct),
               count(*) filter (not correct), count(*) filter (correct is null), sum(tokens),
               sum(tokens) / greatest(1, count(*) filter (correct))
           from answers group by grouping sets ((source, level), (source), ())
           order by source desc nulls last, level nulls last""",
    )
    for *counts, tokens, each in rows:
        print("|", " | ".join(map(str, counts)), f"| {tokens:.0f} | {each:.0f} |")

    print("\n| step | rows in | rows out | dropped | seconds |")
    print("|---|---:|---:|---|---:|")
    steps = """select pipeline, rows_in, rows_out, dropped, seconds from dq_runs where status = 'done'
        qualify row_number() over (partition by pipeline order by started_at desc) = 1 order by started_at"""
    for name, came, left, dropped, seconds in ask(project, steps):
        gone = ", ".join(f"{count} {why}" for why, count in json.loads(dropped).items()) or "-"
        print(f"| {name} | {came} | {left} | {gone} | {seconds:.0f} |")


def training(project: dqdata.Project) -> None:
    print("\n| set | traces | problems | tokens | of GSM8K | correct | mean level | mean tokens |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name in SETS:
        ((rows, problems, tokens, gsm8k, correct, level),) = ask(
            project,
            f"""select count(*), count(distinct problem_id), sum(tokens), sum(tokens) filter (source = 'gsm8k'),
                    avg(correct::int), avg(level) from {name}""",
        )
        print(
            f"| {name} | {rows} | {problems} | {tokens} | {(gsm8k or 0) / tokens:.0%} | {correct:.0%} | {level:.2f} ",
            end="",
        )
        print(f"| {tokens / rows:.0f} |")

    print("\n| student | steps | tokens seen | loss, first and last | seconds |")
    print("|---|---:|---:|---|---:|")
    for name, told in ask(project, "select name || '@' || version, metrics from dq_models order by created_at"):
        metrics = json.loads(told)
        losses = f"{metrics.get('first_loss', float('nan')):.3f} -> {metrics.get('last_loss', float('nan')):.3f}"
        tokens = f"{metrics['num_tokens']:.0f}" if "num_tokens" in metrics else "-"
        print(f"| {name} | {metrics['step']:.0f} | {tokens} | {losses} | {metrics['train_runtime']:.0f} |")


def measured(project: dqdata.Project, by: str | None = None) -> dqdata.Comparison:
    """The untrained student and the trained ones."""
    there = {str(model["name"]) for model in project.models()}
    names = [BASE, *(f"trained:{name}@latest" for name in TRAINERS if name in there)]
    settings = {"max_new_tokens": MAX_NEW_TOKENS, "batch_size": BATCH_SIZE}
    return project.eval(*names, data=HELDOUT, by=by, out=sys.stderr, **settings)


def variants(compared: dqdata.Comparison) -> list[Variant]:
    groups: dict[str, list[Any]] = {}
    for one in compared:
        name = one.name.removeprefix("trained:").removesuffix("@latest")
        groups.setdefault("before" if name == BASE else name.removesuffix("_1").removesuffix("_2"), []).append(one)

    parts: dict[int, str] = {
        answer.question: part for part, score in next(iter(compared)).groups.items() for answer in score.answers
    }
    return [
        Variant(
            name,
            len(same),
            [sum(one.score.correct_of[question] for one in same) for question in sorted(parts)],
            [parts[question] for question in sorted(parts)],
            sum(one.score.tokens.mean for one in same) / len(same),
            sum(one.score.unfinished for one in same) / len(same) / len(parts),
        )
        for name, same in groups.items()
    ]


def students(found: Sequence[Variant]) -> None:
    parts = sorted(set(found[0].parts), key=str.swapcase)
    print("\n| student | seeds | correct | 95% interval |", " | ".join(parts), end=" | ")
    print("tokens an answer | cut off |")
    print("|---|---:|---:|---|" + "---:|" * (len(parts) + 2))
    for one in found:
        low, high = one.interval
        by_part = " | ".join(f"{one.share_of(part):.0%}" for part in parts)
        print(
            f"| {one.name} | {one.seeds} | {one.share:.1%} | {low:.1%} to {high:.1%} | {by_part} | {one.tokens:.0f} "
            f"| {one.cut:.0%} |"
        )


def pairs(found: Sequence[Variant]) -> None:
    print("\n| a | b | only a right | only b right | p |")
    print("|---|---|---:|---:|---:|")
    for a, b in combinations(found, 2):
        if a.seeds != b.seeds:
            ours = [right * b.seeds for right in a.right]
            theirs = [right * a.seeds for right in b.right]
        else:
            ours, theirs = list(a.right), list(b.right)
        more = sum(x > y for x, y in zip(ours, theirs, strict=True))
        less = sum(x < y for x, y in zip(ours, theirs, strict=True))
        print(f"| {a.name} | {b.name} | {more} | {less} | {paired(ours, theirs):.2g} |")


def together(folders: Sequence[Path]) -> None:
    """Students that every folder trained, over the questions that all of them hold out: one variant, as many answers to
    a question as folders."""
    right: dict[str, list[dict[str, int]]] = {}
    for folder in folders:
        project = dqdata.open(folder / "pipelines.toml")
        questions = [str(text) for (text,) in ask(project, "select question from heldout")]
        for one in measured(project):
            answers = {questions[number]: correct for number, correct in one.score.correct_of.items()}
            right.setdefault(one.name, []).append(answers)
    found = {name: runs for name, runs in right.items() if len(runs) == len(folders)}
    shared = sorted(set.intersection(*(set(run) for runs in found.values() for run in runs)))
    sums = {name: [sum(run[question] for run in runs) for question in shared] for name, runs in found.items()}

    print(f"\n| student, {len(folders)} runs, {len(shared)} questions | correct | 95% interval |\n|---|---:|---|")
    for name, counts in sums.items():
        low, high = clustered(counts, len(folders))
        print(f"| {name} | {sum(counts)} of {len(folders) * len(shared)} | {low:.1%} to {high:.1%} |")
    print("\n| a | b | p |\n|---|---|---:|")
    for (a, ours), (b, theirs) in combinations(sums.items(), 2):
        print(f"| {a} | {b} | {paired(ours, theirs):.2g} |")


def wording(project: dqdata.Project, compared: dqdata.Comparison) -> None:
    """What the texts themselves show: form, arithmetic, and a word that says which operation was chosen."""
    texts = {"teacher, all": [str(text) for (text,) in ask(project, "select response from traces")]}
    for name in SETS:
        texts[f"teacher, {name}"] = [str(text) for (text,) in ask(project, f"select response from {name}")]
    for model, text in ask(project, f"select model, response from {compared.answers} order by model, trace_id"):
        texts.setdefault(str(model), []).append(str(text))

    print("\n| texts of | texts | with a box | with subtract | sums written | sums right |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, group in texts.items():
        sums = [DOES[sign](int(a), int(b)) == int(c) for text in group for a, sign, b, c in SUM.findall(text)]
        boxes = sum("\\boxed" in text for text in group)
        subtract = sum("subtract" in text.lower() for text in group)
        print(f"| {name} | {len(group)} | {boxes} | {subtract} | {len(sums)} | {sum(sums)} |")


def picture(found: Sequence[Variant], file: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    pyplot.rcParams["svg.hashsalt"] = "distillation"
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.2), width_ratios=(3, 4))
    names = [one.name for one in found]
    shares = [100 * one.share for one in found]
    below = [100 * (one.share - one.interval[0]) for one in found]
    above = [100 * (one.interval[1] - one.share) for one in found]
    left.errorbar(shares, names, xerr=[below, above], fmt="o", capsize=3, color="black")
    left.invert_yaxis()
    left.set_xlim(left=0)
    left.set_xlabel("correct, % (95% interval)")

    parts = sorted(set(found[0].parts), key=str.swapcase)
    for place, one in enumerate(found):
        wide = 0.8 / len(found)
        at = [number + (place - len(found) / 2 + 0.5) * wide for number in range(len(parts))]
        right.bar(at, [100 * one.share_of(part) for part in parts], wide, label=one.name)
    right.set_xticks(range(len(parts)), parts)
    right.set_ylabel("correct, %")
    right.legend(frameon=False, fontsize=8)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    print(f"\n{file}")


if __name__ == "__main__":
    main()
