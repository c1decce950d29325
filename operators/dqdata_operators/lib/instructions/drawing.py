"""Draws constraints for a prompt that one response can follow together, with arguments.

>>> draw(random.Random(1), "How tall is the tower?", 2, tuple(KINDS))
[('punctuation:no_comma', {}), ('length_constraints:number_words', {'num_words': 120, 'relation': 'at least'})]
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dqdata_operators.lib.instructions.kinds import KINDS, RELATIONS

LANGUAGE, LOWER, UPPER = "language:response_language", "change_case:english_lowercase", "change_case:english_capital"
CAPITALS, OPTION, JSON = (
    "change_case:capital_word_frequency",
    "detectable_format:constrained_response",
    "detectable_format:json_format",
)
TWO, REPEAT, QUOTED = "combination:two_responses", "combination:repeat_prompt", "startend:quotation"
PARAGRAPHS, FIRST_WORD, SECTIONS = (
    "length_constraints:number_paragraphs",
    "length_constraints:nth_paragraph_first_word",
    "detectable_format:multiple_sections",
)
WORDS, SENTENCES = "length_constraints:number_words", "length_constraints:number_sentences"
END, POSTSCRIPT, TITLE = "startend:end_checker", "detectable_content:postscript", "detectable_format:title"
BULLETS, HIGHLIGHTS = "detectable_format:number_bullet_lists", "detectable_format:number_highlighted_sections"
PLACEHOLDERS = "detectable_content:number_placeholders"
EXISTENCE, FREQUENCY, FORBIDDEN = "keywords:existence", "keywords:frequency", "keywords:forbidden_words"

EXCLUDES: Mapping[str, frozenset[str]] = {
    OPTION: frozenset(KINDS),
    JSON: frozenset(
        {TWO, REPEAT, QUOTED, PARAGRAPHS, FIRST_WORD, SECTIONS, END, POSTSCRIPT, TITLE, BULLETS, SENTENCES}
    ),
    TWO: frozenset({REPEAT, QUOTED, PARAGRAPHS, FIRST_WORD, SECTIONS, BULLETS, HIGHLIGHTS}),
    REPEAT: frozenset(
        {QUOTED, UPPER, LOWER, LANGUAGE, FIRST_WORD, SENTENCES, WORDS, "punctuation:no_comma", FORBIDDEN}
    ),
    QUOTED: frozenset({END, POSTSCRIPT}),
    END: frozenset({POSTSCRIPT}),
    PARAGRAPHS: frozenset({FIRST_WORD, SECTIONS, BULLETS, HIGHLIGHTS}),
    FIRST_WORD: frozenset({SECTIONS, BULLETS, POSTSCRIPT, TITLE, QUOTED}),
    WORDS: frozenset({SENTENCES}),
    UPPER: frozenset({LOWER, CAPITALS, SECTIONS}),
    LOWER: frozenset({CAPITALS, SECTIONS}),
    LANGUAGE: frozenset({UPPER, LOWER, CAPITALS, EXISTENCE, FREQUENCY, FIRST_WORD, END, POSTSCRIPT, SECTIONS}),
    FREQUENCY: frozenset({EXISTENCE}),
}
"""Kinds that one response can hardly follow together."""
ENDINGS = ("Is there anything else I can help with?", "That is all for now.", "Let me know what you think.")
FORBIDDEN_WORDS = ("very", "really", "basically", "simply", "just", "obviously", "clearly", "actually")
OPENERS = ("first", "however", "finally", "consider", "today", "clearly")
LANGUAGES = ("de", "fr", "es", "it", "pt", "ru", "hi", "ja", "ko", "ar")
SMALL = frozenset("about above after their there these those which would could should where while other every".split())


def exclusive(one: str, other: str) -> bool:
    """Whether two kinds are not asked for together."""
    return one == other or other in EXCLUDES.get(one, ()) or one in EXCLUDES.get(other, ())


def draw(rng: random.Random, question: str, count: int, kinds: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """Up to so many constraints, each with its arguments; fewer where no other kind goes with those that are drawn."""
    chosen: list[str] = []
    for name in rng.sample(sorted(kinds), len(kinds)):
        if len(chosen) < count and not any(exclusive(name, other) for other in chosen):
            chosen.append(name)
    return [(name, ARGUMENTS[name](rng, question) if name in ARGUMENTS else {}) for name in chosen]


def _words_of(question: str) -> list[str]:
    """Words of a question that an answer to it may well use."""
    found = re.findall(r"[A-Za-z]{5,}", question)
    return sorted({word.lower() for word in found} - SMALL) or ["example", "reason"]


def _keywords(rng: random.Random, question: str) -> dict[str, Any]:
    words = _words_of(question)
    return {"keywords": rng.sample(words, min(len(words), rng.randint(1, 2)))}


def _frequency(rng: random.Random, question: str) -> dict[str, Any]:
    return {
        "keyword": rng.choice(_words_of(question)),
        "frequency": rng.randint(2, 4),
        "relation": rng.choice(RELATIONS),
    }


def _letter(rng: random.Random, question: str) -> dict[str, Any]:
    relation = rng.choice(RELATIONS)
    rare = relation == "less than"
    return {
        "letter": rng.choice("jqxz" if rare else "aeiot"),
        "let_frequency": rng.randint(3, 12),
        "let_relation": relation,
    }


def _sentences(rng: random.Random, question: str) -> dict[str, Any]:
    return {"num_sentences": rng.randint(4, 12), "relation": rng.choice(RELATIONS)}


def _number_of_words(rng: random.Random, question: str) -> dict[str, Any]:
    return {"num_words": 10 * rng.randint(5, 30), "relation": rng.choice(RELATIONS)}


def _first_word(rng: random.Random, question: str) -> dict[str, Any]:
    paragraphs = rng.randint(2, 5)
    return {
        "num_paragraphs": paragraphs,
        "nth_paragraph": rng.randint(1, paragraphs),
        "first_word": rng.choice(OPENERS),
    }


def _counted(name: str, low: int, high: int) -> Callable[[random.Random, str], dict[str, Any]]:
    return lambda rng, question: {name: rng.randint(low, high)}


ARGUMENTS: Mapping[str, Callable[[random.Random, str], dict[str, Any]]] = {
    EXISTENCE: _keywords,
    FREQUENCY: _frequency,
    FORBIDDEN: lambda rng, question: {"forbidden_words": rng.sample(FORBIDDEN_WORDS, rng.randint(1, 3))},
    "keywords:letter_frequency": _letter,
    LANGUAGE: lambda rng, question: {"language": rng.choice(LANGUAGES)},
    SENTENCES: _sentences,
    WORDS: _number_of_words,
    PARAGRAPHS: _counted("num_paragraphs", 2, 5),
    FIRST_WORD: _first_word,
    PLACEHOLDERS: _counted("num_placeholders", 1, 4),
    POSTSCRIPT: lambda rng, question: {"postscript_marker": rng.choice(("P.S.", "P.P.S"))},
    BULLETS: _counted("num_bullets", 2, 6),
    HIGHLIGHTS: _counted("num_highlights", 1, 4),
    SECTIONS: lambda rng, question: {
        "section_spliter": rng.choice(("Section", "SECTION")),
        "num_sections": rng.randint(2, 5),
    },
    REPEAT: lambda rng, question: {"prompt_to_repeat": question},
    END: lambda rng, question: {"end_phrase": rng.choice(ENDINGS)},
    CAPITALS: lambda rng, question: {
        "capital_frequency": rng.randint(2, 10),
        "capital_relation": rng.choice(RELATIONS),
    },
}
"""How arguments are drawn; kinds that have none are not here."""
