"""Texts of a model: as transformers writes them one by one, whoever their neighbours are and whenever they come."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dqdata.errors import InputError
from dqdata.models import Rules, Text, Writer

QUESTIONS = ["What is 3 + 4?", "add", "What is 1 + 1? What is 2 + 2? What is 6 + 4?", "The answer is", "2 and 2"]


@pytest.fixture(scope="module")
def writer(tiny: Path) -> Writer:
    """A tiny model whose next token depends on all those before: as it is made, it repeats itself."""
    import torch

    made = Writer(str(tiny))
    torch.manual_seed(3)
    with torch.no_grad():
        made.model.lm_head.weight = torch.nn.Parameter(torch.randn_like(made.model.lm_head.weight))
        for layer in made.model.model.layers:
            for name, weights in layer.named_parameters():
                if "proj" in name:
                    weights.normal_(std=0.3)
    return made


class RequestQueue:
    """Gives its texts some at a time, whenever there is room; `late` come only while others are at work."""

    def __init__(self, texts: Sequence[Text], late: Sequence[Text] = ()) -> None:
        self.waiting, self.late, self.ended = list(texts), list(late), list[Text]()
        self.batches: list[int] = []

    def take(self, room: int, wait: bool) -> list[Text] | None:
        source = self.waiting if wait or not self.late else self.late
        taken, source[:] = source[:room], source[room:]
        self.batches.append(len(taken))
        return None if wait and not taken else taken

    def ready(self) -> bool:
        return bool(self.waiting or self.late)

    def done(self, text: Text) -> None:
        self.ended.append(text)


def texts(writer: Writer, rules: Rules) -> list[Text]:
    return [Text(writer.prompt([{"role": "user", "content": question}]), rules) for question in QUESTIONS]


def alone(writer: Writer, prompt: str, tokens: int) -> list[int]:
    """What `generate` itself writes, greedy, without its end."""
    import torch

    encoded = writer.tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
    with torch.inference_mode():
        made = writer.model.generate(**encoded, max_new_tokens=tokens, do_sample=False, pad_token_id=writer.pad)
    ids: list[int] = made[0, encoded.input_ids.shape[1] :].tolist()
    return ids[: next((place for place, token in enumerate(ids) if token in writer.ends), len(ids))]


def test_texts_that_come_and_go_are_as_they_would_be_alone(writer: Writer) -> None:
    asked = [
        Text(text.prompt, Rules(tokens, 0.0))
        for text, tokens in zip(texts(writer, Rules()), (9, 3, 30, 14, 22), strict=True)
    ]
    queue = RequestQueue(asked[:3], late=asked[3:])
    writer.run(queue, batch_size=3)
    assert all(len(set(text.ids)) > len(text.ids) // 2 for text in asked)
    assert [text.ids for text in asked] == [alone(writer, text.prompt, text.limit) for text in asked]
    assert queue.ended[0] is asked[1], "the shortest is handed over while the others are at work"
    assert queue.batches[:2] == [3, 1], "another took its place"
    assert all(text.finish_reason == ("length" if len(text.ids) == text.limit else "stop") for text in asked)
    assert all(text.prompt_tokens == len(writer.tokenizer(text.prompt)["input_ids"]) for text in asked)


def test_a_cache_whose_rows_must_stay_together(tiny: Path, tmp_path: Path) -> None:
    """Sliding windows forget: no row joins, each is handed over when it ends, and none is changed by the others."""
    import torch
    from transformers import AutoTokenizer, MistralConfig, MistralForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    torch.manual_seed(5)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = MistralConfig(
        vocab_size=len(tokenizer), num_key_value_heads=2, sliding_window=12, initializer_range=0.3, **sizes
    )
    MistralForCausalLM(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    writer = Writer(str(tmp_path))
    asked = [
        Text(text.prompt, Rules(tokens, 0.0))
        for text, tokens in zip(texts(writer, Rules()), (9, 3, 30, 14, 22), strict=True)
    ]
    queue = RequestQueue(asked)
    writer.run(queue, batch_size=3)
    assert queue.batches == [3, 2, 0] and queue.ended[0] is asked[1]
    assert all(len(set(text.ids)) > len(text.ids) // 3 for text in asked)
    assert [text.ids for text in asked] == [alone(writer, text.prompt, text.limit) for text in asked]


def test_a_sample_depends_on_its_seed_and_not_on_its_neighbours(writer: Writer) -> None:
    def drawn(batch: int, *seeds: int, **rules: Any) -> list[str]:
        prompt = writer.prompt([{"role": "user", "content": QUESTIONS[0]}])
        asked = [Text(prompt, Rules(12, rules.get("temperature", 1.0), top_k=rules.get("k", 0), seed=s)) for s in seeds]
        writer.run(RequestQueue(asked), batch)
        return [text.text for text in asked]

    several = drawn(4, 1, 2, 3, 4, 5, 6)
    assert len(set(several)) == 6
    assert drawn(1, 3, 6) == [several[2], several[5]]
    greedy = drawn(2, 7, temperature=0.0)
    assert drawn(2, 8, 9, k=1) == greedy * 2, "of one token there is only one to draw"
    assert drawn(3, 1, 2, 3, temperature=1e-4) == greedy * 3


def test_draws_follow_the_chances(writer: Writer) -> None:
    import torch

    scores = torch.log(torch.tensor([0.1, 0.6, 0.3]))
    rules = [Rules(seed=seed) for seed in range(2000)]
    counts = torch.bincount(torch.tensor([int(writer._drawn(scores, one, 0)) for one in rules]), minlength=3) / 2000
    assert counts.tolist() == pytest.approx([0.1, 0.6, 0.3], abs=0.04)
    cut = {int(writer._drawn(scores, Rules(seed=seed, top_p=0.7), 3)) for seed in range(200)}
    assert cut == {1, 2}, "the fewest tokens that reach the share, and no more"


def test_words_that_end_a_text_tokens_likelihoods_and_room(writer: Writer) -> None:
    prompt = writer.prompt([{"role": "user", "content": QUESTIONS[2]}])
    [whole] = asked = [Text(prompt, Rules(30, 0.0, top_logprobs=2))]
    writer.run(RequestQueue(asked), 2)
    assert sorted(whole.logprobs) == list(range(len(whole.ids)))
    for place, (token, logprob, likeliest) in whole.logprobs.items():
        assert token == whole.ids[place] == likeliest[0][0] and logprob == likeliest[0][1] <= 0 and len(likeliest) == 2

    word = whole.text[7:9]
    cut, long, unwanted = (
        Text(prompt, Rules(30, 0.0, stop=(word,))),
        Text("add " * 600, Rules(5)),
        Text(prompt, Rules(30, 0.0), unwanted=lambda: True),
    )
    writer.run(RequestQueue([cut, long, unwanted]), 3)
    assert cut.text == whole.text[: whole.text.index(word)] and cut.finish_reason == "stop"
    assert long.finish_reason == "too_long" and long.prompt_tokens > 512 and not long.ids
    assert unwanted.finish_reason == "unwanted" and len(unwanted.ids) == 1
    [filled] = asked = [Text(prompt, Rules(None, 1.0))]
    Writer.run(writer, RequestQueue(asked), 1)
    assert filled.prompt_tokens + len(filled.ids) <= 512


def test_a_model_that_cannot_write_is_refused(writer: Writer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be loaded"):
        Writer(str(tmp_path))
    bare = Writer.__new__(Writer)
    bare.tokenizer = type("T", (), {"chat_template": None})
    with pytest.raises(InputError, match="no chat template"):
        bare.prompt([])
