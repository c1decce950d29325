"""`dqdata strategy`: modes of answers that were planted, and of real ones."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import dqdata
from dqdata.cli import main
from dqdata.statistics import clustered, grouped

Invoke = Callable[..., Any]


def row(model: str, question: int, tokens: int, *, right: bool = True, thinks: bool = True) -> dict[str, Any]:
    return {
        "question": f"Sum number {question}?",
        "model": model,
        "cd": question,
        "reasoning": "So it is." if thinks else "",
        "response": "It is 4.",
        "correct": right,
        "output_tokens": tokens,
        "finish_reason": "stop",
    }


# Difficulty 0 and 1: no thinking does; 2 to 4: 300 tokens do; 5 and 6: 2,000 are needed; nobody solves 7.
ADAPTIVE = [
    row("adaptive", 0, 10, thinks=False),
    row("adaptive", 1, 10, thinks=False),
    row("adaptive", 2, 300),
    row("adaptive", 3, 300),
    row("adaptive", 4, 20, thinks=False, right=False),  # too little
    row("adaptive", 5, 2000),
    row("adaptive", 6, 300, right=False),  # too little
    row("adaptive", 7, 2000, right=False),
]
SLOW = [row("slow", question, 2000, right=question < 7) for question in range(8)]
REFERENCE = [{**row("teacher", 4, 250), "model": None}]
LOST = [
    {**row("adaptive", 100 + n, tokens, thinks=tokens > 100), "correct": None, "says": tokens <= 100}
    for n, tokens in enumerate([100, 100, 500, 700])
] + [{**row("slow", 100 + n, 4000), "correct": None, "says": None} for n in range(4)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("strategy")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        Path("pipelines.toml").write_text("")
        for name, rows in (("answers", [*ADAPTIVE, *SLOW]), ("reference", REFERENCE), ("lost", LOST)):
            Path(f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
            assert main(["import", f"{name}.jsonl", "--into", name, "-q"]) == 0
    return place


@pytest.fixture
def strategy(folder: Path, monkeypatch: pytest.MonkeyPatch, command_line: Invoke) -> Invoke:
    monkeypatch.chdir(folder)
    return lambda *arguments: command_line("strategy", *arguments)


def reported(done: Any) -> dict[str, Any]:
    assert done.code == 0, done.error
    return {one["model"]: one for one in json.loads(done.out)["models"]}


def test_modes_and_what_the_shortest_correct_trace_needs(strategy: Invoke) -> None:
    found = reported(strategy("answers", "--json"))
    adaptive, slow = found["adaptive"], found["slow"]
    assert adaptive["whole"]["modes"] == {"none": 3 / 8, "short": 3 / 8, "long": 2 / 8}
    assert slow["whole"]["modes"] == {"none": 0, "short": 0, "long": 1}
    # Nobody solves 7. Where only the slow model solves a question (4, 6), its mode is the needed one.
    needed = adaptive["needed"]
    assert needed["right"]["count"] == 5 and needed["right"]["total"] == 7 and needed["unknown"] == 1
    assert (needed["too_little"], needed["too_much"]) == (2 / 7, 0)
    assert slow["needed"]["right"]["share"] == 3 / 7 and slow["needed"]["too_much"] == 4 / 7
    assert slow["needed"]["chosen"]["none"] == {"none": 0, "short": 0, "long": 1}
    waste = slow["waste"]
    assert (waste["tokens"], waste["wasted"]) == (14000, 2 * 1990 + 2 * 1700)
    assert waste["a_correct"][0] == pytest.approx((2 * 1990 + 2 * 1700) / 7)
    assert adaptive["waste"]["wasted"] == 0
    assert (needed["right"]["low"], needed["right"]["high"]) == clustered([1, 1, 1, 1, 0, 1, 0], 1)


def test_further_traces_show_that_less_would_have_done(strategy: Invoke) -> None:
    found = reported(strategy("answers", "--traces", "reference", "--json"))
    assert found["slow"]["needed"]["too_much"] == 5 / 7
    assert found["slow"]["waste"]["wasted"] == 2 * 1990 + 2 * 1700 + 1750
    assert "all" not in found, "a reference is no model that is compared"


def test_the_rule_and_its_boundaries(strategy: Invoke) -> None:
    found = reported(strategy("answers", "--by", "cd", "--at", "2", "5", "--json"))
    rule = found["adaptive"]["by_rule"]
    assert (rule["right"]["count"], rule["right"]["total"], rule["unknown"]) == (6, 8, 0)
    assert rule["chosen"]["short"] == {"none": 1 / 3, "short": 2 / 3, "long": 0}
    low, high = found["adaptive"]["boundaries"]
    assert low["below"] == {"none": 1, "short": 0, "long": 0} and low["above"]["short"] == 1
    assert high["below"]["none"] == 1 and high["above"] == {"none": 0, "short": 0.5, "long": 0.5}
    assert (high["right"]["count"], high["right"]["total"]) == (1, 3)
    bands = {band["label"]: band for band in found["slow"]["bands"]}
    assert list(bands) == [str(n) for n in range(8)] and bands["7"]["accuracy"] == 0
    wide = reported(strategy("answers", "--by", "cd", "--at", "2", "5", "--margin", "2", "--json"))
    assert wide["adaptive"]["boundaries"][1]["right"]["total"] == 5


@pytest.mark.parametrize(("limit", "modes"), [(300, (3, 3, 2)), (299, (3, 0, 5)), (2000, (3, 5, 0)), (5, (3, 0, 5))])
def test_what_is_short_is_a_number_of_tokens(strategy: Invoke, limit: int, modes: tuple[int, ...]) -> None:
    found = reported(strategy("answers", "--model", "adaptive", "--short-tokens", str(limit), "--json"))
    assert list(found) == ["adaptive"]
    assert tuple(found["adaptive"]["whole"]["modes"].values()) == tuple(count / 8 for count in modes)


def test_overthinking_where_there_is_no_answer(strategy: Invoke) -> None:
    found = reported(strategy("answers", "--unanswerable", "lost", "--abstained", "says", "--json"))
    lost = found["adaptive"]["unanswerable"]
    mean = statistics.mean(answer["output_tokens"] for answer in ADAPTIVE)
    assert lost["tokens"][0] == 350 and lost["ratio"] == pytest.approx(350 / mean)
    assert lost["ratio_low"] < lost["ratio"] < lost["ratio_high"]
    assert lost["abstained"]["share"] == 0.5 and (lost["abstained_tokens"], lost["other_tokens"]) == (100, 600)
    slow = found["slow"]["unanswerable"]
    assert slow["ratio"] == slow["ratio_low"] == slow["ratio_high"] == 2 and slow["abstained"] is None
    assert reported(strategy("answers", "--json"))["slow"]["unanswerable"] is None


def test_the_report_has_a_table_and_a_picture(strategy: Invoke, folder: Path) -> None:
    done = strategy("answers", "--by", "cd", "--at", "2", "5", "--unanswerable", "lost", "-o", "out")
    assert done.code == 0, done.error
    assert "chose the mode of the rule: 75.0%" in done.out and "at boundary 5" in done.out
    assert all(len(line) <= 160 for line in done.out.splitlines())
    report = (folder / "out/report.md").read_text()
    assert "| adaptive | all | 8 | 8 | 37.5% | 37.5% | 25.0% | 62.5% | 618 |" in report
    picture = ElementTree.fromstring((folder / "out/modes.svg").read_text())
    assert len(picture.findall("{http://www.w3.org/2000/svg}rect")) == 1 + 3 + 16
    assert json.loads((folder / "out/results.json").read_text())["models"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "nothing"),
        (["answers", "--by", "level"], "level"),
        (["answers", "--by", "model"], "no number"),
        (["answers", "--at", "2", "5"], "by"),
        (["answers", "--by", "cd", "--at", "5", "2"], "rise"),
        (["answers", "--model", "other"], "no answers of 'other'"),
        (["lost", "--abstained", "says"], "--unanswerable"),
        (["select question, response from answers"], "correct"),
        (["answers", "--unanswerable", "select 1 as x"], "response"),
        (["select * from answers where false"], "no answers"),
    ],
)
def test_what_is_not_there_is_named(strategy: Invoke, arguments: list[str], said: str) -> None:
    refused = strategy(*arguments)
    assert refused.code == 2 and said in refused.error, refused.error


def test_without_numbers_of_tokens_characters_are_counted(folder: Path) -> None:
    query = "select problem_id, correct, reasoning, response, cd from answers where model = 'slow'"
    found = dqdata.open(folder / "pipelines.toml").strategy(query, short_tokens=5)
    [one] = found.models
    assert found.tokens == "characters / 4" and one.model == "all" and one.whole.tokens == 5
    assert one.whole.modes == {"none": 0, "short": 1, "long": 0}


def test_many_values_of_a_difficulty_become_bands_of_alike_size(folder: Path) -> None:
    query = (
        "select 'q' || i as problem_id, i / 10.0 as cd, '' as reasoning, 'x' as response, i % 2 = 0 as correct "
        "from range(100) t(i)"
    )
    [one] = dqdata.open(folder / "pipelines.toml").strategy(query, by="cd").models
    assert [band.questions for band in one.bands] == [20] * 5
    assert [band.label for band in one.bands][:2] == ["0 to 1.9", "2 to 3.9"]


def test_groups_of_unequal_size() -> None:
    """Alike answers count less than as many questions; equal sizes give the interval of `clustered`."""
    assert grouped([[True] * 3, [False] * 3, [True] * 3, [True] * 3]) == clustered([3, 0, 3, 3], 3)
    unequal = grouped([[True] * 9, [False], [True, False], [False] * 4])
    apart = grouped([[one] for one in [True] * 10 + [False] * 6])
    assert unequal.low < apart.low and unequal.high > apart.high
    assert grouped([]) == (0.0, 1.0)


@pytest.mark.shared_data
def test_real_traces_on_questions_without_an_answer(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: Invoke
) -> None:
    """Traces of DeepSeek-R1 and a distilled model on GSM8K and on questions that lack a premise: both think longer
    there than where there is an answer."""
    monkeypatch.chdir(tmp_path)
    sets = {"gsm8k": "mip_gsm8k_reasoning.parquet", "illposed": "mip_illposed.parquet"}
    tables = [f'[pipelines.{name}]\nfrom = "{shared_data / file}"\nsteps = []\n' for name, file in sets.items()]
    Path("pipelines.toml").write_text("\n".join(tables))
    for name in sets:
        assert command_line("run", name, "-q").code == 0
    known = "select *, thinking as reasoning, contains(right(response, 300), reference_answer) as correct from gsm8k"
    lost = "select *, thinking as reasoning from illposed where thinking is not null and dataset = 'svamp'"
    done = command_line(
        *("strategy", known, "--unanswerable", lost, "--abstained", "gpt4o_eval = 'abstained'", "--json")
    )
    found = reported(done)
    for model, one in found.items():
        assert one["whole"]["accuracy"] > 0.8, model
        assert one["waste"]["share"] > 0.01, model
        if (given := one["unanswerable"]) is not None:
            assert given["ratio_low"] > 1 and given["abstained"]["share"] > 0.5, model
    assert sum(one["unanswerable"] is not None for one in found.values()) == 2
