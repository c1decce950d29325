r"""Comparison of equations, inequalities and answers with conditions."""

from __future__ import annotations

from fractions import Fraction

from dqdata_operators.lib.maths.chains import (
    FLIP,
    assigns,
    compounded,
    difference,
    identity,
    name_of,
    names_agree,
    quantities,
    rounded,
    same_argument,
    same_equation,
    same_inequality,
    squeeze,
    values_of,
    variables,
)
from dqdata_operators.lib.maths.evaluate import TooLarge, Undefined, symbols, value
from dqdata_operators.lib.maths.expression import Call, Node
from dqdata_operators.lib.maths.parametric import renamed_answer, same_points
from dqdata_operators.lib.maths.quantities import Asked, Tolerance, renamed, same_values
from dqdata_operators.lib.maths.realsets import Interval, integers_of, real_set, same_by_sampling
from dqdata_operators.lib.maths.shapes import Answer, Braces, Chain, Opaque, Qualified, Scalar, Several, Unreadable
from dqdata_operators.lib.maths.structure import read


class Relations:
    """What needs no other comparison than `equal` of its parts."""

    def __init__(self, tolerance: Tolerance, asked: Asked, question: str) -> None:
        self.tolerance = tolerance
        self.asked = asked
        self.question = question

    def equal(self, ref: Answer, pred: Answer) -> bool | None:
        raise NotImplementedError

    def all_of(self, refs: tuple[Answer, ...], preds: tuple[Answer, ...]) -> bool | None:
        raise NotImplementedError

    def real_sets(self, ref: Answer, pred: Answer) -> bool | None:
        raise NotImplementedError

    def chains(self, ref: Answer, pred: Answer) -> bool | None:
        if isinstance(ref, Chain) and isinstance(pred, Chain):
            return self.two_chains(ref, pred)
        chain, other = (ref, pred) if isinstance(ref, Chain) else (pred, ref)
        assert isinstance(chain, Chain)
        if not assigns(chain):
            return self.real_sets(ref, pred)
        stated = values_of(chain)
        verdict = self.equal(stated[0], other) if stated and chain is ref else None
        if stated and chain is pred:
            verdict = self.equal(other, stated[0])
        if not stated:
            return False
        if verdict is False and chain is pred and (shown := rounded(chain)) is not None:
            verdict = self.equal(other, shown)
        if verdict is False and chain is pred:
            verdict = any(self.equal(other, side) for side in quantities(chain))
        if verdict is False and chain is ref and (shown := rounded(chain)) is not None and self.equal(shown, other):
            return None  # the reference shows this rounding
        if name_of(chain) or not any(variables(part) for part in chain.parts[:-1]) or (verdict and identity(chain)):
            return verdict
        return self.unsolved(chain, verdict)

    def unsolved(self, chain: Chain, verdict: bool | None) -> bool | None:
        """The right side of `1/x = 6` is no answer, unless the question asks for the left side.

        That of `m + n = 12` may be one, and is where the line shows how it was worked out.
        """
        left = chain.parts[0]
        if squeeze(left).replace("\\", "") in self.question.replace("\\", "") and self.question:
            return verdict
        if not compounded(left):
            return False
        if verdict and len(chain.parts) > 2 and not variables(chain.parts[1]):
            return True
        return None if verdict else verdict

    def two_chains(self, ref: Chain, pred: Chain) -> bool | None:
        if ref.ops == pred.ops and all(squeeze(a) == squeeze(b) for a, b in zip(ref.parts, pred.parts, strict=True)):
            return True
        if assigns(ref) and assigns(pred):
            mine, theirs = name_of(ref), name_of(pred)
            if mine and theirs:
                if (bound := same_argument(mine, theirs)) is not None:
                    return self.with_names(ref, pred, {bound[1]: bound[0]})
                if not names_agree(mine, theirs):
                    return same_equation(ref, pred) or False if len(ref.ops) == len(pred.ops) == 1 else False
                a, b = values_of(ref), values_of(pred)
                return self.equal(a[0], b[0]) if a and b else False
            if not (variables(ref.parts[0]) or variables(pred.parts[0])):
                a, b = values_of(ref), values_of(pred)
                return self.equal(a[0], b[0]) if a and b else False
            if len(ref.ops) == len(pred.ops) == 1:
                verdict = same_equation(ref, pred)
                return self.solved(ref, pred) if verdict is False else verdict
            return None if mine or theirs else False
        if assigns(ref) != assigns(pred):
            return False if {*ref.ops, *pred.ops} <= {"=", "<", ">", "le", "ge", "ne", "in"} else None
        sets = self.real_sets(ref, pred)
        if sets is not None:
            return sets
        if len(ref.ops) == len(pred.ops) == 1:
            return same_inequality(ref, pred)
        if len(ref.ops) == len(pred.ops):
            flipped = Chain(pred.parts[::-1], tuple(FLIP.get(op, op) for op in pred.ops[::-1]))
            verdicts = [self.part_by_part(ref, pred), self.part_by_part(ref, flipped)]
            return True if True in verdicts else None if None in verdicts else False
        return None

    def solved(self, ref: Chain, pred: Chain) -> bool | None:
        """An equation beside one of another form: a value that satisfies it may be one of several solutions. Equations
        that divide by letters may be the same and not proportional."""
        for named, equation in ((ref, pred), (pred, ref)):
            name, values = name_of(named), values_of(named)
            if not name or not values or not isinstance(values[0], Scalar) or symbols(values[0].node):
                continue
            sides = [_expression(read(part)) for part in equation.parts]
            if any(side is None or symbols(side) - {name} for side in sides):
                continue
            try:
                at = {name: value(values[0].node)}
                left, right = (value(side, at) for side in sides if side is not None)
            except (Undefined, TooLarge):
                return None
            return None if abs(left - right) <= 1e-9 * max(1, abs(left)) else False
        divided = [_divides(side) for chain in (ref, pred) if (side := difference(chain)) is not None]
        return None if any(divided) else False

    def part_by_part(self, ref: Chain, pred: Chain) -> bool | None:
        if ref.ops != pred.ops:
            return False
        try:
            return self.all_of(tuple(map(read, ref.parts)), tuple(map(read, pred.parts)))
        except Unreadable:
            return None

    def sampled(
        self, ref: Answer, pred: Answer, mine: list[Interval] | None, theirs: list[Interval] | None
    ) -> bool | None:
        """One side solved, the other an inequality in one letter that is not linear."""
        if mine is not None and isinstance(pred, Chain | Several):
            return same_by_sampling(mine, pred)
        if theirs is not None and isinstance(ref, Chain | Several):
            return same_by_sampling(theirs, ref)
        return None

    def qualified(self, ref: Answer, pred: Answer) -> bool | None:
        """A condition that one side lacks is dropped; a letter that runs through a set may have any name."""
        if (finite := _finite(ref, pred)) is not None:
            return self.equal(*finite)
        if _of_naturals(ref) or _of_naturals(pred):
            return None  # with zero or without
        if isinstance(ref, Qualified) and isinstance(pred, Qualified):
            if len(ref.parameters) != len(pred.parameters):
                return None
            domains = [
                (a, b) for (_, a), (_, b) in zip(ref.parameters, pred.parameters, strict=True) if a and b and a != b
            ]
            names = {b: a for (a, _), (b, _) in zip(ref.parameters, pred.parameters, strict=True) if a != b}
            if (points := same_points(ref, pred)) is not None:
                return points
            verdict = self.with_names(ref.answer, pred.answer, names)
            if verdict is True:
                if not ref.parameters and squeeze(ref.condition) != squeeze(pred.condition):
                    return None
                return not domains
            return self.family(ref, pred.answer, names) if verdict is False and not domains else verdict
        one, other = (ref, pred) if isinstance(ref, Qualified) else (pred, ref)
        assert isinstance(one, Qualified)
        verdict = self.equal(one.answer, other) if one is ref else self.equal(other, one.answer)
        if verdict is False and one.parameters and isinstance(other, Scalar | Chain | Several):
            return self.family(one, other, {}) if isinstance(other, Scalar | Chain) else None
        return verdict

    def with_names(self, ref: Answer, pred: Answer, names: dict[str, str]) -> bool | None:
        """Whether both are equal once the letters of the prediction have the reference's names."""
        if not names:
            return self.equal(ref, pred)
        a, b = _expression(ref), _expression(pred)
        if a is None or b is None:
            other = renamed_answer(pred, names)
            return None if other is None else self.equal(ref, other) or None
        return same_values(a, renamed(b, names), self.tolerance)

    def family(self, ref: Qualified, pred: Answer, names: dict[str, str]) -> bool | None:
        """a + b k and c + d k are the same for all integers k where b is d or -d, and c - a a multiple of b."""
        a, b = _expression(ref.answer), _expression(pred)
        if a is None or b is None or not names_agree(name_of(ref.answer), name_of(pred)):
            return False if a is not None and b is not None else None
        letters = [name for name, domain in ref.parameters if domain == "Z"]
        if len(letters) != 1 or symbols(a) != {letters[0]}:
            return False if not symbols(b) - symbols(a) else None
        b = renamed(b, names)
        if symbols(b) != {letters[0]}:
            return None
        try:
            mine, theirs = ([value(node, {letters[0]: Fraction(n)}) for n in (0, 1, 2)] for node in (a, b))
            step, other = mine[1] - mine[0], theirs[1] - theirs[0]
            if abs(mine[2] - mine[1] - step) > 1e-9 or abs(theirs[2] - theirs[1] - other) > 1e-9 or abs(step) < 1e-9:
                return None
            if abs(abs(step) - abs(other)) > 1e-9 * abs(step):
                return False
            turns = float((theirs[0] - mine[0]) / step)
        except (Undefined, TooLarge, TypeError, ZeroDivisionError):
            return None
        return abs(turns - round(turns)) < 1e-9


def _divides(node: Node) -> bool:
    """Whether a letter stands in a denominator."""
    if not isinstance(node, Call):
        return False
    below = node.args[1:] if node.name == "/" else node.args if node.name == "inverse" else ()
    return any(symbols(arg) for arg in below) or any(map(_divides, node.args))


def _expression(answer: Answer) -> Node | None:
    if isinstance(answer, Chain) and assigns(answer) and name_of(answer):
        stated = values_of(answer)
        answer = stated[0] if stated else Opaque("")
    if not isinstance(answer, Scalar):
        return None
    return Call("°", (answer.node,)) if answer.unit.dims == (("angle", 1),) else answer.node


def _of_naturals(answer: Answer) -> bool:
    return isinstance(answer, Qualified) and answer.parameters == (("", "N"),)


def _finite(ref: Answer, pred: Answer) -> tuple[Answer, Answer] | None:
    """Both sides with a set of integers written out: { x in Z : 1 <= x <= 3 } is {1, 2, 3}."""
    sides: list[Answer] = []
    for one, other in ((ref, pred), (pred, ref)):
        if (
            isinstance(one, Qualified)
            and one.parameters
            and one.parameters[0][0] == ""
            and not isinstance(other, Qualified)
        ):
            found = real_set(one.answer)
            items = integers_of(found) if found is not None else None
            if items is None:
                return None
            sides.append(Braces(items))
        else:
            sides.append(one)
    return (sides[0], sides[1]) if any(side is not one for side, one in zip(sides, (ref, pred), strict=True)) else None
