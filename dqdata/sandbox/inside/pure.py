"""What a simple test may use: positive lists, so that a name nobody thought of leads out of the shared judge.

Whatever these give, given anything that these gave, is plain data, or computes plain data: none of it reaches a frame,
a module's dictionary, an import, or state that a later test would see. (`string.Formatter`, `operator.attrgetter`,
`typing.get_type_hints`, `random.seed` are examples of what is left out.)
"""

from __future__ import annotations

import builtins

ANSWERS = frozenset(
    "abs all any ascii bin bool bytearray bytes callable chr complex dict divmod float format frozenset hash hex int"
    " isinstance issubclass len list max min oct ord pow range repr round set slice sorted str sum tuple".split()
)
"""Built-ins that give plain data: a candidate may answer with them, and they are then called by the test itself."""
ERRORS = frozenset(
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type)
    and issubclass(value, Exception)
    and not issubclass(value, StopIteration | StopAsyncIteration)
)
"""Exceptions that an iteration doesn't take for its end: those that a candidate may raise in a test."""
BUILTINS = ANSWERS | ERRORS | frozenset(
    "enumerate filter hasattr id iter map next reversed zip BaseException KeyboardInterrupt NotImplemented"
    " StopIteration SystemExit GeneratorExit".split()
)  # fmt: skip

NAMES = frozenset(dir(builtins)) - {"_"}
"""What Python itself binds; `_` is a name that interactive shells and doctest leave there."""

ATTRIBUTES = frozenset(
    # str, bytes
    "capitalize casefold center count decode encode endswith expandtabs find format fromhex hex index isalnum isalpha"
    " isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower"
    " lstrip maketrans partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split"
    " splitlines startswith strip swapcase title translate upper zfill"
    # list, dict, set, deque, Counter
    " append clear copy extend insert pop remove reverse sort fromkeys get items keys popitem setdefault update values"
    " add difference difference_update discard intersection intersection_update isdisjoint issubset issuperset"
    " symmetric_difference symmetric_difference_update union appendleft extendleft popleft rotate maxlen elements"
    " most_common subtract move_to_end"
    # numbers, dates
    " real imag numerator denominator conjugate bit_length bit_count as_integer_ratio is_integer from_bytes to_bytes"
    " year month day hour minute second microsecond days seconds microseconds total_seconds date time isoformat"
    " weekday isoweekday strftime quantize"
    # of a candidate's own objects: nodes of lists and trees
    " val value data next prev left right head tail root children parent child name key size length x y z"
    # arrays
    " shape ndim tolist dtype T".split()
)
"""Attributes of what tests and candidates have in hand. Each is harmless on every object that a simple test can get."""

MODULES: dict[str, frozenset[str]] = {
    "math": frozenset(
        "acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh degrees dist e erf erfc exp exp2 expm1"
        " fabs factorial floor fmod frexp fsum gamma gcd hypot inf isclose isfinite isinf isnan isqrt lcm ldexp lgamma"
        " log log10 log1p log2 modf nan perm pi pow prod radians remainder sin sinh sqrt tan tanh tau trunc".split()
    ),
    "cmath": frozenset("isclose phase polar rect exp log sqrt pi e inf nan".split()),
    "itertools": frozenset(
        "accumulate chain combinations combinations_with_replacement compress count cycle dropwhile filterfalse groupby"
        " islice pairwise permutations product repeat starmap takewhile zip_longest".split()
    ),
    "functools": frozenset("reduce cmp_to_key".split()),
    "collections": frozenset("Counter OrderedDict defaultdict deque".split()),
    "heapq": frozenset("heapify heappop heappush heappushpop heapreplace merge nlargest nsmallest".split()),
    "bisect": frozenset("bisect bisect_left bisect_right insort insort_left insort_right".split()),
    "string": frozenset(
        "ascii_letters ascii_lowercase ascii_uppercase digits hexdigits octdigits printable punctuation whitespace"
        .split()
    ),
    "operator": frozenset(
        "add and_ contains eq floordiv ge gt itemgetter le lt mod mul ne neg not_ or_ pow sub truediv xor".split()
    ),
    "re": frozenset("findall fullmatch match search split IGNORECASE MULTILINE DOTALL I M S".split()),
    "datetime": frozenset("date datetime time timedelta timezone".split()),
    "decimal": frozenset(("Decimal",)),
    "fractions": frozenset(("Fraction",)),
    "statistics": frozenset("mean median mode stdev variance pstdev pvariance".split()),
    "typing": frozenset(
        "Any Callable Counter DefaultDict Deque Dict FrozenSet Iterable Iterator List Optional OrderedDict Sequence Set"
        " Tuple Union".split()
    ),
    "copy": frozenset(),
}  # fmt: skip
"""Names that a simple test may take from a module of the standard library."""
