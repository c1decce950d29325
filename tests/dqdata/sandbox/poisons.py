"""Cells of a column `tests` that come from elsewhere and try to change how later rows are judged.

Each runs `PATCH` if it reaches `exec`, directly or by way of what it got hold of; `{patch}` is its text as a literal.
Where it can't, it may fail or pass: what counts is what the rows after it get.
"""

from __future__ import annotations

PATCH = (
    "import sys, builtins\\n"
    "for name, module in list(sys.modules.items()):\\n"
    "    if name.startswith('inside'):\\n"
    "        for key in ('same', 'equal', 'case_failed'):\\n"
    "            if hasattr(module, key): setattr(module, key, lambda *a, **k: True)\\n"
    "        if hasattr(module, 'Cases'): module.Cases.case_failed = lambda *a: None\\n"
    "        if hasattr(module, 'run'): module.run = lambda *a: dict(passed=3, total=3, ended=True, failed=[],"
    " mutated=[], error='', stop='')\\n"
)
_CALL = "[0 for e in [{found}] if e({patch})] == []"


def _exec(found: str) -> str:
    return "f(1)\nassert " + _CALL.format(found=found, patch=repr(PATCH).replace("\\\\", "\\"))


POISONS = {
    "generator_frame": _exec("(i for i in ()).gi_frame.f_builtins['exec']"),
    "generator_globals": _exec("(i for i in ()).gi_frame.f_globals['__builtins__']['exec']"),
    "generator_code": "f(1)\nassert (i for i in ()).gi_code.replace(co_name='x')",
    "builtins_module": _exec("builtins.exec"),
    "sys_modules": _exec("sys.modules['builtins'].exec"),
    "importlib": _exec("importlib.import_module('builtins').exec"),
    "operator_attrgetter": _exec("operator.attrgetter('gi_frame.f_builtins')((i for i in ()))['exec']"),
    "operator_attrgetter_bare": _exec("attrgetter('gi_frame.f_builtins')((i for i in ()))['exec']"),
    "operator_methodcaller": _exec("operator.methodcaller('__subclasses__')(int)[0]"),
    "string_formatter": _exec(
        "string.Formatter().get_field('0.gi_frame.f_builtins', [(i for i in ())], {{}})[0]['exec']"
    ),
    "type_hints": "f(1)\nassert typing.get_type_hints(typing.NamedTuple('X', [('a', \"exec('import sys')\")]))",
    "inspect_frame": _exec("inspect.currentframe().f_builtins['exec']"),
    "gc_objects": _exec("[o for o in gc.get_objects() if isinstance(o, dict) and 'exec' in o][0]['exec']"),
    "types_function": _exec("types.FunctionType((i for i in ()).gi_code, {{}})"),
    "functools_partial": _exec("functools.partial(eval)"),
    "code_module": _exec("code.InteractiveInterpreter().runsource"),
    "timeit_module": _exec("timeit.timeit"),
    "pickle_module": "f(1)\nassert pickle.loads(b\"cbuiltins\\nexec\\n(S'1'\\ntR.\") is None",
    "os_module": "f(1)\nassert os.environ.update(X='1') is None\nassert os.kill(1, 0) is None",
    "random_seed": "random.seed(1)\nassert f(1) == 1",
    "decimal_context": "assert decimal.getcontext().clear_traps() is None",
    "json_default": "f(1)\nassert json._default_decoder.__dict__.clear() is None",
    "recursion_limit": "sys.setrecursionlimit(50)\nassert f(1) == 1",
    "warnings_filters": "warnings.simplefilter('error')\nassert f(1) == 1",
    "class_of_value": "f(1)\nassert ().__class__.__base__.__subclasses__()",
    "class_by_type": "f(1)\nassert type((i for i in ()))",
    "format_field": "f(1)\nassert '{0.gi_frame.f_builtins}'.format((i for i in ())) != ''",
    "lambda": "f(1)\nassert (lambda: 0).__globals__.clear() is None",
    "walrus": "f(1)\nassert [x := 1]",
    "own_definitions": "import builtins\nbuiltins.len = lambda x: 3\nassert f(1) == 1",
    "del_builtin": "import builtins\ndel builtins.abs\nassert f(1) == 1",
    "metaclass_patch": "class Remote: pass\nimport sys\nfor m in list(sys.modules.values()):\n"
    "    if hasattr(m, 'Remote'): m.Remote.__eq__ = lambda a, b: True\nassert f(1) == 1",
    "global_names": "__case_failed__ = print\nassert f(1) == 1",
    "answers_names": "__answer__ = max\nassert f(1) == 1",
    "memory": "x = [0] * (1 << 24)\nassert f(1) == 1",
    "endless": "assert all(iter(int, 1))\nassert f(1) == 1",
    "deep": "assert " + "(" * 80 + "f(1)" + ")" * 80 + " == 1",
    "checker_of_cases": "f(1)\nassert isinstance(f, int)",
    "typing_forward": "f(1)\nassert typing.ForwardRef('exec(1)')._evaluate({}, {}, frozenset())",
    "copyreg": "f(1)\nassert copyreg.dispatch_table.clear() is None",
    "sys_exit": "sys.exit(0)\nassert f(1) == 1",
    "atexit": "f(1)\nassert atexit._run_exitfuncs() is None",
    "threading": "f(1)\nassert threading.settrace(f) is None",
    "getattr_frame": _exec("getattr((i for i in ()), 'gi_frame').f_builtins['exec']"),
    "generator_throw": "f(1)\nassert (i for i in ()).throw(StopIteration) is None",
    "class_assignment": "class X: pass\nx = X()\nx.__class__ = type('Y', (X,), {'__eq__': lambda a, b: True})\nassert f(1) == x",
    "trace_of_calls": "import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)\nassert f(1) == 1",
    "signal_handler": "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nsignal.setitimer(signal.ITIMER_REAL, 0.01)\n"
                      "assert f(1) == 1",
    "exit_at_once": "import os\nassert f(1) == 1\nos._exit(0)",
    "thread_left": "import threading, builtins, time\ndef late():\n    time.sleep(0.2)\n    builtins.AssertionError = ValueError\n"
                   "threading.Thread(target=late).start()\nassert f(1) == 1",
    "report_written": "import os\nfor fd in range(1, 40):\n    try: os.write(fd, b'{\"passed\": 3, \"total\": 3, \"ended\": true}')\n"
                      "    except OSError: pass\nassert f(1) == 1",
    "own_memory": "with open('/proc/self/mem', 'r+b') as m: m.seek(id(True)); m.write(bytes(32))\nassert f(1) == 1",
    "operator_patched": "import operator, math\noperator.eq = math.isclose = lambda *a, **k: True\nassert f(1) == 1",
    "fork_bomb": "import os\nfor _ in range(50):\n    try: os.fork()\n    except OSError: pass\nassert f(1) == 1",
    "coroutine": "async def g(): return f(1)\nassert g().cr_frame.f_builtins",
}  # fmt: skip
