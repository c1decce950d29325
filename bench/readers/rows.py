"""Readers of rows, chats, files and prompts."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
from dqdata_operators.annotate.length import Length
from dqdata_operators.annotate.pii import Pii
from dqdata_operators.annotate.quality import Quality
from dqdata_operators.lib.asking.prompting import parse_prompt
from dqdata_operators.lib.benchmarks.quantities import numbers_of
from dqdata_operators.lib.benchmarks.tasks import fields, problem_part
from dqdata_operators.lib.texts.shingles import shingles
from dqdata_operators.lib.texts.signature import signatures

from dqdata.chats import calls_apart, calls_in_text, read_chat, separated
from dqdata.languages import language, share_of_scripts
from dqdata.sources.csv_rows import read_csv, sample_csv
from dqdata.sources.glaive import chat_of_text
from dqdata.sources.json_lines import read_json, sample_json
from dqdata.sources.record import Reading
from dqdata.view.rich import parts


def _frame(text: str) -> pl.DataFrame:
    return pl.DataFrame({"trace_id": ["a"], "question": ["?"], "reasoning": [text], "response": [text]})


def _benchmark(text: str) -> None:
    texts = pl.Series([text])
    problem_part(texts), fields(texts), numbers_of(texts)


def _chat(text: str) -> None:
    """A message of somebody's chat, and the chat as JSON text."""
    calls_in_text(text)
    for message in ({"role": "assistant", "content": text}, {"from": "gpt", "value": text}):
        for one in read_chat([{"role": "user", "content": text}, message]).messages:
            separated(one), calls_apart(one)
    chat_of_text(text)
    read_chat(text)


def _file(text: str, *, csv: bool) -> None:
    """The text as a file of JSONL or CSV."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.csv" if csv else "rows.jsonl")
        path.write_text(text, "utf-8", "replace")
        reading = Reading()
        if csv:
            list(read_csv(path, sample_csv(path, reading, ","), reading, ","))
        else:
            list(read_json(path, sample_json(path, reading, array=False), reading, array=False))


ROWS: dict[str, Callable[[str], object]] = {
    "quality": lambda text: Quality(Quality.Params()).process(_frame(text)),
    "language": lambda text: (language(pl.Series([text])), share_of_scripts(pl.Series([text]))),
    "length": lambda text: Length(Length.Params()).process(_frame(text)),
    "pii": lambda text: Pii(Pii.Params()).process(_frame(text)),
    "shingles": lambda text: shingles(pl.Series([text, text[::2]]), 5),
    "signatures": lambda text: signatures(pl.Series([text])),
    "benchmark": _benchmark,
    "prompt_file": lambda text: parse_prompt(text, "here"),
    "chat": _chat,
    "json_lines": lambda text: _file(text, csv=False),
    "csv": lambda text: _file(text, csv=True),
    "view": parts,
}
