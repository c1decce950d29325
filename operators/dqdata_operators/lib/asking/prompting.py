"""Prompt files: chat messages with placeholders for columns.

    === system
    You solve school problems.

    === user
    {{question}}

Only `{{column}}` is a placeholder, so LaTeX such as \\frac{1}{2} stays as it is. `{{column?}}` is empty text where the
value is null; without the question mark a null fails the row. To send two braces themselves write `{{{{name}}}}`.
Values are put in once: braces inside a question are never read as placeholders. Built-in prompts lie in `prompts/` as
NAME.LANGUAGE.md; a file without a section line is one user message.

    >>> prompt = load_prompt("generate", "en")
    >>> prompt.render({"question": "What is 2 + 2?"})[-1].role
    'user'
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dqdata.columns import Columns, mapping_hint
from dqdata.errors import ColumnError, InputError, RowError, nearest
from dqdata.operator import Row
from dqdata.teacher import MarkedText, Message

CHARACTERS = 4
"""Of a token in English prose, on average."""
PROMPTS = Path(__file__).parents[2] / "prompts"
ROLES = ("system", "user", "assistant")
SECTION = re.compile(r"^===[ \t]+(\S.*?)[ \t]*$", re.MULTILINE)
PLACEHOLDER = re.compile(
    r"\{\{\{\{(?P<literal>[^{}\n]*)\}\}\}\}|\{\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<optional>\??)\}\}"
)


@dataclass(frozen=True)
class Placeholder:
    name: str
    optional: bool = False
    """A null becomes empty text instead of failing the row."""


@dataclass(frozen=True)
class Template:
    """Text with placeholders."""

    text: str

    @cached_property
    def parts(self) -> tuple[str | Placeholder, ...]:
        """Literal pieces and placeholders, in order."""
        return tuple(self._split())

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Names, each once, in the order they first appear."""
        return tuple(dict.fromkeys(part.name for part in self.parts if isinstance(part, Placeholder)))

    def render(self, values: Mapping[str, Any]) -> str:
        """The text with values put in, a MarkedText where one of them is. Raises RowError for a null that isn't
        optional."""
        texts = [part if isinstance(part, str) else _shown(part, values) for part in self.parts]
        whole = "".join(texts)
        if any(isinstance(text, MarkedText) for text in texts):
            return MarkedText(whole, "".join(text.sent if isinstance(text, MarkedText) else text for text in texts))
        return whole

    def _split(self) -> Iterator[str | Placeholder]:
        end = 0
        for match in PLACEHOLDER.finditer(self.text):
            if match.start() > end:
                yield self.text[end : match.start()]
            if match["name"]:
                yield Placeholder(match["name"], bool(match["optional"]))
            else:
                yield "{{" + match["literal"] + "}}"
            end = match.end()
        if end < len(self.text):
            yield self.text[end:]


@dataclass(frozen=True)
class Prompt:
    """A parsed prompt: messages with placeholders, and the file they came from (for `Operator.files`)."""

    messages: tuple[tuple[str, Template], ...]
    path: Path | None = None

    @cached_property
    def placeholders(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for _, text in self.messages for name in text.placeholders))

    def require(self, have: Columns, *own: str) -> None:
        """Checks that there are placeholders, each a column or one of the operator's own values. Raises ColumnError."""
        known = [*have, *own]
        single = (
            re.search(rf"(?<![\\\w{{}}]){{({'|'.join(map(re.escape, known))})}}(?!}})", self._text) if known else None
        )
        if single and single[1] not in self.placeholders:
            raise ColumnError(
                f"prompt {self.path or '(inline)'} has {{{single[1]}}} in single braces, which is sent unchanged; "
                f"write {{{{{single[1]}}}}} for the value of the row"
            )
        if not self.placeholders:
            raise ColumnError(
                f"prompt {self.path or '(inline)'} has no placeholder, so every row would send the same request; write "
                f"{{{{question}}}} or another column in double braces (have: {', '.join(known)})"
            )
        for name in self.placeholders:
            if name not in known:
                raise ColumnError(
                    f"prompt {self.path or '(inline)'} has {{{{{name}}}}}, which is no column{nearest(name, known)} "
                    f"(have: {', '.join(known)}){mapping_hint(name, known)}; "
                    f"to send the braces themselves write {{{{{{{{{name}}}}}}}}}"
                )

    def render(self, row: Row, **own: Any) -> tuple[Message, ...]:
        """Messages for a row; `own` are values that the operator adds. Raises RowError for a null value, and where all
        that are not optional are blank: nothing would be asked."""
        values = {**row, **own} if own else row
        messages = tuple(Message(role, text.render(values)) for role, text in self.messages)
        if self._needed and all((value := values.get(name)) is None or not str(value).strip() for name in self._needed):
            raise RowError("null_in_prompt", f"the prompt would be empty: the row's {', '.join(self._needed)} is blank")
        return messages

    def with_system(self, text: str) -> Prompt:
        """The same prompt with this system message, instead of its own where it has one."""
        rest = tuple(message for message in self.messages if message[0] != "system")
        return replace(self, messages=(("system", Template(text)), *rest))

    def tokens(self, tokens_of: Callable[[str, float], float], otherwise: float) -> float:
        """Tokens of a rendered prompt, estimated. tokens_of: average of a column, `otherwise` where it isn't known."""
        return self.overhead + sum(tokens_of(name, otherwise) for name in self.placeholders)

    @cached_property
    def _needed(self) -> tuple[str, ...]:
        """Placeholders that aren't optional."""
        parts = (part for _, text in self.messages for part in text.parts)
        return tuple(dict.fromkeys(part.name for part in parts if isinstance(part, Placeholder) and not part.optional))

    @property
    def _text(self) -> str:
        return "\n".join(part for _, text in self.messages for part in text.parts if isinstance(part, str))

    @property
    def overhead(self) -> float:
        """Tokens of the prompt's own text, without what placeholders put in, estimated."""
        return len(self._text) / CHARACTERS


def load_prompt(name: str, language: str = "en", path: Path | None = None, folder: Path = PROMPTS) -> Prompt:
    """The built-in prompt of this name and language, or the file at `path` instead. Raises InputError."""
    if path is None:
        path = folder / f"{name}.{language}.md"
        if not path.is_file():
            languages = sorted(file.name.split(".")[-2] for file in folder.glob(f"{name}.*.md"))
            raise InputError(
                f"prompt {name!r} isn't there in language {language!r} (have: {', '.join(languages) or 'none'}); "
                f"give a file of your own with `prompt = ...`"
            )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        near = nearest(path.name, (file.name for file in path.parent.glob("*")))
        raise InputError(f"no prompt file {path}{near}", code="missing-file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"prompt file {path} isn't UTF-8 at byte {error.start}; save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"prompt file {path} can't be read: {error.strerror}") from None
    return replace(parse_prompt(text, str(path)), path=path)


def parse_prompt(text: str, where: str) -> Prompt:
    """Sections of a prompt. Raises InputError that names `where` and the line."""
    text = text.replace("\r\n", "\n")
    marks = list(SECTION.finditer(text))
    if not marks:
        if not text.strip():
            raise InputError(f"prompt {where} is empty")
        return Prompt((("user", Template(text.strip())),))
    if text[: marks[0].start()].strip():
        raise InputError(f"prompt {where} line 1: text before the first section; begin with `=== system` or `=== user`")

    messages: list[tuple[str, Template]] = []
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        line = text.count("\n", 0, mark.start()) + 1
        role = mark[1].lower()
        if role not in ROLES:
            raise InputError(
                f"prompt {where} line {line}: no section {mark[1]!r}{nearest(role, ROLES)} (known: {', '.join(ROLES)})"
            )
        body = text[mark.end() : following.start() if following else len(text)].strip()
        if not body:
            raise InputError(f"prompt {where} line {line}: section {role!r} is empty")
        if role == "system" and messages:
            raise InputError(f"prompt {where} line {line}: the system section must come first, and once")
        messages.append((role, Template(body)))
    if all(role != "user" for role, _ in messages):
        raise InputError(f"prompt {where}: no user section")
    return Prompt(tuple(messages))


def _shown(part: Placeholder, values: Mapping[str, Any]) -> str:
    """A value as text: strings and numbers as they are, a list of plain values one a line, anything else as JSON."""
    value = values.get(part.name)
    if value is None:
        if part.optional:
            return ""
        raise RowError("null_in_prompt", f"column {part.name!r} is null, and the prompt needs it")
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple) and all(isinstance(item, str | int | float) for item in value):
        return "\n".join(map(str, value))
    return json.dumps(value, ensure_ascii=False, default=str)
