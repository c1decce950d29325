"""Answers of a model, a batch at a time, appended to a file: what was answered isn't answered again.

    answer(model_folder, questions, evaluate, Path("answers.jsonl"), print)

Questions are sorted by length, so that a batch wastes little on padding; each line carries its question's columns.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dqdata.ids import digest
from dqdata.training.exact_match import Evaluate


def answer(
    model_path: str,
    rows: Sequence[Mapping[str, Any]],
    evaluate: Evaluate,
    out: Path,
    log: Callable[[str], None],
) -> None:
    """Writes one JSON line a sample of a row. A line that a kill cut short is dropped and its question asked again."""
    todo = unanswered(len(rows), evaluate, out)
    if not todo:
        return
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    wanted = len(rows) * evaluate.samples
    done = wanted - len(todo)
    tokenizer = AutoTokenizer.from_pretrained(model_path, padding_side="left")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(model_path, dtype=_dtype(torch))
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    model.to(device).eval()

    texts = {
        index: tokenizer.apply_chat_template(
            evaluate.prompt(rows[index]), tokenize=False, add_generation_prompt=True, **evaluate.chat_template_kwargs
        )
        for index in {index for index, _ in todo}
    }
    todo.sort(key=lambda one: (len(texts[one[0]]), one))
    sampling: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    if evaluate.temperature > 0:
        sampling = {"do_sample": True, "temperature": evaluate.temperature, "top_p": evaluate.top_p, "top_k": 0}
    ends = {tokenizer.eos_token_id, *_as_list(model.generation_config.eos_token_id)} - {None}
    with out.open("a", encoding="utf-8") as file:
        for first in range(0, len(todo), evaluate.batch_size):
            batch = todo[first : first + evaluate.batch_size]
            torch.manual_seed(int(digest("samples", str(evaluate.seed), str(batch))[:12], 16))
            began = time.monotonic()
            encoded = tokenizer(
                [texts[index] for index, _ in batch], return_tensors="pt", padding=True, add_special_tokens=False
            ).to(device)
            with torch.inference_mode():
                written = model.generate(
                    **encoded,
                    max_new_tokens=evaluate.max_new_tokens,
                    **sampling,
                    pad_token_id=tokenizer.pad_token_id,
                    eos_token_id=sorted(ends),
                )[:, encoded.input_ids.shape[1] :].tolist()
            seconds = (time.monotonic() - began) / len(batch)
            for (index, sample), ids in zip(batch, written, strict=True):
                line = {**_line(index, rows[index], ids, ends, tokenizer, seconds), "sample": sample}
                if texts[index].rstrip().endswith("<think>"):
                    line["text"] = "<think>" + line["text"]
                file.write(json.dumps(line, default=str) + "\n")
            file.flush()
            log(f"answered {done + first + len(batch)} of {wanted}")


def _line(
    index: int, row: Mapping[str, Any], ids: list[int], ends: set[Any], tokenizer: Any, seconds: float
) -> dict[str, Any]:
    stop = next((place for place, token in enumerate(ids) if token in ends), None)
    kept = ids if stop is None else ids[:stop]
    return {
        **row,
        "index": index,
        "text": tokenizer.decode(kept, skip_special_tokens=False),
        "tokens": len(kept),
        "finish_reason": "length" if stop is None else "stop",
        "seconds": seconds,
    }


def unanswered(rows: int, evaluate: Evaluate, out: Path) -> list[tuple[int, int]]:
    """(question, sample) of what the file lacks."""
    done = _whole_lines(out)
    wanted = [(index, sample) for index in range(rows) for sample in range(evaluate.samples)]
    return [one for one in wanted if one not in done]


def _whole_lines(out: Path) -> set[tuple[int, int]]:
    """(question, sample) of what is answered; what follows the last whole line is cut off."""
    if not out.exists():
        return set()
    raw = out.read_bytes()
    whole = raw[: raw.rfind(b"\n") + 1]
    if len(whole) < len(raw):
        with out.open("r+b") as file:
            file.truncate(len(whole))
    lines = (json.loads(line) for line in whole.splitlines())
    return {(int(line["index"]), int(line["sample"])) for line in lines}


def _dtype(torch: Any) -> Any:
    return torch.bfloat16 if torch.cuda.is_available() else torch.float32


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
