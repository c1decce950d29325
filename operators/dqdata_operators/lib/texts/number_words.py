"""English words for numbers.

>>> SMALL["seventeen"], SMALL["forty"], SCALES["million"], PARTS["quarter"]
(17, 40, 1000000, 4)
"""

from __future__ import annotations

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
"""0 to 19, in order."""
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
SMALL = {word: n for n, word in enumerate(ONES)} | {word: 10 * (n + 2) for n, word in enumerate(TENS)}
"""Values of the words below a hundred."""
SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
PARTS = {
    word: n + 2
    for n, word in enumerate("half third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split())
}
PARTS |= {"halve": 2, "quarter": 4, "twentieth": 20, "hundredth": 100, "thousandth": 1000}
"""Denominators of simple fractions by the singular of their name; `halve` is that of halves."""
