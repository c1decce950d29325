"""The 25 kinds of constraints of IFEval (arXiv 2311.07911, table 1): arguments, check, and the words that ask for it.

    >>> kind = KINDS["length_constraints:number_words"]
    >>> kind.holds("Four words are here.", kind.read({"num_words": 5, "relation": "less than"}))
    True

A check is given the response with "\\n" as the end of a line, not empty, and its arguments as `read` returns them. It
answers None where nothing decides. Keywords are literal text. Names of kinds and arguments are those of the published
set.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from dqdata_operators.lib.instructions import texts
from dqdata_operators.lib.instructions.language import speaks

Kind: TypeAlias = Literal["count", "relation", "text", "letter", "texts"]
Values: TypeAlias = Mapping[str, Any]
RELATIONS = ("less than", "at least")
LANGUAGE_BY = "language_by"
"""Key beside the arguments: how a language is identified, as `speaks` takes it."""
OPTIONS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")


class ArgumentError(ValueError):
    """An argument that is missing, or none that the kind of constraint can have; the message names it."""


@dataclass(frozen=True)
class Constraint:
    """arguments: names and what each is. check: whether a response holds. asks: the words of a prompt, with the
    arguments in braces."""

    arguments: Mapping[str, Kind]
    check: Callable[[str, Values], bool | None]
    asks: str

    def read(self, given: Mapping[str, Any]) -> Values:
        """The arguments in their types. Raises ArgumentError. Ones of other kinds are passed over: a table holds
        all of them, most null."""
        return {name: _argument(name, kind, given.get(name)) for name, kind in self.arguments.items()}

    def holds(self, response: str, values: Values) -> bool | None:
        """Whether the response meets the constraint; never where it is empty."""
        text = response.replace("\r\n", "\n")
        return self.check(text, values) if text.strip() else False

    def words(self, values: Values) -> str:
        """How a prompt asks for it."""
        shown = {
            name: ", ".join(map(repr, value)) if isinstance(value, tuple) else value for name, value in values.items()
        }
        return self.asks.format(**shown)


def _argument(name: str, kind: Kind, value: Any) -> Any:
    if value is None:
        raise ArgumentError(f"{name} is missing")
    if kind == "count":
        return _count(name, value)
    if kind == "texts":
        if isinstance(value, str):
            raise ArgumentError(f"{name} is a text, not a list of texts")
        found = tuple(one for one in value if isinstance(one, str) and one.strip())
        if not found or len(found) != len(value):
            raise ArgumentError(f"{name} is empty" if not len(value) else f"{name} holds what is no text")
        return found
    if not isinstance(value, str) or not value.strip():
        raise ArgumentError(f"{name} is {value!r}, not a text")
    if kind == "relation" and value.strip().lower() not in RELATIONS:
        raise ArgumentError(f"{name} is {value!r}, not one of {', '.join(RELATIONS)}")
    if kind == "letter" and len(value.strip()) != 1:
        raise ArgumentError(f"{name} is {value!r}, not a single letter")
    return value.strip().lower() if kind in ("relation", "letter") else value.strip()


def _count(name: str, value: Any) -> int:
    """A whole number from 0, also where a table wrote it as 3.0 or a file as "3"."""
    try:
        number = float(value) if not isinstance(value, bool) else -1.0
    except (TypeError, ValueError, OverflowError):
        raise ArgumentError(f"{name} is {value!r}, not a number") from None
    if not number.is_integer() or number < 0:
        raise ArgumentError(f"{name} is {value!r}, not a whole number from 0")
    return int(number)


def _related(count: int, limit: int, relation: str) -> bool:
    return count < limit if relation == "less than" else count >= limit


def _in_english(text: str, values: Values) -> bool:
    spoken = speaks(text.lower(), "en", values.get(LANGUAGE_BY, "words"))
    return spoken is not False and any(sign.isascii() and sign.isalpha() for sign in text)


def _frequency(text: str, values: Values) -> bool:
    return _related(texts.times(values["keyword"], text), values["frequency"], values["relation"])


def _letters(text: str, values: Values) -> bool:
    return _related(Counter(text.lower())[values["letter"]], values["let_frequency"], values["let_relation"])


def _paragraphs(text: str, values: Values) -> bool:
    parts = texts.divided(text, "***")
    return parts is not None and len(parts) == values["num_paragraphs"]


def _first_word(text: str, values: Values) -> bool:
    parts = [part.strip() for part in text.split("\n\n") if part.strip()]
    nth = values["nth_paragraph"]
    if len(parts) != values["num_paragraphs"] or not 1 <= nth <= len(parts):
        return False
    pattern = rf"[\"'“‘]*{re.escape(values['first_word'])}(?![\w-])"
    return re.match(pattern, parts[nth - 1], re.IGNORECASE) is not None


def _postscript(text: str, values: Values) -> bool:
    marker = values["postscript_marker"].lower()
    known = {"p.s.": r"p\.\s?s\.", "p.p.s": r"p\.\s?p\.\s?s", "p.p.s.": r"p\.\s?p\.\s?s\."}
    return re.search(rf"(?<![\w.]){known.get(marker, re.escape(marker))}", text.lower()) is not None


def _sections(text: str, values: Values) -> bool:
    marks = re.findall(rf"(?<!\w){re.escape(values['section_spliter'])}\s?\d+", text)
    return bool(len(marks) >= values["num_sections"])


def _json(text: str, _: Values) -> bool:
    text = re.sub(r"^```(?:json)?", "", text.strip(), flags=re.IGNORECASE).removesuffix("```").strip()
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _two_responses(text: str, _: Values) -> bool:
    parts = texts.divided(text, "******")
    return parts is not None and len(parts) == 2 and parts[0] != parts[1]


def _end(text: str, values: Values) -> bool:
    return text.strip().strip('"').lower().endswith(values["end_phrase"].lower())


def _quoted(text: str, _: Values) -> bool:
    text = text.strip()
    return len(text) > 1 and (text[0], text[-1]) in (('"', '"'), ("“", "”"))


def _capital_words(text: str, values: Values) -> bool:
    return _related(texts.capital_words(text), values["capital_frequency"], values["capital_relation"])


def _key_count(count: Callable[[str], int], name: str) -> Callable[[str, Values], bool]:
    return lambda text, values: bool(count(text) >= values[name])


def _placeholders(text: str) -> int:
    return sum(bool(part[1:-1].strip()) for part in re.findall(r"\[[^\[\]\n]*\]", text))


KINDS: Mapping[str, Constraint] = {
    "keywords:existence": Constraint(
        {"keywords": "texts"},
        lambda text, values: all(texts.times(word, text) > 0 for word in values["keywords"]),
        "Include the keywords {keywords} in the response.",
    ),
    "keywords:frequency": Constraint(
        {"keyword": "text", "frequency": "count", "relation": "relation"},
        _frequency,
        "In your response, the word {keyword} should appear {relation} {frequency} times.",
    ),
    "keywords:forbidden_words": Constraint(
        {"forbidden_words": "texts"},
        lambda text, values: not any(texts.times(word, text, whole=True) for word in values["forbidden_words"]),
        "Do not use the words {forbidden_words} in the response.",
    ),
    "keywords:letter_frequency": Constraint(
        {"letter": "letter", "let_frequency": "count", "let_relation": "relation"},
        _letters,
        "In your response, the letter {letter} should appear {let_relation} {let_frequency} times.",
    ),
    "language:response_language": Constraint(
        {"language": "text"},
        lambda text, values: speaks(text, values["language"], values.get(LANGUAGE_BY, "words")),
        "Write your entire response in the language with the code {language}; no other language is allowed.",
    ),
    "length_constraints:number_sentences": Constraint(
        {"num_sentences": "count", "relation": "relation"},
        lambda text, values: _related(len(texts.sentences(text)), values["num_sentences"], values["relation"]),
        "Your response should have {relation} {num_sentences} sentences.",
    ),
    "length_constraints:number_paragraphs": Constraint(
        {"num_paragraphs": "count"},
        _paragraphs,
        "Write {num_paragraphs} paragraphs, separated with the markdown divider: ***",
    ),
    "length_constraints:number_words": Constraint(
        {"num_words": "count", "relation": "relation"},
        lambda text, values: _related(len(texts.words(text)), values["num_words"], values["relation"]),
        "Answer with {relation} {num_words} words.",
    ),
    "length_constraints:nth_paragraph_first_word": Constraint(
        {"num_paragraphs": "count", "nth_paragraph": "count", "first_word": "text"},
        _first_word,
        "Write {num_paragraphs} paragraphs, separated by two line breaks and nothing else. Paragraph {nth_paragraph} "
        "must start with the word {first_word}.",
    ),
    "detectable_content:number_placeholders": Constraint(
        {"num_placeholders": "count"},
        _key_count(_placeholders, "num_placeholders"),
        "The response must contain at least {num_placeholders} placeholders in square brackets, such as [address].",
    ),
    "detectable_content:postscript": Constraint(
        {"postscript_marker": "text"},
        _postscript,
        "At the end of your response, add a postscript that starts with {postscript_marker}",
    ),
    "detectable_format:number_bullet_lists": Constraint(
        {"num_bullets": "count"},
        lambda text, values: texts.bullets(text) == values["num_bullets"],
        "Your answer must contain exactly {num_bullets} bullet points, in markdown such as:\n* This is a point.",
    ),
    "detectable_format:constrained_response": Constraint(
        {},
        lambda text, _: any(option in text for option in OPTIONS),
        f"Answer with one of the following options: {', '.join(OPTIONS)}",
    ),
    "detectable_format:number_highlighted_sections": Constraint(
        {"num_highlights": "count"},
        _key_count(texts.highlighted, "num_highlights"),
        "Highlight at least {num_highlights} sections of your answer in markdown, such as *highlighted section*.",
    ),
    "detectable_format:multiple_sections": Constraint(
        {"section_spliter": "text", "num_sections": "count"},
        _sections,
        "Your response must have {num_sections} sections. Mark where each begins with {section_spliter} X, such as:\n"
        "{section_spliter} 1\n[content of section 1]\n{section_spliter} 2\n[content of section 2]",
    ),
    "detectable_format:json_format": Constraint(
        {}, _json, "Wrap the entire output in JSON format; markdown ticks such as ``` may be around it."
    ),
    "detectable_format:title": Constraint(
        {},
        lambda text, _: any(title.strip("<> \t") for title in texts.titles(text)),
        "Your answer must contain a title in double angular brackets, such as <<poem of joy>>.",
    ),
    "combination:two_responses": Constraint(
        {}, _two_responses, "Give two different responses, separated by six asterisks and nothing else: ******"
    ),
    "combination:repeat_prompt": Constraint(
        {"prompt_to_repeat": "text"},
        lambda text, values: text.strip().lower().startswith(values["prompt_to_repeat"].replace("\r\n", "\n").lower()),
        "First repeat the request above word for word, with nothing before it, then give your answer.",
    ),
    "startend:end_checker": Constraint(
        {"end_phrase": "text"},
        _end,
        "Finish your response with this exact phrase and no other words after it: {end_phrase}",
    ),
    "startend:quotation": Constraint({}, _quoted, "Wrap your entire response in double quotation marks."),
    "change_case:capital_word_frequency": Constraint(
        {"capital_frequency": "count", "capital_relation": "relation"},
        _capital_words,
        "In your response, words in all capital letters should appear {capital_relation} {capital_frequency} times.",
    ),
    "change_case:english_capital": Constraint(
        {},
        lambda text, values: text.isupper() and _in_english(text, values),
        "Write your entire response in English, in all capital letters.",
    ),
    "change_case:english_lowercase": Constraint(
        {},
        lambda text, values: text.islower() and _in_english(text, values),
        "Write your entire response in English, in all lowercase letters. No capital letters are allowed.",
    ),
    "punctuation:no_comma": Constraint(
        {}, lambda text, _: "," not in text, "Do not use any commas in your entire response."
    ),
}


def loosened(response: str) -> Sequence[str]:
    """The response as it is, without its first line, its last, and both; each with and without asterisks."""
    lines = response.replace("\r\n", "\n").split("\n")
    cut = ["\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1])]
    whole = [response, *cut]
    return tuple(dict.fromkeys([*whole, *(one.replace("*", "") for one in whole)]))
