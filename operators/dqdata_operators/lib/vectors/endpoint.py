"""Requests embeddings from `POST URL/embeddings` in the form of OpenAI, vLLM and text-embeddings-inference.

    Endpoint("https://api.example.com/v1#bge-m3", run.kept)   # key: environment variable DQDATA_EMBEDDING_KEY

What may pass is tried again with growing pauses: 408, 409, 429, 5xx, a broken connection, an answer that isn't whole.
What won't (a wrong key, an unknown model, a text too long) ends the step at once. No error holds the key. An answer is
on disk before the next call of its thread (kept_vectors.py), so no text is paid for twice.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from dqdata.errors import InputError, RunError
from dqdata.masking import masker
from dqdata_operators.lib.vectors import F32
from dqdata_operators.lib.vectors.kept_vectors import FILE, KeptVectors

KEY = "DQDATA_EMBEDDING_KEY"
TEXTS = 128
"""Texts of a call."""
AT_ONCE = 8
ATTEMPTS = 6
PAUSE = 0.5
"""Seconds before the second attempt; each further pause is twice as long, unless the endpoint names another."""
LONGEST_PAUSE = 60.0
TIMEOUT = 120.0


class Endpoint:
    def __init__(self, name: str, folder: Path) -> None:
        """folder: where answers are kept."""
        from openai import DefaultHttpxClient, OpenAI

        self._url, _, self._model = name.partition("#")
        parts = urlsplit(self._url)
        if "@" in parts.netloc or parts.query:
            raise InputError(f"the URL of an embedding must hold no key or password: put it into {KEY}")
        if not self._model:
            raise InputError(f"embedding {name!r} names no model: write URL#MODEL")
        self._file = folder / FILE
        self._key = os.environ.get(KEY, "")
        masker.add(self._key)
        self._client = OpenAI(
            base_url=self._url,
            api_key=self._key or "none",
            max_retries=0,
            timeout=TIMEOUT,
            http_client=DefaultHttpxClient(follow_redirects=False),
        )

    def encode(self, texts: Sequence[str]) -> F32:
        """One vector a text. The first call goes alone: where it fails for good, no other is made."""
        with KeptVectors(self._file, f"{self._url.rstrip('/')}#{self._model}") as kept:
            made = kept.get(texts)
            open_ = [place for place in range(len(texts)) if place not in made]
            parts = [open_[start : start + TEXTS] for start in range(0, len(open_), TEXTS)]
            for part, vectors in zip(parts, self._answers(parts, texts, kept), strict=True):
                made |= zip(part, vectors, strict=True)
        if len({len(vector) for vector in made.values()}) > 1:
            raise RunError(
                f"{self._where} gave vectors of several lengths: if another model answers under this name now, put "
                f"{self._file} aside, so that every text is asked for again"
            )
        return np.stack([made[place] for place in range(len(texts))])

    def _answers(self, parts: Sequence[Sequence[int]], texts: Sequence[str], kept: KeptVectors) -> list[F32]:
        def ask(part: Sequence[int]) -> F32:
            asked = [texts[place] for place in part]
            vectors = self._ask(asked)
            kept.put(asked, vectors)
            return vectors

        made = [ask(part) for part in parts[:1]]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            tasks = [threads.submit(ask, part) for part in parts[1:]]
            try:
                return [*made, *(task.result() for task in tasks)]
            finally:
                for task in tasks:
                    task.cancel()

    @property
    def _where(self) -> str:
        return f"the embedding endpoint {self._url} (model {self._model!r})"

    def _ask(self, texts: Sequence[str]) -> F32:
        import openai

        for attempt in range(ATTEMPTS):
            try:
                return self._vectors(self._client.embeddings.create(model=self._model, input=list(texts)), len(texts))
            except openai.APIStatusError as error:
                body = masker.hide_body(error.response.content)
                said, passing = f"{error.status_code} {body}", error.status_code in (408, 409, 429)
                passing |= error.status_code >= 500
                wait = error.response.headers.get("Retry-After", "")
            except (openai.APIConnectionError, openai.APIResponseValidationError, ValueError, TypeError) as error:
                said, passing, wait = f"{type(error).__name__}: {error}", True, ""
            said = " ".join(masker.hide(said).split())
            if not passing:
                hint = f"; is {KEY} right?" if said.startswith(("401", "403")) else ""
                raise RunError(f"{self._where} refused: {said[:500]}{hint}") from None
            if attempt + 1 < ATTEMPTS:
                pause = float(wait) if wait.replace(".", "", 1).isdigit() else PAUSE * 2**attempt
                time.sleep(min(pause, LONGEST_PAUSE))
        raise RunError(f"{self._where} failed {ATTEMPTS} times, last: {said[:500]}") from None

    def _vectors(self, answer: Any, count: int) -> F32:
        """Raises ValueError where a vector is missing, of another length or no numbers."""
        ordered = sorted(answer.data, key=lambda one: one.index)
        if [one.index for one in ordered] != list(range(count)):
            raise ValueError(f"{count} texts, but vectors {[one.index for one in ordered][:5]} ...")
        made = np.array([one.embedding for one in ordered], np.float32)
        if made.ndim != 2 or not np.isfinite(made).all():
            raise ValueError("vectors of several lengths, or with values that are no numbers")
        return made
