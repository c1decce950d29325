"""Near duplicates by words and by meaning: true similarities, and that order and threads change nothing."""

from __future__ import annotations

import json
import pickle
import random
import tracemalloc
from functools import partial
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from dqdata_operators.lib.near import minhash, semantic
from dqdata_operators.lib.near.clusters import bucket_pairs, components
from dqdata_operators.lib.near.minhash import bands_for
from dqdata_operators.lib.near.near import write_groups
from dqdata_operators.lib.texts.shingles import mixed, plain, shingles, split_words, word_hashes
from dqdata_operators.select.dedup import Dedup, DedupParams
from outcomes import decided

from dqdata.columns import Columns
from dqdata.errors import ColumnError, InputError
from dqdata.operator import Schema

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
    assert sorted(run(tmp_path, frame, method="minhash", threshold=0.6, ngram=2, distinguish=())[1]) == expected


def test_details_hold_the_similarity_with_the_row_that_stayed(tmp_path):
    one = " ".join(WORDS[:20])
    frame = pl.DataFrame({"problem_id": ["b", "a", "c"], "question": [one, f"{one} {WORDS[30]}", f"{one} {WORDS[31]}"]})
    apart = ("numbers", "contrasts")
    rows, gone = run(tmp_path, frame, method="minhash", ngram=1, distinguish=apart, cluster_column="cluster")
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


@pytest.mark.needs("wordllama")
def test_texts_without_words_are_no_duplicates(tmp_path):
    frame = pl.DataFrame({"problem_id": ["a", "b", "c", "d"], "question": ["", None, "?!", "  "]})
    for method in ("minhash", "semantic"):
        assert run(tmp_path / method, frame, method=method)[1] == {}
        assert run(tmp_path / "none", frame[:0], method=method)[1] == {}


@pytest.mark.parametrize("link", ["chain", "star"])
@pytest.mark.parametrize(
    "method",
    ["minhash", *(pytest.param(name, marks=pytest.mark.needs("wordllama")) for name in ("semantic", "hashed"))],
)
def test_order_of_rows_and_threads_change_nothing(method, link, tmp_path, monkeypatch):
    if method == "hashed":
        method = "semantic"
        monkeypatch.setattr("dqdata_operators.lib.near.semantic.EXACT_ROWS", 0)
    frame = pl.concat([texts(300), texts(60).with_columns(problem_id="q" + pl.col("problem_id"))])
    rows, gone = run(tmp_path / "1", frame, method=method, cluster_column="c", link=link)
    monkeypatch.setattr("dqdata_operators.lib.near.minhash.os.cpu_count", lambda: 1)
    monkeypatch.setattr("dqdata_operators.lib.near.minhash.PIECE", 7)
    shuffled = frame.sample(fraction=1, shuffle=True, seed=5)
    again, gone_again = run(tmp_path / "2", shuffled, method=method, cluster_column="c", link=link)
    assert gone == gone_again and len(gone) >= 60
    assert rows.sort("problem_id").equals(again.sort("problem_id"))


def test_a_crowded_bucket_is_one_group(tmp_path, monkeypatch):
    monkeypatch.setattr("dqdata_operators.lib.near.clusters.CROWD", 8)
    base = " ".join(WORDS)
    frame = pl.DataFrame(
        {"problem_id": [f"p{n:03}" for n in range(100)], "question": [f"{base} number{n}" for n in range(100)]}
    )
    gone = run(tmp_path, frame, method="minhash", distinguish=())[1]
    assert len(gone) == 99 and {json.loads(detail)["duplicate_of"] for detail in gone.values()} == {"p000"}


@pytest.mark.needs("wordllama")
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
    assert list(run(tmp_path, frame, method="semantic", threshold=0.7, distinguish=())[1]) == ["b"]


@pytest.mark.needs("wordllama")
def test_other_numbers(tmp_path):
    words = " ".join(WORDS[:30])
    questions = [f"{words} {number}" for number in ("3,000", "3000.0", "4000")]
    frame = pl.DataFrame({"problem_id": ["a", "b", "c"], "question": questions})
    for what, expected in ((("numbers",), ["b"]), ((), ["b", "c"])):
        for method in ("minhash", "semantic"):
            gone = run(tmp_path / f"{len(what)}{method}", frame, method=method, distinguish=what, threshold=0.8)[1]
            assert sorted(gone) == expected


def chain():
    """Three texts of 20 words, each with two words other than the one before."""
    ends = (WORDS[40:44], [*WORDS[42:44], *WORDS[50:52]], WORDS[50:54])
    return pl.DataFrame(
        {"problem_id": ["a", "b", "c"], "question": [" ".join([*WORDS[:16], *sorted(end)]) for end in ends]}
    )


@pytest.mark.parametrize(
    ("link", "keep", "expected"),
    [
        ("chain", "problem_id", {"b": ("a", 18 / 22), "c": ("a", 16 / 24)}),
        ("star", "problem_id", {"b": ("a", 18 / 22)}),
        ("star", "problem_id desc", {"b": ("c", 18 / 22)}),
        ("star", "problem_id = 'b' desc", {"a": ("b", 18 / 22), "c": ("b", 18 / 22)}),
    ],
)
def test_the_ends_of_a_chain_are_far_apart(link, keep, expected, tmp_path):
    """a is like b and b like c, but a isn't like c: only a chain drops one for the other."""
    for number, frame in enumerate((chain(), chain().reverse())):
        folder = tmp_path / str(number)
        gone = run(folder, frame, method="minhash", threshold=0.8, ngram=1, link=link, keep=keep)[1]
        found = {key: json.loads(detail) for key, detail in gone.items()}
        assert found == {
            key: {"duplicate_of": other, "similarity": round(value, 4)} for key, (other, value) in expected.items()
        }


def test_stars_hold_what_they_promise(tmp_path):
    """Long chains of texts: every row that goes is like the row that stays, and no two that stay could be one star."""
    frame = texts(300, seed=3)
    questions = dict(frame.iter_rows())
    params = {"method": "minhash", "threshold": 0.5, "ngram": 1, "link": "star", "distinguish": ()}
    rows, gone = run(tmp_path, frame, **params, cluster_column="c")
    details = {key: json.loads(detail) for key, detail in gone.items()}
    assert details and all(one["similarity"] >= 0.5 for one in details.values())
    for key, one in details.items():
        assert one["duplicate_of"] in rows["problem_id"] and one["duplicate_of"] < key
        left, right = set(questions[key].split()), set(questions[one["duplicate_of"]].split())
        assert len(left & right) >= 0.5 * len(left | right)
    kept = [set(text.split()) for text in rows["question"]]
    assert not any(len(a & b) >= 0.5 * len(a | b) for at, a in enumerate(kept) for b in kept[:at])


def folder(above, name):
    (above / name).mkdir()
    return above / name


def clouds(groups=150, size=4, seed=0):
    """Unit vectors: groups of neighbours, far from each other; the last two are zero."""
    draw = np.random.default_rng(seed)
    centres = np.repeat(draw.standard_normal((groups, 64)), size, axis=0)
    made = centres + draw.uniform(0.01, 0.3, (len(centres), 1)) * draw.standard_normal(centres.shape)
    made[-2:] = 0
    return (made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-9)).astype(np.float32)


@pytest.mark.parametrize("threshold", [0.8, 0.95, 1.0])
def test_hashing_finds_what_comparing_all_pairs_finds(threshold, tmp_path):
    made = np.concatenate([clouds(), clouds()[:40]])
    ranks = np.arange(len(made), dtype=np.uint64)
    exact = semantic.groups(made, ranks, threshold, search="exact", memory=1 << 16, folder=folder(tmp_path, "exact"))
    hashed = semantic.groups(made, ranks, threshold, search="hashed", memory=1 << 16, folder=folder(tmp_path, "hashed"))
    assert (exact != np.arange(len(made))).sum() >= 40 and np.array_equal(exact, hashed)
    zero = np.flatnonzero(~made.any(axis=1))
    assert np.array_equal(exact[zero], zero)
    marks = np.arange(len(made), dtype=np.uint64) % np.uint64(2)
    for search in ("exact", "hashed"):
        apart = semantic.groups(made, ranks, threshold, marks, search=search, folder=folder(tmp_path, f"{search}2"))
        assert np.array_equal(marks[apart], marks)


def test_hashing_does_not_look_at_the_order_or_the_company():
    """Whether a pair is found follows from its vectors: missed pairs are the same ones whatever else is there."""
    made = clouds(400, 3, seed=4)
    ranks = np.arange(len(made), dtype=np.uint64)
    plan = semantic.Hashing(bands=3, bits=16, cost=0)

    def found(order):
        pairs = set()
        for keys in semantic._band_keys(made[order], np.arange(len(order)), plan, 1 << 12):
            for left, right in bucket_pairs(keys, np.arange(len(order))):
                a, b = ranks[order][left], ranks[order][right]
                pairs |= set(zip(np.minimum(a, b).tolist(), np.maximum(a, b).tolist(), strict=True))
        return pairs

    everything, half = found(np.arange(len(made))), np.random.default_rng(1).permutation(len(made))[:600]
    assert found(np.random.default_rng(2).permutation(len(made))) == everything
    chosen = set(half.tolist())
    assert found(half) == {pair for pair in everything if chosen.issuperset(pair)} and len(everything) > 50


def test_hashing_is_chosen_where_it_is_cheaper():
    """Not for low thresholds, and not where all vectors are alike."""
    apart = clouds(100, 1)
    alike = apart + 3 * apart[0]
    alike /= np.linalg.norm(alike, axis=1, keepdims=True)
    cases = ((50_000, 0.95, apart, True), (1_000_000, 0.9, apart, True))
    cases += ((30_000, 0.6, apart, False), (50_000, 0.95, alike, False))
    for rows, threshold, sample, cheaper in cases:
        plan = semantic.hashing(rows, threshold, sample)
        near = 1 - np.arccos(threshold) / np.pi
        assert 1 - (1 - near**plan.bits) ** plan.bands >= 0.995
        assert (plan.cost < rows**2 / 2) == cheaper


def test_bands_find_pairs_at_the_threshold():
    for threshold in (0.5, 0.7, 0.8, 0.95, 1.0):
        count, length = bands_for(threshold, 128)
        assert count * length <= 128 and 1 - (1 - threshold**length) ** count >= 0.995


def test_what_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has no `threshold`"):
        DedupParams(column="question", threshold=0.8)
    with pytest.raises(ColumnError, match="there is such a column"):
        Dedup(DedupParams(column="question", cluster_column="question")).columns(
            Columns({"problem_id": "VARCHAR", "question": "VARCHAR"}), Schema()
        )
    with pytest.raises(InputError, match="embedding 'bert' isn't known"):
        run(tmp_path, texts(5), method="semantic", embedding="bert")


def signed(rows, folder, seed=0):
    """Signatures of sets of four numbers: a fifth of the rows is like an earlier one (3 of 5), a fifth the same."""
    draw = np.random.default_rng(seed)
    sets = draw.integers(0, 1 << 32, (rows, 4), np.uint32)
    same, like = draw.permutation(rows // 2 * 2).reshape(2, -1)[:, : rows // 5]
    sets[same] = sets[draw.integers(0, rows, len(same))]
    sets[like, :3] = sets[draw.integers(0, rows, len(like)), :3]
    sets.sort(axis=1)
    hashes = np.memmap(folder / "ngrams.bin", np.uint32, "w+", shape=sets.size)
    hashes[:] = sets.ravel()
    bands = np.lib.format.open_memmap(folder / "bands.npy", mode="w+", dtype=np.uint64, shape=(2, rows))
    bands[:] = mixed(sets[:, :3].astype(np.uint64).sum(axis=1)), mixed(sets[:, 1:].astype(np.uint64).sum(axis=1))
    return minhash.Signatures(folder, bands, hashes, np.arange(0, 4 * rows + 1, 4))


def traced(task):
    """(result, bytes that numpy held at most while it ran): mapped files aren't among them."""
    tracemalloc.start()
    try:
        return task(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def small_slices(monkeypatch):
    """What is looked at at a time is small beside what is allowed."""
    monkeypatch.setattr("dqdata_operators.lib.near.clusters.ROWS", 1 << 13)
    monkeypatch.setattr("dqdata_operators.lib.near.clusters.PAIRS", 1 << 13)
    monkeypatch.setattr("dqdata_operators.lib.near.minhash.JOINED", 1 << 13)
    monkeypatch.setattr("dqdata_operators.lib.near.minhash.PIECE", 1 << 13)
    monkeypatch.setattr("dqdata_operators.lib.near.minhash.PAIRS", 1 << 15)
    monkeypatch.setattr("dqdata_operators.lib.near.semantic.PAIRS", 1 << 10)
    monkeypatch.setattr("dqdata_operators.lib.near.semantic.SAMPLE", 200)


@pytest.mark.parametrize("rows", [100_000, 200_000])
def test_words_hold_no_more_than_they_may(rows, tmp_path, small_slices):
    """4 MB, whatever the number of rows; one array of numbers alone would take 1.6 MB of 200,000."""
    made = signed(rows, tmp_path)
    ranks, marks = (mixed(np.arange(rows, dtype=np.uint64) + np.uint64(salt)) for salt in (1, 0))
    marks //= np.uint64(1 << 63)
    labels, peak = traced(lambda: minhash.groups(made, ranks, 0.6, marks, memory=4 << 20))
    assert peak < 4 << 20
    labels = np.array(labels)  # the same file holds the labels of the next call
    whole = minhash.groups(made, ranks, 0.6, marks, memory=1 << 30)
    assert np.array_equal(labels, whole) and rows // 20 < (labels != np.arange(rows)).sum() < rows // 2


def test_meaning_holds_no_more_than_it_may(tmp_path, small_slices):
    """As above, for embeddings: 4 MB over 60,000 rows, whose vectors alone take 8 MB."""
    made = np.lib.format.open_memmap(tmp_path / "v.npy", mode="w+", dtype=np.float32, shape=(60_000, 32))
    draw = np.random.default_rng(0)
    made[:] = draw.standard_normal(made.shape, np.float32)
    made[30_000:40_000] = made[:10_000]
    made[40_000:50_000] += 8 * made[10_000:20_000]
    made[50_000] = 0
    made /= np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-9)
    ranks = mixed(np.arange(len(made), dtype=np.uint64))
    few, many = folder(tmp_path, "few"), folder(tmp_path, "many")
    search = partial(semantic.groups, made, ranks, 0.97, search="hashed")
    labels, peak = traced(lambda: search(folder=few, memory=4 << 20))
    assert peak < 4 << 20
    assert np.array_equal(labels, search(folder=many, memory=1 << 30))
    assert (labels != np.arange(len(made))).sum() > 18_000


def test_files_of_groups_are_written_without_counting_them_all(tmp_path):
    """Rows with company, and no other."""
    labels = np.array([0, 1, 0, 3, 3, 3, 6])
    made = pl.DataFrame({"problem_id": [f"p{n}" for n in range(7)]})
    table = SimpleNamespace(key="problem_id", batches=lambda names: [made[:3], made[3:]])
    found = pl.concat([pl.read_parquet(file) for file in write_groups(table, labels, tmp_path)])
    assert found["dq_place"].to_list() == [0, 2, 3, 4, 5] and found["dq_group"].to_list() == [0, 0, 3, 3, 3]


@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 7, 400])
def test_bands_that_are_searched_elsewhere_give_the_same_groups(tmp_path, rows, marked):
    frame = texts(rows, seed=3)
    made = minhash.sign([frame["question"]], rows, 2, 0.5, 128, tmp_path)
    ranks = frame["question"].hash(seed=0).to_numpy().astype(np.uint64)
    marks = np.arange(rows, dtype=np.uint64) % 2 if marked else None
    here = np.array(minhash.groups(made, ranks, 0.5, marks))
    bands = []

    def elsewhere(function, values, gather):
        """By pickles alone, the last band first."""
        called, gathered = pickle.dumps(function), pickle.dumps(gather)
        for value in reversed(values):
            bands.append(value.number)
            yield pickle.loads(gathered)(pickle.loads(called)(pickle.loads(pickle.dumps(value))))

    there = np.array(minhash.groups(made, ranks, 0.5, marks, spread=elsewhere))
    assert there.tolist() == here.tolist() and len(bands) == len(made.bands) > 1
    assert rows < 400 or (here != np.arange(rows)).sum() > 20
