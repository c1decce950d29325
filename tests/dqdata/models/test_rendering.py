"""Chats through the templates of real students: what is under the loss, and what is refused."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest

pytest.importorskip("trl")
pytest.importorskip("transformers")

from dqdata.errors import DataError, InputError
from dqdata.models import IGNORED, prompt_ids, tokenize, tokenize_turns

from .templates import CODE, ONE, TAGGED, TOOL, TOOLS, TWO, asked, call, result, said, tokenizer_with

WHOLE = [
    "qwen3", "qwen3_training", "qwen3_vl", "qwen3_5_think", "qwen3_6", "qwen3_8", "qwen3_instruct_2507", "qwen2_5",
    "gptoss", "glm4moe_training", "gemma4", "gemma4_v5", "nemotron_3_nano", "lfm2_2_5", "deepseekv3",
]  # fmt: skip
"""Templates that can write thinking and tool calls."""


def learnt(name: str, messages: list[dict[str, Any]], tools: str | None = None, **more: Any) -> list[str]:
    """The text under the loss of each training row."""
    tokenizer = tokenizer_with(name)
    rows = tokenize_turns(tokenizer, messages, more.pop("kwargs", None), tools, **more)
    return [tokenizer.decode([label for label in row.labels if label != IGNORED]) for row in rows]


@pytest.mark.parametrize("name", WHOLE)
def test_thinking_calls_and_ends_of_turns_are_all_under_the_loss_and_results_of_tools_are_not(name: str) -> None:
    texts = learnt(name, TOOL, TOOLS)
    together = "".join(texts)
    for part in ("I run it.", "python", "6*7", "The tool says so.", "It is 42."):
        assert together.count(part) == 1, (part, texts)
    assert "42 out" not in together and "Runs code" not in together
    assert texts[-1].endswith(tokenizer_with(name).eos_token)


@pytest.mark.parametrize("name", [name for name in WHOLE if name != "deepseekv3"])
def test_thinking_of_past_turns_is_learnt_once_each(name: str) -> None:
    """deepseekv3 has no thinking beside an answer."""
    texts = learnt(name, TWO)
    for part in ("Six by seven.", "It is 42.", "Same as before.", "Still 42."):
        assert sum(text.count(part) for text in texts) == 1, (part, texts)


@pytest.mark.parametrize("name", ["qwen3", "gptoss", "glm4moe_training", "nemotron_3_nano", "lfm2_2_5"])
def test_a_template_that_drops_past_thinking_makes_a_row_per_turn(name: str) -> None:
    assert len(learnt(name, TWO)) == 2
    assert len(learnt(name, TWO, turns="each")) == 2
    assert len(learnt(name, TWO, turns="whole")) == 1


def test_preserve_thinking_keeps_the_chat_in_one_row() -> None:
    assert len(learnt("qwen3_6", TWO)) == 2
    assert len(learnt("qwen3_6", TWO, kwargs={"preserve_thinking": True})) == 1


def test_harmony_ends_a_call_with_call_and_an_answer_with_return() -> None:
    first, last = learnt("gptoss", TOOL, TOOLS)
    assert first.startswith("<|channel|>analysis<|message|>I run it.<|end|>") and first.endswith("<|call|>")
    assert last.startswith("<|channel|>analysis<|message|>The tool") and last.endswith("It is 42.<|return|>")


@pytest.mark.parametrize(
    "name", ["qwen3", "qwen3_6", "qwen3_8", "gptoss", "glm4moe_training", "nemotron_3_nano", "llama3"]
)
def test_thinking_in_tags_and_in_its_field_give_the_same_tokens(name: str) -> None:
    tokenizer = tokenizer_with(name)
    assert tokenize(tokenizer, TAGGED) == tokenize(tokenizer, ONE)
    assert learnt(name, ONE)[0].count("</think>") <= 1


@pytest.mark.parametrize("name", ["deepseek_r1_distill", "deepseekv3"])
@pytest.mark.parametrize("messages", [ONE, TAGGED, TWO])
def test_a_template_that_drops_thinking_is_refused(name: str, messages: list[dict[str, Any]]) -> None:
    with pytest.raises(InputError, match="loses the reasoning"):
        learnt(name, messages)


@pytest.mark.parametrize("name", ["deepseek_r1_distill_training", "llama3", "lfm2", "phi3", "gemma4_v2"])
def test_a_template_that_drops_a_tool_call_is_refused_by_the_name_of_the_tool(name: str) -> None:
    with pytest.raises(InputError, match="loses the tool call 'python'"):
        learnt(name, TOOL, TOOLS)


def test_calls_may_stand_before_the_content_and_a_call_that_only_the_content_names_is_lost() -> None:
    spoken = [asked(), said("I use python on 6*7 now.", "I run it.", tool_calls=call("6*7"))]
    [text] = learnt("gemma4", spoken, TOOLS)
    assert text.index("call:python") < text.index("I use python")
    with pytest.raises(InputError, match="loses the tool call 'python'"):
        learnt("gemma", [asked(), said("I use python on 6*7, n is 3.", tool_calls=call("6*7"))], TOOLS)


def test_a_chat_that_a_template_refuses_is_refused_in_its_words_whatever_other_forms_meet() -> None:
    messages = [asked(), said("Let me see.", "I run it.", tool_calls=call()), result(), said("42", "So.")]
    with pytest.raises(InputError, match="both content and thinking"):
        learnt("gptoss", messages, TOOLS)


def test_a_dropped_call_is_seen_where_the_thinking_speaks_of_it() -> None:
    chat = [asked(), said(None, f"I call python with {CODE} and 3", tool_calls=call()), result(), said("42.", "ok")]
    with pytest.raises(InputError, match="loses the tool call 'python'"):
        learnt("llama3", chat, TOOLS)


def test_a_dropped_answer_is_seen_where_the_thinking_holds_it() -> None:
    only_thinking = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content.split('</think>')[0] }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    tokenizer = tokenizer_with("qwen3", only_thinking)
    with pytest.raises(InputError, match=r"response isn't among the tokens"):
        tokenize(tokenizer, [asked(), said("42 it is", "42 it is")])


@pytest.mark.parametrize("name", ["glm4moe"])
@pytest.mark.parametrize("messages", [ONE, TOOL])
def test_a_template_without_an_end_of_turn_is_refused(name: str, messages: list[dict[str, Any]]) -> None:
    with pytest.raises(InputError, match="would never stop"):
        learnt(name, messages, TOOLS)


def test_a_turn_with_train_false_is_read_and_not_learnt() -> None:
    chat = [asked(), said("wrong", train=False), asked("Again?"), said("right", train=True)]
    assert learnt("qwen2_5", chat) == ["right<|im_end|>"]
    assert "".join(learnt("qwen3", chat)).count("wrong") == 0
    with pytest.raises(DataError, match="every assistant turn has train = false"):
        learnt("qwen2_5", [asked(), said("x", train=False)])
    with pytest.raises(DataError, match=r"turn 0, of the user, has train = true"):
        learnt("qwen2_5", [{**asked(), "train": True}, said("x")])


def test_arguments_that_are_no_json_are_refused_by_turn_and_tool() -> None:
    broken = call()
    broken[0]["function"]["arguments"] = "{code: 1"
    with pytest.raises(DataError, match=r"turn 1: the arguments of tool call 'python' are no JSON object"):
        learnt("qwen3", [asked(), said("", tool_calls=broken), result(), said("x")])


def test_a_template_that_does_not_know_tools_is_refused_in_its_own_words() -> None:
    with pytest.raises(InputError, match=r"chat template refuses the chat \(TemplateError: Conversation roles"):
        learnt("gemma3", TOOL, TOOLS)


def test_the_prompt_of_a_chat_has_the_tools() -> None:
    tokenizer = tokenizer_with("qwen3")
    text = tokenizer.decode(prompt_ids(tokenizer, TOOL[:3], None, TOOLS))
    assert "Runs code" in text and text.endswith("<|im_start|>assistant\n") and "42 out" in text
    assert text.count("I run it.") == 1


@pytest.mark.parametrize("order", [list, lambda keys: list(reversed(keys))])
def test_keys_in_any_order_and_nulls_in_place_of_keys_give_the_same_tokens(order: Any) -> None:
    tokenizer = tokenizer_with("qwen3")
    keys = ["role", "content", "reasoning_content", "tool_calls", "tool_call_id", "name", "train"]
    full = [{key: message.get(key) for key in order(keys)} for message in TOOL]
    assert tokenize(tokenizer, full, None, TOOLS) == tokenize(tokenizer, TOOL, None, TOOLS)
