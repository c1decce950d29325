"""A session keeps its state over calls, within its limits, and lets nothing out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from dqdata.sandbox import Limits, Sandbox, Session

SHORT = Limits(wall=4.0, cpu=2.0, memory=256 << 20, output=16 << 10)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(workers=1) as sandbox:
        yield sandbox


def ran(box: Sandbox, *codes: str, **limits: object) -> list[tuple[str, bool]]:
    async def all_of() -> list[tuple[str, bool]]:
        session = Session(box, SHORT, **limits)  # type: ignore[arg-type]
        return [(output.text, output.ok) for output in [await session.run(code) for code in codes]]

    return asyncio.run(all_of())


def test_later_calls_see_names_imports_functions_and_files(box: Sandbox) -> None:
    outputs = ran(
        box,
        "import math\nx = 6 * 7\ndef f(n):\n    return n + x",
        "print(math.sqrt(16)); f(1)",
        "open('a.txt', 'w').write('kept')",
        "open('a.txt').read()",
        "x += 1",
        "x",
    )
    assert [text for text, _ in outputs] == ["", "4.0\n43\n", "4\n", "'kept'\n", "", "43\n"]
    assert all(ok for _, ok in outputs)


def test_an_error_is_shown_with_the_lines_of_the_call_and_what_ran_before_it_stays(box: Sandbox) -> None:
    (text, ok), (after, fine) = ran(box, "y = 1\nprint('a')\nz = y / 0\nw = 2", "print(y, 'w' in globals())")
    assert not ok and text.startswith("a\nTraceback") and 'File "<call 1>", line 3' in text
    assert text.endswith("ZeroDivisionError: division by zero\n") and "_session" not in text
    assert (after, fine) == ("1 False\n", True)


@pytest.mark.parametrize("code", ["def (", "import sys; sys.exit(3)", "raise KeyboardInterrupt", "input()"])
def test_what_ends_a_program_ends_its_call_alone(code: str, box: Sandbox) -> None:
    (_, ok), after = ran(box, code, "1 + 1")
    assert not ok and after == ("2\n", True)


@pytest.mark.parametrize("code", ["import os; os._exit(0)", "import os; os._exit(1)", "import os; os.abort()"])
def test_a_call_that_ends_the_interpreter_says_so_and_is_not_run_again(code: str, box: Sandbox) -> None:
    (text, ok), after = ran(box, f"print('a', flush=True); {code}", "1 + 1")
    assert not ok and text.startswith("a\nThe call ended the interpreter") and after == ("2\n", True)


def test_draws_repeat_so_that_state_is_the_same_in_every_call(box: Sandbox) -> None:
    """Those of libraries that a call imports and that seed themselves, too."""
    _, first, second, other = ran(
        box,
        "import random, secrets, uuid, numpy as np\n"
        "drawn = [random.random(), secrets.randbits(64), uuid.uuid4(), np.random.rand()]\n"
        "drawn.append(np.random.default_rng().random())",
        "drawn",
        "drawn",
        "[random.random(), secrets.randbits(64), uuid.uuid4(), np.random.rand()] == drawn[:-1]",
    )
    assert first == second and first[1] and other == ("False\n", True)


def test_names_of_a_session_are_those_of_main_and_warnings_are_part_of_the_output(box: Sandbox) -> None:
    outputs = ran(
        box,
        "import pickle, typing, warnings\nclass A:\n    one: 'A'",
        "type(pickle.loads(pickle.dumps(A()))) is A and typing.get_type_hints(A)['one'] is A",
        "print('first'); warnings.warn('careful'); print('last')",
    )
    assert outputs[1] == ("True\n", True)
    assert outputs[2] == ("first\n<call 3>:1: UserWarning: careful\nlast\n", True)


def test_the_kernel_ends_no_program_before_its_limit_of_cpu_time(box: Sandbox) -> None:
    """Its count of ticks runs ahead of the time that a program had; what it kills looks like a lack of memory."""
    [(text, _)] = ran(box, "import resource; resource.getrlimit(resource.RLIMIT_CPU)[0]")
    assert int(text) >= 2 * SHORT.cpu


def test_limits_of_a_call_and_of_the_trace(box: Sandbox) -> None:
    (text, ok), (after, fine) = ran(box, "a = 1\nwhile True: pass", "'a' in globals()")
    assert not ok and "over its limit of time" in text and (after, fine) == ("False\n", True)
    outputs = ran(box, "1", "2", "3", calls=2)
    assert outputs[1] == ("2\n", True) and outputs[2] == (
        "No call was made: the limit of 2 calls is reached.\n", False,
    )  # fmt: skip
    used = ran(box, "while True: pass", "1", seconds=0.5)
    assert "0.5 seconds" in used[1][0] and not used[1][1]
    [(text, _)] = ran(box, "print('x' * 9000)", characters=1000)
    assert len(text) < 1100 and "characters left out" in text
    [(text, ok)] = ran(box, "b = 'x' * (1 << 31)")
    assert not ok and ("memory" in text or "MemoryError" in text)


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('127.0.0.1', 80), 1)",
        "open('/etc/shadow').read()",
        "import os; os.fork()",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.environ['HOME'] + open('/root/.ssh/id_rsa').read()",
    ],
)
def test_a_session_is_as_closed_as_the_sandbox(code: str, box: Sandbox) -> None:
    if box.mode == "none":
        pytest.skip("no isolation")
    [(_, ok)] = ran(box, code)
    assert not ok


def test_code_that_breaks_out_of_its_quotes_is_only_text(box: Sandbox) -> None:
    outputs = ran(box, 's = \'"""%r\\\\\' + "\']); import os"', "s", "'%s %d %r'")
    text = '"""%r\\' + "']); import os"
    assert outputs[1] == (f"{text!r}\n", True)
    assert outputs[2] == ("'%s %d %r'\n", True)
