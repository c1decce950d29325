"""LLaMA-Factory reads an export: FOLDER TOKENIZER OUT. Run by bench/exchange.py in LLaMA-Factory's environment."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

sys.path.pop(0)  # this folder has files of other libraries' names

from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
from llamafactory.hparams import DataArguments, ModelArguments
from transformers import AutoTokenizer, Seq2SeqTrainingArguments

folder, tokenizer_folder, out = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
[name] = json.loads(Path(folder, "dataset_info.json").read_text())
data = DataArguments(dataset_dir=folder, dataset=name, template="qwen3", cutoff_len=8192, overwrite_cache=True)
template = get_template_and_fix_tokenizer(tokenizer, data)
rows = get_dataset(
    template, ModelArguments(model_name_or_path=tokenizer_folder), data,
    Seq2SeqTrainingArguments(output_dir=f"{folder}/out", use_cpu=True), stage="sft", tokenizer=tokenizer,
)["train_dataset"]  # fmt: skip
Path(out).write_text(
    json.dumps({"version": version("llamafactory"), "rows": [(row["input_ids"], row["labels"]) for row in rows]})
)
