r"""Finds the final answer in a response.

>>> extract(r"So $x = \boxed{\frac{1}{2}}$. Check: it works.").text
'\\frac{1}{2}'
>>> extract("16 - 3 - 4 = 9\n9 * 2 = 18\n#### 18").text
'18'
>>> extract("Let me see, this one is not easy at all to do.") is None
True

Places, in the order they are tried; the last one of a kind wins, and thinking is never searched:

    boxed    \boxed{...} or \fbox{...}, braces nested; neighbouring boxes (`\boxed{1} and \boxed{2}`) are one answer
    hashes   #### ...
    phrase   "the answer is ...", "Final answer: ...", "A: ...", <answer>...</answer>, {"answer": ...}
    line     the response where it is nothing but an answer, else the answer of the last sentence with a candidate

A marker is followed by the answer and perhaps by prose. Where a sentence holds several candidates and no rule decides,
`others` keeps them: the comparison finds out whether it matters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, get_args

from dqdata_operators.lib.maths import boxes
from dqdata_operators.lib.maths.candidates import SEGMENT
from dqdata_operators.lib.maths.notation import half_width
from dqdata_operators.lib.maths.numbers import words_to_number
from dqdata_operators.lib.maths.qualifiers import labelled
from dqdata_operators.lib.maths.sentences import Picked, pick
from dqdata_operators.lib.maths.word_answers import word_answer
from dqdata_operators.lib.maths.words import meaning

Place = Literal["boxed", "hashes", "phrase", "line"]
PLACES: tuple[Place, ...] = get_args(Place)

TAIL = 3000
"""Characters from the end that phrases and last lines are looked for in."""

AFTERWORD = 200
"""Characters that may follow a sentence that states the answer."""


class Found(NamedTuple):
    """others: further candidates that no rule passes over. tail: the words right after the answer. direction: the noun
    before it that says which way it goes."""

    text: str
    place: Place
    others: tuple[str, ...] = ()
    tail: str = ""
    direction: str = ""


_TAG_NAMES = r"(?:[a-z]+:)?(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad|analysis|seed:think)"
_THINK = re.compile(rf"<\s*(/?)\s*{_TAG_NAMES}\s*>|◁\s*(/?)\s*think\s*▷|\[\s*(/?)\s*THINK\s*\]", re.IGNORECASE)
_SPECIAL = re.compile(r"<\|[^|>]*\|>.*", re.DOTALL)
_ANSWER_TAG = re.compile(r"<\s*(answer|final_answer|solution|result)\s*>(.*?)<\s*/\s*\1\s*>", re.DOTALL | re.IGNORECASE)
_JSON = re.compile(
    r"[\"'](?:final[_ ]?)?(?:answer|result)[\"']\s*:\s*(?:\"((?:[^\"\\]|\\.)*)\"|'([^']*)'"
    r"|(-?[0-9][0-9.eE+/-]*|\[[^\]]*\]))",
    re.IGNORECASE,
)
_IS = r"[^.\n:=$\\]{0,60}?(?:\bis\b|\bare\b|\bequals\b|\bequal\s+to\b|[:：=]|(?=\s*\n))[\s*_]*[:：]?[\s*_]*"
_WORDS = (
    r"answer|answers|antwort|respuesta|réponse|resposta|risposta|ответ|ergebnis|resultado|résultat|antwoord|cevap|svar|"
)
_WORDS += r"đáp án|đáp số|jawaban|odpowiedź|απάντηση|відповідь|תשובה|الجواب|الإجابة|उत्तर|คำตอบ"
_FINAL = re.compile(r"\bfinal\s+(?:correct\s+)?(?:answer|result)s?\b" + _IS, re.IGNORECASE)
_ANSWER = re.compile(rf"\b(?:{_WORDS})\b{_IS}", re.IGNORECASE)
_ANSWER_LINE = re.compile(r"(?:\A|\n)[ \t*_]*(?:A|a|ANS|Ans|ans)\s*[:：.][\s*_]*")
_ANSWER_CJK = re.compile(
    r"【\s*(?:答案|答え?|解答)\s*】\s*[:：]?|(?:答案|答え|最终结果)\s*(?:是|为|は|：|:)+\s*|(?:\A|\n)\s*答\s*[:：]\s*"
    r"|(?:정답|답)\s*(?:은|는|:|：)\s*"
)
_RESULT = re.compile(rf"\b(?:the|our)\s+(?:solution|result)s?\b{_IS}", re.IGNORECASE)
_MARKERS: tuple[tuple[tuple[re.Pattern[str], tuple[str, ...]], ...], ...] = (
    ((_FINAL, ("final",)),),
    (
        (_ANSWER, tuple(_WORDS.replace("?", "").split("|"))),
        (_ANSWER_LINE, ("a:", "a.", "a :", "a：", "ans")),
        (_ANSWER_CJK, ("答", "结果", "답")),
    ),
    ((_RESULT, ("the solution", "the result", "our solution", "our result", "the  ")),),
)
"""Strongest first: a weaker phrase counts only where no stronger one gives an answer. Each pattern stands beside what a
text in lower case must hold for it to match."""
_VERB = re.compile(r"\b(?:is|are|was|equals|be|has|have|makes|gets|needs)\b[\s:]*", re.IGNORECASE)
_NO_VALUE = re.compile(
    r"\s*(?:(?:not|no longer|n't)\b|(?:in)?correct\b|wrong\b|as follows|(?:given|shown|provided|found|written) )",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<![A-Z])(?<!\bvs)\.\s+(?=[A-Z<*\[(])|\.\s*\Z|\n|。|I hope|[!?]\s+(?=[A-Z])")
_NEGATED = re.compile(
    r"(?:\b(?:not|never|neither|cannot)|n['’]t)\s*(?:be|just|simply|equal|to|is|the)?\s*\Z", re.IGNORECASE
)
_STARTS = re.compile(r"\W{0,3}[0-9$\\]|\W*\(?[A-J]\)?(?![A-Za-z])|\*\*")
_PROSE = re.compile(
    r"[A-Za-z]+'[a-z]|[\u4e00-\u9fff]{2}|[\u00c0-\u024f\u0400-\u04ff][a-z\u00c0-\u024f\u0400-\u04ff]{2}|[\uac00-\ud7a3]{2}|[\u3041-\u309f]{2}|[\u0590-\u10ff]{2}|[\u0370-\u03ff]{4}"
    r"|(?<![\\A-Za-z])(?:[A-Za-z]{4,}|(?i:not|its?|is|the|so|we|he|she|was|are|has|for|my|can|but|let|any|all|now))(?![A-Za-z])"
)
_LETTERED = re.compile(r"\W{0,3}[A-J]\W{0,3}[.):]")
_MONTH = re.compile(
    r"(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day,? )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* [0-9]"
)
_MATHEMATICS = re.compile(
    r"\\(?:begin|end)\s*\{[a-z*]+\}|\\[a-zA-Z]+|(?<![A-Za-z])(?:sqrt|infinity|sinh|cosh|tanh|arcsin|arccos|arctan|east|west)\b"
)
_COMMAND = re.compile(r"\\[a-zA-Z]")
_EXCLAIMED = re.compile(r"[^A-Za-z]*[0-9]!")
_JOINED_UNIT = re.compile(r"\A(\W{0,3}[0-9][0-9,.]*)((?:[kcmµ]?[mgLl]|[kM]?[WJN]|s|h|hrs?|min|lbs?|oz|ft|in)\W{0,2})\Z")
"""A number that its unit follows without a blank. In prose the letters are no variables."""
_SAID_VALUES = re.compile(
    r"(?:(?:the\s+)?[A-Za-z]+\s*(?:=|:|is|equals)\s*[-+−]?[0-9][0-9./]*(?:\s[a-z]{1,12})?(?:\s*,\s*(?:and\s+)?|\s+and\s+|(?=\.?\Z))){2,6}\.?",
    re.IGNORECASE,
)
"""Nothing but values with their names: y is 0 and x is 3."""
_RULE = re.compile(r"\s*(?:[-*_=~]{3,}|```\w*|[#>\s]*)\s*")
_WRAPPED = re.compile(r"\A[*_]+((?:(?!\*\*|__).)*?)[*_]*\Z|\A([^*_]*?)[*_]+\Z", re.DOTALL)
_REMARK = re.compile(
    r"\W*(?:(?:note|notice|remark|check|verification|recall|remember)\b"
    r"|(?:please\s+)?(?:let me know|feel free|would you like|do you (?:want|need)|if you (?:have|need|want|would|['’]d)"
    r"|(?:I )?hope (?:this|that|it)|(?:I am|I['’]m|I['’]d be|I would be)? ?(?:happy|glad) to|is there anything)\b)",
    re.IGNORECASE,
)
"""What is added to an answer, or said to its reader."""
_AGAIN = re.compile(
    r"(?<=\S)\s*\(\s*(?:(?:or|i\.e\.,?|that is,?|which is|=)\s*|(≈|about|approximately)\s*)([^()]+)\)\s*\.?\Z",
    re.I,
)
"""The same value once more, in round brackets."""
_SAID_SO = re.compile(
    r"\W*(?:(?:so|thus|therefore|hence|and|then|in short|indeed)\b[,\s]*)?(yes|no)\b(?=\s*[,.;:!*]|\s*\Z)",
    re.IGNORECASE,
)
_CORRECTED = re.compile(
    r"\b(?:no,? wait|wait,? no|scratch that|oops|my mistake|i (?:made|did make) (?:a|an) (?:\w+ )?(?:mistake|error)"
    r"|(?:that|this|it)(?:['’]s| is| was) (?:wrong|incorrect|not (?:right|correct))"
    r"|(?:that|this|it) (?:can['’]t|cannot|isn['’]t|wasn['’]t) (?:be )?(?:right|correct)"
    r"|correction|i meant?|sorry(?=[,:]))\b[\s,.:;!—–-]*",
    re.IGNORECASE,
)
"""A speaker takes back what was just said."""
_TAKES_BACK = (
    *("wait", "scratch that", "oops", "mistake", "error", "wrong", "incorrect", "not right", "not correct"),
    *("correction", "i mean", "sorry", "be right", "be correct", "t right", "t correct"),
)
"""One of these is in every text that `_CORRECTED` matches."""
_CONDITION = re.compile(r"\b(?:if|whether|unless|in case|avoid|common)\b[^.!?\n]*\Z", re.IGNORECASE)
"""What follows is only supposed."""
_SPLIT = re.compile(r"(?<=[.!?。])(?<!\b[A-Z]\.)(?<!\bp\.)(?<!\ba\.)(?<!\bvs\.)(?<!\bapprox\.)\s+(?=[^a-z\s])|(?<=。)")


def answer_part(response: str) -> str | None:
    """The response without its thinking; None where the thinking never ended, so nothing was answered."""
    if "<|begin_of_solution|>" in response:
        return response.rpartition("<|begin_of_solution|>")[2].partition("<|end_of_solution|>")[0]
    if "<" not in response and "◁" not in response and "[" not in response:
        return response
    last: re.Match[str] | None = None
    for tag in _THINK.finditer(response):
        if _mentioned(response, tag):
            continue
        last = tag
    if last is None:
        return response
    closes = last[1] or last[2] or last[3]
    return response[last.end() :] if closes else None


def _mentioned(text: str, tag: re.Match[str]) -> bool:
    """Whether a tag is only spoken of: an opening one inside a sentence that is never closed."""
    end = tag.start()
    while end and text[end - 1].isspace():
        end -= 1
    if tag[1] or tag[2] or tag[3] or not end:
        return False
    around = text[tag.start() - 1], text[tag.end() : tag.end() + 2]
    quoted = around[0] in " `\"'“" and re.match(r"[ `\"'”.,;]", around[1]) is not None
    later = next((t for t in _THINK.finditer(text, tag.end())), None)
    return quoted and later is None and text[end - 1] not in ".:!?>\n" and "\n" not in text[end : tag.start()]


def extract(
    response: str, places: Sequence[Place] = PLACES, *, question: str = "", words: str = "", several: bool = False
) -> Found | None:
    """The final answer, or None. Nothing is taken from a box that never closes: the response was cut off.

    question: chooses among several candidates of a sentence. words: a reference that is a word, looked for as such.
    several: whether the reference holds more than one value, and a sentence is searched for a list.
    """
    text = answer_part(response)
    if text is None:
        return None
    text = half_width(text)
    if "\\" in text and "boxed" in places and ("boxed" in text or "fbox" in text):
        answer, end = boxes.boxed(text)
        if answer and "phrase" in places and (later := _stated_later(text[-boxes.TAIL :][end:][-TAIL:])):
            return Found(later, "phrase")
        if answer:
            return Found(answer, "boxed")
        if end:
            return None
    if "hashes" in places and (at := text.rfind("####")) >= 0:
        line = text[at + 4 :].lstrip(" \t:").partition("\n")[0].strip()
        if line and (picked := _marked(line, question, words, whole=True, several=several)):
            return Found(picked.text, "hashes", picked.others, picked.tail, picked.direction)
    tail = text[-TAIL:]
    if "<|" in tail:
        tail = _SPECIAL.sub("", tail)
    if "phrase" in places and (picked := _phrase(tail, question, words, several)):
        return Found(picked.text, "phrase", picked.others, picked.tail, picked.direction)
    if "line" in places and (picked := _line(tail, question, words, several)):
        return Found(picked.text, "line", picked.others, picked.tail, picked.direction)
    return None


def _marked(line: str, question: str, words: str, *, whole: bool, several: bool = False) -> Picked | None:
    """The answer after a marker. whole: the text itself where it holds no candidate."""
    line = line.strip().strip("*_").strip()
    if words and (said := word_answer(line, words)) is not None:
        return said
    line = _exclamation(line)
    if (again := _AGAIN.search(line)) is not None and bare(again[2]) and bare(first := line[: again.start()]):
        return Picked(rf"{first} \approx {again[2]}") if again[1] else Picked(first, (again[2],))
    if _EXCLAIMED.fullmatch(line):
        return Picked(line[:-1], (line,))  # 17! may be a factorial or a shout
    if several and labelled(line) is not None:
        return Picked(line)
    if bare(line) or _MONTH.match(line) or _LETTERED.match(line):
        return Picked(_JOINED_UNIT.sub(r"\1 \2", line))
    if line.lower().startswith(("the answer", "answer")) and (inner := next(stated(line), None)):
        return _marked(inner, question, words, whole=whole, several=several)
    if (picked := pick(line, question, leading=True, several=several)) is not None:
        return picked
    if not any(char.isalnum() for char in line):
        return None
    said_after = _VERB.split(line)[-1].strip(" .*_")
    if said_after != line.strip(" .*_") and 0 < len(said_after.split()) <= 4:
        return Picked(said_after)
    return Picked(line) if whole or (len(line.split()) <= 12 and not line.endswith((":", "："))) else None


def _exclamation(text: str) -> str:
    """A sentence that ends in an exclamation mark ends in no factorial."""
    return text[:-1] + "." if text.endswith("!") and re.search(r"[A-Za-z]{2}", text) else text


def stated(text: str) -> Iterator[str]:
    """What follows "the answer is", to the end of its sentence: the strongest phrase first, of equals the last one.
    Prose with more after it than AFTERWORD opens a solution ("Answer: There are 50 books ..."), and is passed over."""
    tail = text[-TAIL:]
    lower = tail.lower()
    for tier in _MARKERS:
        matches = [m for pattern, hints in tier if any(hint in lower for hint in hints) for m in pattern.finditer(tail)]
        for match in sorted(matches, key=re.Match.start, reverse=True):
            rest = tail[match.end() :]
            if _NEGATED.search(tail[max(0, match.start() - 30) : match.start()]) or _NO_VALUE.match(rest):
                continue
            sentence = _sentence(rest).strip("*_ ")
            opens = len(rest) - len(sentence) > AFTERWORD and not bare(sentence) and not _STARTS.match(sentence)
            if not opens and any(char.isalnum() for char in sentence):
                yield sentence


def _phrase(tail: str, question: str, words: str, several: bool) -> Picked | None:
    if several and (listed := _labelled_lines(tail)):
        return Picked(listed)
    if "</" in tail and (tags := _ANSWER_TAG.findall(tail)):
        inside = tags[-1][1].strip()
        if bare(inside) or "\n" not in inside:
            inside = inside.strip("$ ") if inside.count("$") > 2 else inside
            picked = _marked(inside, question, words, whole=True, several=several)
            if picked is not None:
                return picked
    if ('":' in tail or "':" in tail or '" :' in tail) and (fields := _JSON.findall(tail)):
        inside = next(filter(None, fields[-1]), "").replace("\\\\", "\\")
        if picked := _marked(inside, question, words, whole=True, several=several):
            return picked
    marked = (_marked(one, question, words, whole=False, several=several) for one in stated(tail))
    found = next(filter(None, marked), None)
    lower = tail.lower() if found is not None else ""
    hinted = any(hint in lower for hint in _TAKES_BACK)
    cues = [cue for cue in _CORRECTED.finditer(tail) if not _CONDITION.search(tail[: cue.start()])] if hinted else []
    if cues and next(stated(tail[: cues[-1].start()]), None) is not None:
        instead = tail[cues[-1].end() :]
        return _phrase(instead, question, words, several) or _line(instead, question, words, several) or found
    return found


def _stated_later(text: str) -> str:
    """What a "final answer is ..." after a box says, where it is an answer and nothing else."""
    for match in _FINAL.finditer(text):
        sentence = _sentence(text[match.end() :])
        if "boxed" not in sentence and bare(sentence) and any(char.isdigit() for char in sentence):
            picked = _marked(sentence, "", "", whole=False)
            return picked.text if picked else ""
    return ""


def _sentence(text: str) -> str:
    """Up to the end of the sentence; a display formula may run over lines."""
    text = text.lstrip()
    if _LETTERED.match(text):
        return text.partition("\n")[0].strip()
    segment = SEGMENT.match(text)
    start = segment.end() if segment else 0
    end = _SENTENCE.search(text, start)
    return text[: end.start() if end else len(text)].strip()


def bare(text: str) -> bool:
    """Whether the text is nothing but an answer: no words but commands and functions."""
    without = _MATHEMATICS.sub("", re.sub(r"\\(?:text|mbox|mathrm|textbf|textnormal)\s*\{[^{}]*\}", "", text))
    return bool(text) and not _PROSE.search(without)


def _loose_formula(line: str) -> str:
    """LaTeX that stands in a sentence without delimiters: what follows the last verb or equals sign, if it is bare."""
    rest = re.split(r"\b(?:is|are|equals|be)\b|(?<![<>\\!])=", line)[-1].strip().rstrip(".")
    return rest if bare(rest) and any(char.isalnum() for char in rest) else ""


def _line(tail: str, question: str, words: str, several: bool) -> Picked | None:
    text = tail.strip()
    if not text:
        return None
    if "\n" not in text:
        text = text.lstrip("#> =∴⇒→").strip("` ")
        text = _exclamation(_WRAPPED.sub(lambda match: match[1] or match[2] or "", text))
    if not text:
        return None
    if "\n" not in text and len(text) <= 400 and bare(text.rstrip(".")):
        return Picked(_JOINED_UNIT.sub(r"\1 \2", text))
    if several and (listed := _labelled_lines(text)):
        return Picked(listed)
    if words:
        return _word_line(text, words)
    if words_to_number(text.rstrip(".")) is not None:
        return Picked(text)
    if (display := _display(text)) is not None:
        return display
    lines = [line for line in text.splitlines() if not _RULE.fullmatch(line)]
    for number in range(len(lines) - 1, -1, -1):
        line = lines[number]
        if number and _REMARK.match(line) and any(pick(earlier, question) for earlier in lines[:number]):
            continue
        if "\\" in line and _COMMAND.search(SEGMENT.sub("", line).replace("\\$", "")):
            loose = _loose_formula(line)
            return Picked(loose) if loose else None
        sentences = _SPLIT.split(line)
        for at in range(len(sentences) - 1, -1, -1):
            sentence = sentences[at]
            if _REMARK.match(sentence) and any(pick(earlier, question) for earlier in sentences[:at]):
                continue
            if (picked := pick(sentence, question, several=several)) is not None:
                return picked
    if re.match(r"\W*(?:yes|no)\b", text, re.IGNORECASE) and len(text) < 200:
        return Picked(text)
    said = _VERB.split(text.splitlines()[-1])[-1].strip()
    if _NEGATED.search(text[: len(text) - len(said)]):
        return None
    return next((Picked(one) for one in (said, text) if 0 < len(one.split()) <= 4), None)


def _labelled_lines(text: str) -> str:
    """The parts with their labels, or the values with their names, that a text ends on."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for at in range(len(lines) - 1, max(-1, len(lines) - 9), -1):
        if labelled(together := " ".join(lines[at:])) is not None:
            return together
    return lines[-1] if lines and _SAID_VALUES.fullmatch(lines[-1]) else ""


def _display(text: str) -> Picked | None:
    r"""A display formula at the very end, which may run over lines."""
    if not text.endswith(("$$", "\\]", "$$.", "\\].")):
        return None
    segments = list(SEGMENT.finditer(text))
    if not segments or segments[-1].end() < len(text) - 1 or "\n" not in segments[-1][0]:
        return None
    return Picked(segments[-1][0])


def _word_line(text: str, words: str) -> Picked | None:
    lines = [line for line in text.splitlines() if not _RULE.fullmatch(line)]
    if meaning(words) in ("yes", "no") and lines and (plainly := _SAID_SO.match(lines[-1])) is not None:
        return Picked(plainly[1])
    for sentence in reversed(_SPLIT.split(lines[-1])) if lines else ():
        if (said := word_answer(sentence, words)) is not None:
            return said
    if re.match(r"\W*(?:yes|no)\b", text, re.IGNORECASE) and len(text) < 200:
        return Picked(text)
    said_last = _VERB.split(lines[-1])[-1].strip() if lines else ""
    return next((Picked(one) for one in (said_last, text) if 0 < len(one.split()) <= 4), None)
