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

READ = {
    "match_class": "match (i for i in ()):\n    case object(gi_frame=fr):\n        match fr:\n            case object(f_builtins=b): b['len'] = lambda x: 1\nassert f(1) == 1",
    "match_globals": "match (lambda: 0):\n    case object(__globals__=g): g['x'] = 1\nassert f(1) == 1",
    "match_proxy": "match f:\n    case object(__class__=c): c.__call__ = lambda *a: 1\nassert f(1) == 1",
    "abc_register": "import collections.abc\ncollections.abc.Iterator.register(int)\nassert f(1) == 1",
    "abc_register_from": "from collections.abc import Sized\nSized.register(int)\nassert f(1) == 1",
    "decimal_context": "import decimal\ndecimal.getcontext().prec = 1\nassert f(1) == 1",
    "decimal_set": "from decimal import *\nsetcontext(Context(prec=1))\nassert f(1) == 1",
    "decimal_default": "import decimal\ndecimal.DefaultContext.prec = 1\nassert f(1) == 1",
    "int_digits": "import sys\nsys.set_int_max_str_digits(640)\nassert f(1) == 1",
    "recursion": "import sys\nsys.setrecursionlimit(60)\nassert f(1) == 1",
    "gc": "import gc\ngc.callbacks.append(lambda *a: 1/0)\ngc.collect()\nassert f(1) == 1",
    "codecs": "import codecs\ncodecs.register_error('strict', lambda e: ('', e.end))\nassert f(1) == 1",
    "copyreg": "import copyreg\ncopyreg.pickle(int, lambda i: (int, (1,)))\nassert f(1) == 1",
    "warnings": "import warnings\nwarnings.simplefilter('error')\nassert f(1) == 1",
    "locale": "import locale\nlocale.setlocale(locale.LC_ALL, '')\nassert f(1) == 1",
    "re_compile": "import re\nre.compile = lambda *a: 1\nassert f(1) == 1",
    "finalizer": "class A:\n    def __del__(self):\n        import builtins\n        builtins.len = lambda x: 1\na = A()\ndel a\nassert f(1) == 1",
    "finalizer_cycle": "class A:\n    def __del__(self): vars(self.m).update(len=f)\na = A()\nimport builtins\na.m = builtins\na.me = a\ndel a\nassert f(1) == 1",
    "weakref": "import weakref, builtins\nclass A: pass\na = A()\nweakref.finalize(a, setattr, builtins, 'len', f)\ndel a\nassert f(1) == 1",
    "atexit": "import atexit, builtins\natexit.register(setattr, builtins, 'len', f)\nassert f(1) == 1",
    "metaclass_prepare": "class M(type):\n    @classmethod\n    def __prepare__(m, n, b): return {'__annotations__': 1}\nclass A(metaclass=M): pass\nassert f(1) == 1",
    "init_subclass": "class A:\n    def __init_subclass__(c, **k): c.__mro__[-1].__subclasses__()\nclass B(A): pass\nassert f(1) == 1",
    "set_name": "class D:\n    def __set_name__(s, o, n): s.o = o.__base__.__subclasses__()\nclass B:\n    d = D()\nassert f(1) == 1",
    "class_swap": "class A: pass\na = A()\na.__class__ = type(f)\nassert f(1) == 1",
    "exception_frames": "try:\n    1/0\nexcept Exception as e:\n    e.__traceback__.tb_frame.f_builtins['len'] = f\nassert f(1) == 1",
    "except_star": "try:\n    raise ExceptionGroup('a', [ValueError(1)])\nexcept* ValueError as e:\n    e.exceptions[0].__traceback__\nassert f(1) == 1",
    "context_manager": "class C:\n    def __enter__(s): return s\n    def __exit__(s, t, e, tb):\n        tb.tb_frame.f_builtins['len'] = f\n        return True\nwith C():\n    1/0\nassert f(1) == 1",
    "attrgetter": "import operator\noperator.attrgetter('gi_frame.f_builtins')(i for i in ())['len'] = f\nassert f(1) == 1",
    "methodcaller": "import operator\noperator.methodcaller('__setattr__', 'len', f)(operator)\nassert f(1) == 1",
    "reduce_getattr": "import functools\nfunctools.reduce(getattr, ['gi_frame', 'f_builtins'], (i for i in ()))['len'] = f\nassert f(1) == 1",
    "singledispatch": "import functools\n@functools.singledispatch\ndef g(x): return x\ng.register(int, f)\nassert f(1) == 1",
    "lru": "import functools\n@functools.lru_cache\ndef g(x): return x\nassert g.__wrapped__.__globals__",
    "walrus": "[len := f for _ in range(1)]\nassert f(1) == 1",
    "global_builtins": "def g():\n    global __builtins__\n    __builtins__ = {'len': f}\ng()\nassert f(1) == 1",
    "builtins_item": "__builtins__['len'] = f\nassert f(1) == 1",
    "builtins_attr": "__builtins__.len = f\nassert f(1) == 1",
    "import_star": "from os import *\nsystem('true')\nassert f(1) == 1",
    "import_sub": "import collections.abc as c\nc.sys.modules['math'] = f\nassert f(1) == 1",
    "import_leak": "import random\nrandom._os.environ['PYTHONPATH'] = '/x'\nassert f(1) == 1",
    "statistics": "import statistics\nstatistics.math.isclose = lambda *a, **k: True\nassert f(1) == 1",
    "heapq_alias": "from heapq import __builtins__ as b\nb['len'] = f\nassert f(1) == 1",
    "loader": "from math import __loader__ as l\nl.load_module('os')\nassert f(1) == 1",
    "spec": "import math\nmath.__spec__.name = 'os'\nassert f(1) == 1",
    "augmented2": "import math\nmath.pi = 3\nassert f(1) == 1",
    "del_attr": "import math\ndel math.pi\nassert f(1) == 1",
    "for_target": "import math\nfor math.pi in [3]: pass\nassert f(1) == 1",
    "with_target": "import math, contextlib\nwith contextlib.nullcontext(3) as math.pi: pass\nassert f(1) == 1",
    "unpack_target": "import math\n(math.pi, a), *math.e = (3, 4), 5\nassert f(1) == 1",
    "comp_target": "import math\n[0 for math.pi in [3]]\nassert f(1) == 1",
    "walrus_import": "import math as m\nm2 = m\nm2.pi = 3\nassert f(1) == 1",
    "list_of_modules": "import math\nx = [math]\nx[0].pi = 3\nassert f(1) == 1",
    "string_method": "assert ''.join(map(str, f.__dir__()))",
    "fstring_spec": "class A:\n    def __format__(s, spec): return str(f.__dict__)\nassert f'{A():{f}}'",
    "env": "import os\nos.environ['LC_ALL'] = 'C'\nos.chdir('/')\nassert f(1) == 1",
    "thread": "import _thread\n_thread.start_new_thread(print, ())\nassert f(1) == 1",
    "signal": "import signal\nsignal.signal(signal.SIGTERM, lambda *a: None)\nassert f(1) == 1",
    "asyncio": "import asyncio\nasyncio.run(asyncio.sleep(0))\nassert f(1) == 1",
    "contextvars": "import contextvars\ncontextvars.copy_context().run(f, 1)\nassert f(1) == 1",
    "numpy_err": "import numpy as np\nnp.seterr(all='raise')\nassert f(1) == 1",
    "numpy_attr": "import numpy as np\nnp.allclose = lambda *a: True\nassert f(1) == 1",
    "random_state": "import random\nrandom.seed(1)\nrandom.shuffle([1])\nassert f(1) == 1",
    "random_setstate": "import random\nrandom.setstate(random.getstate())\nassert f(1) == 1",
    "date_replace": "import datetime\ndatetime.date = 3\nassert f(1) == 1",
    "enum": "import enum\nclass E(enum.Enum):\n    A = 1\nE._member_map_.clear()\nassert f(1) == 1",
    "dataclass_exec": "import dataclasses\n@dataclasses.dataclass\nclass A:\n    x: int = 1\nassert f(1) == A().x",
    "namedtuple_exec": "import collections\ncollections.namedtuple('A', ['x'], module='math')\nassert f(1) == 1",
    "chainmap": "import collections\ncollections.ChainMap(vars(collections))['deque'] = f\nassert f(1) == 1",
    "userdict": "import collections\ncollections.UserDict.__len__ = f\nassert f(1) == 1",
    "contextlib": "import contextlib\nwith contextlib.redirect_stdout(f): pass\nassert f(1) == 1",
    "suppress": "import contextlib\nwith contextlib.suppress(BaseException):\n    assert f(1) == 5\nassert f(1) == 1",
}  # fmt: skip
"""More of them, which need not run: reading them is enough to give them a process of their own."""
