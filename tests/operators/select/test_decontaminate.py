"""decontaminate: classes told apart, actions, report of both texts, and what is found on public data."""

from __future__ import annotations

import json

import polars as pl
import pytest
from dqdata_operators.lib.benchmarks.evidence import Candidates, Evidence, Prepared
from dqdata_operators.lib.benchmarks.quantities import numbers, numbers_of
from dqdata_operators.lib.benchmarks.tasks import Tasks
from dqdata_operators.lib.texts.signature import opposed, signatures
from dqdata_operators.select.decontaminate import Decontaminate, DecontaminateParams
from outcomes import decided, have

from dqdata.operator import Schema

pytestmark = pytest.mark.needs("wordllama", "rapidfuzz")

DUCKS = (
    "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins for her friends "
    "every day with four. She sells the remainder at the farmers' market daily for $2 per fresh duck egg. How much in "
    "dollars does she make every day at the farmers' market?"
)
ROBE = "A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts in total does it take?"
ROWS = {
    "exact": "  janet's ducks lay 16 eggs per day. She eats three for breakfast every morning, and bakes muffins "
    "for her friends every day with four.  She sells the remainder at the farmers' market daily for $2 per fresh duck "
    "egg. How much in dollars does she make every day at the farmers' market",
    "lexical": "Here is a riddle for the class. " + DUCKS + " Explain each step.",
    "rephrased": "Every day Janet's ducks produce 16 eggs. Three of them are her breakfast, and four go into "
    "muffins that she bakes for friends. What is left she sells at the market for 2 dollars an egg. "
    "What does she earn there daily?",
    "same_template": DUCKS.replace("16", "25").replace("three", "seven").replace("$2", "$5"),
    "none": "A train leaves the station at 9 in the morning and covers 340 miles before noon. What is its speed?",
}


@pytest.fixture
def benchmark(tmp_path):
    path = tmp_path / "bench.jsonl"
    pl.DataFrame({"question": [DUCKS, ROBE]}).write_ndjson(path)
    return path


def run(folder, benchmark, texts, **params):
    frame = pl.DataFrame({"problem_id": list(texts), "question": list(texts.values())})
    given = {"benchmarks": [{"name": "mine", "path": benchmark}], **params}
    return decided(Decontaminate(DecontaminateParams.model_validate(given)), frame, folder)


def test_classes_are_told_apart(benchmark, tmp_path):
    rows, gone = run(tmp_path, benchmark, ROWS)
    assert {key: reason for key, (reason, _) in gone.items()} == {
        kind: f"contaminated_{kind}" for kind in ("exact", "lexical", "rephrased")
    }
    flags = dict(rows.select("problem_id", "contamination").iter_rows())
    assert flags == {"same_template": "same_template", "none": None}


def test_rejects_hold_both_texts(benchmark, tmp_path):
    detail = json.loads(run(tmp_path, benchmark, ROWS)[1]["rephrased"][1])
    assert (detail["benchmark"], detail["benchmark_text"], detail["text"]) == ("mine", DUCKS, ROWS["rephrased"])
    assert detail["score"] > 0 and 0 < detail["measures"]["cosine"] < 1


def test_each_class_has_its_action(benchmark, tmp_path):
    actions = {"exact": "keep", "lexical": "keep", "rephrased": "keep", "same_template": "drop", "doubtful": "keep"}
    rows, gone = run(tmp_path, benchmark, ROWS, actions=actions)
    assert list(gone) == ["same_template"] and "contamination" not in rows.columns


def test_order_and_company_change_nothing(benchmark, tmp_path, monkeypatch):
    first = run(tmp_path, benchmark, ROWS)
    monkeypatch.setattr("dqdata_operators.lib.benchmarks.search.PIECE", 1)
    (tmp_path / "again").mkdir()
    again = run(tmp_path / "again", benchmark, dict(reversed(ROWS.items())))
    assert first[1] == again[1] and first[0].sort("problem_id").equals(again[0].sort("problem_id"))


def test_ngrams_alone(benchmark, tmp_path):
    gone = run(tmp_path, benchmark, ROWS, neighbours=0, ngram=8)[1]
    assert set(gone) == {"exact", "lexical"}


def test_rows_without_text(benchmark, tmp_path):
    rows, gone = run(tmp_path, benchmark, {"a": None, "b": "", "c": "?"})
    assert len(rows) == 3 and not gone


def test_numbers_however_written():
    text = "Three quarters of 1,200; two dozen at $2.50; 75%, two hundred and five, thirty-five, \\frac{1}{2}"
    assert numbers(text) == {0.75, 1200, 24, 2.5, 205, 35, 0.5}
    assert numbers("twice a week for a third of it") == {2, 0.333333} and numbers("no one knows") == frozenset()
    every = pl.Series(
        [text, "twice a week for a third of it", "1,234,567 and 2,000", "", None, "a dozen or so, and three"]
    )
    assert numbers_of(every) == [numbers(one or "") for one in every]


def agreement(left, right, among=()):
    """Of the numbers of two texts, the second a problem of a benchmark."""
    index = Evidence([right, *among])
    [pair] = index.measured(Prepared(Tasks.of(pl.Series([left]))), Candidates.of([(0, 0, 1.0, 1.0)]))
    return pair.measures["numbers"]


def test_agreement_of_numbers():
    """Two of two say more than one of one, none to compare says nothing, and a number that all have says little."""
    many = [f"Ben has 3 pears and {n} plums" for n in range(20, 60)]
    none, one, two = (agreement(text, text, many) for text in ("Tom reads", "Tom reads 17", "Tom reads 17 and 18"))
    common, other = agreement("Tom reads 3", "Tom reads 3", many), agreement("Tom reads 19", "Tom reads 17", many)
    assert other < none < common < one < two and none == pytest.approx(0.35)


def test_a_part_of_the_numbers_is_no_other_template(benchmark, tmp_path):
    """A premise left out makes the text no other problem; the word "one" and the digit are no numbers to differ in."""
    part = DUCKS.replace(" and bakes muffins for her friends every day with four", "").replace(
        "per fresh", "for 1 fresh"
    )
    assert run(tmp_path, benchmark, {"part": part})[1]["part"][0] in ("contaminated_lexical", "contaminated_rephrased")


def test_a_short_problem_inside_a_long_text(tmp_path):
    path = tmp_path / "short.jsonl"
    pl.DataFrame({"question": ["Compute the sum of the digits of 2^15."]}).write_ndjson(path)
    text = "Ann likes 3 and 5. Compute the sum of the digits of $2^{15}$. Then let n be 7 and go on."
    assert run(tmp_path, path, {"inside": text})[1]["inside"][0] == "contaminated_lexical"
    (tmp_path / "b").mkdir()
    text = "You are a tutor. Explain each step. Compute the sum of the digits of $2^{15}$. Check the result."
    assert run(tmp_path / "b", path, {"long": text})[1]["long"][0] == "contaminated_exact"


def test_problems_of_a_collection_that_are_alike_are_not_one(tmp_path):
    """Tasks that differ in a word: a benchmark full of them is no reason to drop the next."""
    things = "sum product mean median maximum minimum range variance length mode difference quartile".split()
    tasks = [f"Write a function to find the {thing} of the elements of a given list." for thing in things]
    path = tmp_path / "tasks.jsonl"
    pl.DataFrame({"question": tasks[:-2]}).write_ndjson(path)
    texts = {"difference": tasks[-2], "quartile": tasks[-1], "sum": tasks[0].upper()}
    assert list(run(tmp_path, path, texts)[1]) == ["sum"]


def test_flagged_rows_carry_the_neighbour(benchmark, tmp_path):
    rows = run(tmp_path, benchmark, ROWS)[0].rows_by_key("problem_id", named=True, unique=True)
    flagged = rows["same_template"]
    assert (flagged["contamination_benchmark"], flagged["contamination_text"]) == ("mine", DUCKS)
    assert isinstance(flagged["contamination_score"], float) and rows["none"]["contamination_text"] is None


def test_the_band_of_doubt_is_a_parameter(benchmark, tmp_path):
    only = {"rephrased": ROWS["rephrased"]}
    score = json.loads(run(tmp_path, benchmark, only)[1]["rephrased"][1])["score"]
    actions = {"doubtful": "flag"}
    for number, (doubt, expected) in enumerate(
        [((-3, score + 1), "doubtful"), ((score + 1, score + 2), None), ((score - 2, score - 1), "gone")]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        rows, gone = run(folder, benchmark, only, doubt=doubt, actions=actions)
        assert gone.keys() == ({"rephrased"} if expected == "gone" else set())
        assert rows["contamination"].to_list() == ([] if expected == "gone" else [expected])
    with pytest.raises(ValueError, match="must rise"):
        run(tmp_path, benchmark, only, doubt=(1, 0))


def test_an_ngram_that_all_problems_share_hides_none(tmp_path, monkeypatch):
    """A row is compared with the problems that share most with it, and counting is done in pieces."""
    monkeypatch.setattr("dqdata_operators.lib.benchmarks.search.MATCHES", 50)
    frame = "Answer the question below and put the letter of your choice in a box at the end of it please. "
    problems = [f"{frame} Which of these is the colour number {n}00{n} of the list?" for n in range(60)]
    path = tmp_path / "many.jsonl"
    pl.DataFrame({"question": problems}).write_ndjson(path)
    texts = {f"r{n:02}": f"{problems[n]} Think." for n in (59, 0, 31)} | {"other": f"{frame} How old is Tom?"}
    gone = run(tmp_path, path, texts, neighbours=0, ngram=8)[1]
    found = {key: json.loads(detail)["benchmark_text"] for key, (_, detail) in gone.items()}
    assert found == {f"r{n:02}": problems[n] for n in (59, 0, 31)}


def test_memory_bounds_what_is_compared_at_once(benchmark, tmp_path):
    from dqdata_operators.lib.benchmarks.search import PIECE, Search
    from dqdata_operators.lib.vectors.embedding import WordVectors

    model = WordVectors()
    small, large = (Search([DUCKS, ROBE] * 500, model=model, memory=memory) for memory in (1 << 20, 1 << 30))
    assert small.piece == 32 and large.piece == PIECE
    texts = pl.Series(list(ROWS.values()) * 20)
    assert list(small.worst(texts)) == list(large.worst(texts))


@pytest.mark.parametrize(
    ("benchmark", "message"),
    [
        ({"name": "gsm8"}, "did you mean 'gsm8k'"),
        ({"name": "x", "path": "a.jsonl", "hub": "b/c"}, "give one of"),
    ],
)
def test_benchmarks_that_are_refused(benchmark, message):
    with pytest.raises(ValueError, match=message):
        DecontaminateParams.model_validate({"benchmarks": [benchmark]})


def test_column_of_a_benchmark_that_is_missing(benchmark, tmp_path):
    with pytest.raises(Exception, match="has no column 'problem'"):
        run(tmp_path, benchmark, ROWS, benchmarks=[{"name": "mine", "path": benchmark, "column": "problem"}])


def test_public_sets(shared_data, tmp_path):
    """Paraphrases of a benchmark are found; another split of the same source is left alone."""
    sets = {
        "rephrased": pl.read_ndjson(shared_data / "gsm8k_rephrased.jsonl")["train_text"].head(300),
        "traces": pl.read_parquet(shared_data / "mip_gsm8k_reasoning.parquet")["question"].head(300),
        "train": pl.read_parquet(shared_data / "gsm8k_train.parquet")["question"].head(1000),
    }
    texts = {f"{name}{at}": text for name, column in sets.items() for at, text in enumerate(column)}
    files = [{"name": name, "path": shared_data / f"{name}.jsonl"} for name in ("gsm8k_test", "math500")]
    gone = run(tmp_path, None, texts, benchmarks=files)[1]
    found = {name: sum(key.startswith(name) for key in gone) / len(column) for name, column in sets.items()}
    assert found["rephrased"] >= 0.95 and found["traces"] == 1 and found["train"] < 0.01


def test_columns(benchmark):
    operator = Decontaminate(DecontaminateParams.model_validate({"benchmarks": [{"name": "m", "path": benchmark}]}))
    columns = operator.columns(have(pl.DataFrame({"problem_id": ["a"], "question": ["b"]})), Schema())
    assert columns["contamination"] == "VARCHAR" and operator.files() == (benchmark,)


def test_opposites_make_two_tasks():
    """A word and its opposite in one place; both in both, or one alone, say nothing."""
    made = signatures(
        pl.Series(
            [
                "Write a function to find the Largest odd number of a list.",
                "Write a function to find the smallest odd number of a list.",
                "Write a function to find the largest and the smallest number of a list.",
                "Write a function to find the number of a list.",
                "Write a function that finds the largest odd number in an array.",
            ]
        )
    ).traits
    assert opposed(made[:1], made).tolist() == [False, True, False, False, False]
    assert opposed(made[1:2], made[:1])[0] and not opposed(made[2:3], made[1:2])[0]


TASKS = (
    "sort a list of tuples|reverse a string|find the roots of a quadratic equation|count vowels of a sentence".split(
        "|"
    )
)


def test_what_a_benchmark_shares_says_nothing(tmp_path):
    """Other tasks in the benchmark's own frame stay; the same task goes, its opposite doesn't."""
    path = tmp_path / "tasks.jsonl"
    asked = [f"Write a python function to {task}." for task in (*TASKS, "find the largest negative number of a list")]
    pl.DataFrame({"question": asked}).write_ndjson(path)
    texts = {
        "other": "Write a python function to merge two dictionaries.",
        "same": "Write a python function that finds the largest negative number in the given list.",
        "opposite": "Write a python function to find the smallest negative number of a list.",
    }
    gone = run(tmp_path, path, texts)[1]
    assert set(gone) == {"same"}
