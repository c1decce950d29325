r"""The option that a response settles on, in prose of several languages.

>>> choosing("I am torn between C and D; the answer is D. A is wrong.", "ABCD")
Choice(letters='D', reason='')
>>> choosing("C is wrong.", "ABCD")
Choice(letters='', reason='denied')

Statements, strongest first; of equals the last one counts, and one that a later sentence takes back does not:

    cue        "the answer is C", "Respuesta: C", "正确答案是C", {"answer": "C"}
    verdict    "C is correct", "只有选项C正确"
    decision   "so I choose C", "it must be C", "therefore option C", "故选C"
    line       a first or last line that is an option and nothing else, or an option with its text
    rest       all options but one are ruled out
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dqdata_operators.lib.maths.options import Mention, at, enumerated, leading, plain

REST = 120
"""Characters after a statement's beginning in which its option stands."""

_NOUN = (
    r"(?:\bans(?:wers?)?|\bchoices?|\boptions?|\bselection|\bpick|\bsolution|\bdecision|\bconclusion|\bguess|"
    r"\bverdict|\brichtig|\bantwort(?:möglichkeit)?|\blösung|"
    r"\br[ée]ponses?|\brespuestas?|\bopci[óo]n|\brispost[ae]|\bopzione|\brespostas?|\balternativa|\bopção|\bantwoord|"
    r"\bodpowiedź|\bответ|\bвариант|\bcevap|đáp án|答案|正[确確]的|选项|選項|正解|答え|解答|정답|답)"
)
_IS = (
    r"(?:(?:\b(?:is|are|was|'s|’s|(?:must|should|would|will|has to|have to|can only|seems to|appears to|ought to|"
    r"going to) be|"
    r"becomes|ist|lautet|wäre|es|est|sería|serait|è|é|será|является)|(?<=\s)[èé]|seems?|equals?)(?![A-Za-zÀ-ÿ])|"
    r"[:：=→]|[—–](?=\s)|"
    r"\s-(?=\s)|是|为|為|は|은|는|应该是|應該是|】)"
)
_CUE = re.compile(_NOUN + rf"[^.\n。!?！？;；]{{0,60}}?{_IS}", re.IGNORECASE)
_ANSWER_LETTER = re.compile(r"\bans(?:wer)?\.?\s+(?=[(\[]?[A-J][)\]]?\s*[.!]?\s*$)", re.IGNORECASE | re.MULTILINE)
_HEDGE = re.compile(
    r"\b(?:might|may|could|perhaps|possibly|maybe|vielleicht|peut-être|quizás?|forse|talvez)\b|可能|也许", re.I
)
_NOT = re.compile(
    r"(?:\b(?:not|never|neither|nor|cannot|no longer|nicht|kein|ne|n|non|não|нет|не)|n['’]t|"
    r"(?:^|\s)no|不|没|沒|ない|아니)\s*"
    r"(?:\b(?:be|est|es|è|é|ist|option|choice|simply|just|the|letter)\b\s*|是|选|選)*[\s:(\[]*$",
    re.IGNORECASE,
)
_UNSURE = re.compile(
    r"\b(?:if|whether|unless|suppose|assum\w+|neither|nor|why|how|falls|wenn|si|se)\b[^,.;:]{0,40}$", re.I
)
_DENIED_CLAUSE = re.compile(r"(?:\bnot\b|n['’]t\b|\bnever\b|\bdoubt\b)(?![^,.;:]*\bbut\b)[^,.;:]*$", re.IGNORECASE)
_LATER = re.compile(
    r"\(([A-J])\)|\b(?:option|choice|letter|opción|opzione|antwort)\s+\(?([A-J])(?![A-Za-z0-9'’])|选项\s*([A-J])|"
    r"[,:，：]\s+([A-J])\s*[.!。]?\s*$"
)
_ONLY = re.compile(
    r"\b(?:only|nur|seule?|solo)\s+(?:option\s+|choice\s+|statement\s+|answer\s+)?[(\[]?([A-J])(?![A-Za-z0-9'’])"
    r"(?!\)?\s+(?:can|could|is|are)\s+(?:be\s+)?(?:wrong|incorrect|false|ruled|eliminated|excluded))|"
    r"\b(?:all|everything|every\s+\w+)\s+(?:but|except)\s+(?:option\s+)?\(?([A-J])(?=\)?\s+(?:is|are|was|were|"
    r"can|fails?)\b)|"
    r"\b(?:eliminat|rul|exclud)\w+[^.;\n]{0,30}\s(?:but|except)\s+(?:option\s+)?\(?([A-J])(?![A-Za-z0-9'’])|"
    r"\bnot\s+(?:option\s+)?\(?[A-J]\)?,?\s+but(?:\s+rather)?\s+(?:option\s+)?\(?([A-J])(?![A-Za-z0-9'’])",
    re.IGNORECASE,
)
_ENDS = re.compile(
    r"(?:\b(?:option|choice|answer|letter)\s+[(\[]?([A-J])[)\]]?|(?<=[\s,])\(([A-J])\))\s*[.!]*\s*$", re.IGNORECASE
)
_RIGHT = re.compile(
    r"(?<![A-Za-z0-9'’])[(\[]?([A-J])[)\]]?\s*(?:(?:[,:(]|(?<=\))|\.)\s*[^.,;:()\n]{1,60}[,)]?)??\s*"
    r"(?:(?<![A-Za-z])(?:is|are|must be|seems|has to be|would be|ist|es|est|è|é)\s+(?:(?:the|therefore|thus|"
    r"clearly|indeed|la|le|el|die|der|"
    r"das|l'|definitely|obviously|also|il|a|o)\s+)*(?:only |most |single |one |best |sole )*(?:correct|right|"
    r"best|true|answer|one|"
    r"only|proper|appropriate|accurate|valid|richtig\w*|korrekt|juste|vraie?|bonne|correct[aoe]?s?|verdader[ao]|giusta|"
    r"corrett[ao]|certa|respuesta|réponse|antwort|opción|risposta|resposta)\b(?!\s+that\b)"
    r"|\s*(?:选项|選項|项|項)?\s*(?:是|为|為|才)?\s*(?:最|唯一)?(?:正确|正確|对的|對的|符合)|\s+(?:it\s+(?:is|has\s+to\s+be|"
    r"must\s+be)\b|remains\s*[.!]?\s*$|the\s+(?:only\s+)?(?:correct|right|best)\s+(?:answer|choice|option|"
    r"one)\b)|が(?:正解|正しい)|(?:번)?(?:이|가) 정답)"
)
_DECISION = re.compile(
    r"\b(?:choos(?:e|ing)|chose|pick(?:ing)?|select(?:ing)?|go(?:ing)?\s+with|opt(?:ing)?\s+for|settle\s+on|vote\s+for|"
    r"it(?:\s+is|['’]s|\s+must\s+be|\s+has\s+to\s+be|\s+should\s+be)|that(?:\s+is|['’]s|\s+leaves)|leav(?:es|"
    r"ing)(?:\s+us)?(?:\s+with)?|"
    r"left\s+with|remains?|points?\s+to|"
    r"I(?:['’]d|\s+would|\s+will|['’]ll)?\s+(?:think|say|guess|believe)|w[äa]hle|nehme|es\s+ist|choisis|"
    r"c['’]est|elijo|escojo|elegimos|scelgo|escolho|выбираю|это)(?![A-Za-z])\s*|只有|(?<![不没])(?:故|应|應|該|该|我|就|只能|"
    r"因此|所以|則|则)?(?:选择|選擇|选|選)\s*",
    re.IGNORECASE,
)
_THEREFORE = re.compile(
    r"(?:\b(?:therefore|thus|hence|so|consequently|accordingly|also|donc|luego|entonces|quindi|portanto|logo|"
    r"folglich|somit|daher)\b|"
    r"∴|⇒|→|=>|因此|所以|综上)[\s,:，：]*(?:the\s+)?",
    re.IGNORECASE,
)
_BACK = re.compile(
    r"\b(?:wait|actually|correction|scratch that|sorry|no,|oops|my mistake|on second thought|"
    r"rather|instead)\b|不对|等等",
    re.I,
)
_WRONG = re.compile(
    r"(?<![A-Za-z0-9'’])(?:[(\[]?[A-J][)\]]?(?:\s*+(?:[,、和/]|and\b|or\b|und\b|et\b|y\b)*+\s*+(?:and\b|"
    r"or\b)?+\s*+)){1,10}+(?:选项|選項|项|項|都|均|\s)*+"
    r"(?:\b(?:is|are|was|were|can|could|must|ist|sind|est|sont|es|son|è|sono)\b\s*(?:all|both|clearly|also|"
    r"therefore|be|obviously|thus)?\s*)*"
    r"(?:\b(?:not|n['’]t|wrong|incorrect|false|out|eliminated|excluded|ruled\s+out|invalid|falsch|faux|fausse|"
    r"incorrect[ao]s?|fals[ao]s?|"
    r"sbagliat[ao]|errad[ao]s?)\b|n['’]t\b|cannot\b|不(?:正确|正確|对|對|符合)|错|錯|排除)"
)
_RULED_OUT = re.compile(
    r"\b(?:rul(?:es?|ed|ing)\s+out|eliminat(?:es?|ed|ing)|exclud(?:es?|ed|ing)|discard(?:s|ed)?|reject(?:s|ed)?|"
    r"isn['’]t|is\s+not|not|never|"
    r"neither)\s+(?:both\s+|option\s+|options\s+|choices?\s+)*(?=[(\[]?[A-J](?![A-Za-z0-9]))|(?:排除|不选|不選|不是)\s*",
    re.IGNORECASE,
)


class Choice(NamedTuple):
    """letters: the options chosen, mostly one. reason: why there is none, or `ambiguous`: it may be any of them."""

    letters: str
    reason: str


class _Statement(NamedTuple):
    letters: str
    start: int
    sentence: str


def choosing(text: str, letters: str, texts: Sequence[str] = ()) -> Choice:
    """What a plain text chooses. texts: of the options, in the order of their letters; used by `rest` alone."""
    cues = list(_cues(text, letters))
    sure = [cue for cue in cues if not _hedged(text, cue)]
    hedged = {cue.letters for cue in cues}
    found: _Statement | None = sure[-1] if sure else None
    if found is None and hedged:
        if len(hedged) > 1:
            return Choice("".join(sorted(set().union(*hedged))), "ambiguous")
        found = cues[-1]
    others = sorted([*_verdicts(text, letters), *_decisions(text, letters)], key=lambda statement: statement.start)
    if found is None:
        found = others[-1] if others else _line(text, letters) or _at_the_end(text, letters)
    elif later := [other for other in others if _BACK.search(text, found.start, other.start)]:
        found = later[-1]
    if found is None:
        return _rest(text, letters) if texts else Choice("", "denied" if _denied(text, letters) else "no_choice")
    if len(found.letters) == 1 and any(
        found.letters in denied and start > found.start for denied, start in _denials(text, letters)
    ):
        return Choice("", "denied")
    return Choice(found.letters, "")


def _cues(text: str, letters: str) -> Iterator[_Statement]:
    for cue in [*_CUE.finditer(text), *_ANSWER_LETTER.finditer(text)]:
        rest = text[cue.end() : cue.end() + REST].lstrip(" ]】」』\n")
        begin = cue.end() + len(text[cue.end() : cue.end() + REST]) - len(rest)
        sentence = re.split(r"\n|(?<=[^A-J])[.。!！](?=\s|$)|[;；]", rest, maxsplit=1)[0]
        script = not text[cue.end() - 1].isascii()
        mention = leading(rest.partition("\n\n")[0], letters, named=script) or _later(sentence, letters)
        if mention is None:
            continue
        end = begin + mention.end
        denied = _NOT.search(text[max(0, begin - 30) : begin]) or _NOT.search(text[begin : end - 1][-30:])
        if denied or text[end : end + 2].strip(")] ")[:1] == "?":
            continue
        yield _Statement(mention.letters, end - 1, text[cue.start() : end])


def _later(sentence: str, letters: str) -> Mention | None:
    """The one option that is marked as such further on in the sentence of a cue."""
    found = [
        match
        for match in _LATER.finditer(sentence)
        if not _DENIED_CLAUSE.search(sentence[: match.start()]) and not _about(sentence[match.end() :])
    ]
    named = {letter for match in found for letter in match.groups() if letter}
    return Mention(named.pop(), found[-1].end(), True) if len(named) == 1 and named <= set(letters) else None


def _hedged(text: str, cue: _Statement) -> bool:
    return bool(_HEDGE.search(cue.sentence))


def _verdicts(text: str, letters: str) -> Iterator[_Statement]:
    for match in _RIGHT.finditer(text):
        before = text[max(0, match.start() - 60) : match.start(1)]
        if match[1] not in letters or _NOT.search(before) or _UNSURE.search(before):
            continue
        conditional = re.search(r"\b(?:would|wäre|serait|sería)\b", match[0]) and re.search(
            r"\b(?:if|wenn|si)\b", _sentence_of(before), re.I
        )
        if (
            conditional
            or _DENIED_CLAUSE.search(before)
            or re.search(r"\b(?:not|never|nicht|pas|no|non)\b|n['’]t", match[0])
        ):
            continue
        earlier = re.search(r"([A-J])\)?\s*(?:,|and|or|和|、|/)\s*\(?$", before)
        yield _Statement((earlier[1] if earlier else "") + match[1], match.start(1), match[0])
    for match in _ONLY.finditer(text):
        letter = next(group for group in match.groups() if group)
        if (
            letter in letters
            and not enumerated(text, match.end(), letters)
            and not _NOT.search(text[: match.start()][-30:])
        ):
            yield _Statement(letter, match.end() - 1, match[0])


def _sentence_of(before: str) -> str:
    return re.split(r"[.;!?\n]", before)[-1]


def _decisions(text: str, letters: str) -> Iterator[_Statement]:
    """In the last paragraph: a decision taken on the way is not the last."""
    begin = len(text) - len(text.rstrip().rpartition("\n\n")[2]) - (len(text) - len(text.rstrip()))
    for pattern in (_DECISION, _THEREFORE):
        for match in pattern.finditer(text, max(begin, 0)):
            script = not match[0].rstrip()[-1].isascii()
            mention = leading(text[match.end() : match.end() + REST].partition("\n")[0], letters, named=script)
            before = text[max(0, match.start() - 40) : match.start()]
            if mention is None or _NOT.search(before) or _UNSURE.search(before):
                continue
            if text[match.end() + mention.end - 1].islower() and not mention.marked:
                continue
            end = match.end() + mention.end
            if _about(text[end:]) or (pattern is _THEREFORE and not mention.marked) or text[end : end + 1] == "?":
                continue
            yield _Statement(mention.letters, end - 1, match[0])


def _about(rest: str) -> bool:
    """Whether a statement about the option follows, which then decides, or about a genus (`E. coli is`)."""
    return bool(re.match(r"\.\s+[a-z]+\s+(?:is|are|was|were|can|has|have)\b", rest)) or bool(
        re.match(
            r"[)\]]?\s+(?:is|isn['’]t|was|can|cannot|can['’]t|does|doesn['’]t|has|ist|est|es)\b|[)\]]?\s*(?:不|错|錯)",
            rest,
        )
    )


def _line(text: str, letters: str) -> _Statement | None:
    """A line that is an option: the last, or the first, if no other line begins with an option."""
    lines = [line.strip() for line in text.splitlines() if any(char.isalnum() for char in line)]
    options = [(line, mention) for line in lines if (mention := _option_line(line, letters)) is not None]
    if not options:
        return None
    distinct = {mention.letters for _, mention in options}
    line, mention = options[-1]
    if line not in (lines[-1], lines[0]) or (len(distinct) > 1 and line != lines[-1]):
        return None
    if len(distinct) > 1 and not _alone(line):
        return None  # a list of the options
    return _Statement(mention.letters, text.rfind(line), line)


def _at_the_end(text: str, letters: str) -> _Statement | None:
    """The option that the last sentence ends on, marked as one: `which is option C.`"""
    match = _ENDS.search(text)
    letter = next((group for group in match.groups() if group), "") if match else ""
    if (
        match is None
        or letter not in letters
        or _DENIED_CLAUSE.search(text[: match.start()])
        or _NOT.search(text[: match.start()][-30:])
    ):
        return None
    return _Statement(letter, match.end(), match[0])


def _option_line(line: str, letters: str) -> Mention | None:
    """`C`, `(C) Paris`, `b) 12`, `C. Paris`, `Option C`, `C, because ...`."""
    head = re.match(r"(?:\W*(?:option|choice|answer|opción|opzione|选项|選項)(?![A-Za-z]))?\W*", line, re.IGNORECASE)
    assert head is not None
    mention = at(line, head.end(), letters, named=any(char.isalnum() for char in head[0]))
    if mention is None or _about(line[mention.end :]) or line[mention.end : mention.end + 1] == "?":
        return None
    single = re.match(
        r"\s*[)\]）.:：、—–-]|\s*,(?=\s*(?:because|since|as)\b)|\s+(?:because|since|as|due)\b|\s*$", line[mention.end :]
    )
    return mention if single or len(mention.letters) > 1 or mention.marked else None


def _alone(line: str) -> bool:
    return len(re.sub(r"[\W_]+", "", line)) == 1


def _denials(text: str, letters: str) -> Iterator[tuple[set[str], int]]:
    for match in _WRONG.finditer(text):
        if not re.search(r"\b(?:not|n['’]t)\s*$", match[0]) or re.match(
            r"\s+(?:the\s+|la\s+)?(?:correct|right|true|answer|an?\s+option|possible|it)\b|\s*[.,]", text[match.end() :]
        ):
            found = [letter for letter in re.findall(r"(?<![A-Za-z])[A-J](?![A-Za-z])", match[0]) if letter in letters]
            if re.search(r"\b(?:but|except)\s*$", text[: match.start()]):
                continue
            single = re.search(r"\b(?:and|or|und|et|y)\b.*\b(?:is|was|ist|est|es|è)\b", match[0])
            yield set(found[-1:] if single else found), match.end()
    for match in _RULED_OUT.finditer(text):
        if (mention := at(text, match.end() + (text[match.end() : match.end() + 1] in "(["), letters)) is not None:
            yield set(mention.letters), match.end()


def _denied(text: str, letters: str) -> set[str]:
    return set().union(*(found for found, _ in _denials(text, letters)))


def _rest(text: str, letters: str) -> Choice:
    """The option that is left when all others are ruled out."""
    denied = _denied(text, letters)
    left = [letter for letter in letters if letter not in denied]
    if len(left) == 1 and len(letters) > 2:
        return Choice(left[0], "")
    return Choice("", "denied" if denied else "no_choice")


__all__ = ["Choice", "choosing", "plain"]
