r"""Comparison of the final answer of a response with the reference answer.

>>> compare(reference=r"\frac{1}{2}", response=r"Half of it, so $\boxed{0.5}$.")
Judgement(verdict='correct', extracted='0.5', reason='equal')
>>> compare(reference="42", response="I would guess 41 or 42.").verdict
'incorrect'
>>> compare(reference=r"\frac{1}{", response=r"\boxed{\frac{1}{}").verdict
'unverifiable'

Plain numbers are compared exactly and without a parser; other mathematics by a parser of its own and by values at
random points; the rest by sympy. Needs no signal, thread or process. Symbolic work on hostile input can still take
long: whoever can't wait runs it in a process that can be killed, as the operators do.
"""

from __future__ import annotations

from dqdata_operators.lib.maths.choices import compare_choice
from dqdata_operators.lib.maths.compare import Judgement, Verdict, compare, correct
from dqdata_operators.lib.maths.extract import PLACES, Found, Place, extract
from dqdata_operators.lib.maths.quantities import Tolerance
from dqdata_operators.lib.maths.texts import TextMode, compare_text

__all__ = [
    "PLACES",
    "Found",
    "Judgement",
    "Place",
    "TextMode",
    "Tolerance",
    "Verdict",
    "compare",
    "compare_choice",
    "compare_text",
    "correct",
    "extract",
]
