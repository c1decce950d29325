r"""Answers in words: equal after normalisation, matching a pattern, or a number within a tolerance.

>>> compare_text(reference="The Battle of Hastings", response="The answer is the battle of Hastings.").verdict
'correct'
>>> compare_text(reference=r"(?:colou?r)s?", response=r"\boxed{Colours}", mode="regex").verdict
'correct'
>>> compare_text(reference="9.81", response="It is 9.8.", mode="number", tolerance=Tolerance(rel_tol=0.01)).verdict
'correct'
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from dqdata_operators.lib.maths.compare import Judgement, compare
from dqdata_operators.lib.maths.equal import Tolerance
from dqdata_operators.lib.maths.extract import PLACES, Place, answer_part, extract, stated
from dqdata_operators.lib.maths.numbers import literal, words_to_number
from dqdata_operators.lib.maths.wording import same_wording, wording
from dqdata_operators.lib.maths.words import meaning

TextMode = Literal["normalised", "exact", "regex", "number"]
LONGEST = 2000
"""Characters of an answer; what is longer is no final answer."""
MOST_WORDS = 3
"""Words of a line without a verb that is an answer as it stands."""
_WRAPPED = re.compile(r"\\(?:text|textbf|mathrm|mbox|textit)\s*\{([^{}]*)\}")
_TAGGED = re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE)
_FIELD = re.compile(r"[\"'](?:final_)?answer[\"']\s*:\s*\"((?:[^\"\\]|\\.)*)\"", re.IGNORECASE)
_IS = re.compile(
    r"(?:\b(?:is|was|are|were|be|been|becomes|became|equals|called|named|known as|means|ist|war|heißt|lautet|es|"
    r"son|fue|est|sont|era|é)\b"
    r"|['’]s\b|(?<=\s)è|[:：=]|是|为|為|は)\s*(?:called\s+|named\s+|known\s+as\s+)?",
    re.IGNORECASE,
)
_NO = re.compile(
    r"\b(?:not|never|neither|nor|no longer|cannot|nicht|kein\w*|pas|wrong|incorrect|false|unlike|except|"
    r"without|no\s+(?:es|son|fue|era|está)|n['’]est|non\s+è|não)\b|n['’]t\b|不|没",
    re.IGNORECASE,
)
_OR = re.compile(r"\b(?:or|oder|ou|either)\b|或", re.IGNORECASE)
_CLAUSE = re.compile(
    r"[,;(—–]\s*(?:which|who|where|because|since|as|not|but|the|an?|located|in|on|at|for|so|due|thus|when|while|"
    r"and\s+(?:it|that|this|not))\b"
    r"|\s(?:because|since|which|where|who|due to|rather than|instead of|according to|but not)\b|\s[—–-]\s|"
    r"[.!?。！？](?:\s|$)|，|；|;",
    re.IGNORECASE,
)
_POINTS = re.compile(
    r"\b(?:in|at|to|on|from|of|by|as|into|toward|towards|facing|heading|moving|going|for|with|into|was|is|"
    r"be)\s+(?:the\s+)?$",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?<![\w.,^{])[-−]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?![\d/^:]|,\d|\.\d)(?:[eE][-+]?\d{1,3})?|"
    r"(?<![\w.])[-−]?\.\d+"
)


_GOES_ON = frozenset((sign,) for sign in "^*/+_")
"""Signs by which a formula goes on."""
_MARKED = re.compile(r"\b(?:answer|antwort|respuesta|réponse)\s*[:：]\s*|答案\s*[:：]\s*", re.IGNORECASE)
_CALCULATION = re.compile(r"\\(?:frac|sqrt)|\d\s*[*×÷^/+]|[*×÷+]\s*\d|[a-z]\s*=")


_IN_FRONT = re.compile(r"\A(?:in|on|at|by|from|to)\s+", re.IGNORECASE)
_AND = re.compile(r",?\s+and\s+(?=[^,]*\Z)", re.IGNORECASE)
"""Before the last of a list."""
_ENDING = re.compile(r"(?:です|である|だ|입니다|이다)[。.]?\Z")


def compare_text(
    *,
    reference: str | None,
    response: str | None,
    mode: TextMode = "normalised",
    tolerance: Tolerance | None = None,
    places: Sequence[Place] = PLACES,
) -> Judgement:
    """Whether the final answer of the response is the reference.

    normalised: the same words, numbers and signs, whatever their case, punctuation and leading article, and whatever
    prose stands around them; where a last sentence only mentions the reference, the verdict is unverifiable:
    `ambiguous`. exact: the same characters.
    regex: the reference is a pattern that the whole answer must match, without regard to case; an answer that makes a
    pattern hang is the caller's deadline to end. number: both are numbers, within the tolerance.
    """
    if reference is None or not reference.strip():
        return Judgement("unverifiable", None, "reference_unreadable: empty")
    tolerance = tolerance or Tolerance()
    if mode == "number":
        return _compare_number(reference, response or "", tolerance, places)
    pattern = None
    if mode == "regex":
        try:
            pattern = re.compile(reference, re.IGNORECASE)
        except re.error as error:
            return Judgement("unverifiable", None, f"reference_unreadable: {error}")
    elif mode == "normalised" and not wording(reference):
        return Judgement("unverifiable", None, "reference_unreadable: no words")
    found = final_text(response or "", places)
    if found is None:
        return Judgement("incorrect", None, "no_answer")
    answer, stated_so = found
    if pattern is not None:
        equal = pattern.fullmatch(answer) is not None or pattern.fullmatch(answer.rstrip(".")) is not None
    elif mode == "exact":
        written = _MARKED.split((response or "").strip().rpartition("\n")[2])[-1].strip()
        equal = reference.strip() in (answer, answer.strip("`"), answer.removesuffix("."), written)
    else:
        return _compare_words(reference, answer, stated_so)
    return Judgement("correct", answer, "equal") if equal else Judgement("incorrect", answer, "different")


def _compare_number(reference: str, response: str, tolerance: Tolerance, places: Sequence[Place]) -> Judgement:
    """A sentence with one number says that number, whatever unit follows."""
    if literal(reference) is None and words_to_number(reference) is None:
        return Judgement("unverifiable", None, "reference_unreadable: no number")
    answer, _ = final_text(response, places) or ("", False)
    numbers = {match[0] for match in _NUMBER.finditer(answer)} if literal(answer) is None else set()
    if len(numbers) == 1 and not _NO.search(answer) and not _CALCULATION.search(answer):
        response = numbers.pop()
    return compare(reference=reference, response=response, tolerance=tolerance, places=places)


def _compare_words(reference: str, answer: str, stated_so: bool) -> Judgement:
    """stated_so: the response says that this is its answer; else it is the last sentence, somewhere in which the answer
    stands."""
    if any(same_wording(one, reference) for one in (answer, _before_clause(answer), _IN_FRONT.sub("", answer))):
        return Judgement("correct", answer, "equal")
    if "," in reference and "," in answer and same_wording(_AND.sub(" ", answer), _AND.sub(" ", reference)):
        return Judgement("correct", answer, "equal")
    if meaning(reference) in ("yes", "no") and meaning(answer.partition(",")[0]) == meaning(reference):
        return Judgement("correct", answer, "equal")
    if not stated_so and len(answer.split()) <= MOST_WORDS and not _IS.search(answer):
        stated_so = True  # no sentence: all of it is the answer
    sentence = _sentences(answer)[-1]
    held = _holds(sentence, reference)
    if held and not _holds(_without_denials(sentence), reference):
        return Judgement("incorrect", answer, "different")
    if stated_so:
        said = [_before_clause(answer[match.end() :]) for match in _IS.finditer(answer)][-1:]
        if held and not _NO.search(answer) and any(same_wording(part, reference) for part in said):
            return Judgement("correct", answer, "equal")
        return Judgement("incorrect", answer, "different")
    if not held or _NO.search(_without_denials(sentence)) or _NO.search(reference):
        return Judgement("incorrect", answer, "different")
    if _OR.search(sentence) and not _OR.search(reference):
        return Judgement("incorrect", answer, "different")
    if any(same_wording(part, reference) for part in _answers_in(sentence)):
        return Judgement("correct", answer, "equal")
    return Judgement("unverifiable", answer, "ambiguous")


def _holds(text: str, reference: str) -> bool:
    """Whether the words of the reference stand in the text, not as a part of a longer formula."""
    words, part = wording(text), wording(reference)
    places = (at for at in range(len(words) - len(part) + 1) if words[at : at + len(part)] == part)
    if any(words[at + len(part) :][:1] not in _GOES_ON for at in places):
        return True
    return bool(re.search(r"[\u3040-\u9fff\uac00-\ud7a3]", reference)) and reference.strip() in text


def _sentences(text: str) -> list[str]:
    parts = [
        part.strip()
        for part in re.split(r"(?<=[a-z0-9)\]\"”’*`.]{2}[.!?])\s+(?=[A-Z])|(?<=[。！？])", text)
        if part.strip()
    ]
    return parts or [text]


def _before_clause(text: str) -> str:
    end = _CLAUSE.search(text)
    return text[: end.start()] if end and end.start() else text


def _without_denials(sentence: str) -> str:
    """The sentence without `, not Rome`."""
    return re.sub(
        r"[,;]\s*(?:and\s+|but\s+)?not\s+[^,;.]*|\s+(?:rather than|instead of)\s+[^,;.]*",
        "",
        sentence,
        flags=re.IGNORECASE,
    )


def _answers_in(sentence: str) -> Iterator[str]:
    """Parts of a sentence that may be its answer: what it says of its subject, the subject of "X is the capital", and
    what stands at its end after a preposition or a verb of direction."""
    for match in _IS.finditer(sentence):
        yield _ENDING.sub("", _before_clause(sentence[match.end() :]))
        if re.match(r"(?:the|a|an)\b", sentence[match.end() :], re.IGNORECASE):
            yield sentence[: match.start()]
    words = sentence.rstrip(" .!。")
    for match in re.finditer(r"\s+", words):
        if _POINTS.search(words[: match.end()]):
            yield words[match.end() :]


def final_text(response: str, places: Sequence[Place]) -> tuple[str, bool] | None:
    """The final answer as it stands: of a tag, a box, after ####, of "the answer is ...", else the last line; and
    whether the response says that this is its answer."""
    text = answer_part(response)
    if text is not None and "phrase" in places and (tagged := _TAGGED.findall(text) or _FIELD.findall(text)):
        return _stripped(tagged[-1], True)
    found = extract(response, [place for place in places if place in ("boxed", "hashes")])
    if found is not None:
        return _stripped(_WRAPPED.sub(r"\1", found.text), True)
    if text is None or (("\\boxed" in text or "\\fbox" in text) and "boxed" in places):
        return None
    if "phrase" in places and (sentence := next(stated(text), None)) is not None:
        return _stripped(sentence, True)
    if "line" in places and (lines := [line for line in text.splitlines() if any(char.isalnum() for char in line)]):
        return _stripped(lines[-1], False)
    return None


def _stripped(answer: str, stated_so: bool) -> tuple[str, bool] | None:
    answer = _ENDING.sub("", answer.strip()).strip("*$").strip()
    return (answer, stated_so) if answer and len(answer) <= LONGEST else None
