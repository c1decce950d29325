"""TRL reads an export: FOLDER TOKENIZER OUT. Run by bench/exchange.py."""

import json
import sys
from pathlib import Path

sys.path.pop(0)  # this folder has a file of the library's name

import datasets
import trl
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

folder, tokenizer_folder, out = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(tokenizer_folder))
rows = datasets.load_dataset("json", data_files=f"{folder}/train.jsonl", split="train", cache_dir=f"{folder}/cache")
config = trl.SFTConfig(
    output_dir=f"{folder}/out", assistant_only_loss=True, max_length=None, use_cpu=True, bf16=False, report_to="none"
)
trainer = trl.SFTTrainer(model=model, args=config, train_dataset=rows, processing_class=tokenizer)
made = [(row["input_ids"], row["labels"]) for row in trainer.train_dataset]
Path(out).write_text(json.dumps({"version": trl.__version__, "rows": made}))
