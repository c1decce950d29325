"""What tests may hand to a candidate that only the tests' own process holds: seen in their text, whatever is answered.

    >>> own_objects("assert f(lambda: 1) == 1", "f", "solution")
    frozenset({'function'})
    >>> own_objects("s = f([1])\\nassert f(s.count) == 1", "f", "solution")
    frozenset()

Tests run beside a candidate only for objects of their own. An answer may look like one: a list's `count` is a method
where the test expects a number, a class that was answered makes an exception when it is called. So an object counts as
the tests' own only if their text has something that makes such objects.
"""

from __future__ import annotations

import ast
import functools
import warnings

from dqdata.sandbox.inside import pure
from dqdata.sandbox.integers import long_integers
from dqdata.sandbox.names import names_in, read

ANY, FUNCTION, GENERATOR, CLASS, INSTANCE = "any", "function", "generator", "class", "instance"
_KINDS = {"builtins.function": FUNCTION, "builtins.generator": GENERATOR, "builtins.type": CLASS}
_CONSUMERS = frozenset("all any bytes dict frozenset len list max min set sorted sum tuple join".split())
_ITERATORS = frozenset("iter map filter zip enumerate reversed".split())
_VIEWS = frozenset("items values keys".split())
_CONSTANTS = frozenset(
    "pi e inf nan tau maxsize ascii_letters ascii_lowercase ascii_uppercase digits hexdigits punctuation".split()
)
_TESTING = frozenset("approx raises mark param main parametrize skip fail".split())
_NUMPY = frozenset("array asarray zeros ones arange linspace eye full allclose isclose array_equal testing".split())
_PLAIN = pure.ANSWERS | {"print", "enumerate", "next", "hasattr", "id"}


def needs_own(code: str, entry_point: str, module: str, error: str) -> bool:
    """Whether the object that an error of `NeedsInside` names is one that the tests made."""
    made = own_objects(code, entry_point, module)
    name = error.rpartition(" an object of ")[2] if " an object of " in error else ""
    kind = _KINDS.get(name) or (INSTANCE if name.startswith(("tests.", "test_candidate.")) else ANY)
    return not name or bool(made & {ANY, kind})


@functools.lru_cache(maxsize=1024)
def own_objects(code: str, entry_point: str, module: str) -> frozenset[str]:
    """Kinds of objects that a test text makes. A text that is no Python makes none."""
    try:
        with warnings.catch_warnings(), long_integers():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
        return frozenset(_Makers(tree, entry_point, module).kinds)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()


class _Makers:
    def __init__(self, tree: ast.Module, entry_point: str, module: str) -> None:
        self.kinds: set[str] = set()
        self.modules: dict[str, str] = {name: name for name in pure.MODULES} | {"np": "numpy"}
        self.given = {*names_in(tree, read(tree), set(), entry_point).candidate}
        self.own: set[str] = set()
        self.roots: dict[ast.AST, ast.AST] = {}
        """What a chain of attributes, subscripts and calls begins with, by each of its parts."""
        for node in ast.walk(tree):
            self._take_names(node, module)
        self._spread(tree)
        self._visit_all(tree)

    def _take_names(self, node: ast.AST, module: str) -> None:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if node.module == module:
                    self.given.add(alias.asname or alias.name)
                else:
                    self.modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                (self.given.add(name) if alias.name == module else self.modules.update({name: alias.name}))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self.own.add(node.name)
            if node.name == "check" and isinstance(node, ast.FunctionDef):
                self.given |= {argument.arg for argument in node.args.args[:1]}

    def _spread(self, tree: ast.Module) -> None:
        """Adds the variables that hold what came of an answer."""
        pairs: list[tuple[set[str], set[str]]] = []
        for node in ast.walk(tree):
            targets: list[ast.AST] = []
            if isinstance(node, ast.Assign):
                targets, value = list(node.targets), node.value
            elif isinstance(node, ast.For | ast.comprehension):
                targets, value = [node.target], node.iter
            elif isinstance(node, ast.NamedExpr | ast.AnnAssign | ast.AugAssign) and node.value is not None:
                targets, value = [node.target], node.value
            elif isinstance(node, ast.withitem) and node.optional_vars is not None:
                targets, value = [node.optional_vars], node.context_expr
            if targets:
                pairs.append((set().union(*map(_names, targets)), _names(value)))
        becomes: dict[str, set[str]] = {}
        for bound, used in pairs:
            for name in used:
                becomes.setdefault(name, set()).update(bound)
        todo = list(self.given)
        while todo:
            fresh = becomes.pop(todo.pop(), set()) - self.given
            self.given |= fresh
            todo += fresh

    def _visit_all(self, tree: ast.Module) -> None:
        todo: list[tuple[ast.AST, ast.AST]] = [(tree, tree)]
        while todo:
            node, parent = todo.pop()
            self._visit(node, parent)
            todo += [(child, node) for child in ast.iter_child_nodes(node)]

    def _visit(self, node: ast.AST, parent: ast.AST) -> None:
        if isinstance(node, ast.Lambda):
            self.kinds.add(FUNCTION)
        elif isinstance(node, ast.GeneratorExp):
            if not _consumed(node, parent):
                self.kinds.add(GENERATOR)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name != "check" and not node.name.startswith("test"):
                self.kinds |= (
                    {FUNCTION, GENERATOR, ANY} if isinstance(node, ast.AsyncFunctionDef) else {FUNCTION, GENERATOR}
                )
        elif isinstance(node, ast.ClassDef):
            self.kinds |= {CLASS, INSTANCE} if node.bases else {CLASS, INSTANCE, FUNCTION}
        elif isinstance(node, ast.Call):
            if not self._harmless(node, parent):
                self.kinds.add(ANY)
        elif isinstance(node, ast.Attribute):
            called = isinstance(parent, ast.Call) and parent.func is node
            inner = isinstance(parent, ast.Attribute | ast.ClassDef)
            if not (called or inner or self._came_of_candidate(node) or node.attr in _CONSTANTS | _TESTING | _NUMPY):
                self.kinds.add(ANY)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            self._visit_name(node, parent)

    def _visit_name(self, node: ast.Name, parent: ast.AST) -> None:
        called = isinstance(parent, ast.Call) and parent.func is node
        if called or node.id in self.given or isinstance(parent, ast.Attribute | ast.ExceptHandler | ast.Raise):
            return
        if node.id in self.own:
            self.kinds |= {FUNCTION, CLASS}
        elif node.id in self.modules and not isinstance(parent, ast.ClassDef):
            self.kinds.add(ANY)

    def _harmless(self, call: ast.Call, parent: ast.AST) -> bool:
        """Whether a call gives plain data, what came of the candidate, or an iterator that is used up at once."""
        if self._came_of_candidate(call.func):
            return True
        if isinstance(call.func, ast.Name):
            name = call.func.id
            if name in _ITERATORS:
                return _consumed(call, parent)
            if name in self.own or (name in _PLAIN and name not in self.modules):
                return True
            if name in self.modules:
                return self._plain_path(self.modules[name], call, parent)
            return isinstance(parent, ast.Raise) or name not in pure.NAMES
        if not isinstance(call.func, ast.Attribute):
            return False
        path = self._path(call.func)
        if path:
            return self._plain_path(path, call, parent)
        name = call.func.attr
        if name in _VIEWS:
            return _consumed(call, parent)
        return name in pure.ATTRIBUTES or name.startswith("assert") or name in _TESTING

    def _plain_path(self, path: str, call: ast.Call, parent: ast.AST) -> bool:
        module, _, name = path.rpartition(".")
        first = path.partition(".")[0]
        if first == "itertools" or path in ("heapq.merge", "operator.itemgetter", "functools.cmp_to_key"):
            return _consumed(call, parent)
        if first == "numpy":
            return any(part in _NUMPY for part in path.split(".")[1:])
        if first in ("pytest", "unittest"):
            return name in _TESTING
        return name in pure.MODULES.get(module, frozenset())

    def _path(self, node: ast.AST) -> str:
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if isinstance(node, ast.Name) and node.id in self.modules:
            return ".".join([self.modules[node.id], *reversed(parts)])
        return ""

    def _came_of_candidate(self, node: ast.AST) -> bool:
        passed: list[ast.AST] = []
        while isinstance(node, ast.Attribute | ast.Subscript | ast.Call | ast.Await) and node not in self.roots:
            passed.append(node)
            node = node.func if isinstance(node, ast.Call) else node.value
        root = self.roots.get(node, node)
        self.roots.update(dict.fromkeys(passed, root))
        return isinstance(root, ast.Name) and root.id in self.given


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _consumed(node: ast.expr, parent: ast.AST) -> bool:
    """Whether an iterator is used up where it is made."""
    if isinstance(parent, ast.For | ast.comprehension):
        return parent.iter is node
    if isinstance(parent, ast.Call) and node in parent.args:
        function = parent.func
        name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
        return name in _CONSUMERS or name in _ITERATORS
    return False
