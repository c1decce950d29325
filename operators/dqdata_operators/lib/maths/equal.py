r"""Compares a prediction with the reference, structure by structure.

>>> from dqdata_operators.lib.maths.structure import read
>>> equal(reference=read("1/3"), prediction=read(r"x = \frac{2}{6}"))
True

True and False are decisions; None is none, and sympy is called next. What both sides have (a name, a unit, words, a
connective, labels, brackets) must agree; what one side lacks is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from dqdata_operators.lib.maths.chains import FLIP, is_name, name_of, names_agree, values_of
from dqdata_operators.lib.maths.evaluate import TooLarge, Undefined, symbols, value
from dqdata_operators.lib.maths.expression import Num
from dqdata_operators.lib.maths.lists import Undecided, alternatives, by_name, matching, named_values, same_connective
from dqdata_operators.lib.maths.matrices import multiple_of_identity
from dqdata_operators.lib.maths.progressions import same_progressions
from dqdata_operators.lib.maths.quantities import Asked, Tolerance, same_quantity
from dqdata_operators.lib.maths.realsets import real_set, same_set, variable_of
from dqdata_operators.lib.maths.shapes import (
    Answer,
    Braces,
    Cases,
    Chain,
    Clock,
    Congruence,
    Date,
    Except,
    Intersection,
    Matrix,
    Opaque,
    Parts,
    Qualified,
    Ratio,
    Scalar,
    Several,
    Tuple,
    Union,
    Words,
)
from dqdata_operators.lib.maths.structure import read
from dqdata_operators.lib.maths.worded import POINT, Worded, text_of
from dqdata_operators.lib.maths.words import (
    choice_letter,
)


def equal(
    *, reference: Answer, prediction: Answer, tolerance: Tolerance | None = None, asked: Asked = "", question: str = ""
) -> bool | None:
    return Comparison(tolerance or Tolerance(), asked, question).equal(reference, prediction)


__all__ = ["Comparison", "Tolerance", "equal"]


class Comparison(Worded):
    """One comparison: tolerance, what the question asks for, and the question without blanks."""

    def equal(self, ref: Answer, pred: Answer) -> bool | None:
        if ref == pred and not isinstance(ref, Opaque):
            return True
        text = text_of(ref)
        if text and text[0] == "(" and (option := _OPTION.fullmatch(text)) is not None:
            return self.option(option, pred)
        if isinstance(ref, Scalar) and isinstance(pred, Scalar) and not _CHOICE.fullmatch(ref.text):
            return same_quantity(ref, pred, self.tolerance, self.asked)
        chosen = choice_letter(text_of(pred) or "") if isinstance(ref, Scalar) and _CHOICE.fullmatch(ref.text) else ""
        if chosen and isinstance(ref, Scalar) and chosen == ref.text.strip("()"):
            return True
        if not isinstance(same := same_progressions(ref, pred), Undecided):
            return same
        if isinstance(ref, Chain) != isinstance(pred, Chain) and isinstance(ref, _UNNAMED) != isinstance(
            pred, _UNNAMED
        ):
            mine, theirs = (_stated(one) if isinstance(one, Chain) else one for one in (ref, pred))
            if mine is not None and theirs is not None:
                return self.equal(mine, theirs)
        for kinds, compare in _KINDS:
            if isinstance(ref, kinds) or isinstance(pred, kinds):
                return compare(self, ref, pred)
        names = named_values(ref), named_values(pred)
        if len(names[0]) > 1 or len(names[1]) > 1:
            verdict = by_name(self, ref, pred, *names)
            if not isinstance(verdict, Undecided):
                return verdict
        listed = alternatives(ref), alternatives(pred)
        if listed[0] is not None or listed[1] is not None:
            return self.listed(ref, pred, *listed)
        if isinstance(ref, Chain) or isinstance(pred, Chain):
            return self.chains(ref, pred)
        return self.plain(ref, pred)

    def option(self, option: re.Match[str], pred: Answer) -> bool | None:
        """A letter with what it stands for: `(B) 12` is answered by either, unless another letter stands there."""
        letter = choice_letter(text_of(pred) or "")
        if letter:
            return letter == option[1]
        return self.equal(read(option[2]), pred)

    def listed(
        self, ref: Answer, pred: Answer, mine: tuple[str, Answer] | None, theirs: tuple[str, Answer] | None
    ) -> bool | None:
        """`x = 1, x = 2`: values of one name, which are no interval and no point."""
        name, values = mine or _named(ref)
        other, others = theirs or _named(pred)
        if not names_agree(name, other):
            return False
        if isinstance(others if mine else values, Tuple | Union | Chain):
            sets = self.real_sets(values, others)
            return sets if sets is not None else False
        return self.equal(values, others)

    def plain(self, ref: Answer, pred: Answer) -> bool | None:
        match ref, pred:
            case Matrix(), Matrix():
                if len(ref.rows) != len(pred.rows) or len(ref.rows[0]) != len(pred.rows[0]):
                    return False
                return self.all_of(_flat(ref), _flat(pred))
            case (Matrix(), Tuple()) | (Tuple(), Matrix()):  # a vector as a column or as a tuple
                return self.all_of(_flat(ref), _flat(pred)) if 1 in (_shape(ref) + _shape(pred)) else False
            case Tuple(), Tuple():
                return self.tuples(ref, pred)
            case ((Several(ours) | Braces(ours)), (Several(theirs) | Braces(theirs))):
                if any(isinstance(item, Chain) for item in (*ours, *theirs)):
                    sets = self.real_sets(ref, pred)
                    if sets is not None:
                        return sets
                verdict = matching(self, ours, theirs, sets=isinstance(ref, Braces) or isinstance(pred, Braces))
                return None if verdict and not same_connective(ref, pred) else verdict
            case (Several(ours, connective), Tuple(opening, theirs, closing)):
                return _in_order(self, ours, theirs, connective, opening + closing)
            case (Tuple(opening, ours, closing), Several(theirs, connective)):
                return _in_order(self, ours, theirs, connective, opening + closing)
            case Ratio(), _:
                return self.ratios(ref, pred)
            case _, Ratio():
                return self.ratios(pred, ref)
            case Braces((only,)), Scalar():
                return self.equal(only, pred)
            case Scalar(), Braces((only,)):
                return self.equal(ref, only)
            case Scalar(), Several(items, connective):
                return self.repeated(ref, items, reference_repeats=False) or self.restated(ref, items, connective)
            case Several(items), Scalar():
                return self.repeated(pred, items, reference_repeats=True)
            case (Union((Tuple(),)), Scalar()):
                return self.limit(ref.parts[0], pred)
            case (Scalar(), Union((Tuple(),))):
                return self.limit(pred.parts[0], ref)
            case (Scalar(), Tuple()) | (Tuple(), Scalar()):
                return self.point(ref, pred)
            case (Scalar() as written, Matrix() as square) | (Matrix() as square, Scalar() as written) if (
                found := multiple_of_identity(written, _shape(square))
            ) is not None:
                same = self.all_of(_flat(found), _flat(square))
                return same if any("_" in name for name in symbols(written.node)) else same and None
            case (Scalar() as written, Matrix() as column) | (Matrix() as column, Scalar() as written):
                return self.vectors(written, Tuple("(", _flat(column), ")")) if 1 in _shape(column) else False
            case (Union() | Except() | Intersection(), _) | (_, Union() | Except() | Intersection()):
                return self.real_sets(ref, pred)
        return False

    def all_of(self, refs: tuple[Answer, ...], preds: tuple[Answer, ...]) -> bool | None:
        if len(refs) != len(preds):
            return False
        verdicts = [self.equal(a, b) for a, b in zip(refs, preds, strict=True)]
        return False if False in verdicts else None if None in verdicts else True

    def tuples(self, ref: Tuple, pred: Tuple) -> bool | None:
        if (ref.opening, ref.closing) != (pred.opening, pred.closing):
            opened = _opened(ref), _opened(pred)
            return self.equal(*opened) and None if opened != (ref, pred) else False
        return self.all_of(ref.items, pred.items)

    def repeated(self, value: Scalar, items: tuple[Answer, ...], *, reference_repeats: bool) -> bool | None:
        """One value written twice (`1/2 or 0.5`) is that value; a reference with one number twice has a double root."""
        verdicts = [self.equal(value, item) for item in items]
        if all(verdict is True for verdict in verdicts):
            return True if not reference_repeats or len({text_of(item) for item in items}) == len(items) else None
        return False if False in verdicts else None

    def restated(self, value: Scalar, items: tuple[Answer, ...], connective: str) -> bool | None:
        """`0.6, or 60%` is one value in two notations, and answers to either."""
        verdicts = [self.equal(value, item) for item in items]
        if connective == "or" and True in verdicts and all(self.equal(items[0], item) is True for item in items):
            return True
        return False if False in verdicts else None

    def limit(self, bound: Answer, number: Scalar) -> bool | None:
        """`at least 12` beside 12: the least number may be what was asked for. `more than 12` is not 12."""
        assert isinstance(bound, Tuple)
        ends = ((bound.opening == "[", bound.items[0]), (bound.closing == "]", bound.items[1]))
        return None if any(closed and self.equal(end, number) for closed, end in ends) else False

    def point(self, ref: Answer, pred: Answer) -> bool | None:
        """A(2, 3) is a point with its name."""
        scalar, other = (ref, pred) if isinstance(ref, Scalar) else (pred, ref)
        if not isinstance(scalar, Scalar) or not isinstance(other, Tuple):
            return False
        match = POINT.fullmatch(scalar.text)
        if match is None:
            return self.vectors(scalar, other)
        return self.equal(read(match[1]), other)

    def vectors(self, written: Scalar, other: Tuple) -> bool | None:
        """2i + 3j beside (2, 3): the coefficients of the unit vectors."""
        names = ("i", "j", "k")[: len(other.items)]
        letters = symbols(written.node)
        if not letters & {"j", "k"} or not letters <= set(names):
            return False
        try:
            found = [value(written.node, {name: Fraction(name == unit) for name in names}) for unit in names]
        except (Undefined, TooLarge):
            return None
        items = tuple(Scalar(str(one), Num(one)) for one in found if isinstance(one, Fraction))
        return self.all_of(items, other.items) if len(items) == len(found) else None

    def real_sets(self, ref: Answer, pred: Answer) -> bool | None:
        if isinstance(ref, Scalar) or isinstance(pred, Scalar):
            return False  # a number is no interval
        if not names_agree(variable_of(ref), variable_of(pred)):
            return False
        ref, pred = (one.parts[0] if isinstance(one, Union) and len(one.parts) == 1 else one for one in (ref, pred))
        if any(map(_closed_at_infinity, (ref, pred))):
            return None if self.real_sets(*map(_opened, (ref, pred))) is not False else False
        bounds = [_as_interval(one) if isinstance(one, Chain) else one for one in (ref, pred)]
        if isinstance(bounds[0], Tuple) and isinstance(bounds[1], Tuple):
            return self.tuples(bounds[0], bounds[1])
        mine, theirs = real_set(ref), real_set(pred)
        if mine is not None and theirs is not None:
            return same_set(mine, theirs)
        if isinstance(ref, Union) and isinstance(pred, Union):
            return matching(self, ref.parts, pred.parts, sets=True) or None
        return self.sampled(ref, pred, mine, theirs)


_KINDS: tuple[tuple[type, Callable[[Comparison, Answer, Answer], bool | None]], ...] = (
    (Qualified, Comparison.qualified),
    (Parts, Comparison.parts),
    (Clock, Comparison.clocks),
    (Date, Comparison.dates),
    (Congruence, Comparison.congruences),
    (Cases, Comparison.cases),
    (Words, Comparison.words),
    (Opaque, Comparison.opaque),
)
_UNNAMED = (Clock, Date, Congruence, Ratio, Words)
_CHOICE = re.compile(r"\(?[A-Z]\)?")
_OPTION = re.compile(r"\(([A-H])\)\s*([^\s(].*)")


def _as_interval(chain: Chain) -> Answer:
    """a < x <= b as (a, b]."""
    opening, closing = {"<": "(", "le": "["}, {"<": ")", "le": "]"}
    if len(chain.ops) == 2 and set(chain.ops) <= {">", "ge"}:
        chain = Chain(chain.parts[::-1], tuple(FLIP[op] for op in chain.ops[::-1]))
    if len(chain.ops) != 2 or not set(chain.ops) <= {"<", "le"} or not is_name(chain.parts[1]):
        return chain
    ends = read(chain.parts[0]), read(chain.parts[2])
    return Tuple(opening[chain.ops[0]], ends, closing[chain.ops[1]])


def _ends(answer: Answer) -> tuple[str, str] | None:
    """The brackets of an interval that are closed at infinity, each as the open one."""
    if not isinstance(answer, Tuple) or len(answer.items) != 2:
        return None
    low, high = ("\\infty" in (text_of(end) or "") for end in answer.items)
    return "(" if low else answer.opening, ")" if high else answer.closing


def _closed_at_infinity(answer: Answer) -> bool:
    """Whether a bracket at infinity is closed, which no set of numbers is."""
    if isinstance(answer, Union):
        return any(map(_closed_at_infinity, answer.parts))
    ends = _ends(answer)
    return isinstance(answer, Tuple) and ends is not None and ends != (answer.opening, answer.closing)


def _opened(answer: Answer) -> Answer:
    if isinstance(answer, Union):
        return Union(tuple(map(_opened, answer.parts)))
    ends = _ends(answer)
    return Tuple(ends[0], answer.items, ends[1]) if isinstance(answer, Tuple) and ends is not None else answer


def _in_order(
    self: Comparison, ours: tuple[Answer, ...], theirs: tuple[Answer, ...], connective: str, brackets: str
) -> bool | None:
    """A list beside a tuple: in order, and only where the brackets are none of a half-open interval."""
    if brackets not in ("()", "[]") or connective == "or":
        return False
    verdict = self.all_of(ours, theirs)
    if verdict and brackets == "[]" and len(ours) == 2:
        return False if connective else None  # an interval is no list of its ends
    return verdict


def _named(answer: Answer) -> tuple[str, Answer]:
    value = _stated(answer) if isinstance(answer, Chain) else None
    return ("", answer) if value is None else (name_of(answer), value)


def _stated(chain: Chain) -> Answer | None:
    """What a named value is."""
    values = values_of(chain) if name_of(chain) else []
    return values[0] if values else None


def _flat(answer: Matrix | Tuple | Answer) -> tuple[Answer, ...]:
    if isinstance(answer, Matrix):
        return tuple(cell for row in answer.rows for cell in row)
    return answer.items if isinstance(answer, Tuple) else (answer,)


def _shape(answer: Answer) -> tuple[int, ...]:
    return (len(answer.rows), len(answer.rows[0])) if isinstance(answer, Matrix) else ()
