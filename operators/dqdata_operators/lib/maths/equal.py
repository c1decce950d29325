r"""Whether a prediction says the same as the reference, structure by structure.

>>> from dqdata_operators.lib.maths.structure import read
>>> equal(reference=read("1/3"), prediction=read(r"x = \frac{2}{6}"), tolerance=Tolerance())
True

True and False are decisions; None is none, and sympy is asked next. The two sides are not alike: a prediction may
carry a name (`x = 5` for 5) or work (`2 + 3 = 5`) that a reference has not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from dqdata_operators.lib.maths import identity
from dqdata_operators.lib.maths.chains import (
    FLIP,
    assigns,
    is_name,
    name_of,
    same_equation,
    same_inequality,
    same_names,
    squeeze,
    told_apart,
    values_of,
    variables,
)
from dqdata_operators.lib.maths.evaluate import TooLarge, Undefined, Value, decimal_inside, symbols, uses, value
from dqdata_operators.lib.maths.expression import Call, Node, Num
from dqdata_operators.lib.maths.realsets import real_set, same_set
from dqdata_operators.lib.maths.shapes import (
    Answer,
    Braces,
    Chain,
    Clock,
    Matrix,
    Opaque,
    Ratio,
    Scalar,
    Several,
    Tuple,
    Union,
    Unreadable,
    Words,
)
from dqdata_operators.lib.maths.structure import read
from dqdata_operators.lib.maths.words import choice_letter, meaning, plain_words, same_words


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far two numbers may be apart.

    rel_tol, abs_tol: as in math.isclose, for any two constants; zero asks for equality.
    rounded_digits: a decimal with at least this many significant digits may be the rounding of the other side
    (2.6667 of 8/3, 3.1416 of pi); 0 allows none.
    """

    rel_tol: float = 0.0
    abs_tol: float = 0.0
    rounded_digits: int = 4


def equal(*, reference: Answer, prediction: Answer, tolerance: Tolerance) -> bool | None:
    return _Comparison(tolerance).equal(reference, prediction)


class _Comparison:
    def __init__(self, tolerance: Tolerance) -> None:
        self.tolerance = tolerance

    def equal(self, ref: Answer, pred: Answer) -> bool | None:
        if ref == pred and not isinstance(ref, Opaque):
            return True
        if isinstance(ref, Scalar) and _CHOICE.fullmatch(ref.text):
            given = choice_letter(_text(pred) or "")
            if given == ref.text.strip("()"):
                return True
        if isinstance(ref, Clock) or isinstance(pred, Clock):
            return _same_time(ref, pred)
        if isinstance(ref, Words) or isinstance(pred, Words):
            return self.words(ref, pred)
        if isinstance(ref, Opaque) or isinstance(pred, Opaque):
            return None
        if isinstance(ref, Chain) or isinstance(pred, Chain):
            return self.chains(ref, pred)
        return self.plain(ref, pred)

    def plain(self, ref: Answer, pred: Answer) -> bool | None:
        match ref, pred:
            case Scalar(), Scalar():
                return self.scalars(ref, pred)
            case Matrix(), Matrix():
                if len(ref.rows) != len(pred.rows) or len(ref.rows[0]) != len(pred.rows[0]):
                    return False
                return self.all_of(_flat(ref), _flat(pred))
            case (Matrix(), Tuple()) | (Tuple(), Matrix()):  # a vector as a column or as a tuple
                return self.all_of(_flat(ref), _flat(pred)) if 1 in (_shape(ref) + _shape(pred)) else False
            case Tuple(), Tuple():
                return self.tuples(ref, pred)
            case ((Several(ours) | Braces(ours)), (Several(theirs) | Braces(theirs))):
                return self.unordered(ours, theirs)
            case (Several(ours), Tuple(_, theirs, _)) | (Tuple(_, ours, _), Several(theirs)):
                return self.all_of(ours, theirs)
            case Ratio(), _:
                return self.ratios(ref, pred)
            case _, Ratio():
                return self.ratios(pred, ref)
            case Braces((only,)), Scalar():
                return self.equal(only, pred)
            case Scalar(), Braces((only,)):
                return self.equal(ref, only)
            case Scalar(), Several(items):  # `1/2 or 0.5`: one value written twice
                return all(self.equal(ref, item) is True for item in items)
            case Several(items), Scalar():
                return all(self.equal(item, pred) is True for item in items)
            case (Union(), _) | (_, Union()):
                return self.real_sets(ref, pred)
        return False

    def all_of(self, refs: tuple[Answer, ...], preds: tuple[Answer, ...]) -> bool | None:
        if len(refs) != len(preds):
            return False
        verdicts = [self.equal(a, b) for a, b in zip(refs, preds, strict=True)]
        return False if False in verdicts else None if None in verdicts else True

    def tuples(self, ref: Tuple, pred: Tuple) -> bool | None:
        if (ref.opening, ref.closing) != (pred.opening, pred.closing):
            return False
        return self.all_of(ref.items, pred.items)

    def unordered(self, refs: tuple[Answer, ...], preds: tuple[Answer, ...]) -> bool | None:
        """As sets: every item on each side has its like on the other. Named items go to the item of their name."""
        names = [name_of(item) for item in refs]
        if len(refs) == len(preds) and len(set(names)) == len(refs) > 1 and "" not in names and told_apart(names):
            theirs = [name_of(item) for item in preds]
            if sorted(theirs) == sorted(names):
                preds = tuple(preds[theirs.index(name)] for name in names)
            if sorted(theirs) == sorted(names) or not any(theirs):
                return self.all_of(refs, preds)
        table = [[self.equal(a, b) for b in preds] for a in refs]
        rows = [_any(row) for row in table]
        columns = [_any([row[at] for row in table]) for at in range(len(preds))]
        return False if False in rows + columns else None if None in rows + columns else True

    def ratios(self, ratio: Ratio, other: Answer) -> bool | None:
        if isinstance(other, Ratio):
            if len(ratio.parts) != len(other.parts):
                return False
            pairs = [(ratio.parts[0], part) for part in ratio.parts[1:]], [(other.parts[0], p) for p in other.parts[1:]]
            verdicts = [self.equal(_quotient(*mine), _quotient(*theirs)) for mine, theirs in zip(*pairs, strict=True)]
            return False if False in verdicts else None if None in verdicts else True
        if isinstance(other, Scalar) and len(ratio.parts) == 2:
            return self.equal(_quotient(*ratio.parts), other)
        return False

    def real_sets(self, ref: Answer, pred: Answer) -> bool | None:
        if isinstance(ref, Scalar) or isinstance(pred, Scalar):
            return False  # a number is no interval
        mine, theirs = real_set(ref), real_set(pred)
        if mine is not None and theirs is not None:
            return same_set(mine, theirs)
        if isinstance(ref, Union) and isinstance(pred, Union):
            return self.unordered(ref.parts, pred.parts) or None
        return None

    def words(self, ref: Answer, pred: Answer) -> bool | None:
        ours, theirs = _text(ref), _text(pred)
        if ours is None or theirs is None:
            return False
        if same_words(ours, theirs):
            return True
        if meaning(ours) in ("yes", "no"):
            opening = _OPENING.match(theirs)
            return opening is not None and opening[1].lower() == meaning(ours)
        letter = choice_letter(ours)
        if letter:
            return letter == choice_letter(theirs)
        if isinstance(ref, Words) and len(plain_words(ours).split()) >= 4 and not meaning(ours):
            return None  # prose: no rule tells whether two sentences mean the same
        return False

    def scalars(self, ref: Scalar, pred: Scalar) -> bool | None:
        if ref.base != pred.base and (ref.base is None or pred.base is None):
            based, plain = (ref, pred) if ref.base is not None else (pred, ref)
            return based.text == plain.text if based.base != 10 else self.values(ref.node, pred.node)
        if _spelled(ref.text) and _spelled(pred.text) and same_words(ref.text, pred.text):
            return True
        a, b = ref.node, pred.node
        mine, theirs = ref.unit, pred.unit
        if mine.dimension and theirs.dimension:
            if mine.dimension != theirs.dimension:
                return False
            if mine.factor != theirs.factor:
                return self.values(_times(a, mine.factor), _times(b, theirs.factor))
        verdict = self.values(a, b)
        if verdict is False and ref.percent != pred.percent:
            hundred = Num(Fraction(100))
            a, b = (Call("/", (a, hundred)), b) if ref.percent else (a, Call("/", (b, hundred)))
            return self.values(a, b)
        if verdict is False and {mine.dimension, theirs.dimension} == {"angle", ""}:
            a = Call("°", (a,)) if mine.dimension else a
            b = Call("°", (b,)) if theirs.dimension else b
            return self.values(a, b) if uses(Call("+", (a, b)), "\\pi") else False
        return verdict

    def values(self, ref: Node, pred: Node) -> bool | None:
        if ref == pred:
            return True
        if symbols(ref) or symbols(pred):
            loose = self.tolerance.rel_tol or (1e-6 if decimal_inside(ref) != decimal_inside(pred) else identity.CLOSE)
            return identity.same(ref, pred, max(loose, identity.CLOSE))
        verdict = identity.same_number(ref, pred)
        return True if verdict is False and self.near(ref, pred) else verdict

    def near(self, ref: Node, pred: Node) -> bool:
        """Within the tolerances, or one the rounding of the other."""
        try:
            a, b = value(ref), value(pred)
            if self.tolerance.rel_tol or self.tolerance.abs_tol:
                distance, size = abs(a - b), max(abs(a), abs(b))
                if distance <= max(self.tolerance.abs_tol, self.tolerance.rel_tol * size) * (1 + 1e-12):
                    return True
            return _is_rounding(ref, b, self.tolerance) or _is_rounding(pred, a, self.tolerance)
        except (Undefined, TooLarge, OverflowError, TypeError):
            return False

    def chains(self, ref: Answer, pred: Answer) -> bool | None:
        if isinstance(ref, Chain) and isinstance(pred, Chain):
            return self.two_chains(ref, pred)
        if isinstance(ref, Chain):
            if assigns(ref) and is_name(ref.parts[0]):
                return self.any_value(values_of(ref), [pred])
            if set(ref.ops) <= {"=", "approx"} and not any(variables(part) for part in ref.parts):
                return self.any_value(values_of(ref), [pred])
            return False if assigns(ref) else self.real_sets(ref, pred)
        assert isinstance(pred, Chain)
        if assigns(pred):
            return self.any_value([ref], values_of(pred))
        return self.real_sets(ref, pred)

    def any_value(self, refs: list[Answer], preds: list[Answer]) -> bool | None:
        return _any([self.equal(a, b) for a in refs for b in preds])

    def two_chains(self, ref: Chain, pred: Chain) -> bool | None:
        if ref.ops == pred.ops and all(squeeze(a) == squeeze(b) for a, b in zip(ref.parts, pred.parts, strict=True)):
            return True
        if assigns(ref) and assigns(pred):
            names = is_name(ref.parts[0]), is_name(pred.parts[0])
            if all(names) and same_names(ref.parts[0], pred.parts[0]):
                return self.any_value(values_of(ref), values_of(pred))
            if len(ref.ops) == len(pred.ops) == 1:
                return same_equation(ref, pred)
            return self.any_value(values_of(ref), values_of(pred)) if all(names) else False
        sets = self.real_sets(ref, pred)
        if sets is not None:
            return sets
        if len(ref.ops) == len(pred.ops) == 1:
            return same_inequality(ref, pred)
        if len(ref.ops) == len(pred.ops):
            flipped = Chain(pred.parts[::-1], tuple(FLIP.get(op, op) for op in pred.ops[::-1]))
            return _any([self.part_by_part(ref, pred), self.part_by_part(ref, flipped)])
        return False

    def part_by_part(self, ref: Chain, pred: Chain) -> bool | None:
        if ref.ops != pred.ops:
            return False
        try:
            return self.all_of(tuple(map(read, ref.parts)), tuple(map(read, pred.parts)))
        except Unreadable:
            return None


_CHOICE = re.compile(r"\(?[A-Z]\)?")
_OPENING = re.compile(r"\s*(yes|no)\b(?!.*\b(?:yes|no)\b)", re.IGNORECASE | re.DOTALL)
_TEXT = re.compile(r"[A-Za-z][A-Za-z \-']+")


def _any(verdicts: list[bool | None]) -> bool | None:
    return True if True in verdicts else None if None in verdicts else False


def _same_time(left: Answer, right: Answer) -> bool:
    """2:00 p.m. is 2:00 and 2, since a question mostly says which half of the day it asks for."""
    a, b = _clock(left), _clock(right)
    return a is not None and b is not None and a[:2] == b[:2] and (not a[2] or not b[2] or a[2] == b[2])


def _clock(answer: Answer) -> tuple[Fraction, Fraction, str] | None:
    match answer:
        case Clock(hour, minute, half):
            return Fraction(hour), Fraction(minute), half
        case Ratio((Scalar(node=Num() as hours), Scalar(node=Num() as minutes))):
            return hours.value, minutes.value, ""
        case Scalar(node=Num() as hours):
            return hours.value, Fraction(0), ""
    return None


def _flat(answer: Matrix | Tuple | Answer) -> tuple[Answer, ...]:
    if isinstance(answer, Matrix):
        return tuple(cell for row in answer.rows for cell in row)
    return answer.items if isinstance(answer, Tuple) else (answer,)


def _shape(answer: Answer) -> tuple[int, ...]:
    return (len(answer.rows), len(answer.rows[0])) if isinstance(answer, Matrix) else ()


def _quotient(first: Answer, second: Answer) -> Scalar:
    assert isinstance(first, Scalar) and isinstance(second, Scalar)
    return Scalar("", Call("/", (first.node, second.node)))


def _text(answer: Answer) -> str | None:
    return answer.text if isinstance(answer, Words | Scalar | Opaque) else None


def _spelled(text: str) -> bool:
    return len(text) > 2 and bool(_TEXT.fullmatch(text))


def _times(node: Node, factor: float) -> Node:
    return Call("*", (node, Num(Fraction(repr(factor)))))


def _is_rounding(written: Node, exact: Value, tolerance: Tolerance) -> bool:
    """Whether `written` is a decimal with enough digits, and what `exact` rounds to at its last place."""
    number = written.args[0] if isinstance(written, Call) and written.name == "neg" else written
    if not isinstance(number, Num) or number.decimals is None or not 0 < tolerance.rounded_digits <= number.digits:
        return False
    if isinstance(exact, complex):
        return False
    shown = -number.value if number is not written else number.value
    half_a_place = Fraction(1, 2 * 10**number.decimals)
    if isinstance(exact, Fraction):
        return abs(exact - shown) <= half_a_place  # a half may be rounded either way
    return bool(number.decimals <= 300 and abs(exact - float(shown)) <= float(half_a_place) * 1.0000001)
