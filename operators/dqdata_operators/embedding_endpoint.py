"""Texts as vectors through `POST URL/embeddings`, as OpenAI, vLLM, text-embeddings-inference and others answer it.

    Endpoint("https://api.example.com/v1#bge-m3")             # key: environment variable DQDATA_EMBEDDING_KEY

What may pass is tried again with growing pauses: 408, 409, 429, 5xx, a broken connection, an answer that isn't whole.
What won't (a wrong key, an unknown model, a text too long) ends the step at once. No error holds the key. These calls
are not in the ledger: a step that is carried out anew asks again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from dqdata.errors import InputError, RunError
from dqdata_operators.embedding import F32

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
    def __init__(self, name: str) -> None:
        from openai import OpenAI

        self._url, _, self._model = name.partition("#")
        parts = urlsplit(self._url)
        if "@" in parts.netloc or parts.query:
            raise InputError(f"the URL of an embedding must hold no key or password: put it into {KEY}")
        if not self._model:
            raise InputError(f"embedding {name!r} names no model: write URL#MODEL")
        self._key = os.environ.get(KEY, "")
        self._client = OpenAI(base_url=self._url, api_key=self._key or "none", max_retries=0, timeout=TIMEOUT)

    def encode(self, texts: Sequence[str]) -> F32:
        """One vector a text. The first call goes alone: where it fails for good, no other is made."""
        parts = [texts[start : start + TEXTS] for start in range(0, len(texts), TEXTS)]
        first = self._ask(parts[0])
        with ThreadPoolExecutor(AT_ONCE) as threads:
            tasks = [threads.submit(self._ask, part) for part in parts[1:]]
            try:
                made = [first, *(task.result() for task in tasks)]
            finally:
                for task in tasks:
                    task.cancel()
        if len({part.shape[1] for part in made}) > 1:
            raise RunError(f"{self._where} gave vectors of several lengths")
        return np.concatenate(made)

    @property
    def _where(self) -> str:
        return f"the embedding endpoint {self._url} (model {self._model!r})"

    def _ask(self, texts: Sequence[str]) -> F32:
        import openai

        for attempt in range(ATTEMPTS):
            try:
                return self._vectors(self._client.embeddings.create(model=self._model, input=list(texts)), len(texts))
            except openai.APIStatusError as error:
                said, passing = f"{error.status_code} {error.message}", error.status_code in (408, 409, 429)
                passing |= error.status_code >= 500
                wait = error.response.headers.get("Retry-After", "")
            except (openai.APIConnectionError, openai.APIResponseValidationError, ValueError, TypeError) as error:
                said, passing, wait = f"{type(error).__name__}: {error}", True, ""
            said = said.replace(self._key, "***") if self._key else said
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
