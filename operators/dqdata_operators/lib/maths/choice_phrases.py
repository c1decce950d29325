r"""Words by which a response says what it chooses, in several languages: cues, verdicts, decisions, denials.

>>> CUE.search("The correct answer is C.")[0]
'answer is'
"""

from __future__ import annotations

import re

NOUN = (
    r"(?:\bexception(?=\s+is\b)|\bodd\s+one(?:\s+out)?|\bans(?:wers?)?|\bchoices?|\bopt(?:ions?)?|\b(?:right|correct|best|true)\s+one|\bselection|\bpick|\bsolution|\bdecision|\bconclusion|\bguess|"
    r"\bverdict|\brichtig|\bantwort(?:möglichkeit)?|\blösung|"
    r"\br[ée]ponses?|\brespuestas?|\bopci[óo]n|\brispost[ae]|\bopzione|\brespostas?|\balternativa|\bopção|\bantwoord|"
    r"\bodpowiedź|\bответ|\bвариант|\bcevap|đáp án|\bjawaban(?:nya)?|\bsvar(?:et)?|\bvastaus|\bodpověď|"
    r"\bválasz|\brăspuns\w*|απάντηση|відповідь|תשובה|الإجابة|الجواب|الخيار|उत्तर|विकल्प|คำตอบ|答案|正[确確]的|选项|選項|選択肢|正解|答え|解答|答(?=\s*[:：])|정답|답)"
)
IS = (
    r"(?:(?:\b(?:is|are|was|'s|’s|(?:must|should|would|will|has to|have to|can only|seems to|appears to|ought to|"
    r"going to) be|"
    r"becomes|ist|lautet|wäre|es|est|sería|serait|è|é|será|является|là|adalah|ialah|är|jest|to|je|este|είναι|هي|هو)|(?<=\s)[èé]|seems?|equals?)(?![A-Za-zÀ-ÿ])|"
    r"[:：=→]|[—–](?=\s)|"
    r"\s-(?=\s)|คือ|是|为|為|は|은|는|应该是|應該是|有(?=\s*[A-J])|】|(?=\s[A-J]\sहै))"
)
CUE = re.compile(NOUN + rf"[^.\n。!?！？;；]{{0,60}}?{IS}", re.IGNORECASE)
ANSWER_LETTER = re.compile(r"\bans(?:wer)?\.?\s+(?=[(\[]?[A-J][)\]]?\s*[.!]?\s*$)", re.IGNORECASE | re.MULTILINE)
HEDGE = re.compile(
    r"\b(?:might|may|could|perhaps|possibly|maybe|vielleicht|peut-être|quizás?|forse|talvez)\b|可能|也许", re.I
)
NOT = re.compile(
    r"(?:\b(?:not|never|neither|nor|cannot|no longer|nicht|kein|ne|n|non|não|нет|не)|n['’]t|"
    r"(?:^|\s)no|不(?:可?能|会|會|应|應|该|該)*|没|沒|ない|아니)\s*"
    r"(?:\b(?:be|est|es|è|é|ist|option|choice|simply|just|the|letter)\b\s*|是|选|選)*[\s:(\[]*$",
    re.IGNORECASE,
)
UNSURE = re.compile(
    r"\b(?:if|whether|unless|suppose|assum\w+|(?:might|may|could|would)\s+(?:think|say|guess|believe)|unclear|"
    r"doubt|neither|nor|why|how|falls|wenn|si|se|compared|unlike|than|versus|"
    r"(?:you|one|some|they|people|others|many|someone)\s+(?:can|could|might|may|would)(?!\s+(?:\w+ly\s+)?(?:see|notice|note|observe|verify|check)))\b[^,.;:]{0,40}$|"
    r"(?:\b(?:not|never|cannot)|n['’]t)\s+(?:\w+ly\s+)?(?:think|thought|believed?|say|said|agree|sure|certain|convinced|clear|true|obvious)\b"
    r"(?:(?!\bbut\b|\bso\b)[^,.;:]){0,40}$",
    re.I,
)
DENIED_CLAUSE = re.compile(r"(?:\bnot\b|n['’]t\b|\bnever\b|\bdoubt\b)(?![^,.;:]*\bbut\b)[^,.;:]*$", re.IGNORECASE)
CONDITION = re.compile(r"(?:and\s+|but\s+)?(?:if|unless|suppose|assuming|were|wenn|falls|si|se)\b", re.IGNORECASE)
LATER = re.compile(
    r"\(([A-J])\)|\b(?:option|choice|letter|opción|opzione|antwort)\s+\(?([A-J])(?![A-Za-z0-9'’])|选项\s*([A-J])|"
    r"[,:，：]\s+([A-J])\s*[.!。]?\s*$"
)
ONLY = re.compile(
    r"\b(?:only|nur|seule?|solo)\s+(?:(?:the|die|la)\s+)?(?:(?:option|choice|statement|answer|antwort|aussage|réponse|"
    r"proposition|respuesta|opción|risposta|opzione|alternativa)\s+|l['’]option\s+)?[(\[]?([A-J])(?![A-Za-z0-9'’])"
    r"(?!\)?\s+(?:can|could|is|are)\s+(?:be\s+)?(?:wrong|incorrect|false|ruled|eliminated|excluded))|"
    r"\b(?:all|everything|every)(?:\s+\w+)?\s+(?:but|except)\s+(?:option\s+)?\(?([A-J])(?=\)?\s+(?:is|are|was|were|"
    r"can|fails?)\b)|"
    r"\b(?:eliminat|rul|exclud)\w+[^.;\n]{0,30}\s(?:but|except)\s+(?:option\s+)?\(?([A-J])(?![A-Za-z0-9'’])|"
    r"(?:而是|应为|應為|应该是|應該是|改为|改選|改选|ではなく[、,]?|不是\s*[A-J]\s*[，,]\s*是)\s*(?:选项|選項)?\s*([A-J])(?![A-Za-z0-9'’])|"
    r"(?:\b(?:nicht|pas|no\s+es|non\s+è)\s+(?:die\s+|la\s+)?\(?[A-J]\)?,?\s+(?:sondern|mais|sino|ma)\s+(?:la\s+)?\(?"
    r"([A-J])(?![A-Za-z0-9'’]))|"
    r"(?:\bnot|n['’]t)\s+(?:option\s+)?\(?[A-J]\)?,?\s+but(?:\s+rather)?\s+(?:option\s+)?\(?([A-J])(?![A-Za-z0-9'’])",
    re.IGNORECASE,
)
ENDS = re.compile(
    r"\b(?:correspond(?:s|ing)?\s+to|match(?:es|ing)?|(?:which|that|this|it|one|value|result)\s+is|gives?|"
    r"agrees?\s+with|equivalent\s+to|"
    r"answer,?|i\.e\.,?|namely,?|of\s+the\s+above|(?:fits|works|applies|holds|left|remains)\s+is)\s+(?:the\s+)?(?:(?:option|choice|answer|letter)\s+)?"
    r"(?:[(\[]([A-J])[)\]]|(?:(?<=option\s)|(?<=choice\s)|(?<=answer\s)|(?<=letter\s))([A-J])|"
    r"(?<=is\s)([A-J]))\s*[.!]*\s*$",
    re.IGNORECASE,
)
RIGHTNESS = re.compile(
    r"\b(?:right|correct(?:e|a|o|es|as|os)?|true|best|answer|richtig\w*|korrekt\w*|stimmt|antwort|lösung|juste|vraie?|bonne|"
    r"exacte?|réponse|correcta|verdader[ao]|acertada|respuesta|giust[ao]|esatt[ao]|corrett[ao]|risposta|cert[ao]|resposta|"
    r"правильн\w+|верн\w+|ответ)\b|正[确確解]|答案|答え|对的|符合",
    re.IGNORECASE,
)
WRONGNESS = re.compile(
    r"\b(?:not|never|no|nor|neither|cannot|wrong|incorrect\w*|false|nicht|kein\w*|falsch\w*|pas|ne|fauss?e?|mauvaise?|non|"
    r"incorrect[ao]s?|fals[ao]s?|não|errad[ao]|sbagliat[ao]|не|неверн\w+|except|unless|if|whether|other|instead|hardly|barely|"
    r"scarcely|far\s+from|only\s+(?:seem|appear|look)s?)\b|n['’]t\b|"
    r"不|错|錯|没|ない|ません|誤|間違|違い|아니|틀",
    re.IGNORECASE,
)
"""Words for right or answer, and for no or wrong."""
OTHER = re.compile(
    r"\b(?:first|initial|original|earlier|previous)\s+(?:guess|thought|answer|instinct|impression|pick|idea)\b|"
    r"\b(?:wrong|incorrect|false|worst|bad|tempting|second|next|other|distractors?|trap|falsche[nr]?|mauvaise?|fausse|"
    r"incorrect[ao]|"
    r"erróne[ao]|sbagliata|errada)\b|错误|錯誤|неправильный",
    re.IGNORECASE,
)
"""What an answer is that isn't the one."""
LEAST = re.compile(
    r"\bleast\b|\b(?:wrong|incorrect|false)\s+(?:option|choice|statement)\b|"
    r"\b(?:option|choice|statement|one)\s+(?:that|which)\s+(?:fails|is\s+(?:wrong|incorrect|false|not)|does\s+not|doesn['’]t)\b",
    re.IGNORECASE,
)
"""What the question may have asked for."""
TAKEN_BACK = re.compile(
    r"[\s.,;:!)\]—–-]*(?:(?:but|however|hmm+|no|wait|oh|actually|yet|though|although|and)\b[\s,.…]*)*\b(?:that|"
    r"this|it|which)"
    r"(?:['’]s|\s+(?:is|was|would\s+be|seems|looks))\s+(?:clearly\s+|actually\s+)?(?:wrong|incorrect|false|"
    r"not\s+(?:right|correct|it|true))\b|"
    r"\s*[(（\[]\s*(?:错|錯|不|(?:wrong|incorrect|false|no|not)\b)",
    re.IGNORECASE,
)
LISTS = re.compile(r"(?:choice|option)s\s*(?:are\b|[:：])", re.IGNORECASE)
FITS = re.compile(r"\s(?:matches|fits|satisfies|holds|works|applies)$")
MAY_PRECEDE = frozenset(
    (
        "option choice answer statement letter alternative response thus so therefore hence then "
        "that only and or but because since as "
        "while makes think believe is with clearly find see conclude say both either means shows "
        "which la le el die der das il opción "
        "opzione antwort réponse respuesta risposta alternativa resposta also donc luego quindi "
        "portanto variante whereas obviously now "
        "leaving leaves finally here correct right best choose chose pick select reflection inspection fact "
        "consideration conclusion summary definitely probably certainly surely likely por lo tanto de ahí que où daher "
        "deshalb 应填 填 选 应选 正答 선택지 보기 選択肢"
    ).split()
)
"""Words before a letter that leave it an option; after another noun it is that noun's name: `train B`."""
CONCLUDES = MAY_PRECEDE - {"see", "find", "either", "both", "or"} | frozenset("i we je l ich yo".split())
"""Words of a sentence that is nothing but a conclusion."""
RIGHT = re.compile(
    r"(?<![A-Za-z0-9'’])[(\[]?([A-J])[)\]]?(?:(?:\s{0,12}+[.,:(]|(?<=\)))"
    r"(?:\s{0,12}+[^\s.,;:()][^.,;:()\n]{0,59}[,)]?|\s{1,12}+[,)]?"
    r"(?!(?:it|remains|the|matches|fits|satisfies|holds|works|applies|makes|stimmt|passt|trifft)\b)))??\s{0,12}+"
    r"(?:(?<![A-Za-z])(?:is|are|must be|seems|has to be|would be|ist|es|est|è|é)\s{1,12}(?:(?:the|therefore|thus|"
    r"clearly|indeed|la|le|el|die|der|"
    r"das|l'|definitely|obviously|also|both|all|il|a|o)\s{1,12})*"
    r"(?:only |most |single |one |best |sole )*(?:correct|right|"
    r"best|true|answer|one|(?<=most\s)(?:plausible|likely|reasonable)|"
    r"only|proper|appropriate|accurate|valid|better|exact|my\s{1,12}(?:final\s{1,12})?(?:answer|choice|pick)|"
    r"richtig\w*|korrekt|juste|vraie?|bonne|correct[aoe]?s?|verdader[ao]|giusta|"
    r"corrett[ao]|certa|respuesta|réponse|antwort|opción|risposta|resposta)\b(?!\s{1,12}that\b)"
    r"|(?:选项|選項|项|項)?+\s{0,12}+(?:是|为|為|才)?+\s{0,12}+(?:最|唯一)?+(?:正确|正確|对的|對的|符合)|(?<=\s)(?:it\s{1,12}(?:is|has\s{1,12}to\s{1,12}be|"
    r"must\s{1,12}be)\b|remains\s{0,12}[.!]?\s{0,12}$|the\s{1,12}(?:only\s{1,12})?(?:correct|right|best)\s{1,12}(?:answer|choice|option|"
    r"one)\b)|(?<=\s)(?:matches|fits|satisfies|holds|works|applies|best\s{1,12}[a-z]+s|makes\s{1,12}(?:the\s{1,12})?(?:most\s{1,12})?sense|stimmt|passt|trifft\s{1,12}zu)\b|を選(?:び|ぶ|択)|"
    r"が(?:正解|正しい|最も|適切)|(?:번)?(?:이|가) 정답)"
)
ALSO = re.compile(
    r"\b(?:but|though|although|however)\b[^.\n]*?\b([A-J])\b[^.\n]*\b(?:could|may|might|can)\b[^.\n]*\b(?:right|correct|true|too|also|"
    r"as well|work)\b"
)
"""Another option that is left open in the same sentence."""
INVERTED = re.compile(
    r"\b(?:ist|est|es|is)\s{1,12}(?:die\s{1,12}|la\s{1,12}|l['’])?(?:option|antwort(?:möglichkeit)?|aussage|réponse|opción|respuesta)\s{1,12}"
    r"\(?(?-i:([A-J]))\)?\s{1,12}(?:richtig|korrekt|correct[ea]?|juste|correct)\b"
    r"|\bist\s{1,12}\(?(?-i:([A-J]))\)?\s{1,12}(?:richtig|korrekt)\b",
    re.IGNORECASE,
)
"""The verb before its subject: `Somit ist Option B korrekt`."""
IN_BRACKETS = re.compile(
    r"[(\[]\s*(?:option|choice|answer|letter|opción|opzione|antwort|réponse)\s+([A-J])\s*[)\]]", re.IGNORECASE
)
NAMED_LAST = re.compile(
    r"\b(?:options?|choice|answer|letter|statement|opción|opzione|opção|alternativa|antwort|aussage|réponse|respuesta|risposta|"
    r"resposta|вариант|ответ)\s+(?-i:[(\[]?([A-J]))[)\]]?[\s.!*]{0,5}$",
    re.IGNORECASE,
)
"""A letter that is called an option, at the end of a sentence."""
ALONE = re.compile(
    r"(?:(?:q(?:uestion)?|第)?\s*[0-9]{1,3}\s*题?\s*[.):：]\s*)?(?P<before>(?:[^\W\d_]++[\s,:：]*+){0,3})(?<![A-Za-z0-9'’])"
    r"(?P<letter>(?-i:[A-J]))[)\]]?\s*(?:选项|選項|项)?[\s.!。！*]*",
    re.IGNORECASE,
)
"""A number, a few words, and an option."""
LABELLED = re.compile(
    r"(?:^|(?<=[.;。；a-z]\s)|(?<=[。；]))\W{0,3}([A-J])\W{0,2}[):：.—–-]\W{0,3}(?:correct|true|right|yes|richtig|vrai|correcto|正确|正確|对)(?![A-Za-z])"
    r"|(?:^|(?<=[.;]\s))\W{0,3}([A-J])\W{1,4}[✓✔✅]|\(([A-J])\)\s*(?:correct|true|right|yes)(?![A-Za-z])",
    re.IGNORECASE | re.MULTILINE,
)
"""One option that is called right in a list of them."""
MISTAKEN = re.compile(
    r"\b(?:mistakes?|errors?|traps?|tempt\w*|wrongly|students?|people|many|others|someone)\b[^.!?\n]*$", re.IGNORECASE
)
"""Whose choice it is, where it is not the response's own."""
DENIED_AFTER = re.compile(r"\s{0,12}(?:では(?:な|あり)|じゃ(?:な|あり)|[이가]?\s{0,12}아[니닙])")
DECISION = re.compile(
    r"\b(?:choos(?:e|ing)|chose|pick(?:ing)?|select(?:ing)?|go(?:ing)?\s+(?:with|for)|opt(?:ing)?\s+for|stick(?:ing)?\s+with|"
    r"settled?\s+on|settling\s+on|vote\s+(?:(?:is|goes)\s+)?(?:for|to)|"
    r"it(?:\s+is|['’]s|\s+must\s+be|\s+has\s+to\s+be|\s+should\s+be)|that(?:\s+is|['’]s|\s+leaves)|leav(?:es|"
    r"ing)(?:\s+us)?(?:\s+with)?|"
    r"(?:edit|correction|sorry|wait|actually|rather|instead)[\s,:—–-]+(?:i\s+meant?|make\s+(?:it|that)|(?:it\s+|that\s+)?(?:should|must|has\s+to|ought\s+to)\s+(?:be|read|say))?|"
    r"i\s+meant?|left\s+with|remains?|queda|bleibt|reste|resta|rimane|"
    r"I(?:['’]d|\s+would|\s+will|['’]ll)?\s+(?:think|say|guess|believe)|w[äa]hle(?:\s+ich)?|nehme|entscheide\s+mich\s+für|me\s+quedo\s+con|opte\s+pour|es\s+ist|es\s+muss|es\s+la|è\s+la|é\s+a|choisis|"
    r"c['’]est|choisirais?|elijo|elegiría|sceglierei|escolheria|escojo|elegimos|scelgo|escolho|выбираю|это)(?![A-Za-z])\s*|(?:认为|認為|觉得|判断)(?:答案)?(?:应该|應該)?是|只有|(?<![不没])(?:故|应|應|該|该|我|就|只能|"
    r"因此|所以|則|则)?(?:选择|選擇|选|選)\s*",
    re.IGNORECASE,
)
THEREFORE = re.compile(
    r"(?:\b(?:therefore|thus|hence|so|consequently|accordingly|donc|luego|entonces|quindi|portanto|logo|"
    r"folglich|somit|daher)\b|"
    r"(?:^|(?<=[.!?:]\s)|(?<=falsch,\s))also\b|∴|⇒|→|=>|因此|所以|综上)[\s,:，：]*(?:the\s+)?",
    re.IGNORECASE,
)
BACK = re.compile(
    r"\b(?:wait|actually|correction|edit|i mean[t]?|scratch that|sorry|no,|oops|my mistake|on second thought|"
    r"rather|instead)\b|不对|等等",
    re.I,
)
WRONG = re.compile(
    r"(?<![A-Za-z0-9'’])(?:[(\[]?[A-J][)\]]?(?:[ \t]*+(?:[,、和/]|and\b|or\b|und\b|et\b|y\b)*+[ \t]*+(?:and\b|"
    r"or\b)?+[ \t]*+)){1,10}+(?:选项|選項|项|項|都|均|\s)*+"
    r"(?:\b(?:is|are|was|were|can|could|must|ist|sind|est|sont|es|son|è|sono)\b\s*(?:all|both|clearly|also|"
    r"therefore|be|obviously|thus)?\s*)*"
    r"(?:\b(?:not|n['’]t|wrong|incorrect|false|out|eliminated|excluded|ruled\s+out|invalid|falsch|faux|fausse|"
    r"incorrect[ao]s?|fals[ao]s?|"
    r"sbagliat[ao]|errad[ao]s?)\b|n['’]t\b|cannot\b|不(?:正确|正確|对|對|符合)|错|錯|排除)"
)
RULED_OUT = re.compile(
    r"\b(?:rul(?:es?|ed|ing)\s+out|eliminat(?:es?|ed|ing)|exclud(?:es?|ed|ing)|discard(?:s|ed)?|reject(?:s|ed)?|"
    r"isn['’]t|is\s+not|not|never|"
    r"neither)\s+(?:both\s+|option\s+|options\s+|choices?\s+)*(?=[(\[]?[A-J](?![A-Za-z0-9]))|(?:排除|不选|不選|不是)\s*",
    re.IGNORECASE,
)
EARLIER = re.compile(
    r"\b(?:first|initially|originally|earlier|previously|at\s+first|tempt\w*|attractive|had\s+(?:said|put|thought)|zuerst|"
    r"zunächst|anfangs|d['’]abord|primero|said\s+\S+\s+above|slip|mistaken?|misread|was\s+wrong)\b",
    re.IGNORECASE,
)
LIST = re.compile(r"[^\w\n]{0,4}A[^\w\n]{0,3}[.):][^\n]*\n+[^\w\n]{0,4}B[^\w\n]{0,3}[.):]")
"""Where a list of the options begins."""
SMALL = re.compile(r"(?<=\boption\s\()[a-j](?=\))|(?<=\b(?:choice|answer)\s\()[a-j](?=\))", re.IGNORECASE)
"""A small letter that is called an option."""
