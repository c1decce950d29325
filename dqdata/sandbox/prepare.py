"""Prepares a test text: parsed and compiled once for any number of candidates.

    >>> prepare("assert half(10) == 5.0", "", "", "", control=False, apart=True).simple
    True

Each case (a statement that holds an assert, at the top or in `check`) is guarded, so that one that fails doesn't keep
the next from running. What comes out are plain values and a code object, which `marshal` takes into the sandbox: the
interpreter there is the one that runs this.
"""

from __future__ import annotations

import ast
import functools
import marshal
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

from dqdata.sandbox.ahead import Host
from dqdata.sandbox.control import Control
from dqdata.sandbox.inside import pure
from dqdata.sandbox.inside.cases import CASE_FAILED, PROGRAM, SAME
from dqdata.sandbox.integers import long_integers
from dqdata.sandbox.lookalike import changed_statement
from dqdata.sandbox.names import calls, defined_by, names_in, read
from dqdata.sandbox.reading import Reading
from dqdata.sandbox.syntax import nodes

LONGEST_TEXT = 300
_STOPS = frozenset(("StopIteration", "StopAsyncIteration"))
_ITERATE = frozenset(
    "map filter iter itertools accumulate takewhile dropwhile starmap filterfalse groupby __next__ __anext__ eval exec"
    .split()
)  # fmt: skip


class Prepared(NamedTuple):
    """simple: a process may run it that ran others. data: what `inside/cases.py` needs."""

    simple: bool
    data: dict[str, Any]


@functools.lru_cache(maxsize=4096)
def prepare(
    code: str,
    entry_point: str,
    prompt: str,
    imports: str,
    *,
    control: bool,
    apart: bool,
    changed: frozenset[str] = frozenset(),
) -> Prepared:
    """control: expected values are replaced by others at run time. changed: cases whose expected value is another one,
    by number. apart: the candidate is another process.

    Raises SyntaxError where the text is no Python.
    """
    text = _Text(code, control, apart, changed)
    definitions: list[str] = []
    names = names_in(text.tree, text.reading, set(), entry_point)
    if imports or (prompt and names.candidate != [entry_point]):
        definitions = [part for part in (imports, prompt) if part]
        known = set().union(*(defined_by(part) for part in definitions))
        names = names_in(text.tree, text.reading, known, entry_point)
    if not apart:
        text.tree = ast.fix_missing_locations(_Live(frozenset(names.candidate) - text.reading.bound).visit(text.tree))
    data = {
        "code": _compiled(text.tree),
        "total": len(text.texts) or 1,
        "texts": text.texts,
        "hosts": [([call.name for call in host.calls], _arguments(host)) for host in text.hosts],
        "candidate": names.candidate,
        "library": names.library,
        "definitions": definitions,
        "stops": passes_stop_iteration(text.tree),
        "call_check": bool(entry_point) and text.has_check and not calls(text.tree, "check"),
    }
    return Prepared(text.reading.simple and not definitions and _pure(names.library), data)


def _pure(library: Mapping[str, tuple[str, str]]) -> bool:
    """Whether every name is one that a simple test may take from the standard library."""
    return all(
        module in pure.MODULES and (not part or part in pure.MODULES[module]) for module, part in library.values()
    )


def passes_stop_iteration(tree: ast.Module) -> bool:
    """Whether StopIteration that a candidate raises reaches the tests: they name it, and nothing in them takes it for
    the end of an iteration, as `map(f, xs)` does."""
    names: set[str | None] = set()
    others: set[str | None] = set()
    for node in nodes(tree):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.FunctionDef):
            others.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            others |= {getattr(node, "module", None), *(alias.name for alias in node.names)}
    return bool(names & _STOPS) and not (names | others) & _ITERATE


@functools.lru_cache(maxsize=4096)
def changeable_cases(code: str) -> list[str]:
    """Numbers of the cases whose expected value can be changed."""
    return _Text(code, False, False, _Every()).changeable


@functools.lru_cache(maxsize=4096)
def case_texts(code: str) -> list[str]:
    """Each case as it is written, shortened."""
    return _Text(code, False, False, frozenset()).texts


class _Every(frozenset[str]):
    def __contains__(self, case: object) -> bool:
        return True


@functools.lru_cache(maxsize=4096)
def control_file(code: str) -> str:
    """A test file for pytest in which expected values are replaced by others."""
    tree = ast.fix_missing_locations(Control().visit(_parsed(code)))
    with long_integers():
        return ast.unparse(tree)


class FileNames(NamedTuple):
    """Of a test file. candidate: names that it takes from the candidate without importing them. stops: see
    `passes_stop_iteration`."""

    candidate: list[str]
    stops: bool


@functools.lru_cache(maxsize=4096)
def file_names(code: str) -> FileNames:
    """Raises nothing: a text that is no Python has no names."""
    try:
        tree = _parsed(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return FileNames([], False)
    return FileNames(names_in(tree, read(tree), set(), "").candidate, passes_stop_iteration(tree))


def _arguments(host: Host) -> bytes:
    return marshal.dumps([(call.arguments, call.names) for call in host.calls])


def _parsed(code: str) -> ast.Module:
    with warnings.catch_warnings(), long_integers():
        warnings.simplefilter("ignore")
        return ast.parse(code)


def _compiled(tree: ast.Module) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compile(tree, "<tests>", "exec", dont_inherit=True, optimize=0)


class _Text:
    def __init__(self, code: str, control: bool, apart: bool, changed: frozenset[str]) -> None:
        self.control, self.apart, self.changed = control, apart and not control, changed
        self.changeable: list[str] = []
        self.lines = code.splitlines()
        self.reading = Reading()
        self.texts: list[str] = []
        self.hosts: list[Host] = []
        self.has_check = False
        self.tree = _parsed(code)
        self._guard()

    def _guard(self) -> None:
        top = self.tree.body
        are_cases = [self._read(node) for node in top]
        for node in top:
            if isinstance(node, ast.FunctionDef) and node.name == "check":
                self.has_check = True
                found = [self.reading.take(part) for part in node.body]
                given = frozenset(argument.arg for argument in node.args.args[:1])
                node.body = self._guarded(node.body, found, given)
        callees = frozenset(name for name in self.reading.free() if name not in pure.NAMES)
        self.tree.body = self._guarded(top, are_cases, callees)
        ast.fix_missing_locations(self.tree)

    def _read(self, node: ast.stmt) -> bool:
        """Whether a statement at the top is a case."""
        if isinstance(node, ast.FunctionDef) and node.name == "check":
            self.reading.take_head(node)
            return False
        has_assert = self.reading.take(node)
        return has_assert and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)

    def _guarded(self, body: list[ast.stmt], are_cases: list[bool], callees: frozenset[str]) -> list[ast.stmt]:
        """The statements with their cases guarded, after the announcement of the calls they will make."""
        host = Host(len(self.hosts), callees)
        self.hosts.append(host)
        first = next((number for number, is_case in enumerate(are_cases) if is_case), len(body))
        if self.apart and callees:
            host.plan(body[first:])
        made = [self._case(node) if is_case else node for node, is_case in zip(body, are_cases, strict=True)]
        return [*made[:first], host.announcement(body[first].lineno), *made[first:]] if host.calls else made

    def _case(self, node: ast.stmt) -> ast.stmt:
        """The statement in `try: ... except: __case_failed__(number)`."""
        number = len(self.texts)
        self.texts.append(" ".join(self.lines[node.lineno - 1 : node.end_lineno]).strip()[:LONGEST_TEXT])
        if str(number) in self.changed and changed_statement(node):
            self.changeable.append(str(number))
        if self.control:
            node = Control(number).visit(node)
        node = _Tolerant().visit(node)
        at: Any = {"lineno": node.lineno, "col_offset": 0, "end_lineno": node.end_lineno, "end_col_offset": 0}
        call = ast.Call(ast.Name(CASE_FAILED, ast.Load(), **at), [ast.Constant(number, **at)], [], **at)
        return ast.Try([node], [ast.ExceptHandler(None, None, [ast.Expr(call, **at)], **at)], [], [], **at)


class _Tolerant(ast.NodeTransformer):
    """Makes `assert a == b` one of `__same__(a, b)`, which decimals pass that differ in their last digits."""

    def visit_Assert(self, node: ast.Assert) -> ast.Assert:
        test = node.test
        if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq):
            sides = [test.left, test.comparators[0]]
            exact = any(isinstance(side, ast.Constant) and not isinstance(side.value, float) for side in sides)
            if not exact:
                node.test = ast.copy_location(ast.Call(ast.Name(SAME, ast.Load()), sides, []), test)
        return node


class _Live(ast.NodeTransformer):
    """Reads names of the candidate's module when they are used, as a test in that module would."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id not in self.names or not isinstance(node.ctx, ast.Load):
            return node
        return ast.copy_location(ast.Attribute(ast.Name(PROGRAM, ast.Load()), node.id, ast.Load()), node)
