"""Every kind of embedding, each by the real thing: bundled, model folders made here, and an endpoint on loopback."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from dqdata_operators.lib.vectors import embedding, kept_vectors
from dqdata_operators.lib.vectors import endpoint as embedding_endpoint
from dqdata_operators.lib.vectors.embedding import embedder
from dqdata_operators.lib.vectors.endpoint import KEY, TEXTS
from dqdata_operators.select.dedup import Dedup, DedupParams
from outcomes import decided
from together import together

from dqdata.errors import InputError, RunError, StoreError
from dqdata.sqlite import Step
from dqdata.testing import OperatorRun

TEXTS_GIVEN = pl.Series(
    ["How far is it to the city?", "", "How far is it to the city?", None, "A baker sells bread.", " \n"]
)
VOCABULARY = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", *"how far is it to the city a baker sells bread text".split()]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """A model's name says nothing of the folder behind it from one test to the next."""
    embedding._here.cache_clear()
    yield
    embedding._here.cache_clear()


@pytest.fixture
def run(tmp_path: Path) -> OperatorRun:
    return OperatorRun(tmp_path)


def holds(name: str, run: Any) -> None:
    """What every embedding must do."""
    model = embedder(name, run)
    made = model.embed(TEXTS_GIVEN)
    assert made.dtype == np.float32 and len(made) == 6
    assert np.allclose(np.linalg.norm(made, axis=1), [1, 0, 1, 0, 1, 0], atol=1e-5)
    assert np.array_equal(made[0], made[2]) and made[0] @ made[4] < 0.999
    alone = model.embed(TEXTS_GIVEN[4:5])
    assert np.allclose(alone[0], made[4], atol=1e-5)
    nothing = model.embed(pl.Series(["", None], dtype=pl.String))
    assert nothing.shape == (2, made.shape[1]) and not nothing.any()
    assert model.embed(pl.Series([], dtype=pl.String)).shape == (0, made.shape[1])


@pytest.mark.needs("wordllama")
def test_the_bundled_one(run: OperatorRun) -> None:
    holds("wordllama", run)


@pytest.mark.needs("wordllama")
def test_a_text_has_one_vector_whatever_stands_beside_it() -> None:
    model = embedding.WordVectors()
    texts = pl.Series([" ".join(["river", "stone", "42", "light"][: n % 5]) + f" word{n}" * (n % 7) for n in range(40)])
    whole = model.embed(texts)
    assert np.array_equal(whole, np.concatenate([model.embed(texts[n : n + 1]) for n in range(40)]))
    assert np.array_equal(whole, model.embed(texts.reverse())[::-1])


def tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return made


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its modules moved; older versions lack the new place
def test_a_sentence_transformers_folder(tmp_path: Path, run: OperatorRun) -> None:
    """A BERT of two layers, saved as such models are, with no hub."""
    pytest.importorskip("sentence_transformers")
    from sentence_transformers import SentenceTransformer, models
    from torch import manual_seed
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    manual_seed(0)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(tmp_path / "bert")
    words = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer(tmp_path), unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )
    words.save_pretrained(tmp_path / "bert")
    part = models.Transformer(str(tmp_path / "bert"))
    SentenceTransformer(modules=[part, models.Pooling(32)], device="cpu").save(str(tmp_path / "model"))
    holds(f"sentence-transformers:{tmp_path / 'model'}", run)


def test_a_model2vec_folder(tmp_path: Path, run: OperatorRun) -> None:
    pytest.importorskip("model2vec")
    from model2vec import StaticModel

    vectors = np.random.default_rng(0).standard_normal((len(VOCABULARY), 24)).astype(np.float32)
    StaticModel(vectors=vectors, tokenizer=tokenizer(tmp_path)).save_pretrained(str(tmp_path / "static"))
    holds(f"model2vec:{tmp_path / 'static'}", run)


@pytest.mark.parametrize("kind", ["sentence-transformers", "model2vec"])
def test_a_folder_that_holds_no_model(
    kind: str, tmp_path: Path, run: OperatorRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(kind.replace("-", "_"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match=f"embedding '{kind}:.*can't be loaded"):
        embedder(f"{kind}:{tmp_path / 'nothing'}", run)
    with pytest.raises(InputError, match="names no model"):
        embedder(f"{kind}:", run)


class Embeddings:
    """An OpenAI-compatible /v1/embeddings on loopback. `fault` gets the number of the call, from 0, and says what is
    sent instead of an answer: (status, body), "cut", or None for an answer."""

    def __init__(self) -> None:
        self.fault: Callable[[int], Any] = lambda call: None
        self.asked: list[list[str]] = []
        self.keys: list[str | None] = []
        lock, outer = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    call = len(outer.asked)
                    outer.asked.append(body["input"])
                    outer.keys.append(self.headers["Authorization"])
                fault = outer.fault(call)
                if fault == "cut":
                    self.send_response(200)
                    self.send_header("Content-Length", "1000")
                    self.end_headers()
                    self.wfile.write(b'{"data": [')
                    return
                status, said = fault or (200, outer.answer(body["input"]))
                raw = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Retry-After", "0")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.name = f"http://127.0.0.1:{self.server.server_port}/v1#small"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def answer(self, texts: list[str]) -> dict[str, Any]:
        """Letters counted; the vectors last first, as the order of `data` is nowhere promised."""
        made = [[float(text.lower().count(letter)) + 0.1 for letter in "abcdefghijklmnop"] for text in texts]
        data = [{"object": "embedding", "index": at, "embedding": one} for at, one in enumerate(made)]
        return {
            "object": "list",
            "model": "small",
            "data": data[::-1],
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
        }


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Embeddings]:
    monkeypatch.setenv(KEY, "sk-very-secret-0123456789")
    monkeypatch.setattr(embedding_endpoint, "PAUSE", 0.001)
    made = Embeddings()
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


def test_an_endpoint(endpoint: Embeddings, run: OperatorRun) -> None:
    holds(endpoint.name, run)
    assert set(endpoint.keys) == {"Bearer sk-very-secret-0123456789"}
    asked = [text for call in endpoint.asked for text in call]
    assert "" not in asked and sorted(set(endpoint.asked[0])) == sorted(endpoint.asked[0])


def test_many_texts_keep_their_order(endpoint: Embeddings, run: OperatorRun) -> None:
    texts = pl.Series([f"{'abcdefghijklmnop'[n % 16] * (n + 1)}" for n in range(5 * TEXTS)])
    made = embedder(endpoint.name, run).embed(texts)
    assert [int(one) for one in made.argmax(axis=1)] == [n % 16 for n in range(5 * TEXTS)]
    assert sorted(map(len, endpoint.asked)) == [TEXTS] * 5


@pytest.mark.parametrize(
    "fault",
    [
        (429, {"error": {"message": "slow down"}}),
        (500, b"oops"),
        (503, b""),
        "cut",
        (200, b'{"data": [{"index": 0, "emb'),
        (200, {"data": []}),
        (200, {"object": "list", "data": [{"index": 0, "embedding": [float("nan"), 1.0]}]}),
    ],
    ids=["429", "500", "503", "cut", "malformed", "empty", "nan"],
)
def test_what_may_pass_is_tried_again(endpoint: Embeddings, run: OperatorRun, fault: Any) -> None:
    endpoint.fault = lambda call: fault if call < 2 else None
    assert embedder(endpoint.name, run).embed(pl.Series(["abc"])).any() and len(endpoint.asked) == 3
    endpoint.fault = lambda call: fault
    with pytest.raises(RunError, match="failed 6 times, last: ") as failed:
        embedder(endpoint.name, run).embed(pl.Series(["abd"]))
    assert len(endpoint.asked) == 9 and "secret" not in str(failed.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_what_will_not_pass_ends_it_at_once_and_tells_no_key(
    endpoint: Embeddings, run: OperatorRun, status: int
) -> None:
    endpoint.fault = lambda call: (status, {"error": {"message": f"no: {endpoint.keys[-1]}"}})
    texts = pl.Series([f"text {n}" for n in range(4 * TEXTS)])
    with pytest.raises(RunError, match=f"refused: {status}") as refused:
        embedder(endpoint.name, run).embed(texts)
    assert len(endpoint.asked) == 1
    chain: BaseException | None = refused.value
    while chain is not None:
        assert "secret" not in str(chain)
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)
    assert (KEY in str(refused.value)) == (status in (401, 403))


def test_nobody_there(run: OperatorRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_endpoint, "PAUSE", 0.001)
    with pytest.raises(RunError, match="failed 6 times"):
        embedder("http://127.0.0.1:9/v1#small", run).embed(pl.Series(["abc"]))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("http://127.0.0.1:9/v1", "names no model"),
        ("https://me:sk-1234@example.com/v1#m", "must hold no key"),
        ("https://example.com/v1?key=sk-1234#m", "must hold no key"),
        ("bert", "isn't known"),
    ],
)
def test_names_that_are_refused(name: str, message: str, run: OperatorRun) -> None:
    with pytest.raises(InputError, match=message) as refused:
        embedder(name, run)
    assert "sk-1234" not in str(refused.value)


def test_dedup_over_an_endpoint(endpoint: Embeddings, tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"problem_id": ["a", "b", "c", "d"], "question": ["", "a cab in a bag", "a bag in a cab", "hold the door"]}
    )
    params = DedupParams(column="question", method="semantic", embedding=endpoint.name, threshold=0.999, distinguish=())
    rows, gone = decided(Dedup(params), frame, tmp_path)
    assert rows["problem_id"].to_list() == ["a", "b", "d"] and list(gone) == ["c"]


QUESTIONS = [f"{'abcdefghijklmnop'[n % 16]} {n} bag" for n in range(6 * TEXTS)]


def test_what_was_answered_is_never_asked_again(endpoint: Embeddings, run: OperatorRun) -> None:
    """After a failure, after a success, for other texts beside the old ones; another model is another matter."""
    endpoint.fault = lambda call: (400, {"error": {"message": "no"}}) if call == 3 else None
    with pytest.raises(RunError, match="refused: 400"):
        embedder(endpoint.name, run).embed(pl.Series(QUESTIONS))
    endpoint.fault = lambda call: None
    refused = endpoint.asked.pop(3)
    paid = {text for call in endpoint.asked for text in call}
    assert len(paid) >= 3 * TEXTS and not paid & set(refused)
    made = embedder(endpoint.name, run).embed(pl.Series(QUESTIONS))
    asked = [text for call in endpoint.asked for text in call]
    assert sorted(asked) == sorted(QUESTIONS)
    again = embedder(endpoint.name, run).embed(pl.Series([*QUESTIONS[::-1], "one more", ""]))
    assert np.array_equal(again[:-2], made[::-1]) and endpoint.asked[-1] == ["one more"]
    assert len([text for call in endpoint.asked for text in call]) == len(QUESTIONS) + 1
    embedder(endpoint.name.replace("#small", "#large"), run).embed(pl.Series(QUESTIONS[:2]))
    assert len(endpoint.asked[-1]) == 2


def test_a_model_that_changed_behind_its_name(endpoint: Embeddings, run: OperatorRun) -> None:
    embedder(endpoint.name, run).embed(pl.Series(["abc"]))
    endpoint.answer = lambda texts: {  # type: ignore[method-assign]
        "object": "list", "model": "small", "data": [{"object": "embedding", "index": 0, "embedding": [1.0, 2.0]}]
    }  # fmt: skip
    with pytest.raises(RunError, match=r"several lengths: .*embeddings\.sqlite aside"):
        embedder(endpoint.name, run).embed(pl.Series(["abc", "abd"]))


def test_a_file_that_is_no_database(endpoint: Embeddings, run: OperatorRun) -> None:
    (run.kept / "embeddings.sqlite").write_bytes(b"not SQLite at all, " * 100)
    with pytest.raises(StoreError, match=r"embeddings\.sqlite: file is not a database"):
        embedder(endpoint.name, run).embed(pl.Series(["abc"]))
    assert not endpoint.asked


def test_a_file_without_a_number_is_of_the_first_format_and_a_newer_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / kept_vectors.FILE
    vector = np.ones((1, 4), np.float32)
    with kept_vectors.KeptVectors(path, "m") as kept:
        kept.put(["a"], vector)
    with sqlite3.connect(path) as con:
        assert con.execute("pragma user_version").fetchone() == (1,)
        con.execute("pragma user_version = 0")
    with kept_vectors.KeptVectors(path, "m") as kept:
        assert np.array_equal(kept.get(["a"])[0], vector[0])
    with sqlite3.connect(path) as con:
        con.execute("pragma user_version = 2")
    with pytest.raises(StoreError, match=r"embeddings\.sqlite: version 2, made by a newer dqdata .*: update dqdata"):
        kept_vectors.KeptVectors(path, "m")


def test_processes_that_open_an_older_file_at_once_migrate_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / kept_vectors.FILE
    with kept_vectors.KeptVectors(path, "m") as kept:
        kept.put(["a"], np.ones((1, 4), np.float32))
    step = Step(2, "days", lambda con: con.execute("alter table vectors add column day text").close())
    monkeypatch.setattr(kept_vectors, "STEPS", (step,))

    def work(number: int) -> None:
        with kept_vectors.KeptVectors(path, "m") as kept:
            assert list(kept.get(["a"])) == [0]

    assert together(work, 3) == [0, 0, 0]
    with sqlite3.connect(path) as con:
        assert con.execute("pragma user_version").fetchone() == (2,)
        assert con.execute("select count(*), count(day) from vectors").fetchone() == (1, 0)
    assert path.with_name(f"{path.name}.version-1").exists()


PROJECT = """
[pipelines.clean]
from = "questions.parquet"
into = "clean"
steps = [{{ op = "dedup", column = "question", method = "semantic", embedding = "{name}", threshold = 0.9999 }}]
"""


def test_a_run_that_was_killed_pays_only_for_the_rest(endpoint: Embeddings, tmp_path: Path) -> None:
    """`dqdata run` in a process of its own, killed while answers are on their way; then again."""
    keys = [f"p{n:04}" for n in range(len(QUESTIONS))]
    pl.DataFrame({"problem_id": keys, "question": QUESTIONS, "answer": keys}).write_parquet(
        tmp_path / "questions.parquet"
    )
    (tmp_path / "pipelines.toml").write_text(PROJECT.format(name=endpoint.name))
    command = [sys.executable, "-m", "dqdata", "run", "clean", "-p", str(tmp_path / "pipelines.toml"), "--json"]
    held = threading.Event()
    arrived = threading.Event()

    def wait(call: int) -> None:
        if call >= 3:
            arrived.set()
            held.wait(60)

    endpoint.fault = wait
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert arrived.wait(60)
        process.kill()
    endpoint.fault = lambda call: None
    held.set()
    store = tmp_path / "catalogs" / "embeddings.sqlite"
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as con:
        [(kept,)] = con.execute("select count(*) from vectors").fetchall()
    assert kept >= TEXTS and kept % TEXTS == 0
    before = len(endpoint.asked)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["rows_out"] > 0
    assert sum(map(len, endpoint.asked[before:])) == len(QUESTIONS) - kept
