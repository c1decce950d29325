r"""Normalises notation: LaTeX, Unicode and plain text become the same short string.

>>> normalise(r"\left( \dfrac{1}{2},\, 3 \right)")
'( \\frac{1}{2}, 3 )'
>>> normalise(r"$12\,000 \text{ cm}^2$")
'12000 «cm» ^2'
>>> normalise("x² ≤ 4")
'x^{2} \\le 4'

Nothing here judges: what can't be read stays in the string and stops the parser later. Digits and letters of other
scripts are left as they are, so that look-alikes never become the real ones.
"""

from __future__ import annotations

import re

from dqdata_operators.lib.maths.repeating import repeating_decimals
from dqdata_operators.lib.maths.units import EACH, unit_of

LONGEST = 4000
"""Characters of an answer; nothing longer is a final answer."""

UNIT_OPENS, UNIT_CLOSES = "«", "»"
"""Around upright text after a value, which can't be a product of letters: 5 \\text{ m} is `5 «m»`."""

_WIDE_SIGNS = str.maketrans("％＄＋－＝／＊＜＞．＾￥￡", "%$+-=/*<>.^¥£")
_WIDE = {code: code - 0xFEE0 for first, last in ("０９", "ＡＺ", "ａｚ") for code in range(ord(first), ord(last) + 1)}
_WIDE |= _WIDE_SIGNS
_IS_WIDE = re.compile("[０-９Ａ-Ｚａ-ｚ％＄＋－＝／￥￡]")
_SCRIPT_OF_WIDE = re.compile("[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]")
_UNICODE = _WIDE_SIGNS | str.maketrans(
    {
        "−": "-", "–": "-", "‐": "-", "‑": "-", "×": "*", "·": "*", "⋅": "*", "∗": "*", "÷": "/", "∕": "/", "⁄": "/",
        "π": r"\pi ", "√": r"\sqrt ", "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ", "⩽": r"\le ", "⩾": r"\ge ",
        "≠": r"\ne ", "≈": r"\approx ", "±": r"\pm ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∅": r"\emptyset ",
        "º": "°", "℃": "°C", "℉": "°F", "½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}",
        "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}", "θ": r"\theta ", "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ",
        "λ": r"\lambda ", "φ": r"\phi ", "ω": r"\omega ", "，": ", ", "、": ", ", "；": "; ", "：": ":", "（": "(",
        "）": ")", "［": "[", "］": "]", "。": ".", "＜": "<", "＞": ">", "\u00a0": " ",
        "\u202f": " ", "\u2009": " ", "\u3000": " ", "’": "'", "′": "'", "“": '"', "”": '"', "ℝ": r"\mathbb{R}",
        "⟨": "(", "⟩": ")", "⟦": "[", "⟧": "]", "∠": r"\angle ", "△": r"\triangle ", "∧": r" \land ", "∨": r" \lor ",
        "⅕": r"\frac{1}{5}", "⅖": r"\frac{2}{5}", "⅗": r"\frac{3}{5}", "⅘": r"\frac{4}{5}", "⅙": r"\frac{1}{6}",
        "⅚": r"\frac{5}{6}", "⅛": r"\frac{1}{8}", "⅜": r"\frac{3}{8}", "⅝": r"\frac{5}{8}", "⅞": r"\frac{7}{8}",
        "≡": r"\equiv ", "μ": "µ", "Δ": r"\Delta ", "∣": "|", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}",
        "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}", "∖": r"\setminus ", "⌊": r"\lfloor ", "⌋": r"\rfloor ",
        "⌈": r"\lceil ", "⌉": r"\rceil ", "…": r"\ldots ", "∑": r"\sum ", "∫": r"\int ", "∏": r"\prod ",
    }
)  # fmt: skip

_SAME_COMMAND = {
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "leq": "le", "leqslant": "le", "geq": "ge", "geqslant": "ge",
    "neq": "ne", "lt": "<", "gt": ">", "cdot": "*", "times": "*", "div": "/", "ast": "*", "dbinom": "binom",
    "tbinom": "binom", "choose": "choose", "varnothing": "emptyset", "land": "text{ and }", "lor": "text{ or }",
    "vee": "text{ or }", "wedge": "text{ and }", "lvert": "|", "rvert": "|", "vert": "|", "mid": "|", "lbrace": "{",
    "rbrace": "}", "lbrack": "[", "rbrack": "]", "langle": "(", "rangle": ")", "degree": "°", "thickapprox": "approx",
    "simeq": "approx", "sim": "approx", "varphi": "phi", "varepsilon": "epsilon", "tg": "tan", "ctg": "cot",
    "colon": ":", "to": "rightarrow", "top": "T", "intercal": "T", "dotsc": "ldots", "dots": "ldots", "bmod": "mod",
    "pmod": "mod", "dotsb": "ldots", "cdots": "ldots", "arcctg": "arccot", "bar": "overline",
    "smallsetminus": "setminus", "infin": "infty", "lnot": "neg", "doteq": "approx",
    "measuredangle": "angle", "pounds": "£", "euro": "€", "imath": "i", "jmath": "j",
}  # fmt: skip
_VERBATIM = frozenset("<>*/|[]()°:T£€ij")
_DROPPED = frozenset(
    "left right bigl bigr Bigl Bigr biggl biggr big Big bigg Bigg displaystyle textstyle scriptstyle limits nolimits "
    "hat hfill cr mleft mright middle rm it bf boldsymbol pmb enspace thinspace".split()
)
_SPACES = frozenset("quad qquad space hspace newline".split())
_STYLE = re.compile(
    r"\\(?:text|textbf|textit|textrm|textnormal|texttt|textsf|mbox|hbox|mathrm|mathbf|mathit|mathsf|mathtt|mathcal|"
    r"operatorname\*?|bm|emph|underline|vec|overrightarrow|hat|boxed|fbox|color\{[a-z]+\})\s*\{((?:[^{}]|\{[^{}]*\})*)\}"
)
_COMMAND = re.compile(r"\\([a-zA-Z]+)")
_DEGREES = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![a-zA-Z]))|\\degrees?(?![a-zA-Z])")
_GROUPING = re.compile(r"(?<=[0-9])\s*(?:,\s*\\!|\{\s*,\s*\}|\\!\s*,|\\,|\\;|\\:|~)\s*(?=[0-9]{3}(?![0-9]))")
_THIN = re.compile(r"(?<!\\)\\[,;:!> \n]|~")
_DELIMITERS = re.compile(r"(?<!\\)\$|\\\(|\\\)|\\\[|\\\](?!\s*[0-9.]*(?:em|pt|ex|mm))")
_BLANKS = re.compile(r"\s+")
_DOUBLED = re.compile(r"\\\\(?=[a-zA-Z({\[])")
_ROW_SPACING = re.compile(r"\\\\\s*\[\s*-?[0-9.]+\s*(?:em|ex|pt|mm|cm|in)\s*\]")
_SCRIPTS = {
    "^": ("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ", "0123456789+-()n"),
    "_": ("₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₙ", "0123456789+-()n"),
}
_SCRIPT = [(sign, re.compile(f"[{small}]+"), str.maketrans(small, plain)) for sign, (small, plain) in _SCRIPTS.items()]
_CONNECTIVES = [
    (re.compile("パーセント|퍼센트"), "%"),
    (re.compile("或者|或是|或|または|又は|もしくは"), " or "),
    (re.compile("以及|并且|且|和|与|及|と|および"), " and "),
]
_NEGATIVE = re.compile(
    r"(?<![A-Za-z])(?:negative|minus)\s+(?=[0-9.\\$])|^\s*(?:负|負|零下|マイナス|氷点下)\s*(?=[0-9.\\$])", re.IGNORECASE
)
_POSITIVE = re.compile(r"(?<![A-Za-z])positive\s+(?=[0-9.\\$])", re.IGNORECASE)
_BELOW_ZERO = re.compile(r"([0-9.]+)(\s*(?:degrees?|°)?\s*(?:Celsius|Fahrenheit|[CF](?![A-Za-z]))?)\s*below\s+zero")
_THOUSANDS = re.compile(r"(?<![0-9.,])[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9]|,[0-9])")
_FEET = re.compile(r"(?<![0-9°])([0-9]{1,3})\s*'\s*([0-9]{1,2}(?:\.[0-9]+)?)\s*(?:\"|'')")
_CHOOSE = re.compile(r"\{\s*([^{}]{1,30}?)\s*\\choose(?![a-zA-Z])\s*([^{}]{1,30}?)\s*\}")
_C = r"(?:C|\\text\s*\{\s*C\s*\}|\\mathrm\s*\{\s*C\s*\}|\\rm\s+C)"
_COMBINATIONS = re.compile(
    rf"(?:\{{\s*\}})?\s*[\^_]\s*\{{?\s*([0-9]{{1,4}})\s*\}}?\s*{_C}\s*_\s*\{{?\s*([0-9]{{1,4}})(?![0-9])\s*\}}?"
    rf"|(?<![0-9A-Za-z])([0-9]{{1,4}})\s*C\s*([0-9]{{1,4}})(?![0-9A-Za-z])"
)
_CHINESE_C = re.compile(
    rf"(?<![A-Za-z0-9\\}}]){_C}\s*(?:_\s*\{{?\s*([0-9]{{1,4}})\s*\}}?\s*\^\s*\{{?\s*([0-9]{{1,4}})(?![0-9])\s*\}}?"
    rf"|\^\s*\{{?\s*([0-9]{{1,4}})\s*\}}?\s*_\s*\{{?\s*([0-9]{{1,4}})(?![0-9])\s*\}}?)"
)
_P = r"(?:P|\\text\s*\{\s*P\s*\}|\\mathrm\s*\{\s*P\s*\})"
_PERMUTATIONS = re.compile(
    rf"(?:\{{\s*\}})?\s*[\^_]\s*\{{?\s*([0-9]{{1,4}})\s*\}}?\s*{_P}\s*_\s*\{{?\s*([0-9]{{1,4}})(?![0-9])\s*\}}?"
    rf"|(?<![0-9A-Za-z])([0-9]{{1,4}})\s*P\s*([0-9]{{1,4}})(?![0-9A-Za-z])"
    rf"|(?<![A-Za-z0-9\\}}])[AP]\s*_\s*\{{?\s*([0-9]{{1,4}})\s*\}}?\s*\^\s*\{{?\s*([0-9]{{1,4}})(?![0-9])\s*\}}?"
)
"""8P3, ^8P_3, and A_8^3 as it is written in China; A_1^2 is a square."""
_SEGMENT_NAME = re.compile(r"\\overline\s*\{\s*([A-Z](?:_\{?[0-9]\}?|')?[A-Z](?:_\{?[0-9]\}?|')?)\s*\}")
_MICRO = re.compile(r"\\mu\s*(?=[mgsLFAVWC](?![a-zA-Z]))")
_MICRO_UPRIGHT = re.compile(r"\\mu\s*\\(text|mathrm|mathsf)\s*\{\s*(?=[mgsLFAVWC])")
_DECIMAL_COMMA = re.compile(r"(?<=[0-9])\{,\}(?=[0-9])")
_OHM = re.compile(r"(?<=[0-9kM\s~,{])\\Omega(?=\s*[}$]*\s*\Z)")
_UNBRACED = re.compile(r"\\math(?:sf|rm|bf|it)\s+([A-Za-z])(?![a-zA-Z])")
_TEMPERATURE = re.compile(r"°\s*«?\s*([CF])\s*»?(?![A-Za-z])")
_CURRENCY = "¤"
_PAID = re.compile(r"\\\\?\$")
_PHASE = re.compile(r"(?<=[0-9)}])\s*\\angle\s*(?=-?\s*[0-9.(]|-?\s*\\(?:frac|pi|theta|arctan))")
"""The angle behind the size of a complex number: 2∠60°."""
_EXPONENT = re.compile(r"(?<=[0-9])\s+E\s+\{?([-+]?[0-9]{1,3})(?![0-9.])\}?")
_PER_CENT = re.compile(r"\bper cent(?=age|\b)")
_TIMES_SIGN = re.compile(r"(?<=[0-9)])\s+[xX]\s+(?=[0-9(])")
_ORDINAL = re.compile(r"(?<=[0-9])\s*\^?\s*(?:\{\s*(?:st|nd|rd|th)\s*\}|(?:st|nd|rd|th)\b)")


def half_width(text: str) -> str:
    """Letters, digits and signs that stand beside Chinese, Japanese or Korean, in the width of Latin script. By
    themselves digits of another width are look-alikes, and stay.

    >>> half_width("答えは２５％です"), half_width("２５")
    ('答えは25%です', '２５')
    """
    if text.isascii() or _IS_WIDE.search(text) is None or _SCRIPT_OF_WIDE.search(text) is None:
        return text
    return text.translate(_WIDE)


def normalise(text: str) -> str:
    """The same answer in the one notation the parser reads. The text is an answer, not a whole response."""
    if not text.isascii():
        text = text.replace(UNIT_OPENS, " ").replace(UNIT_CLOSES, " ")
        text = _unicode(text)
    if "\\\\begin" in text:
        text = text.replace("\\\\", "\\")  # escaped twice
    if "'" in text:
        text = _FEET.sub(r"\1 feet \2 inches ", text)
    if "$" in text or "\\" in text:
        text = _DELIMITERS.sub(" ", _dollars(_ROW_SPACING.sub(r"\\\\ ", text))).replace(_CURRENCY, "$")
    if "per cent" in text:
        text = _PER_CENT.sub("percent", text)
    if "quad" in text:
        text = re.sub(r"\\q?quad(?=[A-Za-z])", " ", text)
    if "." in text:
        text = repeating_decimals(text)
    if "{:}" in text or "{=}" in text:
        text = text.replace("{:}", ":").replace("{=}", "=")
    if "{,}" in text:
        text = _DECIMAL_COMMA.sub(".", _GROUPING.sub("", text))
    if "\\" in text:
        text = _commands(text)
    if "\\angle" in text:
        text = _PHASE.sub(r" cis ", text)
    if " E " in text:
        text = _EXPONENT.sub(r"e\1", text)
    text = text.replace("**", "^") if re.search(r"\w\s*\*\*\s*\w", text) else text.replace("**", "")
    text = text.replace("^{°}", "°").replace("^°", "°")
    text = _TEMPERATURE.sub(r"°\1", text) if "°" in text else text
    text = text.replace("==", "=").replace("!=", r"\ne ").replace("<=", r"\le ").replace(">=", r"\ge ")
    if "th" in text or "st" in text or "nd" in text or "rd" in text:
        text = _ORDINAL.sub("", text)
    if "C" in text:
        text = _COMBINATIONS.sub(lambda m: rf"\binom{{{m[1] or m[3]}}}{{{m[2] or m[4]}}}", text)
        text = _CHINESE_C.sub(_chosen, text)
    if "P" in text or "A" in text:
        text = _PERMUTATIONS.sub(_arranged, text)
    if "ositive" in text:
        text = _POSITIVE.sub("", text)
    if not text.isascii() or "egative" in text or "inus" in text or "below" in text:
        text = _BELOW_ZERO.sub(r"-\1\2", _NEGATIVE.sub("-", text))
    if "," in text:
        text = _THOUSANDS.sub(_ungrouped, text)
    text = EACH.sub("per ", text) if " a " in text or " an " in text or " every " in text else text
    text = _TIMES_SIGN.sub("*", text) if "x" in text or "X" in text else text
    text = _BLANKS.sub(" ", text.replace('\\"', " ").replace('"', " ").replace("`", " ").replace("{}", "")).strip()
    while text and text[-1] in ".,;:\\":
        text = text[:-1].rstrip()
    return text


def _chosen(match: re.Match[str]) -> str:
    """C_5^2; C_1^2 is the square of a constant."""
    n, k = match[1] or match[4], match[2] or match[3]
    return rf"\binom{{{n}}}{{{k}}}" if int(n) >= int(k) else match[0]


def _arranged(match: re.Match[str]) -> str:
    n, k = int(match[1] or match[3] or match[5]), int(match[2] or match[4] or match[6])
    return rf"\frac{{{n}!}}{{{n - k}!}}" if n >= k and (n > 1 or not match[5]) else match[0]


def _ungrouped(match: re.Match[str]) -> str:
    """1,200 without its comma. In brackets that hold nothing else, (100,200), commas separate, unless a group opens
    with zero as no number does."""
    before, digits = match.string[: match.start()], match[0].replace(",", "")
    opening = max(before.rfind("("), before.rfind("["), before.rfind("\\{"))
    closing = max(before.rfind(")"), before.rfind("]"), before.rfind("\\}"))
    if opening <= closing or re.search(r",0", match[0]):
        return digits
    inside = re.split(r"[)\]]|\\\}", match.string[opening:], maxsplit=1)[0]
    return digits if re.search(r"[,;]\s", inside) else match[0]


def _unicode(text: str) -> str:
    for sign, pattern, plain in _SCRIPT:
        text = pattern.sub(lambda m, sign=sign, plain=plain: f"{sign}{{{m[0].translate(plain)}}}", text)  # type: ignore[misc]
    text = text.translate(_UNICODE)
    for pattern, word in _CONNECTIVES:
        text = pattern.sub(word, text)
    text = re.sub(r"第(?=[0-9一二三四五六七八九十百])", "", text)
    text = re.sub(r"(?:です|である|となります|になります|になる|だ|입니다|이다)[.!\s]*\Z", "", text)
    return re.sub(r"(?<![A-Za-z])(?:大约|约|約)\s*(?=[0-9])", "", text)


def _dollars(text: str) -> str:
    """Dollar signs that are money: escaped ones, and a lone one before or after a number."""
    text = _PAID.sub(_CURRENCY, text)
    if text.count("$") % 2:
        text = re.sub(r"\$(?=\s?[0-9.])", _CURRENCY, text, count=1) if re.search(r"\$\s?[0-9.]", text) else text
    return text


def _commands(text: str) -> str:
    if "matrix" not in text and "array" not in text and "cases" not in text:
        text = _DOUBLED.sub(r"\\", text)  # JSON escaped twice, or raw strings printed
    text = _GROUPING.sub("", text)
    text = text.replace(r"\%", "%").replace(r"\#", "").replace(r"\&", "&").replace(r"\degC", "°C")
    text = _SEGMENT_NAME.sub(r"\1", _CHOOSE.sub(r"\\binom{\1}{\2}", text))
    text = (
        _MICRO.sub("µ", _MICRO_UPRIGHT.sub(r"\\\1{µ", _OHM.sub("Ω", text)))
        if "\\mu" in text or "\\Omega" in text
        else text
    )
    text = _DEGREES.sub("°", _UNBRACED.sub(r"\1", text))
    for _ in range(6):  # styles nest: \mathbf{\text{x}}
        styled = _STYLE.sub(_upright, text)
        if styled == text:
            break
        text = styled
    text = _THIN.sub(" ", text)
    if "\\begin" not in text:
        text = re.sub(r"\\\\(?=\s)", " ; ", text)
    return _COMMAND.sub(_command, text)


def _upright(match: re.Match[str]) -> str:
    """Text inside a formula: a unit where it follows a value, else only its words."""
    inside = _THIN.sub(" ", match[1]).replace("\\cdot", " ").strip(" ~")
    before = match.string[: match.start()].rstrip("/ ~\\,;")
    if inside and before and before[-1] not in "=([{<>+-*^_&,;:|$" and unit_of(inside) is not None:
        return f" {UNIT_OPENS}{inside}{UNIT_CLOSES} "
    return f" {inside} "


def _command(match: re.Match[str]) -> str:
    name = match[1]
    if name in _DROPPED:
        return ""
    if name in _SPACES:
        return " "
    same = _SAME_COMMAND.get(name)
    if same is None:
        return match[0]
    if same in _VERBATIM:
        return same
    if same in ("{", "}"):
        return "\\" + same
    if same.startswith("text{"):
        return same[5:-1]
    return "\\" + same


def balanced(text: str) -> bool:
    """Whether braces close as often as they open, and never before. Interval brackets may cross, so they don't count.

    >>> balanced(r"\\frac{1}{"), balanced(r"\\{1, 2\\}")
    (False, True)
    """
    depth = 0
    for char in text:
        if char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth < 0:
                return False
    return depth == 0


def top_level(text: str, separators: str) -> list[str]:
    """Splits at any of these one-character separators that stand outside brackets, braces and bars are no brackets.

    >>> top_level("(1,2),3", ",")
    ['(1,2)', '3']
    """
    parts: list[str] = []
    depth = start = 0
    for at, char in enumerate(text):
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char in separators and depth <= 0:
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    return parts
