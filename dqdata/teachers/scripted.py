"""Answers from a script: tries every branch of a pipeline without a model, a key or a cost.

    [teachers.judge]
    provider = "scripted"
    model = "judge"
    script = "answers.toml"

    # answers.toml
    records = "solutions.jsonl"                   # optional: the record whose `question` a request contains
    [[rules]]
    model = "judge"                               # the first rule that fits a request answers it
    match = 'Give the trace two grades'           # a regular expression, searched in the request; . is any character
    where = { kind = "word" }                     # fields of the record
    answers = ['{"rv": 3, "cd": {{cd}}}', { text = "I would", finish_reason = "length" }]

A sample takes the next answer of its rule; where a rule begins depends on the record, or on the text of the request, so
that problems differ and every run gives the same. {{name}} is a field of the record or a group of the expression.
Tokens are counted as words.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from dqdata.errors import DataError, TeacherError, nearest
from dqdata.ids import digest
from dqdata.params import LocalPath, Params
from dqdata.teacher import Completion, Request, Teacher, Usage
from dqdata.teachers import chat

PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


class ScriptedParams(chat.ReadingParams):
    model: str = Field(min_length=1)
    """Its name, which rules can require."""
    script: LocalPath
    """TOML file with the rules."""


def _pattern(value: Any) -> re.Pattern[str]:
    try:
        return re.compile(value, re.DOTALL)
    except (re.error, TypeError) as error:
        raise ValueError(f"not a regular expression: {error}") from None


class Answer(Params):
    """An answer that ends otherwise than others."""

    text: str
    finish_reason: str = "stop"


class Rule(Params):
    """Requests that it answers, and how. Without `model`, `match`, `effort` and `where` it answers every request."""

    model: str | None = None
    effort: str | None = None
    """The `reasoning_effort` of the request, or of its chat template."""
    match: Annotated[re.Pattern[str], BeforeValidator(_pattern)] | None = None
    where: Mapping[str, str | int | bool] = {}
    answers: tuple[str | Answer, ...] = Field(min_length=1)


class Script(Params):
    """A file of rules. records: name of a JSONL file beside it, a `question` and any other fields in each line."""

    records: str | None = Field(None, pattern=r"^[^/\\]+$")
    rules: tuple[Rule, ...] = Field(min_length=1)


def _problem(error: Any) -> str:
    """What pydantic found wrong at one key of a script."""
    place, known = ".".join(map(str, error["loc"])), {**Script.model_fields, **Rule.model_fields, **Answer.model_fields}
    if error["type"] == "extra_forbidden":
        return f"unknown key {place!r}{nearest(str(error['loc'][-1]), known)}"
    if error["type"] == "missing":
        return f"key {place!r} is missing"
    return f"{place}: {error['msg'].removeprefix('Value error, ')}"


class Scripted(Teacher[ScriptedParams]):
    """Answers by the rules of a script."""

    provider = "scripted"
    Params = ScriptedParams
    free = True
    usual_limits = {"concurrency": 64, "max_attempts": 1}  # noqa: RUF012 - read only

    @cached_property
    def script(self) -> Script:
        """Raises DataError where the file can't be read or is no script."""
        try:
            return Script.model_validate(tomllib.loads(self._text.decode()))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise DataError(f"{self.params.script}: not TOML in UTF-8: {error}") from None
        except ValidationError as error:
            first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")  # it causes the others
            raise DataError(f"{self.params.script}: {_problem(first)}") from None

    @cached_property
    def _text(self) -> bytes:
        return _read(self.params.script)

    @cached_property
    def _records_text(self) -> bytes:
        name = self.script.records
        return b"" if name is None else _read(self.params.script.parent / name)

    @cached_property
    def records(self) -> Sequence[tuple[int, Mapping[str, Any]]]:
        """Records with their place in the file, the longest question first. Raises DataError."""
        found = []
        for number, line in enumerate(self._records_text.decode().splitlines(), 1):
            try:
                record = json.loads(line)
            except ValueError as error:
                raise DataError(f"{self.script.records}, line {number}: not JSON: {error}") from None
            if not isinstance(record, dict) or not isinstance(record.get("question"), str):
                raise DataError(f"{self.script.records}, line {number}: a record needs `question`, a string")
            found.append((number, record))
        return sorted(found, key=lambda item: -len(item[1]["question"]))

    @property
    def revision(self) -> str:
        """Of script and records: another answer needs another key."""
        return self._revision

    @cached_property
    def _revision(self) -> str:
        return digest("script", self._text.hex(), self._records_text.hex())[:12]

    @property
    def identity(self) -> list[str]:
        return [*super().identity, *self.params.reading]

    def check(self) -> None:
        super().check()
        _ = self.records

    def present(self, completion: Completion) -> Completion:
        return chat.present(completion, self.params)

    async def complete(self, request: Request) -> Completion:
        # As the ledger knows it: what is sent has marks of this process, and a script answers alike in every one.
        text = "\n".join(message.content for message in request.known or request.messages)
        place, record = next(
            ((place, record) for place, record in self.records if record["question"] in text), (None, {})
        )
        for number, rule in enumerate(self.script.rules, 1):
            if rule.effort not in (None, _effort(request)) or (found := self._groups(rule, text, record)) is None:
                continue
            begin = int(digest("begin", text)[:8], 16) if place is None else place
            chosen = rule.answers[(begin + request.sample) % len(rule.answers)]
            answer = Answer(text=chosen) if isinstance(chosen, str) else chosen
            filled = _filled(answer.text, found, f"{self.params.script}: rule {number}")
            usage = Usage(len(text.split()), len(filled.split()))
            stored = Completion(filled, answer.finish_reason, usage, model=self.model, ledger_key=self.key(request))
            return self.present(stored)
        raise TeacherError(
            f"no rule of {self.params.script} answers model {self.params.model!r} and {text[:80]!r}",
            kind="row",
            reason="no_rule",
        )

    def _groups(self, rule: Rule, text: str, record: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Values of placeholders, or None where the rule doesn't fit."""
        if rule.model not in (None, self.params.model):
            return None
        if any(record.get(name) != value for name, value in rule.where.items()):
            return None
        matched = rule.match.search(text) if rule.match else None
        if rule.match and matched is None:
            return None
        return {**record, **(matched.groupdict() if matched else {})}


def _effort(request: Request) -> Any:
    extra = request.sampling.extra
    return extra.get("reasoning_effort") or extra.get("chat_template_kwargs", {}).get("reasoning_effort")


def _filled(text: str, values: Mapping[str, Any], place: str) -> str:
    for name in PLACEHOLDER.findall(text):
        if values.get(name) is None:
            have = ", ".join(values) or "none"
            raise TeacherError(
                f"{place}: {{{{{name}}}}} is neither a field of the problem's record nor a group of `match`; "
                f"there are: {have}",
                kind="row",
                reason="no_rule",
            )
    return PLACEHOLDER.sub(lambda name: str(values[name[1]]), text)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
