"""Near duplicates by words and by meaning: true similarities, and that order and threads change nothing."""

from __future__ import annotations

import json
import random

import numpy as np
import polars as pl
import pytest
from dqdata_operators.clusters import components
from dqdata_operators.dedup import Dedup, DedupParams
from dqdata_operators.dedup_minhash import bands_for
from dqdata_operators.shingles import plain, shingles, split_words, word_hashes
from harness import decided

from dqdata.columns import Columns
from dqdata.errors import ColumnError, InputError

WORDS = [f"{a}{b}" for a in "bcdfghklmn" for b in ("an", "el", "ir", "os", "um", "ati", "eno", "ilo", "ora", "usk")]


def run(folder, frame, **params):
    folder.mkdir(exist_ok=True)
    rows, gone = decided(Dedup(DedupParams(column="question", **params)), frame, folder)
    return rows, {key: detail for key, (_, detail) in gone.items()}


def texts(rows, seed=0):
    """Random questions; every fifth is an earlier one with two words changed."""
    rng = random.Random(seed)
    made = []
    for number in range(rows):
        if number % 5 == 4:
            words = made[rng.randrange(len(made))].split()
            for _ in range(2):
                words[rng.randrange(len(words))] = rng.choice(WORDS)
        else:
            words = [rng.choice(WORDS) for _ in range(40)]
        made.append(" ".join(words))
    return pl.DataFrame({"problem_id": [f"p{number:04}" for number in range(rows)], "question": made})


def pairs_by_sets(frame, n, threshold):
    """Positions of all pairs with that Jaccard similarity, by sets of strings."""
    sets = []
    for text in frame["question"]:
        words = text.split()
        sets.append({tuple(words[at : at + n]) for at in range(len(words) - n + 1)})
    found = [
        (a, b)
        for a in range(len(sets))
        for b in range(a + 1, len(sets))
        if len(sets[a] & sets[b]) >= threshold * len(sets[a] | sets[b])
    ]
    return np.array(found).T


def test_minhash_finds_what_exact_jaccard_finds_and_no_more(tmp_path):
    frame = texts(400)
    left, right = pairs_by_sets(frame, 2, 0.6)
    assert len(left) > 50
    labels = components(400, left, right)
    expected = [key for number, key in enumerate(frame["problem_id"]) if labels[number] != number]
    assert sorted(run(tmp_path, frame, method="minhash", threshold=0.6, ngram=2)[1]) == expected


def test_details_hold_the_similarity_with_the_row_that_stayed(tmp_path):
    one = " ".join(WORDS[:20])
    frame = pl.DataFrame({"problem_id": ["b", "a", "c"], "question": [one, f"{one} {WORDS[30]}", f"{one} {WORDS[31]}"]})
    rows, gone = run(tmp_path, frame, method="minhash", ngram=1, cluster_column="cluster")
    assert rows.rows() == [("a", frame["question"][1], "a")]
    assert {key: json.loads(detail) for key, detail in gone.items()} == {
        "b": {"duplicate_of": "a", "similarity": round(20 / 21, 4)},
        "c": {"duplicate_of": "a", "similarity": round(20 / 22, 4)},
    }


def test_signs_and_numbers_count():
    made = shingles(pl.Series(["2 + 3", "2 - 3", "(2 + 3)", "２ + 3!", "2,+.3", "你好 吗", "你好吗"]), 1)
    rows = [set(made.row(number).tolist()) for number in range(7)]
    assert rows[0] == rows[4] and rows[0] < rows[2] and rows[0] < rows[3] and rows[5] == rows[6] and len(rows[5]) == 3
    assert rows[0] != rows[1]


def test_words_and_their_hashes_are_the_same_cut():
    given = plain(pl.Series(["Straße A-b (c) x^2", "", "…", "你 好×3 naïve—Ⅳ", "a\u00a0b ½", None]))
    hashes, bounds = word_hashes(given)
    words = split_words(given)
    assert len(words) == len(hashes) == bounds[-1]
    assert len(set(words)) == len(set(hashes.tolist()))


def test_texts_without_words_are_no_duplicates(tmp_path):
    frame = pl.DataFrame({"problem_id": ["a", "b", "c", "d"], "question": ["", None, "?!", "  "]})
    for method in ("minhash", "semantic"):
        assert run(tmp_path / method, frame, method=method)[1] == {}
        assert run(tmp_path / "none", frame[:0], method=method)[1] == {}


@pytest.mark.parametrize("method", ["minhash", "semantic"])
def test_order_of_rows_and_threads_change_nothing(method, tmp_path, monkeypatch):
    frame = pl.concat([texts(300), texts(60).with_columns(problem_id="q" + pl.col("problem_id"))])
    rows, gone = run(tmp_path / "1", frame, method=method, cluster_column="c")
    monkeypatch.setattr("dqdata_operators.dedup_minhash.os.cpu_count", lambda: 1)
    monkeypatch.setattr("dqdata_operators.dedup_minhash.PIECE", 7)
    shuffled = frame.sample(fraction=1, shuffle=True, seed=5)
    again, gone_again = run(tmp_path / "2", shuffled, method=method, cluster_column="c")
    assert gone == gone_again and len(gone) >= 60
    assert rows.sort("problem_id").equals(again.sort("problem_id"))


def test_a_crowded_bucket_is_one_group(tmp_path, monkeypatch):
    monkeypatch.setattr("dqdata_operators.dedup_minhash.CROWD", 8)
    base = " ".join(WORDS)
    frame = pl.DataFrame(
        {"problem_id": [f"p{n:03}" for n in range(100)], "question": [f"{base} number{n}" for n in range(100)]}
    )
    gone = run(tmp_path, frame, method="minhash")[1]
    assert len(gone) == 99 and {json.loads(detail)["duplicate_of"] for detail in gone.values()} == {"p000"}


def test_other_words_for_the_same(tmp_path):
    frame = pl.DataFrame(
        {
            "problem_id": ["a", "b", "c"],
            "question": [
                "What is the distance between the two cities?",
                "How far is the distance between both of the cities?",
                "A baker sells cakes and bread on Sunday.",
            ],
        }
    )
    assert list(run(tmp_path, frame, method="semantic", threshold=0.7)[1]) == ["b"]


def test_other_numbers(tmp_path):
    words = " ".join(WORDS[:30])
    questions = [f"{words} {number}" for number in ("3,000", "3000.0", "4000")]
    frame = pl.DataFrame({"problem_id": ["a", "b", "c"], "question": questions})
    for same, expected in ((True, ["b"]), (False, ["b", "c"])):
        for method in ("minhash", "semantic"):
            gone = run(tmp_path / f"{same}{method}", frame, method=method, same_numbers=same, threshold=0.8)[1]
            assert sorted(gone) == expected


def test_bands_find_pairs_at_the_threshold():
    for threshold in (0.5, 0.7, 0.8, 0.95, 1.0):
        count, length = bands_for(threshold, 128)
        assert count * length <= 128 and 1 - (1 - threshold**length) ** count >= 0.995


def test_what_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has no `threshold`"):
        DedupParams(column="question", threshold=0.8)
    with pytest.raises(ColumnError, match="there is such a column"):
        Dedup(DedupParams(column="question", cluster_column="question")).columns(
            Columns({"problem_id": "VARCHAR", "question": "VARCHAR"})
        )
    with pytest.raises(InputError, match="embedding 'bert' isn't known"):
        run(tmp_path, texts(5), method="semantic", embedding="bert")
