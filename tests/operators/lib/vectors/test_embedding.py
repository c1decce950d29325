"""Every kind of embedding, each by the real thing: bundled, model folders made here, and an endpoint on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from dqdata_operators.lib.vectors import embedding
from dqdata_operators.lib.vectors.embedding import embedder

from dqdata.errors import InputError
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


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bert", "isn't known"),
    ],
)
def test_names_that_are_refused(name: str, message: str, run: OperatorRun) -> None:
    with pytest.raises(InputError, match=message) as refused:
        embedder(name, run)
    assert "sk-1234" not in str(refused.value)
