"""Iterative preference training with a stop rule: generate, verify, pair, train, and again with the new student.

    python rounds.py --rounds 4 --least 8 --gain 0.01

Each round is round.toml with its number in it, added to pipelines.toml: rounds are pipelines and trainers like others,
planned, priced and resumed by `dqdata`. Started again it goes on where it ended. It stops after `--rounds`, where a
round gives fewer than `--least` pairs (the student is nearly always right, or always wrong), and where the accuracy on
the held-out problems did not rise by `--gain`: the best student is then that of the round before.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import dqdata

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Round:
    """pairs: to train on; None for the student that the rounds begin with. accuracy: of its student; None where none
    was trained."""

    number: int
    pairs: int | None
    accuracy: float | None


def stops(done: list[Round], rounds: int, least: int, gain: float) -> str | None:
    """Why no further round follows, or None. least: pairs of a round. gain: of accuracy over the round before."""
    last = done[-1]
    if last.pairs is not None and last.pairs < least:
        return f"round {last.number} has {last.pairs} pairs, fewer than {least}"
    if len(done) > 1 and last.accuracy is not None and done[-2].accuracy is not None:
        rise = last.accuracy - done[-2].accuracy
        if rise < gain:
            return f"accuracy rose by {rise:.3f} in round {last.number}, less than {gain}"
    return f"{rounds} rounds are done" if last.number >= rounds else None


def best(done: list[Round]) -> Round:
    """The round with the most accurate student, the earlier one of equals."""
    return max((one for one in done if one.accuracy is not None), key=lambda one: (one.accuracy, -one.number))


def tables(number: int) -> str:
    """pipelines.toml with the rounds up to this one."""
    text = (HERE / "round.toml").read_text(encoding="utf-8")
    parts = [text.replace("ROUND", str(n)).replace("BEFORE", str(n - 1)) for n in range(1, number + 1)]
    return "\n".join([(HERE / "base.toml").read_text(encoding="utf-8"), *parts])


def one_round(number: int, least: int) -> Round:
    """Makes the round: its pairs, and a student where they are enough."""
    file = HERE / "pipelines.toml"
    file.write_text(tables(number), encoding="utf-8")
    project = dqdata.open(file)
    pairs = None
    if number:
        project.build(f"pairs_{number}")
        pairs = int(project.sql(f"select count(*) as n from pairs_{number}").polars()["n"][0])
        if pairs < least:
            return Round(number, pairs, None)
    *_, student = project.build(f"student_{number}").nodes
    return Round(number, pairs, student.accuracy)


def main(words: list[str] | None = None) -> list[Round]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--least", type=int, default=8, help="pairs of a round")
    parser.add_argument("--gain", type=float, default=0.01, help="of accuracy over the round before")
    options = parser.parse_args(words)
    done = [one_round(0, options.least)]
    print(f"start: accuracy {done[0].accuracy}", flush=True)
    while (why := stops(done, options.rounds, options.least, options.gain)) is None:
        done.append(one_round(done[-1].number + 1, options.least))
        print(f"round {done[-1].number}: {done[-1].pairs} pairs, accuracy {done[-1].accuracy}", flush=True)
    print(f"stopped: {why}; the best student is trained:student_{best(done).number}")
    return done


if __name__ == "__main__":
    main()
