"""verl reads an export: FOLDER TOKENIZER OUT. Run by bench/exchange.py in verl's environment."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

sys.path.pop(0)  # this folder has a file of the library's name

from omegaconf import OmegaConf
from transformers import AutoTokenizer
from verl.utils.dataset.multiturn_sft_dataset import MultiTurnSFTDataset

folder, tokenizer_folder, out = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
config = OmegaConf.create({"pad_mode": "no_padding", "max_length": 8192, "ignore_input_ids_mismatch": True})
rows = MultiTurnSFTDataset(f"{folder}/train.parquet", tokenizer, config)
made = []
for place in range(len(rows)):
    row = rows[place]
    ids, mask = row["input_ids"].tolist(), row["loss_mask"].tolist()
    made.append((ids, [i if m else -100 for i, m in zip(ids, mask, strict=True)]))
Path(out).write_text(json.dumps({"version": version("verl"), "rows": made}))
