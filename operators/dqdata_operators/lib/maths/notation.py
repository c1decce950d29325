r"""One notation out of many: LaTeX, Unicode and plain text become the same short string.

>>> normalise(r"\left( \dfrac{1}{2},\, 3 \right)")
'( \\frac{1}{2}, 3 )'
>>> normalise(r"$12\,000 \text{ cm}^2$")
'12000 «cm» ^2'
>>> normalise("x² ≤ 4")
'x^2 \\le 4'

Nothing here judges: what can't be read stays in the string and stops the parser later. Digits and letters of other
scripts are left as they are, so that look-alikes never become the real ones.
"""

from __future__ import annotations

import re

from dqdata_operators.lib.maths.words import unit_of

LONGEST = 4000
"""Characters of an answer; nothing longer is a final answer."""

UNIT_OPENS, UNIT_CLOSES = "«", "»"
"""Around upright text after a value, which can't be a product of letters: 5 \\text{ m} is `5 «m»`."""

_UNICODE = str.maketrans(
    {
        "−": "-", "–": "-", "‐": "-", "‑": "-", "×": "*", "·": "*", "⋅": "*", "∗": "*", "÷": "/", "∕": "/", "⁄": "/",
        "π": r"\pi ", "√": r"\sqrt ", "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ", "⩽": r"\le ", "⩾": r"\ge ",
        "≠": r"\ne ", "≈": r"\approx ", "±": r"\pm ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∅": r"\emptyset ",
        "º": "°", "²": "^2", "³": "^3", "⁴": "^4", "½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}",
        "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}", "θ": r"\theta ", "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ",
        "λ": r"\lambda ", "φ": r"\phi ", "ω": r"\omega ", "，": ", ", "、": ", ", "；": "; ", "：": ":", "（": "(",
        "）": ")", "［": "[", "］": "]", "％": "%", "。": ".", "＝": "=", "＜": "<", "＞": ">", "\u00a0": " ",
        "\u202f": " ", "\u2009": " ", "\u3000": " ", "’": "'", "′": "'", "“": '"', "”": '"', "ℝ": r"\mathbb{R}",
        "⟨": "(", "⟩": ")",
    }
)  # fmt: skip

_SAME_COMMAND = {
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "leq": "le", "leqslant": "le", "geq": "ge", "geqslant": "ge",
    "neq": "ne", "lt": "<", "gt": ">", "cdot": "*", "times": "*", "div": "/", "ast": "*", "dbinom": "binom",
    "tbinom": "binom", "choose": "choose", "varnothing": "emptyset", "land": "text{ and }", "lor": "text{ or }",
    "vee": "text{ or }", "wedge": "text{ and }", "lvert": "|", "rvert": "|", "vert": "|", "mid": "|", "lbrace": "{",
    "rbrace": "}", "lbrack": "[", "rbrack": "]", "langle": "(", "rangle": ")", "degree": "°", "thickapprox": "approx",
    "simeq": "approx", "sim": "approx", "varphi": "phi", "varepsilon": "epsilon", "tg": "tan", "ctg": "cot",
    "colon": ":", "to": "rightarrow",
}  # fmt: skip
_VERBATIM = frozenset("<>*/|[]()°:")
_DROPPED = frozenset(
    "left right bigl bigr Bigl Bigr biggl biggr big Big bigg Bigg displaystyle textstyle scriptstyle limits nolimits "
    "hfill cr mleft mright middle rm it bf boldsymbol pmb enspace thinspace".split()
)
_SPACES = frozenset("quad qquad space hspace newline".split())
_STYLE = re.compile(
    r"\\(?:text|textbf|textit|textrm|textnormal|texttt|textsf|mbox|hbox|mathrm|mathbf|mathit|mathsf|mathtt|mathcal|"
    r"operatorname\*?|bm|emph|underline|overline|vec|hat|bar|tilde|boxed|fbox|color\{[a-z]+\})\s*\{([^{}]*)\}"
)
_COMMAND = re.compile(r"\\([a-zA-Z]+)")
_DEGREES = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![a-zA-Z]))|\\degrees?(?![a-zA-Z])")
_GROUPING = re.compile(r"(?<=[0-9])\s*(?:,\s*\\!|\{\s*,\s*\}|\\!\s*,|\\,|\\;|\\:|~)\s*(?=[0-9]{3}(?![0-9]))")
_THIN = re.compile(r"(?<!\\)\\[,;:!> \n]|~")
_DELIMITERS = re.compile(r"(?<!\\)\$|\\\(|\\\)|\\\[|\\\](?!\s*[0-9.]*(?:em|pt|ex|mm))")
_BLANKS = re.compile(r"\s+")
_DOUBLED = re.compile(r"\\\\(?=[a-zA-Z({\[])")
_ORDINAL = re.compile(r"(?<=[0-9])\s*\^?\s*\{?\s*(?:st|nd|rd|th)\b\s*\}?")


def normalise(text: str) -> str:
    """The same answer in the one notation the parser reads. The text is an answer, not a whole response."""
    if not text.isascii():
        text = text.replace(UNIT_OPENS, " ").replace(UNIT_CLOSES, " ")
        text = text.translate(_UNICODE)
    text = _DELIMITERS.sub(" ", text) if "$" in text or "\\" in text else text
    if "\\" in text:
        text = _commands(text)
    text = text.replace("**", "^") if re.search(r"\w\s*\*\*\s*\w", text) else text.replace("**", "")
    text = text.replace("^{°}", "°").replace("^°", "°").replace("€", "").replace("£", "").replace("¥", "")
    text = text.replace("==", "=").replace("!=", r"\ne ").replace("<=", r"\le ").replace(">=", r"\ge ")
    if "th" in text or "st" in text or "nd" in text or "rd" in text:
        text = _ORDINAL.sub("", text)
    text = _BLANKS.sub(" ", text.replace('"', " ").replace("{}", "")).strip()
    while text and text[-1] in ".,;:\\":
        text = text[:-1].rstrip()
    return text


def _commands(text: str) -> str:
    if "matrix" not in text and "array" not in text and "cases" not in text:
        text = _DOUBLED.sub(r"\\", text)  # JSON escaped twice, or raw strings printed
    text = _GROUPING.sub("", text)
    text = text.replace(r"\$", "").replace(r"\%", "%").replace(r"\#", "").replace(r"\&", "&")
    text = _DEGREES.sub("°", text)
    for _ in range(6):  # styles nest: \mathbf{\text{x}}
        styled = _STYLE.sub(_upright, text)
        if styled == text:
            break
        text = styled
    text = _THIN.sub(" ", text)
    return _COMMAND.sub(_command, text)


def _upright(match: re.Match[str]) -> str:
    """Text inside a formula: a unit where it follows a value, else only its words."""
    inside = match[1].strip(" ~")
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
