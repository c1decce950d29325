"""The table of an experiment from planted answers and training logs: every number computed another way."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from by_hand import flips, score_interval

from dqdata.catalog import Store
from dqdata.catalog.records import Measured
from dqdata.cli import main
from dqdata.cli.ablate import _equality, _plain, _write
from dqdata.experiments.comparison import Ablation, Entry, compared
from dqdata.experiments.tokens import Selection
from dqdata.project.experiments import ArmSpec, ExperimentTable

ARMS, SEEDS, SAMPLES = ("full", "raw", "random", "few"), (0, 1), 2
SKILL = {"full": 0.8, "raw": 0.3, "random": 0.7, "few": 0.5}
QUESTIONS = 12


def answers(seed: int) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    return [
        {
            "trace_id": f"{arm}-{of}-{question}-{sample}",
            "problem_id": f"p{question}",
            "model": f"trained:{arm}_{of}@1",
            "sample": sample,
            "correct": draw.random() < SKILL[arm],
            "output_tokens": draw.randrange(10, 90),
            "seconds": 0.5,
        }
        for arm, of, question, sample in itertools.product(ARMS, SEEDS, range(QUESTIONS), range(SAMPLES))
    ]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("comparison")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("pipelines.toml").write_text("")
        for seed in range(2):
            Path("a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers(seed)))
            assert main(["import", "a.jsonl", "--into", f"answers_{seed}", "-q"]) == 0
        Path("t.jsonl").write_text('{"question": "1 + 1?", "answer": "2"}\n')
        for arm in ARMS:
            assert main(["import", "t.jsonl", "--into", f"what_{arm}", "-q"]) == 0
        with Store.open(folder / "catalogs") as found:
            for arm, seed in itertools.product(ARMS, SEEDS):
                record(found, f"{arm}_{seed}", tokens=1000 + 10 * seed + ARMS.index(arm))
            yield found


def record(store: Store, name: str, tokens: int | None, steps: int = 10, epochs: float = 1.0) -> None:
    """A model whose log has its tokens after half of the steps and after all, or none."""
    log = [Measured(steps, "loss", 1.0), Measured(steps, "epoch", epochs)]
    if tokens is not None:
        log += [Measured(steps // 2, "num_tokens", tokens / 2), Measured(steps, "num_tokens", float(tokens))]
    about = {"name": name, "path": f"models/{name}", "base_model": "m", "trainer": "sft"}
    store.record_model({**about, "data": {}, "recipe": {}, "metrics": {}}, log)


def table_of(store: Store, seed: int) -> Ablation:
    table = ExperimentTable(
        name="what",
        where="pipelines.toml [experiments.what]",
        pipeline="p",
        trainer="t",
        evaluation="e",
        seeds=SEEDS,
        arms={arm: ArmSpec() for arm in ARMS},
    )
    chosen = [Selection("select 1", 5, 4, 100), Selection("select 2", 7, 4, 110)]
    entries = [
        Entry(arm, "as it is", f"what_{arm}@1", [f"trained:{arm}_{of}@1" for of in SEEDS], chosen) for arm in ARMS
    ]
    return compared(store, table, entries, f"answers_{seed}@1", 111, "student")


@pytest.mark.parametrize("seed", [0, 1])
def test_intervals_tests_and_their_correction(store: Store, seed: int) -> None:
    rows, found = answers(seed), table_of(store, seed)
    assert (found.questions, found.samples, found.baseline) == (QUESTIONS, SAMPLES, "full")
    right = {
        arm: [
            sum(row["correct"] for row in rows if f":{arm}_" in row["model"] and row["problem_id"] == f"p{question}")
            for question in range(QUESTIONS)
        ]
        for arm in ARMS
    }
    p_values = {arm: flips(right[arm], right["full"]) for arm in ARMS[1:]}
    for arm in found.arms:
        counts = right[arm.name]
        assert arm.accuracy == pytest.approx(sum(counts) / (QUESTIONS * 4))
        assert (arm.low, arm.high) == pytest.approx(score_interval(counts, 4), abs=1e-6)
        own = [row for row in rows if f":{arm.name}_" in row["model"]]
        assert arm.answer_tokens == pytest.approx(sum(row["output_tokens"] for row in own) / len(own))
        assert arm.by_seed == pytest.approx(
            [sum(row["correct"] for row in own if f"_{of}@" in row["model"]) / (QUESTIONS * SAMPLES) for of in SEEDS]
        )
        if arm.name != "full":
            assert arm.difference == pytest.approx((sum(counts) - sum(right["full"])) / (QUESTIONS * 4))
            assert arm.p_value == pytest.approx(p_values[arm.name])
            # Holm, as the largest over the tests that are at least as clear: their p times those that are not clearer.
            below = [other for other in p_values.values() if other <= p_values[arm.name]]
            steps = [min(1.0, p * sum(other >= p for other in p_values.values())) for p in below]
            assert arm.p_adjusted == pytest.approx(max(steps))
    assert found.arms[0].p_value is None and found.arms[0].difference is None


def test_tokens_of_the_training_logs_decide_whether_they_were_equal(store: Store) -> None:
    found = table_of(store, 0)
    assert [arm.trained_tokens for arm in found.arms] == [1005, 1006, 1007, 1008]
    assert (found.equal, found.step_tokens) == (True, 101), "at most 13 apart, and a step has 101"
    assert (found.arms[0].rows, found.arms[0].problems, found.arms[0].tokens) == (6, 4, 105)
    assert "equal to within a step" in _equality(found)


@pytest.mark.parametrize(
    ("tokens", "epochs", "equal"),
    [(1100, 1.0, True), (1200, 1.0, False), (1200, 2.0, True), (400, 1.0, False), (None, 1.0, None)],
)
def test_unequal_or_uncounted_tokens_are_said(
    store: Store, tokens: int | None, epochs: float, equal: bool | None
) -> None:
    name = f"odd_{tokens}_{epochs:g}"
    record(store, name, tokens, epochs=epochs)
    table = ExperimentTable(
        name="o",
        where="w",
        pipeline="p",
        trainer="t",
        evaluation="e",
        seeds=(0,),
        arms={"a": ArmSpec(), "b": ArmSpec()},
    )
    one = [Selection("select 1", 5, 4, 100)]
    entries = [
        Entry("a", "", "what_full@1", ["trained:full_0@1"], one),
        Entry("b", "", "what_raw@1", ["trained:raw_0@1"], one),
    ]
    # The answers are those of two known models; the log of the second arm is that of another training.
    found = compared(store, table, entries, "answers_0@1", 100, "student")
    assert found.equal is True
    from dqdata.experiments.comparison import _equal, _logged

    logs = [_logged(store, "trained:full_0@1"), _logged(store, f"trained:{name}@1")]
    assert _equal(logs)[1] is equal


def test_the_report_shows_the_table_and_a_picture(store: Store, tmp_path: Path) -> None:
    found = table_of(store, 1)
    _write(found, tmp_path / "report")
    report = (tmp_path / "report/report.md").read_text()
    heads, _, *lines = [line for line in report.splitlines() if line.startswith("|")]
    assert len(lines) == 4 and all(line.count("|") == heads.count("|") for line in lines)
    for arm in found.arms:
        assert f"| {arm.accuracy:.1%} | {arm.low:.1%} to {arm.high:.1%} |" in report
    assert (
        json.loads((tmp_path / "report/results.json").read_text())["arms"][1]["p_adjusted"] == found.arms[1].p_adjusted
    )
    picture = ElementTree.fromstring((tmp_path / "report/accuracy.svg").read_text())
    assert set(ARMS) <= {text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert any(f"p = {found.arms[1].p_adjusted:.3g}" in line for line in _plain(found))
