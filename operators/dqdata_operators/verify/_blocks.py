"""Makes one program of the blocks of an answer: the one that the tests call, with what it needs from the others.

>>> joined(["def half(n):\\n    return n / 2\\n", "def f(n):\\n    return half(n) + 1\\n"], ["f"], parses)
('def half(n):\\n    return n / 2\\n\\n\\ndef f(n):\\n    return half(n) + 1\\n', True)
"""

from __future__ import annotations

import ast
import builtins
import re
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property

from dqdata.sandbox import long_integers, nodes

_READS_INPUT = re.compile(r"\binput\(|\bsys\.stdin\b|\bopen\(0|\bfileinput\b|\bos\.read\(0")
_DEFINED = re.compile(r"^(?:(?:async +def|def|class)\s+(\w+)|(\w+)\s*(?::[^=\n]{1,80})?=)", re.MULTILINE)
_MOST_ACTIVE = 20
"""Blocks that are tried with their helpers."""
_BUILTINS = frozenset(dir(builtins))
_DEFINES = re.compile(r"^(?:def|class|async def) ", re.MULTILINE)


def joined(
    blocks: Sequence[str], names: Sequence[str], parses: Callable[[str], bool], *, begun: bool = False
) -> tuple[str, bool]:
    """The program, and whether it is the one that the answer ends on: not where that one is no Python and an earlier
    one is. begun: the blocks may go on with a function that the problem began."""
    read = {block: _Part(block) if parses(block) else None for block in blocks}
    parsed = [part for block in blocks if (part := read[block]) is not None]
    wanted = {name.partition(".")[0] for name in names} | {name.rpartition(".")[2] for name in names}
    most = max((len(wanted & part.names) for part in parsed), default=0)
    last = max((len(wanted & _defined(block)) for block in blocks if read[block] is None), default=0)
    if wanted and most == 0 and last:
        return next(block for block in reversed(blocks) if read[block] is None and wanted & _defined(block)), True
    if not parsed or (begun and most == 0 and len(parsed) < len(blocks)):
        return next(block for block in reversed(blocks) if read[block] is None), True
    if most:
        main = next(part for part in reversed(parsed) if len(wanted & part.names) == most)
        after = blocks[_last(blocks, main.code) + 1 :]
        complete = not any(read[block] is None and wanted & _defined(block) for block in after)
    else:
        main, complete = _without_names(parsed, bool(wanted)), True
    return _with_helpers(main, parsed, wanted - main.names), complete


def with_definitions(program: str, tests: str) -> str:
    """The program after those classes of its tests that it names and doesn't define, such as LeetCode's TreeNode."""
    if not re.search(r"^class ", tests, re.MULTILINE):
        return program
    try:
        part, given = _Part(program), _Part(tests)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return program
    classes = {
        node.name: node for node in given.body if isinstance(node, ast.ClassDef) and not given.loaded[node] & part.names
    }
    wanted = [given.lines(node) for name, node in classes.items() if name in part.free]
    return "\n\n\n".join([*wanted, program])


def _last(blocks: Sequence[str], code: str) -> int:
    return max(at for at, block in enumerate(blocks) if block == code)


def _without_names(parsed: list[_Part], tested: bool) -> _Part:
    """The block that is run where no name says which: the last that does something and reads its input, by itself or
    with its helpers; else the last that defines anything."""
    if not tested:
        active = [part for part in reversed(parsed) if part.acts]
        for part in active:
            if _READS_INPUT.search(part.code):
                return part
        for part in active[:_MOST_ACTIVE]:
            if _READS_INPUT.search(_with_helpers(part, parsed, set())):
                return part
    return ([part for part in parsed if _DEFINES.search(part.code)] or parsed)[-1]


def _with_helpers(main: _Part, parts: list[_Part], missing: set[str]) -> str:
    """The block after those definitions of other blocks that it reads and doesn't make itself."""
    others = [part for part in parts if part is not main and part.code != main.code]
    where = {name: at for at, part in enumerate(others) for name in part.names}
    needed, known = main.free | missing, set(main.names)
    taken: dict[int, set[ast.stmt]] = {}
    while needed:
        name = needed.pop()
        if name in known or (at := where.get(name)) is None:
            continue
        part = others[at]
        for node in part.binding.get(name, []) if at in taken else part.first(name):
            taken.setdefault(at, set()).add(node)
            known |= part.bound[node]
            needed |= part.loaded[node] - known
    lines = [others[at].lines(node) for at in sorted(taken) for node in others[at].body if node in taken[at]]
    return "\n\n\n".join([*lines, main.code])


class _Part:
    """A block that is Python. bound, loaded: names that each statement defines and reads. names: what they define, with
    the methods of a class. free: what the block reads beside that. acts: it does more than to define."""

    def __init__(self, code: str) -> None:
        with warnings.catch_warnings(), long_integers():
            warnings.simplefilter("ignore")
            self.code, self.body = code, ast.parse(code).body
        self.bound: dict[ast.stmt, set[str]] = {}
        self.loaded: dict[ast.stmt, set[str]] = {}
        self.names: set[str] = set()
        self.free: set[str] = set()
        inner: set[str] = set()
        for node in self.body:
            stored, loaded, within = _names_of(node)
            self.bound[node] = _defines(node) or stored
            self.loaded[node] = loaded
            self.names |= self.bound[node]
            if isinstance(node, ast.ClassDef):
                self.names |= {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
            self.free |= loaded
            inner |= stored | within
        self.free -= self.names | inner | _BUILTINS
        self.acts = any(
            isinstance(node, ast.Expr | ast.If | ast.For | ast.While | ast.With | ast.Try) for node in self.body
        )

    @cached_property
    def binding(self) -> dict[str, list[ast.stmt]]:
        """The statements that define a name."""
        found: dict[str, list[ast.stmt]] = {}
        for node in self.body:
            for name in self.bound[node]:
                found.setdefault(name, []).append(node)
        return found

    def first(self, name: str) -> list[ast.stmt]:
        """The statements that define a name, after the block's first import where that stands before them."""
        nodes = self.binding.get(name, [])
        imported = next((node for node in self.body if isinstance(node, ast.Import | ast.ImportFrom)), None)
        if imported is None or (nodes and nodes[0].lineno <= imported.lineno):
            return nodes
        return [imported, *nodes]

    def lines(self, node: ast.stmt) -> str:
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
        return "\n".join(self._lines[first - 1 : node.end_lineno])

    @cached_property
    def _lines(self) -> list[str]:
        return self.code.split("\n")


def _defined(code: str) -> set[str]:
    """Names that a text defines that is no Python as a whole."""
    return {name for match in _DEFINED.finditer(code) for name in match.groups() if name}


def _defines(node: ast.AST) -> set[str]:
    """Names that a definition or an import gives to what it makes."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return set()


def _names_of(statement: ast.stmt) -> tuple[set[str], set[str], set[str]]:
    """Names of variables that are set and that are read anywhere in a statement, and others that it binds: arguments,
    exceptions, inner definitions."""
    stored: set[str] = set()
    loaded: set[str] = set()
    within: set[str] = set()
    for part in nodes(statement):
        if isinstance(part, ast.Name):
            (loaded if isinstance(part.ctx, ast.Load) else stored).add(part.id)
        elif isinstance(part, ast.arg):
            within.add(part.arg)
        elif isinstance(part, ast.ExceptHandler):
            within |= {part.name} if part.name else set()
        else:
            within |= _defines(part)
    return stored, loaded, within
