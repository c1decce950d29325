"""`dqdata calibrate`: rates and intervals of a judge whose errors were planted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dqdata.cli import main

Invoke = Callable[..., Any]
SAID = {True: "correct", False: "incorrect"}


def planted(accepts_right: int, accepts_wrong: int) -> list[dict[str, Any]]:
    """60 right rows and 40 wrong ones; so many of each are accepted."""
    rows = []
    for number in range(100):
        right = number < 60
        accepted = number < accepts_right if right else number - 60 < accepts_wrong
        rows.append(
            {"problem_id": f"p{number}", "judge_verdict": SAID[accepted], "human": right, "correct": not accepted}
        )
    return rows


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judges")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        undecided = [{"problem_id": "q", "judge_verdict": "undecided", "human": True, "correct": True}]
        for name, rows in {
            "judged": planted(54, 8) + undecided,
            "earlier": planted(48, 20),
            "blind": planted(30, 20),
        }.items():
            Path(f"{name}.jsonl").write_text(
                "".join(json.dumps({**row, "question": row["problem_id"]}) + "\n" for row in rows)
            )
            assert main(["import", f"{name}.jsonl", "--into", name, "--store", "catalogs", "-q"]) == 0
        Path("people.csv").write_text(
            "problem_id,right\n" + "".join(f"judged:p{n},{'yes' if n < 60 else 'no'}\n" for n in range(50, 90))
        )
    return folder


@pytest.fixture
def calibrate(store: Path, monkeypatch: pytest.MonkeyPatch, command_line: Invoke) -> Invoke:
    monkeypatch.chdir(store)
    return lambda *arguments: command_line("calibrate", *arguments, "--store", "catalogs")


def test_rates_kappa_and_the_corrected_share(calibrate: Invoke) -> None:
    done = calibrate("judged", "--label", "human", "--on", "earlier@1", "--json")
    assert done.code == 0, done.error
    found = json.loads(done.out)
    assert found["rows"] == 100 and found["undecided"] == 1
    assert found["true_positive_rate"]["share"] == 0.9 and found["false_positive_rate"]["share"] == 0.2
    assert found["agreement"][0] == pytest.approx((0.86 - 0.524) / (1 - 0.524))
    corrected = found["corrected"]
    assert corrected["judged"]["share"] == 0.68 and corrected["share"] == pytest.approx((0.68 + 0.8 - 1) / 0.7)
    assert corrected["low"] < corrected["share"] < corrected["high"]


def test_drift_between_versions_and_a_query_in_place_of_a_catalog(calibrate: Invoke) -> None:
    ours = "select * replace (replace(problem_id, 'judged:', '') as problem_id) from judged"
    theirs = "select * replace (replace(problem_id, 'earlier:', '') as problem_id) from earlier"
    done = calibrate(ours, "--label", "human", "--against", theirs, "--json")
    assert done.code == 0, done.error
    drift = json.loads(done.out)["drift"]
    assert drift["rows"] == 100 and drift["right"]["share"] == 0.86 and drift["right_before"]["share"] == 0.68
    assert drift["p_value"] < 0.001 and drift["agreement"][3] == 0.82


def test_labels_of_a_file_and_few_of_them(calibrate: Invoke) -> None:
    done = calibrate("judged", "--label", "right", "--labels", "people.csv")
    assert done.code == 0, done.error
    assert "40 rows" in done.out and "only 10 labelled rows are right" in done.out
    assert "4 of 10" in done.out and "8 of 30" in done.out


def test_a_judge_that_is_no_better_than_chance_corrects_nothing(calibrate: Invoke) -> None:
    done = calibrate("blind", "--label", "human", "--on", "judged")
    assert done.code == 0 and "judged is not corrected: the judge is no better than chance" in done.out
    assert json.loads(calibrate("blind", "--label", "human", "--json").out)["agreement"][0] == pytest.approx(
        0, abs=0.02
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["judged", "--label", "people"], "has no column 'people'"),
        (["judged", "--label", "human", "--judge", "verdict"], "has no column 'verdict'"),
        (["nothing", "--label", "human"], "no catalog 'nothing'"),
        (["judged", "--label", "question"], "no row has both"),
        (["judged", "--label", "human", "--key", "human"], "occurs twice"),
        (["judged", "--label", "human", "--against", "earlier"], "'judged:p0' here, 'earlier:p0' there"),
        (
            [
                "judged",
                "--label",
                "right",
                "--labels",
                "select problem_id[8:] as problem_id, human as right from judged",
            ],
            "no 'problem_id' in common: 'judged:p0' here, 'p0' there",
        ),
        (["judged", "--label", "right", "--labels", "people.txt"], "people"),
        (["judged", "--label", "human", "--on", "select 1 as x"], "has no column 'judge_verdict'"),
        (["judged"], "Missing option '--label'"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(calibrate: Invoke, arguments: list[str], said: str) -> None:
    done = calibrate(*arguments)
    assert done.code == 2 and said in done.error, done.error + done.out
