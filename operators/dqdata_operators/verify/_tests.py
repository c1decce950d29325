r"""Reads the tests of a programming problem, in the forms that data sets have them.

    text                                              what it is
    def check(candidate): ... check(Solution().f)     asserts (LeetCode)
    from solution import f \n def test_f(): ...       a pytest file
    assert f(2) == 4                                  asserts
    {"prompt": "...", "test": "def check(candidate): ...", "entry_point": "f"}                     HumanEval
    {"test_list": ["assert f(2) == 4"], "test_setup_code": ""} or ["assert f(2) == 4"]             MBPP
    {"inputs": ["2\n"], "outputs": ["4\n"]}, with "fn_name" for calls                              APPS, TACO
    [{"input": "2\n", "output": "4\n"}], with "testtype": "functional" and "fn_name" for calls     LiveCodeBench
    {"private_test_cases": ..., "public_test_cases": ..., "metadata": {"func_name": "f"}}          LiveCodeBench
    {"entry_point": "f", "cases": [{"args": [2], "expected": 4}]}                                  calls, as JSON
    {"pytest": "import solution ..."}                                                              a pytest file

Keys that aren't listed are ignored, so a row of a data set may be given as it is.
"""

from __future__ import annotations

import ast
import functools
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dqdata.sandbox import Tests, long_integers
from dqdata_operators.verify._encoded import decoded

_PACKED = re.compile(r"[A-Za-z0-9+/]{20,}={0,2}")
"""Tests packed as LiveCodeBench does, in a column of any name."""
_LAST_FUNCTION = re.compile(r"^(?:async +)?def +(\w+)", re.MULTILINE)


LONGEST_TESTS = 1_000_000
"""Characters of Python: reading more takes longer than a row may."""


class UnreadableTests(ValueError):
    """The tests are in no known form."""


@dataclass(frozen=True)
class Io:
    """One run of a program: what it reads, what it must write."""

    stdin: str
    stdout: str


@dataclass(frozen=True)
class CodeTests:
    """Tests of one problem: either `check`, or `runs` of the whole program."""

    check: Tests | None
    runs: tuple[Io, ...] = ()

    @property
    def entry_point(self) -> str:
        return self.check.entry_point if self.check else ""

    @property
    def prompt(self) -> str:
        return self.check.prompt if self.check else ""


@functools.lru_cache(maxsize=1024)
def read_tests(text: str, entry_point: str = "", prompt: str = "", beside: str = "") -> CodeTests:
    """Tests in any of the forms above. entry_point, prompt: for forms that don't name them. beside: a JSON object of
    columns beside the tests, each of which counts where the tests have no such key. Raises UnreadableTests."""
    try:
        with long_integers():
            return _read(text, entry_point, prompt, beside)
    except UnreadableTests:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, MemoryError) as error:
        raise UnreadableTests(f"{type(error).__name__}: {error}") from error


def _read(text: str, entry_point: str, prompt: str, beside: str) -> CodeTests:
    extra = _plain(json.loads(beside)) if beside else {}
    begun = _LAST_FUNCTION.findall(prompt)
    given = {**extra, "entry_point": entry_point or _function(extra) or (begun[-1] if begun else ""), "prompt": prompt}
    stripped = text.strip()
    if not stripped:
        return _of_dict(given)
    if stripped[0] in "[{":
        try:
            data = json.loads(stripped)
        except (ValueError, RecursionError):
            data = None
        if isinstance(data, dict):
            return _of_dict({**given, **{name: value for name, value in data.items() if value is not None}})
        if isinstance(data, list):
            return _of_list(data, given)
    if _PACKED.fullmatch(stripped):
        packed = decoded(stripped)
        return _of_list(packed, given) if isinstance(packed, list) else _of_dict({**given, **_plain(packed)})
    return _of_python(text, given)


def _plain(extra: Any) -> dict[str, Any]:
    return extra if isinstance(extra, dict) else {}


def _function(data: Mapping[str, Any]) -> str:
    """Name of the function under test, as LiveCodeBench's metadata has it, or the rows of others."""
    metadata = data.get("metadata")
    if isinstance(metadata, str):
        try:
            metadata = json.loads(metadata)
        except (ValueError, RecursionError):
            metadata = None
    name = metadata.get("func_name") if isinstance(metadata, dict) else ""
    return str(data.get("entry_point") or data.get("fn_name") or name or "")


def _of_dict(data: Mapping[str, Any]) -> CodeTests:
    given = {**data, "entry_point": _function(data)}
    entry_point = given["entry_point"]
    if "input_output" in data:
        inner = data["input_output"]
        inner = json.loads(inner) if isinstance(inner, str) else inner
        return _of_dict({"prompt": given.get("prompt"), "entry_point": entry_point, **_plain(inner)})
    if "inputs" in data and "outputs" in data:
        return _of_pairs(list(zip(data["inputs"], data["outputs"], strict=True)), given)
    if "private_test_cases" in data or "public_test_cases" in data:
        return _of_list([*_cases(data, "public_test_cases"), *_cases(data, "private_test_cases")], given)
    if isinstance(data.get("pytest"), str):
        return _checked(data["pytest"], given, style="pytest")
    if isinstance(data.get("cases"), list):
        return _of_list(data["cases"], given)
    if isinstance(data.get("test_list"), list):
        return _of_list(data["test_list"], given)
    code = data.get("test") or data.get("code") or data.get("tests")
    if isinstance(code, str):
        return _of_python(code, given)
    raise UnreadableTests(f"JSON with none of test, test_list, inputs, cases, pytest (has {', '.join(data)})")


def _cases(data: Mapping[str, Any], name: str) -> list[Any]:
    value = data.get(name)
    if isinstance(value, str):
        value = decoded(value) if value.strip() else []
    return value if isinstance(value, list) else []


def _setup(given: Mapping[str, Any]) -> list[str]:
    """What runs before the asserts of MBPP."""
    imports = given.get("test_imports") or []
    return [*(imports if isinstance(imports, list) else [imports]), given.get("test_setup_code") or "",
            given.get("test_setup") or ""]  # fmt: skip


def _of_list(data: Sequence[Any], given: Mapping[str, Any]) -> CodeTests:
    entry_point = str(given.get("entry_point") or "")
    if not data:
        raise UnreadableTests("an empty list")
    if all(isinstance(item, str) for item in data):
        parts = [*_setup(given), *data, *(given.get("challenge_test_list") or [])]
        return _checked("\n".join(part for part in parts if part), given)
    if not all(isinstance(item, dict) for item in data):
        raise UnreadableTests("a list of neither texts nor objects")
    if all("expected" in item for item in data):
        return _calls([(item.get("args", []), item.get("kwargs", {}), item["expected"]) for item in data], given)
    if not all("input" in item and "output" in item for item in data):
        raise UnreadableTests("cases need input and output, or args and expected")
    if data[0].get("testtype") == "functional" or (entry_point and data[0].get("testtype") != "stdin"):
        named = {**given, "entry_point": str(data[0].get("fn_name") or data[0].get("entry_point") or entry_point)}
        return _calls([(_arguments(item["input"]), {}, _json_or_text(item["output"])) for item in data], named)
    return _of_pairs([(item["input"], item["output"]) for item in data], {})


def _of_pairs(pairs: Sequence[tuple[Any, Any]], given: Mapping[str, Any]) -> CodeTests:
    if not pairs:
        raise UnreadableTests("no cases")
    if given.get("entry_point"):
        return _calls([(args, {}, _unwrapped(expected)) for args, expected in pairs], given)
    return CodeTests(None, tuple(Io(_lines(read), _lines(expected)) for read, expected in pairs))


def _calls(cases: Sequence[tuple[Any, Any, Any]], given: Mapping[str, Any]) -> CodeTests:
    entry_point, prompt = str(given.get("entry_point") or ""), str(given.get("prompt") or "")
    if not entry_point:
        raise UnreadableTests('cases of calls need the name of the function as "entry_point" or "fn_name"')
    if not all(isinstance(args, list) for args, _, _ in cases):
        raise UnreadableTests("the arguments of a case must be a list")
    made = [{"args": args, "kwargs": names, "expected": expected} for args, names, expected in cases]
    return CodeTests(Tests(style="calls", entry_point=entry_point, prompt=prompt, cases=made))


def _of_python(code: str, given: Mapping[str, Any]) -> CodeTests:
    code = "\n".join([*(part for part in _setup(given) if part), code])
    has_tests = re.search(r"^[ \t]*(?:async[ \t]+)?def[ \t]+test|^class[ \t]+\w+\(.*TestCase\b", code, re.MULTILINE)
    if has_tests and not re.search(r"^def check\(\s*\w+\s*(?::[^,)]*)?\)", code, re.MULTILINE):
        return _checked(code, given, style="pytest")
    return _checked(code, given)


def _checked(code: str, given: Mapping[str, Any], style: Literal["asserts", "pytest"] = "asserts") -> CodeTests:
    entry_point, prompt = str(given.get("entry_point") or ""), str(given.get("prompt") or "")
    tests = Tests(code, style=style, entry_point=entry_point, prompt=prompt)
    if not tests.code.strip():
        raise UnreadableTests("no tests")
    if len(tests.code) > LONGEST_TESTS:
        raise UnreadableTests(f"{len(tests.code):,} characters of Python; up to {LONGEST_TESTS:,} are read")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(tests.code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UnreadableTests(f"neither JSON nor Python: {error}") from error
    if not any(isinstance(node, ast.Assert | ast.Call | ast.FunctionDef | ast.ClassDef) for node in ast.walk(tree)):
        raise UnreadableTests("no assert, no call and no definition")
    has_check = any(isinstance(node, ast.FunctionDef) and node.name == "check" for node in tree.body)
    if (
        has_check
        and not tests.entry_point
        and not any(isinstance(node, ast.Name) and node.id == "check" for node in ast.walk(tree))
    ):
        raise UnreadableTests('check(candidate) is defined but never called, and there is no "entry_point"')
    return CodeTests(tests)


def _lines(value: Any) -> str:
    """Standard input as text; some data sets have a list of lines."""
    if isinstance(value, list):
        return "\n".join(str(line) for line in value)
    return value if isinstance(value, str) else json.dumps(value)


def _unwrapped(value: Any) -> Any:
    """APPS wraps what a function returns in a list of one."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _arguments(text: str) -> list[Any]:
    """LiveCodeBench gives each argument as a line of JSON."""
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def _json_or_text(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
