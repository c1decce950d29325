r"""What the last sentences of a response assert and deny of the options, where no known phrase decides.

>>> concluded("A doesn't work because 3 is prime. C does.", "ABCD")
Conclusion(chosen='C', denied='A', ambiguous=False)
>>> concluded("Not A, not B, but D.", "ABCD").chosen, concluded("Point B lies on the circle.", "ABCD").chosen
('D', '')

Each mention of an option is asserted, denied or neither, by the words of its clause. The last sentence that asserts an
option decides, unless a later one denies it. A letter after a noun is a name (`train B`), and a letter about which a
clause says something else than right or wrong is neither.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dqdata_operators.lib.maths import choice_phrases as phrases

SENTENCES = 4
"""Sentences at the end that are read."""
TAIL = 2000
"""Characters at the end that are read; a list of options may stand in them."""
AROUND = 150
"""Characters before and after a mention that may say something of it."""
MOST = 12
"""Mentions in a clause; one with more says nothing."""
_SENTENCE = re.compile(
    r"(?<=[a-z0-9)\]]{2}[.!?])\s+|(?<=\s[A-J][.!?])\s+(?=[A-Z][a-z'’]*\s)|(?<=\([A-J]\)[.!?])\s+(?=[A-Z])|\.\.\.\s*|\n+|[。！]\s*"
)
_CLAUSE = re.compile(
    r"\s*[;:；，—–]\s*|\s+-\s+|(?<!thing)(?<!\ball)(?<!\bnone)(?<!^A),?\s+(?=(?:but(?!\s+not\b)|yet|so|hence|thus|therefore|because|since|whereas|although|though|"
    r"while|leaving|leaves|instead|sondern|mais|sino|denn|weil|car|porque|ma|però|pero|aber|doch)\b)|"
    r",\s+(?=(?:it|this|that|which|the|I|we|you|es|das|ich|also|je|on)\b)|"
    r",\s+(?=and\s+(?:it|this|that|the|I|we|you|so|then)\b)|(?=而|所以|因此|故)"
)
_JOINED = (
    r"\)?(?:\s*(?:,\s*(?:and|or|und|et|y|e)?|/|&|、|和|\+|(?:as\s+well\s+as|and|or|nor|oder|und|et|ou|y|o|e)\b)"
    r"\s*(?:the\s+)?(?:options?\s+)?\(?)"
)
_HAN_CLAUSE = re.compile(r"[,，;；:：]|(?=而|所以|因此|故)")
_MENTION = re.compile(
    rf"(?<![A-Za-z0-9'’=<>+*^_\\.-])(?<![=<>+*^]\s)[(\[]?([A-J](?:{_JOINED}[A-J](?![A-Za-z0-9'’]))*)"
    r"(?![A-Za-z0-9'’+#°^_\\|=-]|\s*[=<>≤≥+*^∪∩]|\.[A-Z])[)\]]?"
)
_NOUN = (
    r"options?|choices?|answers?|statements?|letters?|alternatives?|responses?|antwort(?:möglichkeit)?|aussage|réponse|"
    r"proposition|respuesta|opción|risposta|opzione|lettera|letra|lettre|opção|resposta|选项|選項"
)
_SMALL = re.compile(
    rf"\b(?:{_NOUN})\s+[(\[]?([a-j])[)\]]?(?=\s*[.!,]*$|\s+is\b)|(?:\bit['’]?s|\b(?:is|be|with))\s+([b-j])(?=\s*[.!]*$)|"
    r"^\W*([b-j])\)?(?=\s+is\s+(?:the\s+)?(?:right|correct|best|answer)\b)"
)
_NEGATION = re.compile(
    r"\b(?:not|never|neither|nor|no|none|cannot|nicht|kein\w*|weder|pas|ni|ne|non|nem|rul(?:e|ed|ing)\s+out|eliminat\w+|"
    r"exclud\w+|discard\w*|reject\w*|dismiss\w*|cross(?:ed|ing)?\s+(?:out|off)|str(?:ike|uck|iking)(?:\s+(?:out|off))?|"
    r"throw\w*\s+out|descart\w+|elimin\w+|exclu\w+|streich\w+|ausschließ\w*)\b|n['’]t\b",
    re.IGNORECASE,
)
_NO_ES = re.compile(r"\bno\s+(?:es|son|puede)\b", re.IGNORECASE)
_EXCEPT = re.compile(
    r"\b(?:other\s+than|except(?:\s+for)?|besides|apart\s+from|aside\s+from|außer|sauf|excepto|salvo|tranne|"
    r"(?:all|everything|anything|nothing|none|every\s+\w+|any\s+\w+)\s+but)\s+(?:for\s+)?(?:the\s+)?(?:\w+\s+)?[(\[]?$",
    re.IGNORECASE,
)
_WRONG_AFTER = re.compile(
    r"\b(?:wrong|incorrect|false|(?<!stands\s)(?<!comes\s)(?<!turns\s)out|too\s+[a-z]+|eliminated|excluded|ruled|crossed|discarded|rejected|invalid|fails?|impossible|"
    r"contradict\w*|mistaken|not|cannot|never|hardly|barely|scarcely|far\s+from|only\s+(?:seem|appear|look)s?|nicht|kein\w*|falsch|entfällt|entfallen|scheide[nt]|ausgeschlossen|fauss?e?s?|"
    r"exclues?|pas|incorrect[ao]s?|fals[ao]s?|descartad[ao]s?|sbagliat[ao]|esclus[ao]|slip|mistake|error)\b|n['’]t\b|[✗✘❌]",
    re.IGNORECASE,
)
_RIGHT_AFTER = re.compile(
    r"^[\s,)\]]*(?:(?:is|are|was|ist|est|es|è|must\s+be|has\s+to\s+be|would\s+be|seems|looks|remains|makes?|to\s+be)\s+)?"
    r"(?:\w+ly\s+|the\s+|die\s+|la\s+|le\s+|el\s+|a\s+)*"
    r"(?:(?:only|single|one|best|most)\s+)*(?:correct|right|true|best|answer|choice|option|only|einzig\w*|closest|nearest|schon|one\b|what\s+I\s+mean\w*|winner|richtig\w*|"
    r"korrekt\w*|zutreffend|juste|vraie?|bonne|correct[aeo]s?|verdader[ao]|giusta|corretta|respuesta|réponse|antwort|"
    r"(?:does|do|works?|fits?|holds?|is|remains?|stays|wins|left|standing|stimmt|passt|trifft\s+zu|bleibt|reste|convient|"
    r"queda|resta)(?=\W*$)|(?:the\s+)?(?:most\s+)?(?:sense|plausible|likely|suitable|appropriate))\b"
    r"(?!\s+(?:not|too|a|an|the|in|on|at|of|by|from)\b|\s+\d)",
    re.IGNORECASE,
)
_GOES_ON = re.compile(
    r"^\s*$|^\s*[.,!(:…]|^\s+(?:to\s+me|here|then|now|above|again|too|instead|anyway|overall|as|because|since|for|from|on|with|by|"
    r"an|ab|that|who|qui|que|which|in\s+(?:this|my|the\s+end|Frage|Betracht)|after|based|entscheiden|wählen|nehmen|ankreuzen|übrig|sein|and|und|et|y)\b",
    re.IGNORECASE,
)
_TITLE = re.compile(rf"(?:\b(?:the|la|die|der|el|le|only)\s+)*\b(?:{_NOUN})\s*[(\[]?$", re.IGNORECASE)
"""The word option before a letter, with its article."""
_PERSON = re.compile(
    r"\b(?:I|we|you|ich|wir|man|je|nous|yo|io)(?:['’](?:d|ll|ve|m))?(?:\s+(?:would|will|should|must|can|could|have|had|to|am|are|"
    r"therefore|then|thus|simply|finally|probably|still|würde|möchte|mich|also|de))*\s+"
    r"(?!(?:check|consider|examine|try|test|look|evaluate|see|compare|verify|discuss|know|need|doubt|call|denote|label|reach)\b)\w+"
    r"(?:\s+(?:up|down|in|off|out))?(?:\s+(?:for|with|on|at|auf|als|to|towards?|für|pour|por|per|as))?\s*[(\[]?$|\b\w+e\s+ich\s+$|"
    r"\b(?:it|this|everything|all|alles|tout|todo|tutto)(?:\s+all)?\s+\w+(?:\s+(?:up|down))?\s+(?:for|to|towards?|für|pour|por|per)\s+$|"
    r"(?:^|[,:]\s*)\w+o\s+(?:la|el|il)\s+$",
    re.IGNORECASE,
)
"""Somebody does something with the option that stands next: `I would circle`."""
_COPULA = re.compile(
    r"(?:\b(?:is|are|was|were|be|been|its|ist|sind|wäre|bleibt|est|reste|es|queda|è|resta|remains)|['’]s)\s+(?:(?:the|la|die|der|el|le|"
    r"either|both|only|just|most\s+likely|clearly|definitely|nur|also|donc)\s+)*[(\[]?$",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    rf"\b(?:it|its|that|this|one|what|which|who|c|es|das|ce|qui|lo|ciò|{_NOUN})\b|\w+['’]s\b|^\s*(?:\w+\s+)?(?:ist|est|es|bleibt|reste|queda|"
    r"resta)\b|\b\w+est\b|\b(?:best|most|only|right|correct|true)\b",
    re.IGNORECASE,
)
"""What is said to be an option: a pronoun or a noun for answer, not a thing that may have its name (`the vertex`)."""
_LEADS = re.compile(
    r"(?:(?:^|[,:]|\b(?:look|seem|sound|feel)s?\s+like|\bleaves?|\bleaving|\bleft\s+with|\b(?:so|hence|thus|therefore|then|finally|but|"
    r"only|yet|perhaps|maybe|probably|possibly|vielleicht|lediglich|allein|clearly|definitely|instead|rather|nur|sondern|somit|daher|donc|mais|seule?|sino|luego|ma|quindi|dunque|"
    r"make\s+(?:it|that)|makes|choose|chose|chosen|pick|picked|select|selected|mark|circle|tick|correct|i\.\s?e\.,?))"
    r"(?:\s+(?:the|la|die|der|el|le|also|to))*)[\s:,(\[]*$",
    re.IGNORECASE,
)
_RETRACTS = re.compile(
    r"(?:\b(?:no|wait|scratch\s+(?:that|it)|sorry|actually|rather|oops|correction|nein|non)\b[\s,:;.…]*)+",
    re.IGNORECASE,
)
_RETRACTED = re.compile(
    r"^[\s,:;.…—–-]*(?:no|wait|scratch|sorry|oops|correction|nein|non)\b(?!\s+[a-z]+\s+(?:is|are))", re.IGNORECASE
)
_WAS_WRONG = re.compile(
    r"\b(?:I|that|this|it|das)\s+(?:was|is|were|war)\s+(?:\w+\s+)?(?:wrong|mistaken|incorrect|false|falsch)\b|"
    r"^which\s+(?:would\s+)?(?:contradict|violate|conflict|(?:is|be)\s+(?:impossible|absurd|a\s+contradiction))",
    re.IGNORECASE,
)
_THEY = re.compile(
    r"(?:so\s+|hence\s+|thus\s+|therefore\s+|and\s+|but\s+)?(?:they|these|those|both|all\s+of\s+(?:them|these)|which|it|this|that|sie|ils|elles)\b",
    re.IGNORECASE,
)
_TOO = re.compile(r"\b(?:also|too|as\s+well|auch|aussi|también|anche)\b", re.IGNORECASE)
_INITIALS = re.compile(r"^\.\s*(?:[A-Z]\.|[a-z])")
_SUPPOSED = re.compile(
    r"\b(?:if|unless|suppose|assum\w+|were|wenn|si|se|whether|compare\w*|students?|people|others|between|from|(?:why|how)(?!\s+(?:I|we)\b)|"
    r"neither|(?:you|one|they|many|some)\s+(?:might|may|could|would))\b",
    re.IGNORECASE,
)
_EXCEPT_ONE = re.compile(r"\bother\s+than\b", re.IGNORECASE)
_RESUMES = re.compile(r"(?:as|so|but|since|hence|thus|therefore|yet|however|aber|mais|pero|ma)\b", re.IGNORECASE)
_ARTICLE = re.compile(
    r"\s+(?!to\s+(?:me|us)\b|(?:is|was|must|has\s+to|can|cannot|does|doesn|isn|fits|works|and|or|as|because|since|here)\b)[a-z]"
)
"""What makes a capital `A` an article, or `I` a pronoun."""
_LABEL = re.compile(r"^[^\w\n]{0,4}(?:(?!and\b|or\b)[a-z]+\s+)?([A-J])[^\w\n]{1,4}(.*)$", re.IGNORECASE | re.MULTILINE)
_LABELLED_SENTENCE = re.compile(
    r"^[^\w\n]{0,4}(?:(?!and\b|or\b)[a-z]+\s+)?[A-J][^\w\n]{1,4}[^\n]*?(?:(?<=[a-z0-9%)]{2}[.;])(?=\s)|$)",
    re.IGNORECASE | re.MULTILINE,
)
_IN_A_LINE = re.compile(r"(?<=[.;])\s+(?=(?:[A-Z]\w+\s+)?[A-J]\s*[:)]\s)")
_YES = r"yes|correct|right|true|richtig|ja|vrai|oui|correct[ao]|s[ií]|vero|对|對|正[确確]|是的|✓|✔|✅"
_NOPE = r"no|not|wrong|incorrect|false|falsch|nein|faux|non|incorrect[ao]|fals[ao]|错|錯|不对|不正确|✗|✘|❌"
_SAYS_YES = re.compile(rf"(?:^|[\W])(?:{_YES})[\W_]*$|^\W*(?:{_YES})(?!\w)", re.IGNORECASE)
_SAYS_NO = re.compile(rf"(?:^|[\W])(?:{_NOPE})[\W_]*$|^\W*(?:{_NOPE})(?!\w)", re.IGNORECASE)
_OPEN = re.compile(
    r"\b(?:either|can['’]t\s+(?:tell|decide)|not\s+sure|unsure|unclear|don['’]t\s+know|might|maybe|perhaps)\b|或|可能",
    re.IGNORECASE,
)
_HAN = re.compile(r"[\u4e00-\u9fff]")
_HAN_DENIES = re.compile(r"不|错|錯|排除|[并絕绝]非|没|沒|除(?!了)|误|誤")
_HAN_LEADS = re.compile(r"[选選是项項有剩下应應为為而填案和与與、或得故]$")
_HAN_ASSERTS = re.compile(r"[选選剩]|应|應|答案|是|正[确確]|[对對]|合[适適]|符合|最|成立|而|故")


class Conclusion(NamedTuple):
    """chosen: the options that the last asserting sentence asserts. denied: in the sentences read. ambiguous: the
    sentence leaves open which."""

    chosen: str
    denied: str
    ambiguous: bool


def in_a_line(text: str) -> bool:
    """Whether a line is a list of options, each after its letter."""
    return _IN_A_LINE.search(text) is not None


def judged_in_a_list(text: str, letters: str) -> str:
    """The one option that a list of options, one a line, calls right, or alone does not call wrong; else none."""
    text = _IN_A_LINE.sub("\n", text)
    lines = [(label[1].upper(), label[2]) for label in _LABEL.finditer(text) if label[1].upper() in letters]
    wrong = {letter for letter, said in lines if _SAYS_NO.search(said)}
    right = {letter for letter, said in lines if letter not in wrong and _SAYS_YES.search(said)}
    named = {letter for letter, _ in lines}
    if (
        not right
        and len(named) > 2
        and len(lines) == len(named)
        and len(named - wrong) == 1 == len(set(letters) - wrong)
    ):
        right = named - wrong
    return right.pop() if len(right) == 1 and len(named) > 1 and len(lines) == len(named) else ""


def concluded(text: str, letters: str, *, in_full: bool = False) -> Conclusion:
    """What a plain text concludes about its options. in_full: its letters stand for the texts of the options, which may
    be said of any subject."""
    denied: set[str] = set()
    text = _IN_A_LINE.sub("\n", text)
    if len({label[1] for label in _LABEL.finditer(text)}) > 1:
        text = _LABELLED_SENTENCE.sub("", text)
    sentences = [part for part in _SENTENCE.split(text.strip()[-TAIL:]) if part and part.strip()]
    for at, sentence in enumerate(reversed(sentences[-SENTENCES:])):
        if sentence.rstrip().endswith("?"):
            continue
        asserted, no, several = _polarity(sentence, letters, last=at == 0, in_full=in_full)
        denied |= no - asserted
        if asserted:
            left = asserted - denied
            found = "".join(sorted(left))
            unclear = len(left) > 1 and (not several or bool(_OPEN.search(" ".join(sentences[-SENTENCES:]))))
            return Conclusion(
                found, "".join(sorted(denied | _denied(sentences[: len(sentences) - at - 1], letters))), unclear
            )
    return Conclusion("", "".join(sorted(denied | _denied(sentences[:-SENTENCES], letters))), False)


def _denied(sentences: list[str], letters: str) -> set[str]:
    return set().union(*(_polarity(sentence, letters, last=False)[1] for sentence in sentences[-8:]))


def _polarity(sentence: str, letters: str, *, last: bool, in_full: bool = False) -> tuple[set[str], set[str], bool]:
    """The options that a sentence asserts and denies, and whether those asserted are one enumeration."""
    sure: list[set[str]] = []
    perhaps: list[set[str]] = []
    denied: set[str] = set()
    condition = about_another = False
    neutral: set[str] = set()
    han = bool(_HAN.search(sentence))
    for clause in filter(
        None, map(str.strip, (part for part in (_HAN_CLAUSE if han else _CLAUSE).split(sentence) if part))
    ):
        condition = condition and not _RESUMES.match(clause)
        supposed = condition or any(pattern.search(clause) for pattern in (_SUPPOSED, phrases.EARLIER)) or about_another
        about_another = bool(phrases.OTHER.search(_EXCEPT_ONE.sub("", clause)))
        supposed = supposed or about_another
        about_another = about_another and len(clause.split()) < 4
        condition = bool(phrases.CONDITION.match(clause))
        group = perhaps if phrases.HEDGE.search(clause) else sure
        mentions = list(_MENTION.finditer(clause))
        if len(mentions) > MOST:
            continue
        if (
            neutral
            and not {found for one in _MENTION.findall(clause) for found in one if found in letters}
            and _THEY.match(clause)
            and _WRONG_AFTER.search(clause)
        ):
            denied |= neutral
        neutral = set()
        if _WAS_WRONG.search(clause):
            denied = denied.union(*sure, *perhaps)
            sure.clear()
            perhaps.clear()
            continue
        for match in mentions:
            found = set(re.findall(r"[A-J]", match[1])) & set(letters)
            before = clause[max(0, match.start(1) - AROUND) : match.start(1)]
            after = clause[match.end() : match.end() + AROUND]
            if not found or (match[1] in "AI" and match[0][0] not in "([" and _ARTICLE.match(after)):
                continue
            said = _said_in_han(before, after) if han else _said(before, after, in_full=in_full)
            neutral |= found if said == 0 else set()
            if said < 0:
                denied |= found
            elif said > 0 and not supposed:
                group.append(found)
        small = _SMALL.search(clause) if last and not sure else None
        if small is not None and not supposed:
            place = small.start(small.lastindex or 0)
            if _said(clause[:place], clause[place + 1 :]) > 0:
                sure.append({clause[place].upper()} & set(letters))
    asserted = sure or perhaps
    return set().union(*asserted), denied, len(asserted) == 1 or bool(_TOO.search(sentence))


def _said_in_han(before: str, after: str) -> int:
    """The same in a clause in Chinese or Japanese, whose words nothing sets apart."""
    if _HAN_DENIES.search(before + after):
        return -1
    if re.search(r"[\u3400-\u9fff]$", before.rstrip()) and not _HAN_LEADS.search(before.rstrip()):
        return 0
    if re.match(r"\s*[是为為](?!对|對|正|最|答|唯)", after):
        return 0
    return 1 if _HAN_ASSERTS.search(before + after) else 0


def _said(before: str, after: str, *, in_full: bool = False) -> int:
    """1: asserted, -1: denied, 0: neither, by the clause before and after the mention."""
    if _INITIALS.match(after):
        return 0
    if _RETRACTED.match(after):
        return -1
    before = _RETRACTS.split(before)[-1] if _RETRACTS.search(before) and re.search(r"[,:.…]", before) else before
    predicate = re.split(r",", after, maxsplit=1)[0] if not re.match(r"\s*,", after) else ""
    no = bool(_NEGATION.search(before)) or bool(_NO_ES.search(before))
    if re.search(r"\banything\s+but\b", before, re.IGNORECASE):
        return -1
    if _EXCEPT.search(before):
        wrong = (
            no
            or bool(_WRONG_AFTER.search(after))
            or bool(re.search(r"\b(?:nothing|none)\s+but", before, re.IGNORECASE))
        )
        return 1 if wrong else -1
    if re.search(r"\bnot\s+only\b", before, re.IGNORECASE):
        no = False
    if no or _WRONG_AFTER.search(predicate):
        return -1
    bare = _TITLE.sub("", before)
    titled = bare != before
    if titled and re.match(r"\s+[a-z]+\W*$", predicate):
        return 1
    led = (
        _LEADS.search(bare)
        or _PERSON.search(bare)
        or (_COPULA.search(bare) and (in_full or titled or _SUBJECT.search(bare)))
    )
    if _RIGHT_AFTER.search(predicate):
        return 1 if led or titled or _may_precede(before) else 0
    return 1 if led and _GOES_ON.search(after) else 0


def _may_precede(before: str) -> bool:
    word = re.search(r"([^\W\d_]+)[\s(\[]*$", before)
    return word is None or word[1].lower() in phrases.MAY_PRECEDE


__all__ = ["Conclusion", "concluded", "in_a_line", "judged_in_a_list"]
