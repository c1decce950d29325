"""A problem's own checker: a program that says whether an output is right where several are.

    def check(input, output, expected):              import sys
        return int(output) in (1, 2)                 given, expected, found = (open(n).read() for n in sys.argv[1:4])
                                                     print(1 if found.split() == expected.split() else 0)

A function takes what its parameters are named after: the input, the output of the program, the expected output. A
script is run as `checker.py input.txt expected.txt output.txt`: it says yes by ending with exit code 0 and by printing
nothing, or a last word that is a number of at least 1, or `true`, `yes`, `ok`, `ac`, `correct`.
"""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

from dqdata.sandbox import Limits, Sandbox
from dqdata_operators.verify._program import LONGEST_PROGRAM

FILES = ("input.txt", "expected.txt", "output.txt")
_ROOTS = (
    ("expected.txt", ("expect", "answer", "correct", "reference", "gold", "target")),
    ("output.txt", ("output", "actual", "found", "got", "print", "stdout", "result", "candidate")),
    ("input.txt", ("input", "stdin", "given", "case", "args")),
)
_YES = frozenset("true yes ok ac accepted correct".split())
_NO = frozenset("false no wa wrong incorrect fail failed".split())
_SCRIPT = "import sys\nsys.argv = ['checker.py', *{files!r}]\n"
_CALL = "\nprint(1 if {name}({arguments}) else 0)\n"


class BadChecker(ValueError):
    """The program is no checker, or rejects the expected output itself."""


class Ruling(NamedTuple):
    right: bool
    error: str


def checker_program(text: str) -> str:
    """The script that judges the three files. Raises BadChecker."""
    body = _parsed(text)
    acts = any(isinstance(node, ast.If | ast.For | ast.While | ast.With | ast.Try) or _is_call(node) for node in body)
    start = _SCRIPT.format(files=FILES)
    if acts or not any(isinstance(node, ast.FunctionDef) for node in body):
        return start + text
    name, files = _function(body)
    return start + text + _CALL.format(name=name, arguments=", ".join(f"open({file!r}).read()" for file in files))


def checker_function(text: str) -> str:
    """Python that defines `__check__(given, expected, found)` for what functions return. Raises BadChecker."""
    name, files = _function(_parsed(text))
    values = {"input.txt": "given", "expected.txt": "expected", "output.txt": "found"}
    arguments = ", ".join(values[file] for file in files)
    return f"{text}\n\ndef __check__(given, expected, found):\n    return {name}({arguments})\n"


def _parsed(text: str) -> list[ast.stmt]:
    if len(text) > LONGEST_PROGRAM:
        raise BadChecker(f"the checker has {len(text):,} characters; up to {LONGEST_PROGRAM:,} are read")
    try:
        return ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadChecker(f"the checker is no Python: {error}") from error


def _function(body: list[ast.stmt]) -> tuple[str, list[str]]:
    """The checking function, and what each of its parameters is given."""
    functions = [node for node in body if isinstance(node, ast.FunctionDef)]
    if not functions:
        raise BadChecker("the checker defines no function")
    function = next((node for node in functions if node.name == "check"), functions[-1])
    names = [argument.arg for argument in function.args.args]
    files = [file for name in names if (file := _file(name))]
    if len(set(files)) < len(names) or "output.txt" not in files:
        raise BadChecker(f"{function.name}({', '.join(names)}): name the parameters after input, output and expected")
    return function.name, files


async def ruled(program: str, stdin: str, expected: str, found: str, sandbox: Sandbox, limits: Limits) -> Ruling:
    """What a checker says of an output. Where it fails on the output, the output is wrong if the checker accepts the
    expected one; else raises BadChecker, as it does where nothing in what the checker prints says yes or no."""
    ruling = await _once(program, stdin, expected, found, sandbox, limits)
    if ruling.right or not expected.strip():
        return ruling
    control = await _once(program, stdin, expected, expected, sandbox, limits)
    if not control.right:
        raise BadChecker(f"the checker rejects the expected output: {control.error}")
    return ruling


async def _once(program: str, stdin: str, expected: str, found: str, sandbox: Sandbox, limits: Limits) -> Ruling:
    files = dict(zip(FILES, (stdin, expected, found), strict=True))
    result = await sandbox.run(program, limits=limits, files=files)
    if result.why == "starved":
        raise BadChecker("the checker did not come to its end: the machine did not let it run")
    if not result.ok:
        return Ruling(False, f"exit code {result.code}: {result.stderr[-500:]}")
    words = re.findall(r"[\w.+-]+", result.stdout)
    said = words[-1].lower() if words else "ok"
    if said in _YES or said in _NO:
        return Ruling(said in _YES, f"the checker says {said!r}")
    try:
        return Ruling(float(said) >= 1, f"the checker says {said}")
    except ValueError:
        raise BadChecker(f"the checker says {said!r}, which is neither yes nor no") from None


def _is_call(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def _file(parameter: str) -> str | None:
    """The file that a parameter is named after."""
    name = parameter.lower()
    return next((file for file, roots in _ROOTS if any(root in name for root in roots)), None)
