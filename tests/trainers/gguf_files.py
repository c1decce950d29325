"""GGUF files of a tiny Llama with any chat template and end-of-sequence token, written with llama.cpp's own package."""

from __future__ import annotations

import json
from pathlib import Path

import gguf

TYPES = {True: gguf.TokenType.CONTROL, False: gguf.TokenType.NORMAL}


def write_gguf(
    student: Path, file: Path, template: str | None, *, eos: str = "<|im_end|>", arch: str = "llama"
) -> Path:
    """The model in the folder `student` as a GGUF file. template: None for a base model without one."""
    import torch
    from transformers import AutoModelForCausalLM

    saved = json.loads((student / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = sorted(saved["model"]["vocab"], key=saved["model"]["vocab"].get)
    special = {token["content"] for token in saved["added_tokens"]}
    merges = [one if isinstance(one, str) else " ".join(one) for one in saved["model"]["merges"]]
    model = AutoModelForCausalLM.from_pretrained(student, dtype=torch.float32)
    config = model.config

    writer = gguf.GGUFWriter(file, arch)
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(vocabulary))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(vocabulary)
    writer.add_token_types([TYPES[token in special] for token in vocabulary])
    writer.add_token_merges(merges)
    writer.add_eos_token_id(vocabulary.index(eos))
    writer.add_bos_token_id(vocabulary.index("<|im_start|>"))
    writer.add_pad_token_id(vocabulary.index("<|pad|>"))
    if template is not None:
        writer.add_chat_template(template)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, weights in model.state_dict().items():
        if (packed := names.get_name(name, try_suffixes=(".weight",))) and name != "lm_head.weight":
            writer.add_tensor(packed, weights.float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file
