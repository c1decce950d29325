"""Candidates that try to be judged right without being right.

The function under test is `half(n)`, and none of them computes it. CHECKS are the tests in every style: a judge that
lives on runs the simple ones, a process of its own the others, pytest the last. `HONEST` passes them all.
"""

from __future__ import annotations

import json

from dqdata.sandbox import Tests

HONEST = "def half(n):\n    return n / 2\n"

_CASES = [{"args": [10], "expected": 5.0}, {"args": [7], "expected": 3.5}, {"args": [-3], "expected": -1.5}]
CHECKS = {
    "asserts": Tests("assert half(10) == 5.0\nassert half(7) == 3.5\nassert abs(half(-3) + 1.5) < 1e-6\n"),
    "check_function": Tests(
        "def check(candidate):\n    assert candidate(10) == 5.0\n    assert candidate(7) == 3.5\n"
        "    assert abs(candidate(-3) + 1.5) < 1e-6\n",
        entry_point="half",
        prompt="def half(n):\n    '''Half of n.'''\n",
    ),
    "own_process": Tests(
        "import math\ntry:\n    assert half(10) == 5.0\nexcept ZeroDivisionError:\n    pass\n"
        "assert math.isclose(half(7), 3.5)\nassert half(-3) in [-1.5]\n"
    ),
    "calls": Tests(style="calls", entry_point="half", cases=_CASES),
    "pytest": Tests(
        "import pytest\nfrom solution import half\n\n"
        "@pytest.mark.parametrize('n, expected', [(10, 5.0), (7, 3.5)])\n"
        "def test_half(n, expected):\n    assert half(n) == expected\n\n"
        "def test_close():\n    assert half(-3) == pytest.approx(-1.5)\n",
        style="pytest",
    ),
}

_EQUAL = (
    "def __eq__(self, other): return True\n    def __ne__(self, other): return False\n"
    "    def __hash__(self): return hash(5.0)\n"
)
_WRONG = "def half(n):\n    return 0.123\n"
_REPORT = json.dumps({"passed": 3, "total": 3, "ended": True, "failed": [], "mutated": [], "error": "", "stop": ""})

FORGERIES = {
    # leaving before the tests
    "os_exit": "import os\nos._exit(0)\n",
    "sys_exit": "import sys\nsys.exit(0)\n",
    "exit_in_call": "import os\ndef half(n):\n    os._exit(0)\n",
    "system_exit_in_call": "def half(n):\n    raise SystemExit(0)\n",
    "exit_at_exit": f"import atexit, os\natexit.register(lambda: os._exit(0))\n{_WRONG}",
    "thread_exits": f"import os, threading, time\nthreading.Thread(target=lambda: (time.sleep(0.05), os._exit(0))).start()\n{_WRONG}",
    "nothing": "",
    "only_prints": "print('passed')\nprint('OK')\nprint('3 passed in 0.01s')\n",
    # objects that agree with everything
    "always_equal": f"class X:\n    {_EQUAL}def half(n): return X()\n",
    "always_equal_number": (
        f"class X(float):\n    {_EQUAL}    def __abs__(self): return 0.0\n    def __add__(self, o): return 0.0\n"
        "    __radd__ = __sub__ = __rsub__ = __add__\n    def __lt__(self, o): return True\n"
        "    __gt__ = __le__ = __ge__ = __lt__\ndef half(n): return X(9)\n"
    ),
    "always_equal_int": f"class X(int):\n    {_EQUAL}def half(n): return X(9)\n",
    "always_equal_text": f"class X(str):\n    {_EQUAL}def half(n): return X('9')\n",
    "always_equal_list": f"class X(list):\n    {_EQUAL}def half(n): return X([9])\n",
    "always_equal_dict": f"class X(dict):\n    {_EQUAL}def half(n): return X(a=9)\n",
    "arithmetic": (
        "class X:\n    def __add__(self, o): return 0.0\n    __sub__ = __radd__ = __rsub__ = __add__\n"
        "    def __abs__(self): return 0.0\n    def __lt__(self, o): return True\n    __le__ = __lt__\n"
        "    def __float__(self): return 3.5\n    def __eq__(self, o): return True\ndef half(n): return X()\n"
    ),
    "mock_any": "from unittest.mock import ANY\ndef half(n): return ANY\n",
    "magic_mock": "from unittest.mock import MagicMock\nhalf = MagicMock(return_value=MagicMock(__eq__=lambda s, o: True))\n",
    "false_class": (
        f"class X:\n    __class__ = property(lambda self: float)\n    {_EQUAL}def half(n): return X()\n"
    ),
    "metaclass": f"class M(type):\n    {_EQUAL}class X(metaclass=M): pass\ndef half(n): return X\n",
    "contains_all": "class X:\n    def __contains__(self, o): return True\n    def __eq__(self, o): return True\nhalf = lambda n: X()\n",
    "generator": f"class X:\n    {_EQUAL}def half(n):\n    yield X()\n",
    "coroutine": f"class X:\n    {_EQUAL}async def half(n):\n    return X()\n",
    "true": "def half(n): return True\n",
    "nan": "def half(n): return float('nan')\n",
    "class_as_function": f"class half:\n    def __init__(self, n): pass\n    {_EQUAL}",
    # the language itself
    "builtins_patched": (
        f"import builtins\nbuiltins.abs = lambda x: 0.0\nbuiltins.AssertionError = ValueError\n{_WRONG}"
    ),
    "shadowed_names": f"abs = lambda x: 0.0\nclass AssertionError(Exception): pass\n{_WRONG}",
    "own_check": f"def check(f): return True\n{_WRONG}",
    "own_math": f"class math:\n    isclose = staticmethod(lambda *a, **k: True)\n{_WRONG}",
    "math_patched": f"import math\nmath.isclose = lambda *a, **k: True\n{_WRONG}",
    "modules_replaced": (
        "import sys, types\nm = types.ModuleType('math')\nm.isclose = lambda *a, **k: True\nsys.modules['math'] = m\n"
        f"sys.modules['pytest'] = types.ModuleType('pytest')\nsys.modules['pytest'].approx = lambda *a: 0.123\n{_WRONG}"
    ),
    "import_hook": (
        "import sys\nclass Hook:\n    def find_spec(self, name, path=None, target=None):\n"
        f"        raise SystemExit(0)\nsys.meta_path.insert(0, Hook())\n{_WRONG}"
    ),
    "file_in_the_way": (
        "for name in ('math', 'pytest', 'json', 'solution', 'conftest', 'test_candidate'):\n"
        f"    open(name + '.py', 'w').write('import os; os._exit(0)')\n{_WRONG}"
    ),
    "no_asserts": f"import sys\nsys.flags = None\nimport os\nos.environ['PYTHONOPTIMIZE'] = '2'\n{_WRONG}",
    # the machinery
    "frames": (
        "import sys\ndef half(n):\n    f = sys._getframe()\n    while f:\n"
        "        for k, v in list(f.f_locals.items()) + list(f.f_globals.items()):\n"
        "            if isinstance(v, dict): v.update(passed=3, failed=[], error='', ended=True)\n"
        "        f = f.f_back\n    return 0.123\n"
    ),
    "trace": (
        "import sys\ndef t(frame, event, arg):\n    frame.f_trace_opcodes = True\n    return t\n"
        f"sys.settrace(t)\nsys.setprofile(t)\n{_WRONG}"
    ),
    "garbage": (
        "import gc\nfor o in gc.get_objects():\n    try:\n        if isinstance(o, dict) and 'operation' in o: o.clear()\n"
        f"        if type(o).__name__ == 'Objects': o.numbers = {{}}\n    except Exception: pass\n{_WRONG}"
    ),
    "json_patched": f"import json\njson.dumps = lambda *a, **k: '{{\"value\": true}}'\njson.loads = json.dumps\n{_WRONG}",
    "harness_patched": (
        "import sys\nfor name, m in list(sys.modules.items()):\n    if name.startswith('inside'):\n"
        "        for k, v in list(vars(m).items()):\n"
        f"            if callable(v): setattr(m, k, lambda *a, **k: {{'value': True}})\n{_WRONG}"
    ),
    "report_printed": f"print({_REPORT!r})\n{_WRONG}",
    "report_everywhere": (
        "import os\nfor fd in range(3, 64):\n    try: os.write(fd, "
        f"{_REPORT!r}.encode())\n    except OSError: pass\n{_WRONG}"
    ),
    "answers_ahead": (
        "import json, os, struct\nfor value in [None, {'ref': [0, 'object', '']}] + [True] * 40:\n"
        "    body = json.dumps({'value': value}).encode()\n"
        f"    try: os.write(3, struct.pack('=I', len(body)) + body)\n    except OSError: pass\n{_WRONG}"
    ),
    "answers_from_a_thread": (
        "import json, os, struct, threading, time\ndef spam():\n    body = json.dumps({'value': True}).encode()\n"
        "    while True: os.write(3, struct.pack('=I', len(body)) + body)\n"
        f"threading.Thread(target=spam, daemon=True).start()\n{_WRONG}"
    ),
    "answers_nonsense": "import os\ndef half(n):\n    os.write(3, os.urandom(4096))\n    return 0.123\n",
    "answers_huge": "import os, struct\ndef half(n):\n    os.write(3, struct.pack('=I', 0xFFFFFFFF))\n    return 0.123\n",
    "answers_deep": "def half(n):\n    x = []\n    for _ in range(100_000): x = [x]\n    return x\n",
    "answers_itself": "def half(n):\n    x = []\n    x.append(x)\n    return x\n",
    "answers_false_reference": (
        "import json, os, struct\ndef half(n):\n    for ref in ([-1, 'error', [], 'SystemExit'], ['x'], [0, 'error', [[0, 'x']], 'BaseException']):\n"
        "        body = json.dumps({'raised': [[[0, 'x']], 'SystemExit', [0]], 'value': {'ref': ref}}).encode()\n"
        "        os.write(3, struct.pack('=I', len(body)) + body)\n    return 0.123\n"
    ),
    "answers_changed_arguments": (
        "import json, os, struct\ndef half(n):\n    body = json.dumps({'value': 0.1, 'changed': {'0': 5.0, '1': [5.0], '9': 1}}).encode()\n"
        "    os.write(3, struct.pack('=I', len(body)) + body)\n    return 0.123\n"
    ),
    "channel_closed": f"import os\nos.close(3)\n{_WRONG}",
    "exceptions_that_skip": (
        "import unittest\ntry:\n    import pytest\nexcept ImportError:\n    pytest = None\n"
        "def half(n):\n    if pytest: pytest.skip('no need')\n    raise unittest.SkipTest('no need')\n"
    ),
    "skip_at_import": "import pytest\npytest.skip('no need', allow_module_level=True)\n",
    "stop_iteration": "def half(n):\n    raise StopIteration\n",
    "keyboard_interrupt": "def half(n):\n    raise KeyboardInterrupt\n",
    "base_exception": "class Done(BaseException): pass\ndef half(n):\n    raise Done\n",
    # what a test takes for the end, or for an answer of its own kind
    "stop_iteration_subclass": "class S(StopIteration): pass\ndef half(n):\n    raise S\n",
    "stop_async_iteration": "def half(n):\n    raise StopAsyncIteration\n",
    "generator_exit": "def half(n):\n    raise GeneratorExit\n",
    "builtin_iter": "half = lambda n: iter\n",
    "builtin_instead": "half = iter\n",
    "builtin_isinstance": "half = isinstance\n",
    "async_function": "async def half(n):\n    return n / 2 + 1\n",
    "lying_set": (
        "class X(set):\n    def symmetric_difference(self, o): return set()\n    difference = symmetric_difference\n"
        "    def __eq__(self, o): return True\n    __hash__ = None\ndef half(n): return X([9])\n"
    ),
    "lying_object": (
        "class X:\n    def __getattr__(self, name): return lambda *a, **k: set()\n"
        "    def __len__(self): return 0\n    def __iter__(self): return iter(())\n"
        "    def __eq__(self, o): return True\n    def __contains__(self, o): return True\ndef half(n): return X()\n"
    ),
    "lying_class": (
        "class half:\n    def __init__(self, n): pass\n    def __getattr__(self, name): return lambda *a, **k: set()\n"
        "    def __eq__(self, o): return True\n    def __hash__(self): return 1\n"
    ),
    "object_array": (
        "import json, os, struct\ndef half(n):\n"
        "    body = json.dumps({'value': {'array': [{'names': ['a'], 'formats': ['O']}, [1], '00' * 8]}}).encode()\n"
        "    os.write(3, struct.pack('=I', len(body)) + body)\n    return 0.123\n"
    ),
    "many_digits": (
        "import os, struct\ndef half(n):\n    body = b'{\"value\":' + b'9' * 5_000_000 + b'}'\n"
        "    os.write(3, struct.pack('=I', len(body)) + body)\n    return 0.123\n"
    ),
    "index_error": "def half(n):\n    raise IndexError\n",
    "exception_group": "def half(n):\n    raise ExceptionGroup('x', [StopIteration(5.0)])\n",
    "lying_exception": (
        "class E(Exception):\n    __class__ = property(lambda self: AssertionError)\n"
        "    def __eq__(self, o): return True\n    def __str__(self): return '5.0'\ndef half(n): raise E(5.0)\n"
    ),
    "recursion_at_the_comparison": (
        "class X:\n    def __eq__(self, o): return self == o\n    __sub__ = __eq__\ndef half(n): return X()\n"
    ),
    "lying_number": (
        "class X(float):\n    def __round__(self, n=0): return 5.0\n    def __rsub__(self, o): return 0.0\n"
        "    __sub__ = __rsub__\n    def __format__(self, f): return '5.0'\n    __repr__ = __str__ = lambda self: '5.0'\n"
        "    def __index__(self): return 5\n    def __eq__(self, o): return True\n    def __bool__(self): return True\n"
        "    __hash__ = None\ndef half(n): return X(1)\n"
    ),
    "lazy_list": (
        "class L(list):\n    def __iter__(self): return iter([5.0])\n    def __getitem__(self, i): return 5.0\n"
        "    def __len__(self): return 1\n    def __eq__(self, o): return True\ndef half(n): return L([0.1])\n"
    ),
    "value_that_a_thread_changes": (
        "import threading\nv = [0.1]\ndef spin():\n    while True:\n        for x in (5.0, 3.5, -1.5): v[0] = x\n"
        "threading.Thread(target=spin, daemon=True).start()\ndef half(n): return v\n"
    ),
    "audit_hook": (
        "import sys\ndef hook(event, given):\n    if 'import' in event: raise SystemExit(0)\n"
        f"sys.addaudithook(hook)\nsys.excepthook = sys.unraisablehook = lambda *a: None\n{_WRONG}"
    ),
    "module_that_has_every_name": (
        "import sys\nclass M(type(sys)):\n    def __getattr__(self, name): return lambda *a: 5.0\n"
        f"m = M('x')\nm.__dict__.update(globals())\nsys.modules[__name__] = m\n{_WRONG}"
    ),
    "channel_read": (
        "import os, socket\ndef half(n):\n    s = socket.socket(fileno=os.dup(3))\n    try:\n"
        "        s.sendall(s.recv(4096, socket.MSG_DONTWAIT | socket.MSG_PEEK))\n    except OSError: pass\n    return 0.123\n"
    ),
    # the checker's process
    "signals": (
        "import os, signal, threading, time\ndef spin():\n    for _ in range(200):\n        for pid in (1, os.getppid()):\n"
        "            for s in (signal.SIGUSR1, signal.SIGCHLD, signal.SIGALRM, signal.SIGVTALRM, signal.SIGSTOP):\n"
        "                try: os.kill(pid, s)\n                except OSError: pass\n        time.sleep(0.001)\n"
        f"threading.Thread(target=spin, daemon=True).start()\n{_WRONG}"
    ),
    "checker_killed": (
        "import os, signal\ndef half(n):\n    for pid in (1, os.getppid(), -1):\n"
        "        for s in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGKILL):\n"
        "            try: os.kill(pid, s)\n            except OSError: pass\n    return 0.123\n"
    ),
    "checker_read": (
        "import os, re\nfound = b''\nfor pid in [1, os.getppid()]:\n    for name in ('mem', 'environ', 'maps', 'fd/4', 'fd/5'):\n"
        "        try: found += open(f'/proc/{pid}/{name}', 'rb').read(1 << 20)\n        except OSError: pass\n"
        "def half(n):\n    return 5.0 if b'5.0' in found else 0.123\n"
    ),
    "checker_traced": (
        "import ctypes, os\nlibc = ctypes.CDLL(None)\nfor pid in (1, os.getppid()): libc.ptrace(16, pid, 0, 0)\n" + _WRONG
    ),
    "tests_rewritten": (
        "import os\nfor folder in ('/private', '.', '..', '/tmp', '/scratch'):\n"
        "    try:\n        for name in os.listdir(folder):\n"
        "            open(os.path.join(folder, name), 'w').write('def test_half(): pass')\n    except OSError: pass\n" + _WRONG
    ),
    # what Python itself looks at: classes, code, finalizers, the collector, signals, memory
    "class_swapped_when_looked_at": "class B(float):\n    def __eq__(self, o): return True\n    def __sub__(self, o): return 0.0\n    __rsub__ = __add__ = __radd__ = __sub__\n    def __abs__(self): return 0.0\n    __hash__ = None\nclass A(float):\n    def __getattribute__(self, name):\n        object.__setattr__(self, '__class__', B)\n        return float.__getattribute__(self, name)\ndef half(n): return A(9)\n",
    "code_of_every_function_swapped": "import gc, types\ntrue = lambda *a, **k: True\nfor o in gc.get_objects():\n    if isinstance(o, types.FunctionType) and o.__module__ != __name__ and not o.__code__.co_freevars:\n        try: o.__code__ = true.__code__\n        except Exception: pass\n"+_WRONG,
    "module_getattr": f"class X:\n    {_EQUAL}def __getattr__(name): return lambda n: X()\n",
    "globals_that_answer": "class G(dict):\n    def __missing__(self, k): return lambda *a: 5.0\nimport types\nhalf = types.FunctionType((lambda n: abs(n) * 0 + x).__code__, G(abs=lambda n: 0.1, x=0.1))\n",
    "reduced_to_code": "class X:\n    def __reduce_ex__(self, p): return (eval, ('5.0',))\n    def __getstate__(self): return {}\n    def __copy__(self): return 5.0\n    def __deepcopy__(self, m): return 5.0\ndef half(n): return X()\n",
    "finalizer_at_the_end": "import os, weakref\nclass X:\n    def __del__(self): os._exit(0)\nx = X()\nweakref.finalize(x, os._exit, 0)\ndef half(n):\n    global x\n    x = None\n    return 0.123\n",
    "collector_callback": "import gc\ndef cb(phase, info):\n    import sys\n    f = sys._getframe(1)\n    while f:\n        for v in list(f.f_locals.values()):\n            if isinstance(v, dict): v['value'] = True\n        f = f.f_back\ngc.callbacks.append(cb)\ngc.set_threshold(1)\n"+_WRONG,
    "alarm_in_the_harness": "import signal, sys\ndef on(s, f):\n    while f:\n        for k, v in list(f.f_locals.items()):\n            if isinstance(v, dict): v.clear(); v['value'] = True\n        f = f.f_back\nsignal.signal(signal.SIGALRM, on)\nsignal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)\n"+_WRONG,
    "another_python": "import os, sys\ndef half(n):\n    os.execv(sys.executable, ['python', '-c', 'import os, json, struct\\nb = json.dumps({\"value\": True}).encode()\\nwhile True: os.write(3, struct.pack(\"=I\", len(b)) + b)'])\n",
    "forked_writer": "import json, os, struct\nif os.fork() == 0:\n    b = json.dumps({'value': True}).encode()\n    while True: os.write(3, struct.pack('=I', len(b)) + b)\n"+_WRONG,
    "group_killed": "import os, signal\ndef half(n):\n    for s in (signal.SIGSTOP, signal.SIGKILL):\n        for pid in (0, -os.getpgrp()):\n            try: os.kill(pid, s)\n            except OSError: pass\n    return 0.123\n",
    "data_that_looks_like_a_message": "LIKE = [{'ref': [0, 'object', '']}, {'value': True}, {'Fraction': ['5']}, {'set': []}, {'raised': [[], 'StopIteration', []]}, {'changed': {'0': 5.0}}]\ndef half(n): return LIKE[int(n) % 6]\n",
    "metaclass_call": f"class M(type):\n    def __call__(cls, *a): return cls\n    def __instancecheck__(cls, o): return True\n    def __subclasscheck__(cls, o): return True\n    {_EQUAL}class half(metaclass=M): pass\n",
    "instance_check_of_float": "import builtins\nclass M(type):\n    def __instancecheck__(c, o): return True\n    def __eq__(c, o): return True\n    __hash__ = type.__hash__\nclass F(float, metaclass=M):\n    def __eq__(s, o): return True\n    def __rsub__(s, o): return 0.0\n    __hash__ = None\nbuiltins.float = builtins.int = F\ndef half(n): return F(1)\n",
    "threads_locals_patched": "import sys, threading\ndef run():\n    while True:\n        for t, f in sys._current_frames().items():\n            while f:\n                for v in list(f.f_locals.values()):\n                    if type(v) is dict and ('value' in v or 'operation' in v): v['value'] = True\n                f = f.f_back\nthreading.Thread(target=run, daemon=True).start()\n"+_WRONG,
    "own_memory_rewritten": "import struct\ndef half(n):\n    x = 0.123\n    with open('/proc/self/mem', 'r+b') as m:\n        for v in (0.0, 1.0, 5.0, 3.5):\n            m.seek(id(v) + 16); m.write(struct.pack('d', 0.123))\n    return x\n",
    "slots_and_weakrefs": "import weakref\nclass X(float):\n    def __eq__(s, o): return True\n    __hash__ = float.__hash__\nx = X(1)\nhalf = lambda n: weakref.proxy(x)\n",
    # taking its time
    "hangs_at_import": "while True: pass\n",
    "hangs_in_call": "def half(n):\n    while True: pass\n",
    "sleeps_in_call": "import time\ndef half(n):\n    time.sleep(3600)\n",
    "memory_in_call": "def half(n):\n    x = [0]\n    while True: x += x\n",
    "recursion": "def half(n):\n    return half(n)\n",
    "crash": "import ctypes\ndef half(n):\n    ctypes.string_at(0)\n",
    "syntax_error": "def half(n) return n / 2\n",
    "endless_iterator": "def half(n):\n    while True: yield 5.0\n",
}  # fmt: skip
