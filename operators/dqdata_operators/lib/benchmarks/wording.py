"""How much of a code task is said by another text in whatever words: each word is matched with the most similar one.

    >>> tasks = Wordings(pl.Series(["find the smallest number", "find the largest number", "reverse a string"]))
    >>> texts = Words(pl.Series(["return the minimum of the numbers"]))
    >>> [round(tasks.compare(texts, 0, problem).said, 1) for problem in range(2)]
    [0.7, 0.0]

Two words are alike as the word vectors of WordLlama are; inflections, and words of one meaning of contrasts.py, are the
same, and its counterparts have nothing in common, though their vectors do. Words weigh by their rarity among the tasks.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from dqdata_operators.lib.texts.contrasts import FAMILIES
from dqdata_operators.lib.texts.function_words import COMMON
from dqdata_operators.lib.texts.shingles import I64
from dqdata_operators.lib.texts.token_sets import F64
from dqdata_operators.lib.vectors.embedding import WordVectors

OF_ANY_TASK = frozenset(
    "write implement create define function method program script routine code python given return returns using use "
    "take takes".split()
)
"""Words that say that a text is a code task, and not which."""
WORD = r"[a-z]{2,}"
STEM = 5
"""Letters by which inflections agree."""
FROM, TO = 0.25, 0.9
"""Cosines of word vectors that have nothing and all in common."""
AHEAD = 0.2
"""By how much the share of the text that is in the task may lag behind: a text may say more."""


class Wording(NamedTuple):
    said: float
    """Share of the rarity of the task's words that the text has, or of the text's in the task plus AHEAD."""
    unsaid: float
    """Rarity of what the text says least of, as a share of RAREST."""


class Words:
    """The content words of many texts: distinct words with their vectors and meanings, and of each text its words."""

    def __init__(self, texts: pl.Series) -> None:
        found = _words(texts)
        words = list(dict.fromkeys(word for some in found for word in some))
        at = {word: place for place, word in enumerate(words)}
        self.places = [np.array([at[word] for word in some], np.int64) for some in found]
        self.stems = np.array([word[:STEM] for word in words], f"U{STEM}")
        self.vectors = _model().embed(pl.Series(words, dtype=pl.String))
        self.meanings = [MEANINGS.get(word, NOTHING) for word in words]


class Wordings:
    """Tasks that texts are compared with."""

    def __init__(self, tasks: pl.Series) -> None:
        self._tasks = Words(tasks)
        counts = Counter(stem for places in self._tasks.places for stem in set(self._tasks.stems[places].tolist()))
        self._rare = {stem: math.log((len(tasks) + 1) / (count + 0.5)) for stem, count in counts.items()}
        self._unseen = math.log((len(tasks) + 1) / 0.5)

    def compare(self, texts: Words, row: int, task: int) -> Wording:
        mine, theirs = texts.places[row], self._tasks.places[task]
        if not len(mine) or not len(theirs):
            return Wording(0.0, 0.0)
        alike = self._alike(texts, mine, theirs)
        own, rare = self._rarity(texts.stems[mine]), self._rarity(self._tasks.stems[theirs])
        said, heard = alike.max(axis=0), alike.max(axis=1)
        share, back = (rare * said).sum() / rare.sum(), (own * heard).sum() / own.sum()
        return Wording(float(min(share, back + AHEAD)), float((rare * (1 - said)).max()) / RAREST)

    def _rarity(self, stems: npt.NDArray[np.str_]) -> F64:
        return np.array([self._rare.get(stem, self._unseen) for stem in stems.tolist()])

    def _alike(self, texts: Words, mine: I64, theirs: I64) -> F64:
        """Shape (words of the text, words of the task), 0 to 1."""
        cosines = (texts.vectors[mine] @ self._tasks.vectors[theirs].T).astype(np.float64)
        made = np.clip((cosines - FROM) / (TO - FROM), 0, 1)
        meant = [(at, self._tasks.meanings[place]) for at, place in enumerate(theirs) if self._tasks.meanings[place]]
        for at, place in enumerate(mine):
            for to, meaning in meant:
                shared = texts.meanings[place].keys() & meaning.keys()
                if shared:
                    made[at, to] = any(texts.meanings[place][family] & meaning[family] for family in shared)
        made[texts.stems[mine][:, None] == self._tasks.stems[theirs][None, :]] = 1
        return made


RAREST = 8.0
"""Rarity of a word that is in none of some thousands of tasks."""
NOTHING: dict[int, set[int]] = {}
MEANINGS: dict[str, dict[int, set[int]]] = {}
"""Of the words of contrasts.py: their families, with the meanings that they have in each."""
for _family, _meanings in enumerate(FAMILIES):
    for _number, _meant in enumerate(_meanings):
        for _word in _meant:
            MEANINGS.setdefault(_word, {}).setdefault(_family, set()).add(_number)


@functools.cache
def _model() -> WordVectors:
    return WordVectors()


def _words(texts: pl.Series) -> list[list[str]]:
    """Distinct content words of each text."""
    found = texts.str.to_lowercase().str.extract_all(WORD).list.unique(maintain_order=True).to_list()
    return [[word for word in words if word not in COMMON and word not in OF_ANY_TASK] for words in found]
