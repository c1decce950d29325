"""An object in the candidate's process, as tests see it: functions take and give plain data, objects
stay where they are.

    >>> point = link.get("Point")(2, 3)
    >>> point.x
    2

An object of the candidate's own class is a `Remote`: it can be called, read, changed, iterated and passed back, and it
is equal only to itself or, if its class says so, to another such object. It never decides whether it equals the data
of a test. Of the language's own methods it has those that the class of the object has, so that `hasattr`, `isinstance`
of an abstract class and iteration answer as they would beside it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from . import plain
from .channel import LONGEST_BATCH
from .stops import NeedsInside

if TYPE_CHECKING:
    from .link import Link

OF_NAMES = frozenset("__name__ __qualname__ __module__ __doc__".split())
"""Attributes of the language's own that are asked for. Tests that name others run inside; where a library does, such as
numpy's `__array_interface__` (an address of this process's memory), an object would choose what it is taken for."""
OF_CONTAINERS = frozenset(
    "add append appendleft clear copy discard extend extendleft get insert items keys pop popitem popleft remove"
    " reverse rotate setdefault sort update values".split()
)
"""Methods of plain data that an object of the candidate's own may have as well: they change it, or give what is in it.
The others compare, search or compute with what they are given: an object in the place of data could agree with
everything. Only an object of a class that the tests themselves made an instance of has them all."""


class Remote:
    """An object in the candidate's process. Its operators with plain data fail: they could answer anything."""

    __slots__ = ("_is_class", "_link", "_named", "_number", "_of_class")

    def __init__(self, link: Link, number: int, is_class: bool) -> None:
        for name, value in (("_link", link), ("_number", number), ("_is_class", is_class), ("_of_class", False)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_named", False)

    def _known_as(self, name: str) -> None:
        """The tests ask for it by this name: a class is meant where the name is written as classes are."""
        object.__setattr__(self, "_named", name[:1].isupper())

    def _do(self, operation: str, *arguments: Any) -> Any:
        return self._link.request(operation, self, *arguments)

    def _exactly(self, kind: Callable[..., Any], operation: str) -> Any:
        value = self._do(operation)
        if type(value) is not kind:
            raise TypeError(f"{operation} of the candidate's object gave {type(value).__name__}")
        return value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__") and name not in OF_NAMES:
            raise AttributeError(f"an object of the candidate's own is asked for {name!r} by a library")
        if (
            name in plain.OF_DATA
            and name not in OF_CONTAINERS
            and not (self._of_class or (self._is_class and self._named))
        ):
            raise AttributeError(f"an object of the candidate's own can't stand in for data with {name!r}")
        value = self._do("attribute", name)
        if isinstance(value, Remote):
            value._known_as(name)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        self._do("set", name, value)

    def _items(self, of: int) -> Iterator[Any]:
        """Raises TypeError at the end where object `of`, which is iterated, gave another length."""
        count, found = 1, 0
        done = False
        while not done:
            done, *items = self._do("next", count)
            found += len(items)
            yield from items
            count = min(2 * count, LONGEST_BATCH)
        if self._link.lengths.get(of, found) != found:
            raise TypeError(f"the candidate's object has length {self._link.lengths[of]} and {found} items")

    def __str__(self) -> str:
        return str(self._exactly(str, "str"))

    def __repr__(self) -> str:
        return str(self._exactly(str, "repr"))

    def __hash__(self) -> int:
        return hash(self._number)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Remote):
            return False
        return self._number == other._number or self._do("eq", other) is True

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __instancecheck__(self, value: Any) -> bool:
        return isinstance(value, Remote) and value._do("isinstance", self) is True

    def __subclasscheck__(self, value: Any) -> bool:
        return isinstance(value, Remote) and value._do("issubclass", self) is True

    def __mro_entries__(self, bases: Any) -> Any:
        raise NeedsInside("a test derives a class from the candidate's")


class _Methods(Remote):
    """The methods that an object has only if its class in the candidate's process has them."""

    __slots__ = ()

    def __call__(self, *arguments: Any, **names: Any) -> Any:
        made = self._do("call", *arguments, names)
        if self._is_class and self._named and isinstance(made, Remote):
            object.__setattr__(made, "_of_class", True)
        return made

    def __iter__(self) -> Iterator[Any]:
        iterator = self._do("iter")
        if not isinstance(iterator, Remote):
            raise TypeError(f"iter() of the candidate's object gave {type(iterator).__name__}")
        return iterator._items(self._number)

    def __next__(self) -> Any:
        _, *items = self._do("next", 1)
        if not items:
            raise StopIteration
        return items[0]

    def __len__(self) -> int:
        length = int(self._exactly(int, "len"))
        self._link.lengths[self._number] = length
        return length

    def __bool__(self) -> bool:
        return bool(self._exactly(bool, "bool"))

    def __int__(self) -> int:
        return int(self._exactly(int, "int"))

    def __float__(self) -> float:
        return float(self._exactly(float, "float"))

    def __index__(self) -> int:
        return int(self._exactly(int, "index"))

    def __getitem__(self, key: Any) -> Any:
        try:
            return self._do("getitem", key)
        except IndexError:
            if type(key) is int and 0 <= key < self._link.lengths.get(self._number, 0):
                raise TypeError(f"the candidate's object has a length and no item {key}") from None
            raise

    def __setitem__(self, key: Any, value: Any) -> None:
        self._do("setitem", key, value)

    def __delitem__(self, key: Any) -> None:
        self._do("delitem", key)

    def __contains__(self, item: Any) -> bool:
        return any(item is other or item == other for other in self)

    def __enter__(self) -> Any:
        return self._do("enter")

    def __exit__(self, *error: object) -> None:
        self._do("exit")


def _between(operation: str) -> Callable[[Remote, Any], Any]:
    def operate(self: Remote, other: Any) -> Any:
        return self._do(operation, other) if isinstance(other, Remote) else NotImplemented

    return operate


for _name in "lt le gt ge".split():
    setattr(Remote, f"__{_name}__", _between(_name))
for _name in "add sub mul truediv floordiv mod and or xor".split():
    setattr(_Methods, f"__{_name}__", _between(_name + "_" if _name in ("and", "or") else _name))
METHODS: dict[str, Any] = {name: vars(_Methods)[name] for name in plain.METHODS}


@functools.lru_cache(maxsize=256)  # a candidate may name as many sets of them as it likes
def kind_of(methods: frozenset[str]) -> type[Remote]:
    """The class of objects that have these of METHODS. Raises KeyError for another name."""
    return type("Remote", (Remote,), {"__slots__": (), **{name: METHODS[name] for name in methods}})
