"""ms-swift reads an export: FOLDER TOKENIZER OUT. Run by bench/exchange.py in ms-swift's environment."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

sys.path.pop(0)  # this folder has files of other libraries' names

from swift.dataset import load_dataset
from swift.model import get_processor
from swift.template import get_template

folder, tokenizer_folder, out = sys.argv[1:]
processor = get_processor(tokenizer_folder, model_type="qwen3")
template = get_template(processor, template_type="qwen3", agent_template="hermes")
template.set_mode("train")
rows, _ = load_dataset(f"{folder}/train.jsonl", split_dataset_ratio=0.0)
made = [template.encode(dict(row)) for row in rows]
Path(out).write_text(
    json.dumps({"version": version("ms-swift"), "rows": [(row["input_ids"], row["labels"]) for row in made]})
)
