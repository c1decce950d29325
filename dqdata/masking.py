"""Masks keys and other secrets in text that leaves the process: terminal, logs, ledger, catalogs, model cards.

    >>> masker.add("sk-4f9Zq81LmXw27TcB")
    >>> masker.hide('{"error": "bad key c2stNGY5WnE4MUxtWHcyN1RjQg=="}')
    '{"error": "bad key ***"}'

One object, `masker`, knows the secrets of all teachers of a process. A server may send a key back in another encoding,
or a part of it, so a secret is looked for as text in any case, with JSON, URL, HTML and quoted-printable escapes, split
by white space, in base64 at the three alignments, in hexadecimal and as a list of byte values; and so are its beginning
and its end from 8 characters on. Text is hidden before it is cut: a cut leaves a part too short to be known again.
"""

from __future__ import annotations

import base64
import os
import re
import threading
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, SecretStr

from dqdata.unescape import DECODERS, SPLIT, Decoder, View

HIDDEN = "***"
PART = 8
"""Characters from which on the beginning or the end of a secret is hidden too."""
SHORTEST = 4
"""Shorter values would blank out ordinary text."""
VARIABLES = "DQDATA_SECRET_VARIABLES"
"""Environment variable with the names, split by blanks, of those that hold secrets and have no telling name."""
BODY_BYTES = 64 << 10
"""Bytes of a server's error that are read; no message shows more than some hundred characters of it."""
DEPTH = 3
"""Encodings inside one another, such as JSON in a URL in JSON."""
MOST_DECODINGS = 32
"""Bounds the work on a text that mixes all encodings."""
PLACEHOLDERS = frozenset("none null empty dummy test token local ollama no-key not-needed sk-no-key-required".split())
"""What people write where an endpoint needs no key: ordinary words, and no secret."""

_TELLING = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.IGNORECASE)
_USER_IN_URL = re.compile(r"(?<=://)[^/\s@\"']+@")
_BEARER = re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}")
_KNOWN_SHAPES = re.compile(r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}|\bhf_[A-Za-z0-9]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/=]")
_ESCAPED = tuple(
    re.compile(pattern)  # each begins with what it is looked for by: one pattern of all would look at every character
    for pattern in (
        r"\\u\{?[0-9A-Fa-f]{2}",
        r"\\[xU][0-9A-Fa-f]{2}",
        r"%[0-9A-Fa-f]{2}",
        r"&#\w",
        r"=[0-9A-F]{2}=[0-9A-F]{2}=",
    )
)
_WORD = re.compile(r"[A-Za-z]{1,15}")


@dataclass(frozen=True)
class Form:
    """A secret as text in one encoding. part: characters of it that give it away. bare: base64, compared with its
    URL-safe letters made the usual ones; other forms are compared in small letters."""

    text: str
    part: int
    bare: bool = False

    def anchors(self, step: int | None) -> Iterator[int]:
        """Places at which a part begins: the first and the last, and every `step` between them."""
        last = len(self.text) - self.part
        if last >= 0:
            yield from {0, last, *range(0, last, step)} if step else {0, last}

    def is_in(self, text: str, step: int | None, *, whole: bool) -> bool:
        if whole:
            return self.text in text
        return any(self.text[place : place + self.part] in text for place in self.anchors(step))

    def found(self, text: str, step: int | None, *, whole: bool) -> Iterator[tuple[int, int]]:
        """Where the secret, or a part of it, occurs in a text."""
        for place in (0,) if whole else self.anchors(step):
            part = self.text if whole else self.text[place : place + self.part]
            at = text.find(part)
            while at >= 0:
                start, end = self._extended(text, at, place, len(part))
                yield start, end
                at = text.find(part, end)

    def _extended(self, text: str, at: int, place: int, length: int) -> tuple[int, int]:
        """The longest stretch around a match that agrees with the form."""
        start, end, left, right = at, at + length, place, place + length
        while start > 0 and left > 0 and text[start - 1] == self.text[left - 1]:
            start, left = start - 1, left - 1
        while end < len(text) and right < len(self.text) and text[end] == self.text[right]:
            end, right = end + 1, right + 1
        return start, end


@dataclass(frozen=True)
class Secret:
    value: str

    @cached_property
    def bare(self) -> str:
        return SPLIT.sub("", self.value)

    @cached_property
    def forms(self) -> tuple[Form, ...]:
        """Empty for a secret too short to be distinguished from ordinary text in another encoding."""
        if len(self.bare) < PART:
            return ()
        forms = [Form(self.bare.lower(), PART)]
        for raw in {self.value.encode(), self.bare.encode()}:
            hexed = raw.hex()
            forms += [
                Form(hexed, 2 * PART),
                Form(":".join(hexed[at : at + 2] for at in range(0, len(hexed), 2)), 3 * PART - 1),
                Form(",".join(map(str, raw)), 3 * PART - 1),
                *(Form(_stable(raw, offset), 10, bare=True) for offset in range(3)),
            ]
        return tuple(forms)

    @cached_property
    def telling(self) -> bool:
        """Whether even an answer that holds it is changed: a word that answers use isn't blanked out of data."""
        return len(self.bare) >= PART and not _WORD.fullmatch(self.bare)

    @cached_property
    def divisible(self) -> bool:
        """Whether a part of it gives it away: the beginning of a file's path or an address doesn't."""
        return "://" not in self.value and not os.path.exists(self.value)  # noqa: PTH110 - pathlib refuses some texts

    @property
    def random(self) -> bool:
        """Whether a part of it is hardly an ordinary word."""
        text = self.bare
        return len(text) >= 2 * PART and any(map(str.isdigit, text)) and any(map(str.isalpha, text))


def _stable(raw: bytes, offset: int) -> str:
    """The base64 digits that depend on these bytes alone where `offset` bytes stand before them."""
    digits = base64.b64encode(b"\0" * offset + raw).decode()
    return digits[-(-8 * offset // 6) : 8 * (offset + len(raw)) // 6]


@dataclass
class Masker:
    """Knows secrets and hides them. Safe to use from several threads."""

    _secrets: tuple[Secret, ...] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *values: str | SecretStr | None) -> None:
        """Takes in secrets. The words of one with blanks count by themselves (`Bearer abc`), but for those of a file's
        path, and what a `Basic` header holds too."""
        found: list[str] = []
        for value in values:
            text = value.get_secret_value() if isinstance(value, SecretStr) else value or ""
            words = [] if os.path.exists(text) else text.split()  # noqa: PTH110 - pathlib refuses some texts
            found += [text, *(word for word in words if len(words) > 1 and len(word) >= PART)]
            if len(words) == 2 and words[0].lower() == "basic":
                found += _basic(words[1])
        wanted = [text for text in found if len(text) >= SHORTEST and text.lower() not in PLACEHOLDERS]
        with self._lock:
            known = {secret.value for secret in self._secrets}
            self._secrets += tuple(Secret(text) for text in dict.fromkeys(wanted) if text not in known)

    def add_variable(self, name: str) -> None:
        """Takes in the value of an environment variable, whose name processes that begin later inherit."""
        self.add(os.environ.get(name))
        with self._lock:
            names = dict.fromkeys([*os.environ.get(VARIABLES, "").split(), name])
            os.environ[VARIABLES] = " ".join(names)

    def add_all(self, params: BaseModel) -> None:
        """Takes in every SecretStr of a plug-in's parameters."""
        self.add(*_secrets_in(dict(params)))

    def hide(self, text: str, *, record: bool = False) -> str:
        """The text without secrets, those of environment variables with telling names included, without users in
        URLs, bearer tokens and keys of well-known shapes. record: keep words that are a part of a secret, as those of
        a recipe, which names models, are data."""
        secrets = (*self._secrets, *_from_environment())
        text = _replaced(text, _spans(text, secrets, step=None if record else PART, thorough=True))
        for secret in secrets:
            if not secret.forms:
                text = text.replace(secret.value, HIDDEN)
        text = _USER_IN_URL.sub(f"{HIDDEN}@", text)
        return _KNOWN_SHAPES.sub(HIDDEN, _BEARER.sub(rf"\1{HIDDEN}", text))

    def hide_body(self, raw: bytes) -> str:
        """The beginning of a server's answer as text, without secrets; to be parsed or cut afterwards."""
        return self.hide(raw[:BODY_BYTES].decode("utf-8", "replace"))

    def hide_answer(self, text: str) -> str:
        """A model's answer without the secrets of this process. Ordinary words stay, even where one was given as a
        key: an answer is data."""
        return _replaced(
            text, _spans(text, [secret for secret in self._secrets if secret.telling], step=None, thorough=False)
        )


masker = Masker()
"""The one that all of the process use."""


def _secrets_in(value: Any) -> Iterator[SecretStr]:
    if isinstance(value, SecretStr):
        yield value
    elif isinstance(value, BaseModel):
        yield from _secrets_in(dict(value))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _secrets_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _secrets_in(item)


def _basic(word: str) -> list[str]:
    try:
        user, _, password = base64.b64decode(word).decode().partition(":")
    except ValueError:
        return []
    return [f"{user}:{password}", password]


def _from_environment() -> tuple[Secret, ...]:
    named = os.environ.get(VARIABLES, "").split()
    values = {
        value
        for name, value in os.environ.items()
        if (_TELLING.search(name) or name in named) and len(value) >= PART and value.lower() not in PLACEHOLDERS
    }
    return tuple(map(_known, sorted(values)))


_environment: dict[str, Secret] = {}


def _known(value: str) -> Secret:
    """The same object each time: its forms are made once."""
    return _environment.setdefault(value, Secret(value))


def _spans(text: str, secrets: Iterable[Secret], *, step: int | None, thorough: bool) -> list[tuple[int, int]]:
    """Stretches of the text to hide. step: look for parts in the middle too; None where parts of secrets that may be
    words stay. thorough: undo every escape."""
    wanted = [
        (form, not secret.divisible or (step is None and not secret.random))
        for secret in secrets
        for form in secret.forms
    ]
    found: set[tuple[int, int]] = set()
    for decoded, path in _decodings(text, thorough=thorough) if wanted else ():
        lower, bare = _comparable(decoded)
        there = [(form, whole) for form, whole in wanted if form.is_in(bare if form.bare else lower, step, whole=whole)]
        if there:
            view = _view(text, path)
            lower, bare = _comparable(view.text)
            for form, whole in there:
                for start, end in form.found(bare if form.bare else lower, step, whole=whole):
                    found.add(_widened(view, start, end) if form.bare else view.source(start, end))
    return sorted(found)


def _comparable(text: str) -> tuple[str, str]:
    """The text in small letters, and with the usual letters of base64."""
    lower = text.lower()
    if len(lower) != len(text):  # a letter whose small form is two
        lower = text
    return lower, text.replace("-", "+").replace("_", "/")


def _widened(view: View, start: int, end: int) -> tuple[int, int]:
    """With the base64 digits on both sides that hold some bits of the secret."""
    if start > 0 and _BASE64.match(view.text[start - 1]) and view.ends[start - 1] == view.starts[start]:
        start -= 1
    if end < len(view.text) and _BASE64.match(view.text[end]) and view.ends[end - 1] == view.starts[end]:
        end += 1
    return view.source(start, end)


def _decodings(text: str, *, thorough: bool) -> Iterator[tuple[str, tuple[Decoder, ...]]]:
    """The text as it is and with its escapes undone, one kind inside another, with the decoders that did it. Not
    thorough: escapes are undone only where the text has some that hide letters."""
    if not thorough and not any(pattern.search(text) for pattern in _ESCAPED):
        yield DECODERS[0].text(text), DECODERS[:1]
        return
    seen = {text}
    level: list[tuple[str, tuple[Decoder, ...]]] = [(text, ())]
    for _ in range(DEPTH + 1):
        yield from level
        following = []
        for known, path in level:
            for decoder in DECODERS:
                decoded = decoder.text(known)
                if decoded not in seen and len(seen) < MOST_DECODINGS:
                    seen.add(decoded)
                    following.append((decoded, (*path, decoder)))
        level = following


def _view(text: str, path: tuple[Decoder, ...]) -> View:
    view = View(text, array("q", range(len(text))), array("q", range(1, len(text) + 1)))
    for decoder in path:
        view = decoder.view(view)
    return view


def _replaced(text: str, spans: list[tuple[int, int]]) -> str:
    """Overlapping and touching stretches become one `***`."""
    merged: list[list[int]] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    if not merged:
        return text
    kept = [text[: merged[0][0]], *(text[a[1] : b[0]] for a, b in pairwise(merged)), text[merged[-1][1] :]]
    return HIDDEN.join(kept)
