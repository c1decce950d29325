r"""A small parser of expressions in LaTeX or plain text, which makes sympy unnecessary for most answers.

>>> parse_expression("2xy").args
(Num(value=Fraction(2, 1), decimals=None, digits=1), Sym(name='x'), Sym(name='y'))

Reads what `notation.normalise` writes. What it can't read raises NotMath; nothing is skipped or guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

DEEPEST = 40
"""Levels of brackets, fractions, powers."""
MOST_TOKENS = 600


class NotMath(Exception):
    """The text is no expression that this parser reads."""


@dataclass(frozen=True, slots=True)
class Num:
    value: Fraction
    decimals: int | None = None
    digits: int = 0


@dataclass(frozen=True, slots=True)
class Sym:
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    args: tuple[Node, ...]


Node: TypeAlias = "Num | Sym | Call"

FUNCTIONS = frozenset(
    "sin cos tan cot sec csc cis arcsin arccos arctan arccot sinh cosh tanh "
    "arcsinh arccosh arctanh log ln lg exp sqrt max "
    "min gcd lcm abs asin acos atan asinh acosh atanh arsinh arcosh artanh".split()
)
_SAME = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "lg": "log"}
_SAME |= {f"{name}{of}": f"arc{of}" for name in ("a", "ar") for of in ("sinh", "cosh", "tanh")}
_CONSTANTS = frozenset(["pi", "infty"])
_GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi psi omega "
    "Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega ell hbar".split()
)
_PLAIN_WORDS = {"pi": "\\pi", "infinity": "\\infty", "inf": "\\infty", "oo": "\\infty", "theta": "\\theta"}
_WORDS = frozenset("the is are was of to for not and or no if its his her she all any you we has".split())
"""Short words of prose, which are no products of letters; neither are names such as Bob."""
_TOKEN = re.compile(
    r"\s*(?:([0-9]+(?:\.[0-9]+)?|\.[0-9]+)|(\\[a-zA-Z]+|\\[|{}])|([A-Za-z]+)|([-+*/^_()\[\]{}|!°%',]))", re.ASCII
)
_OPENS = {"(": ")", "[": "]", "{": "}", "\\{": "\\}"}


def tokens(text: str) -> list[str]:
    """Numbers, commands, single letters, signs. Raises NotMath at a word that is neither a function nor short enough
    to be a product of letters, and at any other character."""
    found: list[str] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise NotMath(f"unexpected {text[at : at + 10]!r}")
        at = match.end()
        word = match[3]
        if word is None:
            found.append(match[1] or match[2] or match[4])
        elif word in FUNCTIONS:
            found.append("\\" + word)
        elif word in _PLAIN_WORDS:
            found.append(_PLAIN_WORDS[word])
        elif (
            len(word) <= 3 and word not in _WORDS and not (len(word) == 3 and word[1:].islower() and word[0].isupper())
        ):
            found += word
        else:
            raise NotMath(f"a word: {word!r}")
        if len(found) > MOST_TOKENS:
            raise NotMath("too long")
    return found


def parse_expression(text: str) -> Node:
    """The tree of one expression. Raises NotMath."""
    parser = _Parser(tokens(text))
    if not parser.tokens:
        raise NotMath("empty")
    node = parser.sum()
    if parser.at < len(parser.tokens):
        raise NotMath(f"unexpected {parser.tokens[parser.at]!r}")
    return node


class _Parser:
    def __init__(self, found: list[str]) -> None:
        self.tokens = found
        self.at = 0
        self.depth = 0
        self.bars = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, expected: str | None = None) -> str:
        token = self.peek()
        if not token or (expected is not None and token != expected):
            raise NotMath(f"expected {expected or 'more'}, found {token or 'the end'!r}")
        self.at += 1
        return token

    def sum(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise NotMath("too deep")
        terms = [self.product()]
        while self.peek() in ("+", "-"):
            sign = self.take()
            term = self.product()
            terms.append(Call("neg", (term,)) if sign == "-" else term)
        self.depth -= 1
        return terms[0] if len(terms) == 1 else Call("+", tuple(terms))

    def product(self) -> Node:
        factors = [self.signed()]
        while True:
            token = self.peek()
            if token in ("*", "/"):
                self.at += 1
                factor = self.signed()
                factors.append(Call("inverse", (factor,)) if token == "/" else factor)
            elif token and self.starts_atom(token):
                factors.append(self.power())
            else:
                return factors[0] if len(factors) == 1 else Call("*", tuple(factors))

    def signed(self) -> Node:
        sign = 1
        count = 0
        while self.peek() in ("+", "-"):
            sign = -sign if self.take() == "-" else sign
            count += 1
            if count > 3:
                raise NotMath("a row of signs")
        node = self.power()
        return Call("neg", (node,)) if sign < 0 else node

    def starts_atom(self, token: str) -> bool:
        if token == "|":
            return self.bars == 0
        return token not in {"+", "-", "*", "/", "^", "_", ")", "]", "}", "\\}", "!", "°", "%", ",", "'"}

    def power(self) -> Node:
        node = self.postfix(self.atom())
        if self.peek() == "^":
            self.at += 1
            if self.peek() == "'":
                raise NotMath("a derivative")
            node = self.postfix(Call("^", (node, self.script())))
        return node

    def postfix(self, node: Node) -> Node:
        for _ in range(3):
            if self.peek() not in ("!", "°", "%"):
                return node
            if self.tokens[self.at : self.at + 2] == ["!", "!"]:  # 8!! = 8 * 6 * 4 * 2
                self.at += 2
                node = Call("!!", (node,))
                continue
            node = Call(self.take(), (node,))
        raise NotMath("a row of signs")

    def script(self) -> Node:
        """What follows ^ or _: a group, or a sign and one token."""
        if self.peek() == "{":
            return self.group()
        if self.peek() in ("-", "+"):
            sign = self.take()
            node = self.script()
            return Call("neg", (node,)) if sign == "-" else node
        return self.atom()

    def group(self) -> Node:
        closing = _OPENS[self.take()]
        bars, self.bars = self.bars, 0
        node = self.sum()
        self.bars = bars
        self.take(closing)
        return node

    def atom(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise NotMath("too deep")
        node = self._atom()
        self.depth -= 1
        return node

    def _atom(self) -> Node:
        token = self.peek()
        if token in _OPENS:
            return self.group()
        if token == "|":
            if self.bars:
                raise NotMath("bars inside bars")
            self.at += 1
            self.bars += 1
            node = self.sum()
            self.take("|")
            self.bars -= 1
            return Call("abs", (node,))
        self.take()
        if token[:1].isdigit() or token[:1] == ".":
            return self.number(token)
        if token[:1] == "\\":
            return self.command(token[1:])
        if token.isalpha():
            return self.symbol(token)
        raise NotMath(f"unexpected {token!r}")

    def number(self, token: str) -> Node:
        if len(token) > 1000:
            raise NotMath("too many digits")
        whole, _, part = token.partition(".")
        decimals = len(part) if part else None
        number = Num(
            Fraction(int((whole or "0") + part), 10 ** len(part)), decimals, len(token.lstrip("0.").replace(".", ""))
        )
        if decimals is None and self.peek() == "\\frac":
            return self.mixed(number)
        return number

    def mixed(self, whole: Num) -> Node:
        r"""A whole number right before a proper fraction of plain integers: 1\frac{4}{5}. Else the number alone."""
        start = self.at
        self.at += 1
        saved = list(self.tokens)
        top, bottom = self.argument(), self.argument()
        if isinstance(top, Num) and isinstance(bottom, Num) and 0 < top.value < bottom.value and self.peek() != "^":
            return Call("mixed", (whole, Call("/", (top, bottom))))
        self.at, self.tokens = start, saved
        return whole

    def argument(self) -> Node:
        """An argument of a command: a group, or one digit, letter or command."""
        token = self.peek()
        if token == "{":
            return self.group()
        if token[:1].isdigit() and len(token) > 1:
            self.tokens[self.at : self.at + 1] = [token[0], token[1:]]
        return self.atom()

    def peek_raw(self) -> str:
        """The first token of the next argument that is no brace."""
        at = self.at
        while at < len(self.tokens) and self.tokens[at] == "{":
            at += 1
        return self.tokens[at] if at < len(self.tokens) else ""

    def symbol(self, name: str) -> Node:
        if name in ("C", "P") and self.peek() == "(" and (chosen := self.chosen(name)) is not None:
            return chosen
        while self.peek() == "'":
            name += self.take()
        if self.peek() == "_":
            self.at += 1
            name += "_" + self.label()
        return Sym(name)

    def chosen(self, name: str) -> Node | None:
        """C(5,2) and P(5,2) of plain integers: combinations and permutations."""
        inside = self.tokens[self.at : self.at + 5]
        if len(inside) < 5 or inside[2] != "," or inside[4] != ")" or not (inside[1] + inside[3]).isdigit():
            return None
        self.at += 5
        n, k = (Num(Fraction(int(text)), None, len(text)) for text in (inside[1], inside[3]))
        chosen = Call("binom", (n, k))
        return chosen if name == "C" else Call("*", (chosen, Call("!", (k,))))

    def label(self) -> str:
        """A subscript as text: it is part of a name."""
        if self.peek() != "{":
            return self.take()
        depth, text = 0, ""
        while True:
            token = self.take()
            depth += (token == "{") - (token == "}")
            if depth == 0:
                return text
            if token != "{":
                text += token

    def command(self, name: str) -> Node:
        if name == "frac":
            top = self.peek_raw()
            if top in ("d", "\\partial"):
                raise NotMath("a derivative")
            return Call("/", (self.argument(), self.argument()))
        if name == "overline":
            return Call("conj", (self.argument(),))
        if name == "binom":
            return Call("binom", (self.argument(), self.argument()))
        if name == "sqrt":
            return self.root()
        if name in FUNCTIONS:
            return self.function(_SAME.get(name, name))
        if name in _CONSTANTS:
            return Sym("\\" + name)
        if name in _GREEK:
            return self.symbol("\\" + name)
        if name in ("lfloor", "lceil"):
            node = self.sum()
            self.take("\\rfloor" if name == "lfloor" else "\\rceil")
            return Call("floor" if name == "lfloor" else "ceil", (node,))
        raise NotMath(f"command \\{name}")

    def root(self) -> Node:
        degree: Node | None = None
        if self.peek() == "[":
            degree = self.group()
        node = self.group() if self.peek() in ("{", "(") else self.atom()
        return Call("root", (node, degree)) if degree is not None else Call("sqrt", (node,))

    def function(self, name: str) -> Node:
        base: Node | None = None
        exponent: Node | None = None
        while self.peek() in ("^", "_"):
            if self.take() == "^":
                exponent = self.script()
            else:
                base = self.script()
        args = self.arguments()
        if exponent == Call("neg", (Num(Fraction(1), None, 1),)) and name in ("sin", "cos", "tan", "cot"):
            name, exponent = "arc" + name, None
        if base is not None:
            if name != "log" or len(args) != 1:
                raise NotMath(f"subscript of {name}")
            args = (*args, base)
        node: Node = Call(name, args)
        return Call("^", (node, exponent)) if exponent is not None else node

    def arguments(self) -> tuple[Node, ...]:
        r"""Arguments of a function: a bracketed list, or the factors up to the next sign or function: \sin 2x."""
        if self.peek() in ("(", "{", "["):
            closing = _OPENS[self.take()]
            found = [self.sum()]
            while self.peek() == ",":
                self.at += 1
                found.append(self.sum())
            self.take(closing)
            return tuple(found)
        if self.peek() == "-":
            self.at += 1
            return (Call("neg", self.arguments()),)
        factors = [self.power()]
        while (
            (token := self.peek()) and self.starts_atom(token) and token not in ("(", "[") and not _is_function(token)
        ):
            factors.append(self.power())
        return (factors[0] if len(factors) == 1 else Call("*", tuple(factors)),)


def _is_function(token: str) -> bool:
    return token[1:] in FUNCTIONS and token[1:] != "sqrt"
