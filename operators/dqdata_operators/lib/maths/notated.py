"""Comparison of ratios, times, dates, congruences, labelled parts and functions by cases."""

from __future__ import annotations

from fractions import Fraction

from dqdata_operators.lib.maths.calendar import same_date, same_time
from dqdata_operators.lib.maths.chains import names_agree, squeeze
from dqdata_operators.lib.maths.evaluate import TooLarge, Undefined, symbols, value
from dqdata_operators.lib.maths.expression import Call, Num
from dqdata_operators.lib.maths.relations import Relations
from dqdata_operators.lib.maths.scalars import upright
from dqdata_operators.lib.maths.shapes import (
    Answer,
    Cases,
    Chain,
    Clock,
    Congruence,
    Date,
    Parts,
    Ratio,
    Scalar,
    Several,
    Tuple,
    Words,
)
from dqdata_operators.lib.maths.structure import read


class Notated(Relations):
    """Notations of their own, each compared by its parts."""

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

    def clocks(self, ref: Answer, pred: Answer) -> bool | None:
        """10:15 is a time, beside a ratio it is one, and beside a fraction where the question asks for a ratio."""
        if isinstance(ref, Clock) and isinstance(pred, Clock):
            if "ratio" in self.question and not (ref.half or pred.half):
                return self.ratios(_as_ratio(ref), _as_ratio(pred))
            return same_time(ref, pred)
        time, other = (ref, pred) if isinstance(ref, Clock) else (pred, ref)
        assert isinstance(time, Clock)
        if isinstance(other, Scalar) and not time.minute and isinstance(other.node, Num) and not other.unit.dims:
            return same_time(time, Clock(int(other.node.value), 0, "")) if other.node.value.denominator == 1 else False
        other = upright(other) or other if isinstance(other, Scalar) else other
        if isinstance(other, Scalar) and any(name == "time" for name, _ in other.unit.dims):
            return None  # hours and minutes, or minutes and seconds
        if time.half or not time.minute:
            return False
        verdict = self.ratios(_as_ratio(time), other)
        return None if verdict and isinstance(other, Scalar) and "ratio" not in self.question else verdict

    def dates(self, ref: Answer, pred: Answer) -> bool | None:
        if isinstance(ref, Date) and isinstance(pred, Date):
            return same_date(ref, pred)
        return None if isinstance(ref, Scalar | Words) or isinstance(pred, Scalar | Words) else False

    def congruences(self, ref: Answer, pred: Answer) -> bool | None:
        if isinstance(ref, Congruence) and isinstance(pred, Congruence):
            if not names_agree(ref.name, pred.name) or self.equal(ref.modulus, pred.modulus) is False:
                return False
            return self.residues(ref, pred.residue)
        one, other = (ref, pred) if isinstance(ref, Congruence) else (pred, ref)
        assert isinstance(one, Congruence)
        match one.residue, other, one.modulus:
            case Scalar(node=Num() as a), Scalar(node=Num() as b), Scalar(node=Num() as m) if m.value and not one.name:
                return b.value in (a.value, a.value % m.value)  # the remainder, or the class by its number
        return self.equal(one.residue, other) or None

    def residues(self, one: Congruence, other: Answer) -> bool | None:
        match one.residue, other, one.modulus:
            case Scalar(node=Num() as a), Scalar(node=Num() as b), Scalar(node=Num() as m) if m.value:
                return (a.value - b.value) % m.value == 0
        mine, theirs = (_classes(side, one.modulus) for side in (one.residue, other))
        return self.equal(one.residue, other) if mine is None or theirs is None else mine == theirs

    def parts(self, ref: Answer, pred: Answer) -> bool | None:
        if isinstance(ref, Parts) and isinstance(pred, Parts):
            if ref.labels == pred.labels:
                return self.all_of(ref.items, pred.items)
            same = sorted(ref.labels) == sorted(pred.labels)
            return (
                self.all_of(ref.items, tuple(pred.items[pred.labels.index(x)] for x in ref.labels)) if same else False
            )
        labelled, other = (ref, pred) if isinstance(ref, Parts) else (pred, ref)
        assert isinstance(labelled, Parts)
        if not isinstance(other, Several | Tuple):
            return False
        return self.all_of(labelled.items, other.items) if labelled is ref else self.all_of(other.items, labelled.items)

    def cases(self, ref: Answer, pred: Answer) -> bool | None:
        """Branches go together by their conditions."""
        ref, pred = (_value(one) if isinstance(one, Chain) else one for one in (ref, pred))
        if not isinstance(ref, Cases) or not isinstance(pred, Cases) or len(ref.branches) != len(pred.branches):
            return None
        theirs = {_condition(condition): value for value, condition in pred.branches}
        mine = {_condition(condition): value for value, condition in ref.branches}
        if mine.keys() != theirs.keys():
            return None
        return self.all_of(tuple(mine.values()), tuple(theirs[condition] for condition in mine))


def _as_ratio(time: Clock) -> Ratio:
    return Ratio(tuple(Scalar(str(n), Num(Fraction(n))) for n in (time.hour, time.minute)))


def _classes(residues: Answer, modulus: Answer) -> set[Fraction] | None:
    """Several residues as numbers from zero to the modulus."""
    items = residues.items if isinstance(residues, Several) else (residues,)
    if not isinstance(modulus, Scalar) or not isinstance(modulus.node, Num) or not modulus.node.value:
        return None
    found: set[Fraction] = set()
    for item in items:
        if not isinstance(item, Scalar) or symbols(item.node):
            return None
        try:
            number = value(item.node)
        except (Undefined, TooLarge):
            return None
        if not isinstance(number, Fraction):
            return None
        found.add(number % modulus.node.value)
    return found


def _condition(text: str) -> str:
    plain = squeeze(text).lower().replace("≥", "\\ge").replace("≤", "\\le")
    return "otherwise" if plain in ("else", "otherwise", "elsewhere", "其他") else plain


def _value(chain: Chain) -> Answer:
    return read(chain.parts[-1])


def _quotient(first: Answer, second: Answer) -> Scalar:
    assert isinstance(first, Scalar) and isinstance(second, Scalar)
    return Scalar("", Call("/", (first.node, second.node)))
