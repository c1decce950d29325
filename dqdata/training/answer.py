"""Lets a model answer many questions; each finished answer is appended to a file, from which an evaluation resumes.

    answer(model_folder, questions, evaluate, Path("answers.jsonl"), lambda done, total: None)

Questions are sorted by length, so that a batch wastes little on padding; each line has its question's columns.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from dqdata.ids import digest
from dqdata.models import Rules, Text, Writer
from dqdata.thinking import opened_by
from dqdata.training.exact_match import Evaluate

Progress = Callable[[int, int], None]
"""Called with the answers that are there, and those in all."""


def answer(
    model_path: str,
    rows: Sequence[Mapping[str, Any]],
    evaluate: Evaluate,
    out: Path,
    progress: Progress,
) -> None:
    """Writes one JSON line a sample of a row. A line that a kill cut short is dropped and its question asked again."""
    if unanswered(len(rows), evaluate, out):
        answer_with(Writer(model_path), rows, evaluate, out, progress)


def answer_with(
    writer: Writer,
    rows: Sequence[Mapping[str, Any]],
    evaluate: Evaluate,
    out: Path,
    progress: Progress,
) -> None:
    """The same with a model that is loaded."""
    todo = unanswered(len(rows), evaluate, out)
    prompts = {
        index: writer.prompt(evaluate.prompt(rows[index]), evaluate.chat_template_kwargs)
        for index in {index for index, _ in todo}
    }
    todo.sort(key=lambda one: (len(prompts[one[0]]), one))
    texts = {Text(prompts[index], _rules(evaluate, index, sample)): (index, sample) for index, sample in todo}
    with out.open("a", encoding="utf-8") as file:
        writer.run(_Answers(texts, rows, file, len(rows) * evaluate.samples, progress), evaluate.batch_size)


def _rules(evaluate: Evaluate, index: int, sample: int) -> Rules:
    """Top-k left out: the share `top_p` alone says what is drawn from."""
    seed = int(digest("samples", str(evaluate.seed), str(index), str(sample))[:12], 16)
    return Rules(evaluate.max_new_tokens, evaluate.temperature, evaluate.top_p, 0, seed)


class _Answers:
    """Hands out what is to be answered, and writes down what was. The time that passes is shared out among the answers
    that are being written, so that those of a batch add up to its time."""

    def __init__(
        self,
        texts: Mapping[Text, tuple[int, int]],
        rows: Sequence[Mapping[str, Any]],
        file: TextIO,
        wanted: int,
        progress: Progress,
    ) -> None:
        self._texts, self._waiting, self._rows, self._file = texts, list(texts)[::-1], rows, file
        self._wanted, self._progress = wanted, progress
        self._done, self._seen = wanted - len(texts), time.monotonic()
        self._seconds: dict[Text, float] = {}

    def take(self, room: int, wait: bool) -> list[Text] | None:
        if not self._waiting:
            return None if wait else []
        self._pass()
        taken = [self._waiting.pop() for _ in range(min(room, len(self._waiting)))]
        self._seconds.update(dict.fromkeys(taken, 0.0))
        return taken

    def ready(self) -> bool:
        return bool(self._waiting)

    def done(self, text: Text) -> None:
        index, sample = self._texts[text]
        self._pass()
        line = {
            **self._rows[index],
            "index": index,
            "text": opened_by(text.prompt) + text.text,
            "tokens": len(text.ids),
            "finish_reason": "stop" if text.finish_reason == "stop" else "length",
            "seconds": self._seconds.pop(text),
            "sample": sample,
        }
        self._file.write(json.dumps(line, default=str) + "\n")
        self._file.flush()
        self._done += 1
        self._progress(self._done, self._wanted)

    def _pass(self) -> None:
        """Counts the time since the last call."""
        now = time.monotonic()
        for text in self._seconds:
            self._seconds[text] += (now - self._seen) / len(self._seconds)
        self._seen = now


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
